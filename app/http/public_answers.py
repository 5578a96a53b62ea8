"""ASGI middleware that keeps public answers for a second."""

import time
from collections import OrderedDict
from http import HTTPStatus
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT_SECONDS = 1.0
ANSWERS = 256
CONDITIONS = frozenset({b"if-none-match", b"if-modified-since", b"range"})
"""A request with one of these headers is not answered from here. Credentials do not matter to a public answer."""

Key = tuple[str, bytes, tuple[bytes, ...]]


class Kept(NamedTuple):
    """A whole answer, its route, and until when it is given again (seconds of a monotonic clock)."""

    start: Message
    body: Message
    route: object
    until: float


class PublicAnswers:
    """Gives a public answer to all who ask within a second, without making it again.

    An answer is public if its `Cache-Control` says so; of the request, only path, query and `Accept-Language` count.
    """

    def __init__(self, app: ASGIApp, seconds: float = KEPT_SECONDS) -> None:
        self._app = app
        self._seconds = seconds
        self._kept: OrderedDict[Key, Kept] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        key = _key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        kept = self._kept.get(key)
        if kept and time.monotonic() < kept.until:
            scope["route"] = kept.route
            await send({**kept.start, "headers": [*kept.start["headers"]]})
            await send(kept.body)
            return
        start: Message = {}

        async def send_and_keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = {**message, "headers": [*message["headers"]]}
            elif start and _is_public(start) and not message.get("more_body", False):
                self._keep(key, Kept(start, message, scope.get("route"), time.monotonic() + self._seconds))
            else:
                start = {}
            await send(message)

        await self._app(scope, receive, send_and_keep)

    def _keep(self, key: Key, kept: Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        if len(self._kept) > ANSWERS:
            self._kept.popitem(last=False)


def _key(scope: Scope) -> Key | None:
    """The parts of the request that the answer depends on; None if it may depend on more."""
    if scope["type"] != "http" or scope["method"] != "GET" or any(name in CONDITIONS for name, _ in scope["headers"]):
        return None
    # Not joined, because the handler reads only the first of two lines.
    languages = tuple(value for name, value in scope["headers"] if name == b"accept-language")
    return scope["path"], scope["query_string"], languages


def _is_public(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    public = headers.get("cache-control", "").startswith("public") and "set-cookie" not in headers
    return start["status"] == HTTPStatus.OK and public and headers.get("vary", "Accept-Language") == "Accept-Language"
