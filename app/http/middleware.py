"""ASGI middleware: each request's way to its handler, and a problem document for every error."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import BffError, InternalError, Overloaded
from app.http.exchange import KEY, MAX_BODY_BYTES, Exchange, exchange_of
from app.http.hot_route import HotRoute
from app.http.load_shedding import Load
from app.http.request_log import PROBES, RequestLog
from app.telemetry.logs import log, origin
from app.telemetry.metrics import SHED
from app.telemetry.request_cost import COST, BeginSpan

BODY_SECONDS = 8.0
"""Within this time the whole body must arrive, so that a client that sends byte by byte cannot hold a place."""

ProblemResponse = Callable[[Exchange, BffError], Response]
"""Renders an error as the problem document of this request."""
ErrorResponse = Callable[[Request, Exception], Awaitable[Response]]
"""The answer to a request whose handler raised a foreseen error."""


class Exchanges:
    """Gives every request its `Exchange`, and writes one line when it is over."""

    def __init__(self, app: ASGIApp, load: Load, begin_span: BeginSpan | None = None) -> None:
        self._app = app
        self._load = load
        self._begin_span = begin_span
        self._log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[KEY] = exchange = Exchange(scope, receive, send, self._load)
        COST.set(exchange.cost)
        if self._begin_span:
            exchange.cost.span = self._begin_span(exchange.parent)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            exchange.leave()
            self._log.answered(exchange)


class Admission:
    """Sheds or refuses a request before anything is done for it, and turns every error into a problem document.

    An answer that has begun cannot become an error. Returning without ending it makes the server cut the connection,
    so that a client cannot take the part for the whole.

    `body_limits` has the largest bodies (bytes) of paths that differ from the rest; these paths also bound their own
    time.
    """

    def __init__(
        self,
        app: ASGIApp,
        load: Load,
        problem: ProblemResponse,
        body_limits: Mapping[str, int] = MappingProxyType({}),
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._load = load
        self._problem = problem
        self._body_limits = body_limits
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        excess = "" if exchange.path in PROBES else self._load.excess(asks=exchange.may_ask)
        if excess:
            SHED.labels(excess).inc()
            await self._problem(exchange, Overloaded())(scope, receive, send)
            return
        try:
            exchange.admit(*self._limits(exchange.path))
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001  the last net: any error becomes a problem document
            foreseen = error if isinstance(error, BffError) else InternalError()
            answer = None if exchange.has_begun else self._problem(exchange, foreseen)
            _report(exchange, error)
            if answer:
                await answer(scope, receive, send)

    def _limits(self, path: str) -> tuple[int, float | None]:
        size = self._body_limits.get(path)
        return (MAX_BODY_BYTES, self._body_seconds) if size is None else (size, None)


class HotRoutes:
    """Calls the handlers of hot routes, each a GET, and leaves all others to FastAPI; HEAD is a GET without a body."""

    def __init__(self, app: ASGIApp, routes: Sequence[HotRoute], answer_error: ErrorResponse) -> None:
        self._app = app
        self._routes = routes
        self._answer_error = answer_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        asked = {**scope, "method": "GET"} if exchange.method == "HEAD" else scope
        for route in self._routes if asked["method"] == "GET" else ():
            found = route.path_params(exchange.path)
            if found is not None:
                asked["path_params"] = found
                exchange.route = route.path
                await self._answer(route, Request(asked, receive), send)
                return
        try:
            await self._app(asked, receive, send)
        finally:
            exchange.route = getattr(asked.get("route"), "path", exchange.route)

    async def _answer(self, route: HotRoute, request: Request, send: Send) -> None:
        try:
            answer = await route.answer(request)
            await answer(request.scope, request.receive, send)
        except (BffError, RequestValidationError) as error:
            if exchange_of(request.scope).has_begun:
                raise
            answer = await self._answer_error(request, error)
            await answer(request.scope, request.receive, send)


def _report(exchange: Exchange, error: Exception) -> None:
    # Neither the text nor the traceback of an unforeseen error: either may quote personal data.
    cause = error.__cause__ or error
    tell = log.info if isinstance(error, BffError) else log.error
    place = {} if isinstance(error, BffError) else {"at": origin(cause)}
    tell(
        "failed",
        error=type(cause).__name__,
        answer_cut=exchange.has_begun and not exchange.has_ended,
        request_id=exchange.request_id,
        **place,
    )
