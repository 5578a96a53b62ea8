"""The files of the reference page fit together."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path("app/sandbox/page")
SCRIPTS = sorted(PAGE.glob("*.js"))
LANGUAGES = sorted(path.stem for path in PAGE.glob("words/*.json"))


def _words(language: str) -> dict[str, Any]:
    words: dict[str, Any] = json.loads((PAGE / f"words/{language}.json").read_text("utf-8"))
    return words


def _texts(words: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in words.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{above}{name}.")
        else:
            yield above + name, value


ENGLISH = dict(_texts(_words("en")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language: str) -> None:
    """A language has the texts of the English file and no others, with the same places to fill in."""
    texts = dict(_texts(_words(language)))
    assert texts.keys() == ENGLISH.keys()
    for name, text in texts.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", ENGLISH[name])), name


def test_every_language_can_be_chosen() -> None:
    """The choice of languages in the page names the files with their words."""
    chosen = re.findall(r'<option value="(\w+)"', (PAGE / "index.html").read_text("utf-8"))
    assert sorted(chosen) == LANGUAGES


def test_every_text_that_the_page_says_is_there() -> None:
    """A text that a script names literally stands in the file of words."""
    words, said = _words("en"), set[str]()
    for script in SCRIPTS:
        said |= set(re.findall(r"""say\("([\w.-]+)\"""", script.read_text("utf-8")))
    assert said
    for name in said:
        found: Any = words
        for part in name.split("."):
            assert part in found, name
            found = found[part]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_short(script: Path) -> None:
    """A script of the page has at most 300 lines."""
    assert len(script.read_text("utf-8").splitlines()) <= 300


def test_scripts_are_loaded_side_by_side() -> None:
    """The page names each of its scripts but the sandbox's, so that browsers load none after another."""
    named = re.findall(r'(?:src|href)="(\w+\.js)"', (PAGE / "index.html").read_text("utf-8"))
    assert sorted(named) == [script.name for script in SCRIPTS if script.name != "sandbox.js"]
