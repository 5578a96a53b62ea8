"""ASGI middleware: request ids, one log line for each request, shedding, limits, a problem for every error."""

import asyncio
import itertools
import re
import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BffError, BodyTooLarge, BodyTooSlow, HeadersTooLarge, InternalError, Overloaded
from app.http.load import InFlightSlot, Load
from app.telemetry.cost import COST, BeginSpan, Cost
from app.telemetry.journeys import JourneySteps
from app.telemetry.logs import log
from app.telemetry.metrics import LATENCY, PROBLEMS, REQUESTS, SHED

MAX_HEADER_BYTES = 32 * 1024
MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 8.0
"""Within this time the whole body must arrive, so that a client that sends byte by byte cannot hold a place."""
NEVER_SHED = frozenset({"/livez", "/readyz", "/metrics"})
MAY_ASK = ("/v1/brands/", "/v1/service-points")
"""Below these paths a request may wait for the upstream; creations have bounds of their own."""
METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})
WHO_ASKED = ("brand", "partner", "journey")
"""Members of the request's state that go into the log line: names of ours and a pseudonym, nothing personal."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, version 00; neither id may be all zeros."""

RawHeaders = Iterable[tuple[bytes, bytes]]
_PROCESS = secrets.token_urlsafe(9)
_NUMBERS = itertools.count(1)
"""Together they make an id that is unique in the fleet, and cheaper than a random one."""

ProblemResponse = Callable[[Scope, BffError], Response]
"""Renders an error as the problem document of this request."""


class RequestLog:
    """Gives every request an id and its answer the headers that all answers carry; logs one line when it is over.

    Headers that a handler leaves in `request.state.answer_headers` go with the answer too, even with an error.
    """

    def __init__(self, app: ASGIApp, load: Load, begin_span: BeginSpan | None = None) -> None:
        self._app = app
        self._load = load
        self._begin_span = begin_span
        self._journeys = JourneySteps()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 0
        COST.set(cost := Cost())
        if self._begin_span:
            cost.span = self._begin_span(_traceparent(scope))

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._added(scope, message["headers"])]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _record(scope, status, time.perf_counter() - started, cost, self._journeys)

    def _added(self, scope: Scope, headers: RawHeaders) -> Iterator[tuple[bytes, bytes]]:
        state = scope["state"]
        yield b"x-request-id", state["request_id"].encode()
        yield b"x-content-type-options", b"nosniff"
        if not any(name == b"cache-control" for name, _ in headers):
            yield b"cache-control", b"private, no-store"
        for name, value in state.get("answer_headers", {}).items():
            yield name.lower().encode(), value.encode()
        if self._load.draining:
            yield b"connection", b"close"


