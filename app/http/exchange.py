"""One exchange: a request and its answer, with the request's limits and the headers of every answer."""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Mapping
from types import MappingProxyType

from starlette.types import Message, Receive, Scope, Send

from app.errors import BodyTooLarge, BodyTooSlow, HeadersTooLarge, RouteNotFound
from app.http.callers.session_id import SessionId
from app.http.load_shedding import InFlightSlot, Load
from app.telemetry.request_cost import Cost

MAX_HEADER_BYTES = 32 * 1024
MAX_BODY_BYTES = 64 * 1024
MAY_ASK = ("/v1/brands/", "/v1/service-points")
"""Below these paths a request may wait for the upstream; creations have bounds of their own."""
KEY = "exchange"
_READ = frozenset({b"content-length", b"transfer-encoding", b"x-request-id", b"origin", b"traceparent"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, version 00; neither id may be all zeros."""
_PROCESS = secrets.token_urlsafe(9)
_NUMBERS = itertools.count(1)
"""Together they make an id that is unique in the fleet, and cheaper than a random one."""


class Exchange:
    """One request and its answer; handlers find theirs by `exchange_of`.

    Handlers leave here the caller's members of the log line (`brand`, `partner`, `journey`: names of ours and a
    pseudonym, nothing personal), the session to end when the upstream refuses its tokens, and headers that go
    with the answer, an error included. A POST counts as work from the end of its body, any other request from its
    beginning, until its answer begins.
    """

    brand: str | None = None
    partner: str | None = None
    journey: str | None = None
    session_id: SessionId | None = None
    answer_headers: Mapping[str, str] = MappingProxyType({})
    varies_by_origin = False
    """Whether the answer says that a page would get another one."""
    problem: str | None = None
    """The code of the problem that is the answer."""
    route = "unknown"
    """The template of the path."""
    status = 0
    """The status of the answer; 0 until it begins."""
    has_begun = False
    """Whether the answer has begun, so that it cannot become another one."""
    has_ended = False
    """Whether all of the answer was sent."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, load: Load) -> None:
        self.started = time.perf_counter()
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.may_ask = self.path.startswith(MAY_ASK)
        self.cost = Cost()
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive
        self._send = send
        self._load = load
        self._slot = InFlightSlot(load, asks=self.may_ask)
        self._body_limit = MAX_BODY_BYTES
        self._body_deadline: float | None = None
        self._received = 0
        self._is_whole = False
        self._read_head()

    def _read_head(self) -> None:
        self._head_bytes = 0
        found: dict[bytes, list[bytes]] = {}
        for name, value in self._headers:
            self._head_bytes += len(name) + len(value)
            if name in _READ:
                found.setdefault(name, []).append(value)
        lengths = found.get(b"content-length", [b"0"])
        self._announced = lengths[-1]
        self._has_body = b"transfer-encoding" in found or lengths != [b"0"]
        self.has_origin = b"origin" in found
        self._take_ids(next(filter(None, found.get(b"x-request-id", [])), b""), found.get(b"traceparent", []))

    def _take_ids(self, proposed: bytes, parents: list[bytes]) -> None:
        # A caller's ids go into our logs, so they must look like ids. Two parents count as none.
        text = proposed.decode("latin-1")
        self.request_id = text if _REQUEST_ID.fullmatch(text) else f"{_PROCESS}-{next(_NUMBERS)}"
        self.parent = _TRACEPARENT.fullmatch(b",".join(parents).decode("latin-1")) if parents else None

    @property
    def accept_language(self) -> str:
        """All Accept-Language fields of the request as one."""
        return ",".join(value.decode("latin-1") for name, value in self._headers if name == b"accept-language")

    def admit(self, body_limit: int, body_seconds: float | None) -> None:
        """Admits the request, with a body of at most so many bytes that arrives in time.

        Raises:
            RouteNotFound: its path ends with a line feed.
            HeadersTooLarge: its headers exceed their limit.
            BodyTooLarge: its body is announced with more.
        """
        # No other method has a handler that reads a body.
        reads_body = self.method == "POST"
        if not (reads_body and self._has_body):
            self._slot.take()
        if self.path.endswith("\n"):
            # Patterns of routes match such a path without its end, and a gateway may keep `/metrics` private.
            raise RouteNotFound
        if self._head_bytes > MAX_HEADER_BYTES:
            raise HeadersTooLarge
        if _exceeds(self._announced, body_limit):
            raise BodyTooLarge
        self._body_limit = body_limit
        if reads_body and body_seconds is not None:
            self._body_deadline = asyncio.get_running_loop().time() + body_seconds

    async def receive(self) -> Message:
        """The next part of the body, counted and timed; after the last one, the message that the caller left.

        Raises:
            BodyTooSlow: the body did not end in time.
            BodyTooLarge: more came than may.
        """
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._body_deadline):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if not message.get("more_body", False):
            self._is_whole = True
            self._slot.take()
        self._received += len(message.get("body", b""))
        if self._received > self._body_limit:
            raise BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        """Sends a part of the answer; its head gets the headers that every answer carries."""
        self.has_begun = True
        self._slot.leave()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._completed(message["headers"])
        else:
            self.has_ended = not message.get("more_body")
        await self._send(message)

    def _completed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        whole = [*headers, (b"x-request-id", self.request_id.encode()), (b"x-content-type-options", b"nosniff")]
        names = [name for name, _ in headers]
        if b"cache-control" not in names:
            whole.append((b"cache-control", b"private, no-store"))
        if self.varies_by_origin and b"vary" in names:
            place = names.index(b"vary")
            whole[place] = b"vary", headers[place][1] + b", Origin"
        elif self.varies_by_origin:
            whole.append((b"vary", b"Origin"))
        whole += [(name.lower().encode(), value.encode()) for name, value in self.answer_headers.items()]
        if self._load.draining:
            whole.append((b"connection", b"close"))
        return whole

    def leave(self) -> None:
        """Counts the request no longer as worked on: it is over, or only waits from now on."""
        self._slot.leave()


def _exceeds(announced: bytes, limit: int) -> bool:
    return len(announced) > len(str(limit)) or (announced.isdigit() and int(announced) > limit)


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of this request."""
    exchange: Exchange = scope[KEY]
    return exchange
