"""What each posting transport can tell about a creation that failed: never sent, or maybe sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import httpx
import pytest
from typing_extensions import override

from app.errors import (
    BadUpstream,
    BffError,
    ReturnOutcomeUnknown,
    StoreUnavailable,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.made_returns import AcceptedReturn
from app.sendcloud.client import Sendcloud, connect
from app.sendcloud.policy.bulkheads import Deadlines
from app.sendcloud.transport.httpx_transport import HttpxTransport
from tests.support.processes import free_port
from tests.support.raw_server import (
    Behaviour,
    RawServer,
    answer,
    deaf_server,
    fin,
    raw_server,
    rst,
    saying,
    self_signed,
    silence,
    trickle,
)
from tests.support.unlimited import unlimited
from tests.unit.test_protocol_answers import RETURN_REQUEST

DEADLINES = Deadlines(create=0.4)
PATIENT = Deadlines()
"""For TLS on a busy machine."""


class Row(NamedTuple):
    """What happens after the request arrived whole, and what the client has to make of it."""

    behaviour: Behaviour
    error: type[BffError]


SENT = {
    "never answers": Row(silence, ReturnOutcomeUnknown),
    "FIN after the body": Row(fin(), ReturnOutcomeUnknown),
    "RST after the body": Row(rst, ReturnOutcomeUnknown),
    "close mid-header": Row(fin(b"HTTP/1.1 200 OK\r\nContent-Ty"), ReturnOutcomeUnknown),
    "close mid-body": Row(fin(b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"return"'), ReturnOutcomeUnknown),
    "headers that trickle": Row(trickle(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100, 0.05), ReturnOutcomeUnknown),
    "no HTTP": Row(saying(b"220 mail.example ESMTP\r\n\r\n"), ReturnOutcomeUnknown),
    "500 without a body": Row(answer(500), ReturnOutcomeUnknown),
    "502 in HTML": Row(answer(502, b"<html>Bad Gateway</html>"), ReturnOutcomeUnknown),
    "redirect": Row(answer(307, headers="location: http://127.0.0.1/\r\n"), ReturnOutcomeUnknown),
    "200 in HTML": Row(answer(200, b"<html>Hello</html>"), ReturnOutcomeUnknown),
    "200 without a return": Row(answer(200, b"{}"), ReturnOutcomeUnknown),
    "400 in HTML": Row(answer(400, b"<html>Bad Request</html>"), ReturnOutcomeUnknown),
    "409": Row(answer(409, b"{}"), ReturnOutcomeUnknown),
    "200 without end": Row(answer(200, b"{" * 1100 * 1024), ReturnOutcomeUnknown),
    "400": Row(answer(400, b'{"error":{"code":"invalid"}}'), UpstreamRejected),
    "401": Row(answer(401), UpstreamUnauthorized),
    "429": Row(answer(429, headers="retry-after: 3\r\n"), UpstreamUnavailable),
}


class Mute(httpx.AsyncBaseTransport):
    """A transport that cannot tell: no trace, and every failure is a connect timeout, as httpx-aiohttp has it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions.pop("trace")
        try:
            return await self._inner.handle_async_request(request)
        except httpx.TransportError:
            raise httpx.ConnectTimeout("") from None


class Hook:
    """Stands for the durable record "sent", and notes what had arrived at the server when it was written."""

    def __init__(self, server: RawServer | None = None, error: Exception | None = None) -> None:
        self._server = server
        self._error = error
        self.arrived: list[int] = []

    async def __call__(self) -> None:
        """Note it, then fail if told so."""
        self.arrived.append(len(self._server.requests) if self._server else 0)
        if self._error:
            raise self._error


@asynccontextmanager
async def client(url: str, *, tls: ssl.SSLContext | None = None, mute: bool = False) -> AsyncIterator[Sendcloud]:
    """The client on its real transports; `tls` replaces what it trusts."""
    async with AsyncExitStack() as stack:
        guards = unlimited(PATIENT if url.startswith("https") else DEADLINES)
        sendcloud = connect(url, url, guards)
        stack.push_async_callback(sendcloud.aclose)
        if tls or mute:
            limits = httpx.Limits(max_keepalive_connections=0)
            creates: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(verify=tls or True, limits=limits)
            creates = Mute(creates) if mute else creates
            sendcloud = Sendcloud(
                url, url, reads=HttpxTransport(creates), creates=HttpxTransport(creates), guards=guards
            )
            stack.push_async_callback(sendcloud.aclose)
        yield sendcloud


async def create(sendcloud: Sendcloud, hook: Hook) -> AcceptedReturn:
    """Create the same return."""
    return await sendcloud.create_return("my-shop", "access", RETURN_REQUEST, hook)


async def created(writer: asyncio.StreamWriter) -> None:
    """Answer as the upstream does to a creation."""
    poller = (
        f"http://127.0.0.1:{writer.get_extra_info('sockname')[1]}/brand/my-shop/return-portal/label/polling?token=a.b.c"
    )
    await answer(200, f'{{"return":7,"poller_url":"{poller}"}}'.encode())(writer)


