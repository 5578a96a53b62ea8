"""Which answers are given again, to whom, and for how long."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.cors import Cors
from app.http.load import Load
from app.http.middleware import RequestLog
from app.http.public_answers import PublicAnswers

PUBLIC = {"Cache-Control": "public, max-age=60", "Vary": "Accept-Language"}
Pairs = list[tuple[str, str]]


class Shop:
    """An app that numbers its answers, each made as it was told."""

    def __init__(self, kind: type[Response] = PlainTextResponse, status: int = 200, **headers: str) -> None:
        self._numbers = itertools.count(1)
        self._kind = kind
        self._status = status
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()} or PUBLIC

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers."""
        text = str(next(self._numbers))
        content: Any = _parts(text) if self._kind is StreamingResponse else text
        await self._kind(content, self._status, self._headers)(scope, receive, send)


async def _parts(text: str) -> AsyncIterator[str]:
    yield text


async def got(app: ASGIApp, headers: Pairs | None = None, **changes: Any) -> tuple[str, Pairs]:
    """The text and the headers of an answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return await asyncio.Future()

    raw = [(name.encode(), value.encode()) for name, value in headers or []]
    asked = {"type": "http", "method": "GET", "path": "/portal", "query_string": b"", "headers": raw}
    await app(asked | changes, receive, send)
    text = b"".join(message.get("body", b"") for message in sent).decode()
    return text, [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]


async def test_a_public_answer_is_given_again() -> None:
    """Whoever asks the same meanwhile gets the same, with a cookie too; after its time it is made anew."""
    app = PublicAnswers(Shop(), seconds=60)
    first = await got(app)
    assert await got(app) == await got(app, [("cookie", "session=1")]) == first
    assert first[0] == "1"
    over = PublicAnswers(Shop(), seconds=0)
    assert [(await got(over))[0], (await got(over))[0]] == ["1", "2"]


@pytest.mark.parametrize(
    ("headers", "changes"),
    [
        ([("accept-language", "nl")], {}),
        ([("accept-language", "de,en")], {}),
        ([("if-none-match", '"tag"')], {}),
        ([("if-modified-since", "Mon, 23 Nov 2026 16:00:00 GMT")], {}),
        ([("range", "bytes=0-1")], {}),
        ([], {"query_string": b"language=nl"}),
        ([], {"path": "/another"}),
        ([], {"method": "HEAD"}),
        ([], {"method": "POST"}),
    ],
    ids=str,
)
async def test_another_question_has_its_own_answer(headers: Pairs, changes: dict[str, Any]) -> None:
    """Nobody gets what was made for another language, path, query, method, or without a condition."""
    app = PublicAnswers(Shop(), seconds=60)
    await got(app)
    await got(app, [("accept-language", "de"), ("accept-language", "en")])
    assert (await got(app, headers, **changes))[0] in {"3", ""}
    assert (await got(app))[0] == "1"


@pytest.mark.parametrize(
    "shop",
    [
        partial(Shop, cache_control="private, max-age=60"),
        partial(Shop, vary="Accept-Language"),
        partial(Shop, cache_control="public", vary="Cookie"),
        partial(Shop, cache_control="public", set_cookie="session=1"),
        partial(Shop, status=404),
        partial(Shop, status=304),
        partial(Shop, StreamingResponse),
    ],
    ids=["private", "unsaid", "varies", "cookie", "error", "not modified", "streamed"],
)
async def test_all_other_answers_are_made_each_time(shop: Callable[[], Shop]) -> None:
    """What is not public, not whole, not plain, or sets a cookie is for whoever asked."""
    app = PublicAnswers(shop(), seconds=60)
    await got(app)
    assert (await got(app))[0] == "2"


async def test_what_is_of_one_request_is_not_repeated() -> None:
    """The request id, the permission of an origin and the farewell of a replica are each answer's own."""
    load = Load(1, 0.25)
    app = RequestLog(Cors(PublicAnswers(Shop(), seconds=60), origins=["https://shop.example"]), load)
    stranger = dict((await got(app, [("origin", "https://other.example")]))[1])
    known = dict((await got(app, [("origin", "https://shop.example")]))[1])
    load.draining = True
    text, last = await got(app)
    assert text == "1"
    assert [name for name, _ in last].count("x-request-id") == 1
    assert len({answer["x-request-id"] for answer in (stranger, known, dict(last))}) == 3
    assert known["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in stranger.keys() | dict(last).keys()
    assert dict(last)["connection"] == "close"
    assert "connection" not in known