class Shedding:
    """Sheds a request at once, before anything is done for it, while this replica has too much to do."""

    def __init__(self, app: ASGIApp, problem: ProblemResponse, load: Load) -> None:
        self._app = app
        self._problem = problem
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asks = scope["path"].startswith(MAY_ASK)
        excess = "" if scope["path"] in NEVER_SHED else self._load.excess(asks=asks)
        if excess:
            SHED.labels(excess).inc()
            await self._problem(scope, Overloaded())(scope, receive, send)
            return
        await self._counted(InFlightSlot(self._load, asks=asks), scope, receive, send)

    async def _counted(self, place: InFlightSlot, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts the request as worked on from the end of its body until its answer begins or it waits for news."""

        async def receive_and_take() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                place.take()
            return message

        async def send_and_leave(message: Message) -> None:
            place.leave()
            await send(message)

        scope["state"]["place"] = place
        if not _has_body(scope):
            place.take()
        try:
            await self._app(scope, receive_and_take, send_and_leave)
        finally:
            place.leave()


class RequestLimits:
    """Refuses a request that is too large before it is read, and turns an unforeseen error into a problem document.

    An answer that has begun cannot become an error. Returning without ending it makes the server cut the connection,
    so that a client cannot take the part for the whole.

    `body_limits` has the largest bodies (bytes) of paths that differ from the rest; these paths also bound their own
    time.
    """

    def __init__(
        self,
        app: ASGIApp,
        problem: ProblemResponse,
        body_limits: Mapping[str, int] = MappingProxyType({}),
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._problem = problem
        self._body_limits = body_limits
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_and_see(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            body_limit = self._body_limits.get(scope["path"], MAX_BODY_BYTES)
            seconds = None if scope["path"] in self._body_limits else self._body_seconds
            _check_sizes(scope, body_limit)
            await self._app(scope, _limited(receive, body_limit, seconds), send_and_see)
        except Exception as error:  # noqa: BLE001  the last net: any error becomes a problem document
            foreseen = error if isinstance(error, BffError) else InternalError()
            answer = None if begun else self._problem(scope, foreseen)
            _report(scope, error, begun=begun)
            if answer:
                await answer(scope, receive, send)


def _check_sizes(scope: Scope, body_limit: int) -> None:
    size, announced = 0, b"0"
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"content-length":
            announced = value
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge
    if len(announced) > len(str(body_limit)) or (announced.isdigit() and int(announced) > body_limit):
        raise BodyTooLarge


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _limited(receive: Receive, body_limit: int, seconds: float | None) -> Receive:
    received = 0
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds

    async def receive_some() -> Message:
        nonlocal received, deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if not message.get("more_body", False):
            # From here on, `receive` waits for the caller to leave.
            deadline = None
        received += len(message.get("body", b""))
        if received > body_limit:
            raise BodyTooLarge
        return message

    return receive_some


def _request_id(headers: Headers) -> str:
    # A caller's id goes into our logs, so it must look like an id.
    proposed = headers.get("x-request-id", "")
    return proposed if _REQUEST_ID.fullmatch(proposed) else f"{_PROCESS}-{next(_NUMBERS)}"


def _record(scope: Scope, status: int, seconds: float, cost: Cost, journeys: JourneySteps) -> None:
    route = getattr(scope.get("route"), "path", "unknown")
    # Otherwise a caller could make any number of label values by inventing methods.
    method = scope["method"] if scope["method"] in METHODS else "other"
    REQUESTS.labels(route, method, status).inc()
    LATENCY.labels(route, method).observe(seconds)
    journeys.answered(scope["state"].get("brand"), method, route, status)
    problem = scope["state"].get("problem")
    if problem:
        PROBLEMS.labels(problem).inc()
    if cost.span:
        cost.span.answered(method, route, status, problem)
    if route in NEVER_SHED and status < HTTPStatus.BAD_REQUEST:
        # Probes come every few seconds.
        return
    log.info(
        "request",
        route=route,
        method=method,
        status=status,
        ms=round(seconds * 1000, 1),
        upstream_calls=cost.upstream_calls,
        request_id=scope["state"]["request_id"],
        **{name: scope["state"][name] for name in WHO_ASKED if name in scope["state"]},
        **_trace(scope, cost),
    )


def _trace(scope: Scope, cost: Cost) -> dict[str, str]:
    if cost.span:
        return {"trace_id": cost.span.trace_id}
    found = _traceparent(scope)
    return {"trace_id": found[1]} if found else {}


def _traceparent(scope: Scope) -> re.Match[str] | None:
    # Like a request id, it must look like one. Two of them count as none.
    return _TRACEPARENT.fullmatch(",".join(Headers(scope=scope).getlist("traceparent")))


def _report(scope: Scope, error: Exception, *, begun: bool) -> None:
    # Neither the text nor the traceback of an unforeseen error: either may quote personal data.
    cause = error.__cause__ or error
    tell = log.info if isinstance(error, BffError) else log.error
    place = {} if isinstance(error, BffError) else {"at": _place(cause)}
    tell("failed", error=type(cause).__name__, answer_cut=begun, request_id=scope["state"]["request_id"], **place)


def _place(error: BaseException) -> str:
    """The module and line of ours that an error came from, never its text."""
    frames = [(frame.f_globals.get("__name__", ""), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return next((f"{name}:{line}" for name, line in reversed(frames) if name.startswith("app.")), "unknown")