@pytest.mark.parametrize("row", SENT.values(), ids=SENT)
async def test_what_was_sent_is_never_called_unsent(row: Row) -> None:
    """Once the hook has run, only an upstream's 4xx says that there is no return; exactly one request arrived."""
    async with raw_server(row.behaviour) as server, client(f"http://127.0.0.1:{server.port}") as sendcloud:
        hook = Hook(server)
        with pytest.raises(BffError) as caught:
            await create(sendcloud, hook)
        assert caught.type is row.error
        assert (hook.arrived, len(server.requests)) == ([0], 1)


async def test_a_created_return_was_recorded_as_sent_before_its_first_byte() -> None:
    """The hook runs before each request, and no creation reuses a connection."""
    async with raw_server(created) as server:
        hook = Hook(server)
        async with client(f"http://127.0.0.1:{server.port}") as sendcloud:
            assert (await create(sendcloud, hook)).poller_token == "a.b.c"
            assert (await create(sendcloud, hook)).return_id == 7
        assert (hook.arrived, len(server.requests), server.connections) == ([0, 1], 2, 2)


@pytest.mark.parametrize(
    ("url", "error"),
    [("http://127.0.0.1:{port}", UpstreamUnavailable), ("http://no-such-host.invalid", UpstreamUnavailable)],
    ids=["connection refused", "name not found"],
)
async def test_no_connection_proves_never_sent(url: str, error: type[UpstreamError]) -> None:
    """Where the hook did not run, the error says that trying again is safe."""
    hook = Hook()
    async with client(url.format(port=free_port())) as sendcloud:
        with pytest.raises(error):
            await create(sendcloud, hook)
    assert hook.arrived == []


async def test_a_server_that_speaks_no_tls_proves_never_sent() -> None:
    """Garbage in answer to the TLS hello is the upstream's nonsense, before anything was sent."""
    hook = Hook()
    async with deaf_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        async with client(f"https://localhost:{server.port}") as sendcloud:
            with pytest.raises(BadUpstream):
                await create(sendcloud, hook)
        assert (hook.arrived, server.connections) == ([], 1)


async def test_a_server_that_hangs_up_on_tls_proves_never_sent() -> None:
    """A connection closed during the handshake is never sent."""
    hook = Hook()
    async with deaf_server(b"") as server, client(f"https://localhost:{server.port}") as sendcloud:
        with pytest.raises(UpstreamError):
            await create(sendcloud, hook)
    assert hook.arrived == []


async def test_an_untrusted_certificate_proves_never_sent() -> None:
    """The client never talks to a server it cannot verify."""
    hook = Hook()
    async with raw_server(silence, tls=self_signed("localhost")[0]) as server:
        async with client(f"https://localhost:{server.port}") as sendcloud:
            with pytest.raises(BadUpstream):
                await create(sendcloud, hook)
        assert (hook.arrived, server.requests) == ([], [])


async def test_the_same_holds_over_tls() -> None:
    """Behind a trusted certificate, a lost answer is an unknown outcome."""
    theirs, ours = self_signed("localhost")
    async with raw_server(fin(), tls=theirs) as server:
        hook = Hook(server)
        async with client(f"https://localhost:{server.port}", tls=ours) as sendcloud:
            with pytest.raises(ReturnOutcomeUnknown) as lost:
                await create(sendcloud, hook)
        # It did not only come too late.
        assert isinstance(lost.value.__cause__, BadUpstream)
        assert (hook.arrived, len(server.requests)) == ([0], 1)


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), OSError("away"), httpx.ReadError("away"), TimeoutError()], ids=repr
)
async def test_a_hook_that_fails_stops_the_request(error: Exception) -> None:
    """The error of a failing hook comes out unchanged, and no byte arrives."""
    async with raw_server(silence) as server:
        async with client(f"http://127.0.0.1:{server.port}") as sendcloud:
            with pytest.raises(type(error)) as caught:
                await create(sendcloud, Hook(error=error))
        assert caught.value is error
        assert (server.requests, server.connections) == ([], 1)


@pytest.mark.parametrize("row", SENT.values(), ids=SENT)
async def test_a_transport_that_cannot_tell_never_proves_anything(row: Row) -> None:
    """Without a trace even a plain 4xx is an unknown outcome: "sent" was never recorded."""
    async with raw_server(row.behaviour) as server, client(f"http://127.0.0.1:{server.port}", mute=True) as sendcloud:
        hook = Hook(server)
        with pytest.raises(ReturnOutcomeUnknown):
            await create(sendcloud, hook)
        assert (hook.arrived, len(server.requests)) == ([], 1)


async def test_a_transport_that_cannot_tell_shows_refusal_and_loss_alike() -> None:
    """A request lost before and one lost after its arrival look the same to such a transport, so it must not post."""
    async with raw_server(fin()) as server, client(f"http://127.0.0.1:{server.port}", mute=True) as sendcloud:
        with pytest.raises(ReturnOutcomeUnknown) as lost:
            await create(sendcloud, Hook())
    async with client(f"http://127.0.0.1:{free_port()}", mute=True) as sendcloud:
        with pytest.raises(ReturnOutcomeUnknown) as refused:
            await create(sendcloud, Hook())
    assert repr(lost.value.__cause__) == repr(refused.value.__cause__)
