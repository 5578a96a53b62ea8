"""Problems in the reader's language."""

import json
import re
from typing import get_args

import httpx
import pytest

from app.domain import WhyNot
from app.http.load_shedding import Load
from app.http.problem_types import ALL_PROBLEM_TYPES
from app.http.problem_types.texts import FILES, LANGUAGES, TRANSLATIONS, language_for, text_of, why_not_text
from app.returns.checks.return_methods import Missing
from tests.unit.test_problems import SECRET, app_with_problems

NAMES = re.compile(
    r"\d+|Idempotency-Key|Retry-After|X-Partner-Key|Location|Allow|errors|request_id"
    r"|JPEG|PNG|WebP|GIF|HEIC|JSON|UTF-8|ASCII|[KM]iB|MB|application/json|multipart/form-data|\{\w*\}"
)
"""What no translation may lose: numbers, units, names of the protocol and places to fill in."""


def client(load: Load) -> httpx.AsyncClient:
    """A client of a small application that answers errors as the service does."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app_with_problems(load=load)), base_url="http://bff.example")


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_problem_is_translated(language: str) -> None:
    """Each problem has a title without a full stop and sentences that help, with the numbers and names of English."""
    for kind in ALL_PROBLEM_TYPES.values():
        title, detail = text_of(kind, language)
        assert re.fullmatch(r"\S.*[^.]", title), kind.code
        assert re.fullmatch(r"\S.*\.", detail), kind.code
        assert (title, detail) != (kind.title, kind.detail), kind.code
        for english, translated in ((kind.title, title), (kind.detail, detail)):
            assert set(NAMES.findall(translated)) == set(NAMES.findall(english)), kind.code


def test_one_file_for_each_language() -> None:
    """Files hold the texts of existing problems alone, and say whether a second reader has gone through them."""
    files = {file.stem: json.loads(file.read_text("utf-8")) for file in FILES.glob("*.json")}
    assert {name for name, file in files.items() if not file["reviewed"]} == {"de", "fr", "es", "it", "pl"}
    assert set(LANGUAGES) == {*files}
    english = files.pop("en")
    assert english.keys() == {"reviewed", "why_not"}
    for file in files.values():
        assert file["problems"].keys() == ALL_PROBLEM_TYPES.keys()
        assert file["why_not"].keys() == english["why_not"].keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "code",
    [*get_args(WhyNot), *get_args(Missing), "not-returnable-online", "nothing-left-to-return", "nothing-returnable"],
)
def test_every_reason_has_words(language: str, code: str) -> None:
    """Whatever keeps items, return methods or an order from a return is told by a title and a sentence."""
    text = why_not_text(code, language)
    assert text
    assert re.fullmatch(r"\S.*[^.]", text.title)
    assert re.fullmatch(r"\S.*\.", text.detail)


@pytest.mark.parametrize("code", [None, "a-later-word"])
def test_no_words_for_no_reason(code: str | None) -> None:
    """Where nothing stands in the way, or the word is unknown, no text is made up."""
    assert why_not_text(code, "nl") is None


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("nl", "nl"),
        ("nl-BE", "nl"),
        ("DE-at", "de"),
        ("fr;q=0.2, it;Q=0.9, pl;q=0.5", "it"),
        ("en-US, nl;q=0.9", "en"),
        ("sv, es;q=0.1", "es"),
        ("nl;q=0, fr;q=0.1", "fr"),
        ("*", "en"),
        ("*;q=0.5, nl;q=0.1", "en"),
        ("nl;q=0.6, *;q=0.5", "nl"),
        ("xx", "en"),
        ("nl;q=5, ../../nl, n\x00l", "en"),
        ("nl" * 4096, "en"),
        ("x," * 4096 + "nl", "en"),
        ("nl" + " " * 8192 + ";" + " " * 8192 + "q", "en"),
    ],
)
def test_the_language_is_negotiated(header: str, language: str) -> None:
    """The best language of the header that we have is spoken; unknown and hostile headers give English."""
    assert language_for(header) == language


async def test_a_problem_in_the_readers_language() -> None:
    """Title and detail are translated, the code is not, and caches learn what the answer depends on."""
    async with client(Load(1, 0.25)) as opened:
        dutch = await opened.get(
            "/raise_it?name=NoLabel", headers=[("accept-language", "xx"), ("accept-language", "nl")]
        )
        english = await opened.get("/raise_it?name=NoLabel")
    assert (dutch.headers["content-language"], english.headers["content-language"]) == ("nl", "en")
    assert dutch.headers["vary"] == english.headers["vary"] == "Accept-Language"
    assert dutch.json()["code"] == english.json()["code"] == "no-label"
    assert dutch.json()["title"] == "Deze retour heeft geen label"
    assert SECRET not in dutch.text


async def test_a_request_that_is_shed_is_answered_in_its_language() -> None:
    """A request that is turned away unread is still answered in its language."""
    async with client(Load(0, 0.25)) as opened:
        answer = await opened.get("/raise_it?name=NoLabel", headers={"accept-language": "fr-CA, en;q=0.5"})
    assert (answer.status_code, answer.headers["content-language"]) == (503, "fr")
    assert answer.json()["title"] == "Le service est surchargé"


async def test_headers_that_are_too_large_are_answered_in_english() -> None:
    """A language that stands behind kilobytes of others is not looked for."""
    async with client(Load(1, 0.25)) as opened:
        answer = await opened.get("/raise_it?name=NoLabel", headers={"accept-language": "x," * 20_000 + "nl"})
    assert (answer.json()["code"], answer.headers["content-language"]) == ("headers-too-large", "en")
