"""The stand-in for both upstream hosts: `python -m app.sandbox.upstream`, one process with two listeners."""

import argparse
import asyncio
import contextlib
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.sandbox import portal, service_points
from app.sandbox.answers import Answer, Refused
from app.sandbox.control import Control
from app.sandbox.ledger import Ledger
from app.sandbox.rate_limits import RateLimits
from app.sandbox.scenarios import PAGE

CONTROL = "/_sandbox/"
Handler = Callable[[portal.Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """One operation of one host; `kind` is its name in the ledger."""

    kind: str
    method: str
    path: re.Pattern[str]
    handler: Handler


def _route(kind: str, method: str, path: str, handler: Handler) -> Route:
    return Route(kind, method, re.compile(path), handler)


PORTAL = "/api/v2/brand/(?P<brand>[^/]+)/return-portal"
PORTAL_ROUTES = (
    _route("settings", "GET", PORTAL, portal.settings),
    _route("outgoing", "GET", f"{PORTAL}/outgoing", portal.outgoing),
    _route("uploads", "POST", f"{PORTAL}/uploads", portal.upload),
    _route("incoming", "POST", f"{PORTAL}/incoming", portal.create),
    _route("polling", "GET", f"{PORTAL}/label/polling", portal.poll),
    _route("download", "GET", f"{PORTAL}/label/download", portal.download),
    _route("customs", "GET", f"{PORTAL}/customs/(?P<token>[^/]+)", portal.customs),
)
POINT = r"/api/v2/service-points/(?P<id>\d+)"
SERVICE_POINT_ROUTES = (
    _route("service_points", "GET", "/api/v2/service-points", service_points.search),
    _route("service_point", "GET", POINT, service_points.one),
    _route("availability", "GET", f"{POINT}/check-availability", service_points.availability),
    _route("carriers", "GET", "/api/v2/carriers", service_points.carriers),
)


async def _nowhere(_call: portal.Call) -> Answer:
    raise Refused(404, "not_found", "The requested resource could not be found")


NOWHERE = _route("other", "", "", _nowhere)


class Upstream:
    """Both hosts and the control API as one ASGI application; the port a request came to says which host it means."""

    def __init__(
        self, service_points_port: int, token_lifetime: float, public_host: str = "", limits: RateLimits | None = None
    ) -> None:
        self._service_points_port = service_points_port
        self._token_lifetime = token_lifetime
        self._public_host = public_host
        self._limits = limits
        self._ledger = Ledger()
        self._control = Control(self._ledger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with the envelope of its host where the answer is no."""
        request = Request(scope, receive)
        numeric = scope["server"][1] == self._service_points_port
        path = scope["path"]
        try:
            if path.startswith(CONTROL) and not numeric:
                answer: Answer = await self._control.answer(request, path.removeprefix(CONTROL))
            else:
                answer = await self._upstream_answer(request, SERVICE_POINT_ROUTES if numeric else PORTAL_ROUTES)
        except Refused as refused:
            answer = refused.envelope(path, numeric=numeric)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _upstream_answer(self, request: Request, routes: tuple[Route, ...]) -> Answer:
        """The answer of one host, noted in the ledger whatever comes of it."""
        route, path = _match(request, routes)
        # Entered before anything is known of it, so that requests without an answer are counted too.
        entry = self._ledger.enter(route.kind, path.get("brand"), request.method)
        try:
            if self._limits:
                self._limits.take(request.method)
            _refuse_body_of_get(request)
            host = self._public_host or str(request.base_url).rstrip("/")
            call = portal.Call(request, path, self._ledger, entry, self._token_lifetime, host)
            answer = await self._played(route, call)
        except Refused as refused:
            entry.status = refused.status
            raise
        entry.status = answer.status_code
        return answer

    async def _played(self, route: Route, call: portal.Call) -> Answer:
        """The answer to this call, or the fault that is played."""
        match self._control.fault, route.kind:
            case "down", _:
                return HTMLResponse(PAGE, 503)
            case "polling", "polling":
                return Response(status_code=500)
            case "creation", "incoming":
                if call.entry.n % 2:
                    await route.handler(call)
                return Response(status_code=500)
            case _:
                return await route.handler(call)


def _match(request: Request, routes: tuple[Route, ...]) -> tuple[Route, dict[str, str]]:
    """The operation and what its path holds; a trailing slash makes no difference and never redirects."""
    for route in routes:
        found = route.path.fullmatch(request.url.path.rstrip("/"))
        if found and route.method == request.method:
            return route, found.groupdict()
    return NOWHERE, {}


def _refuse_body_of_get(request: Request) -> None:
    has_body = "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") != "0"
    if request.method == "GET" and has_body:
        raise Refused(403, "body_not_allowed", "A GET request has no body.")


class RawProtocol(H11Protocol):
    """uvicorn's protocol with its transport in `scope["state"]`, for answers that break HTTP on purpose."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn itself
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Listeners(uvicorn.Server):
    """Stops at once on SIGTERM and SIGINT, hanging connections included."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own handlers end the process by the signal itself, so that a wanted stop looks like a crash.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, setattr, self, "should_exit", True)
        yield

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Hanging and slow answers end when their caller is gone: no deadline has to pass, no task is cancelled.
        for connection in list(self.server_state.connections):
            if isinstance(connection, RawProtocol):
                connection.transport.abort()
        await super().shutdown(sockets)


def _listener(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: else answers take 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; 1 and one line on stderr when a port is taken."""
    parser = argparse.ArgumentParser("python -m app.sandbox.upstream", description="Stand-in for both upstream hosts.")
    parser.add_argument("--port", type=int, default=8100, help="port of the panel host")
    parser.add_argument("--service-points-port", type=int, default=8101, help="port of the service points host")
    parser.add_argument("--token-lifetime", type=float, default=3600.0, help="seconds a token is good for")
    parser.add_argument("--public-host", default="", help="scheme and host by which URLs are named, if another")
    parser.add_argument("--rate-limits", action="store_true", help="keep the limits that the upstream documents")
    options = parser.parse_args(arguments)
    try:
        sockets = [_listener(port) for port in (options.port, options.service_points_port)]
    except OSError as error:
        print(f"sandbox: cannot listen on 127.0.0.1: {error.strerror}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    # One server for both sockets: one set of signal handlers, one shutdown, one state.
    limits = RateLimits() if options.rate_limits else None
    upstream = Upstream(sockets[1].getsockname()[1], options.token_lifetime, options.public_host, limits)
    config = uvicorn.Config(upstream, http=RawProtocol, lifespan="off", log_level="error", server_header=False)
    asyncio.run(Listeners(config).serve(sockets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
