"""The connections of the reads on real sockets: how answers end, what they may hold, and which connections are kept."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from app.errors import BadUpstream, UpstreamUnavailable
from app.http_client.connection import MAX_HEAD_BYTES, Connection
from app.sendcloud.protocol import Call, Request
from app.sendcloud.transport.base import Answer, exchange
from app.sendcloud.transport.httptools_transport import HttptoolsTransport
from tests.support.calls import clients
from tests.support.processes import eventually
from tests.support.raw_server import (
    Behaviour,
    RawServer,
    answer,
    fin,
    listening,
    raw_server,
    rst,
    saying,
    self_signed,
    trickle,
)

TIMEOUTS = MappingProxyType({"connect": 5.0, "read": 5.0})
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
FULL = b"x" * (MAX_HEAD_BYTES + 1)
NOTHING = saying(b"")
"""Does not answer, and notices the end of the connection."""
WELL = b"content-length: 4\r\n\r\nwell"
BODY = b"content-length: 200000\r\n\r\n" + bytes(200_000)


@asynccontextmanager
async def reading(tls: ssl.SSLContext | None = None, proxy: str = "") -> AsyncIterator[HttptoolsTransport]:
    """The transport, closed afterwards."""
    async with aclosing(HttptoolsTransport(tls or ssl.create_default_context(), proxy)) as reads:
        yield reads


def asked(port: int, path: str = "/it", host: str = "127.0.0.1", **headers: str) -> Request[None]:
    """A GET of this path on this machine."""
    scheme = "https" if host == "localhost" else "http"
    return Request(Call.SETTINGS, "GET", f"{scheme}://{host}:{port}{path}", headers, brand="demo", failure_key="demo")


async def got(reads: HttptoolsTransport, request: Request[None], seconds: float = 5) -> Answer:
    """The whole answer within so many seconds."""
    return await exchange(reads, request, TIMEOUTS, asyncio.get_running_loop().time() + seconds)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request is answered by the first of them, and so on; the last answers all others."""
    left = list(behaviours)

    async def behave(writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(writer)

    return behave


class Whole(NamedTuple):
    """What a server says, the answer in it, and whether its connection may be used again."""

    said: bytes
    status: int
    body: bytes
    is_kept: bool


WHOLE: Mapping[str, Whole] = MappingProxyType(
    {
        "a length": Whole(HEAD + b"Content-Length: 4\r\n\r\nwell", 200, b"well", is_kept=True),
        "chunks": Whole(CHUNKED + b"2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n", 200, b"well", is_kept=True),
        "chunks with extensions and trailers": Whole(
            CHUNKED + b"4;a=b\r\nwell\r\n0\r\nx: y\r\n\r\n", 200, b"well", is_kept=True
        ),
        "blanks behind values": Whole(
            HEAD + b"x: y \r\ntransfer-encoding: chunked  \r\n\r\n4\r\nwell\r\n0\r\n\r\n", 200, b"well", is_kept=True
        ),
        "no body, 204": Whole(b"HTTP/1.1 204 -\r\n\r\n", 204, b"", is_kept=True),
        "no body, 304": Whole(b"HTTP/1.1 304 -\r\netag: x\r\n\r\n", 304, b"", is_kept=True),
        "interim answers before it": Whole(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\ncontent-length: 9\r\n\r\n" + HEAD + WELL,
            200,
            b"well",
            is_kept=True,
        ),
        "an offer to upgrade": Whole(
            HEAD + b"upgrade: h2\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\n",
            200,
            b"",
            is_kept=True,
        ),
        "a connection that closes": Whole(
            HEAD + b"connection: close\r\ncontent-length: 4\r\n\r\nwell", 200, b"well", is_kept=False
        ),
        "HTTP/1.0": Whole(b"HTTP/1.0 200 OK\r\n" + WELL, 200, b"well", is_kept=False),
    }
)


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("pause", [None, 0.0], ids=["in one piece", "byte by byte"])
async def test_every_way_to_end_an_answer_is_understood(whole: Whole, pause: float | None) -> None:
    """The body ends where its length, its chunks or its status say, and the connection is kept if the answer allows."""
    behaviour = saying(whole.said) if pause is None else trickle(whole.said, pause)
    async with raw_server(behaviour) as server, reading() as reads:
        for _ in range(2):
            found, _, content = await got(reads, asked(server.port))
            assert (found, content) == (whole.status, whole.body)
        assert (len(server.requests), server.connections) == (2, 1 if whole.is_kept else 2)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """The end of the connection completes it, and the next call gets a connection of its own."""
    async with raw_server(fin(HEAD + b"\r\nwell")) as server, reading() as reads:
        for _ in range(2):
            assert (await got(reads, asked(server.port)))[2] == b"well"
        assert (len(server.requests), server.connections) == (2, 2)


async def test_fields_are_those_of_the_answer_itself_by_names_in_lower_case() -> None:
    """Of two fields of one name the first counts; those of interim answers and of trailers do not."""
    interim = b"HTTP/1.1 103 -\r\nretry-after: 1\r\n\r\n"
    coded = b"Retry-After: 3\r\nretry-after: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n"
    async with raw_server(saying(interim + HEAD + coded)) as server, reading() as reads:
        _, headers, _ = await got(reads, asked(server.port))
        assert headers == {"retry-after": "3", "transfer-encoding": "chunked"}


SPOILT: Mapping[str, Behaviour] = MappingProxyType(
    {
        "a field too long, with a body": saying(HEAD + b"x: " + FULL + b"\r\n" + BODY),
        "a field that does not end": saying(HEAD + b"x: " + FULL),
        "too many fields, with a body": saying(HEAD + b"x: y\r\n" * 2000 + BODY),
        "a reason too long": saying(b"HTTP/1.1 200 " + FULL),
        "interim answers without end": saying(b"HTTP/1.1 100 Continue\r\n\r\n" * 3000),
        "interim answers with many fields": saying(b"HTTP/1.1 103 -\r\nx: y\r\n\r\n" * 2000),
        "an extension of a chunk too long": saying(CHUNKED + b"4;" + FULL),
        "trailers too long": saying(CHUNKED + b"4\r\nwell\r\n0\r\nx: " + FULL),
        "too many trailers": saying(CHUNKED + b"4\r\nwell\r\n0\r\n" + b"x: y\r\n" * 2000 + b"\r\n"),
        "chunks of one byte with long extensions": saying(CHUNKED + (b"1;" + b"e" * 98 + b"\r\nx\r\n") * 1000),
        "two lengths": saying(HEAD + b"content-length: 4\r\ncontent-length: 5\r\n\r\nwell"),
        "a length and chunks": saying(HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwell"),
        "another coding": fin(HEAD + b"transfer-encoding: gzip\r\n\r\nwell"),
        "another coding by a tab": saying(HEAD + b"transfer-encoding: chunked\t\r\n\r\n4\r\nwell\r\n0\r\n\r\n"),
        "another coding, then chunks": saying(HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        "an upgrade": saying(b"HTTP/1.1 101 -\r\nupgrade: h2\r\nconnection: upgrade\r\n\r\n"),
        "a body of an interim answer": saying(b"HTTP/1.1 199 -\r\ncontent-length: 4\r\n\r\nevil" + HEAD + WELL),
        "a body of an answer without status": saying(b"HTTP/1.1 000 -\r\ncontent-length: 4\r\n\r\nevil" + HEAD + WELL),
        "the end in the head": fin(HEAD + b"content-le"),
        "the end before the length": fin(HEAD + b"content-length: 5\r\n\r\nwell"),
        "the end between chunks": fin(CHUNKED + b"4\r\nwell\r\n"),
    }
)


@pytest.mark.parametrize("behaviour", SPOILT.values(), ids=SPOILT)
async def test_what_is_no_answer_ends_the_call_and_its_connection(behaviour: Behaviour) -> None:
    """The call fails without waiting for its deadline, nothing is sent twice, and the next call is answered."""
    async with raw_server(in_turn(behaviour, answer(200, b"well"))) as server, reading() as reads:
        with pytest.raises(BadUpstream) as caught:
            await got(reads, asked(server.port), seconds=60)
        assert caught.value.transient
        assert (await got(reads, asked(server.port)))[2] == b"well"
        assert (len(server.requests), server.connections) == (2, 2)


async def test_a_connection_that_has_ended_is_not_used() -> None:
    """Where the end is there before the next call, that call gets a new connection instead of failing."""
    ended = asyncio.Event()

    async def then_end(writer: asyncio.StreamWriter) -> None:
        await answer(200)(writer)
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with raw_server(then_end) as server, reading() as reads:
        before = _sockets()

        async def are_closed() -> bool:
            return _sockets() == before

        for _ in range(5):
            assert (await got(reads, asked(server.port)))[0] == 200
            await ended.wait()
            ended.clear()
            await eventually(are_closed, 10)
        assert (len(server.requests), server.connections) == (5, 5)


async def test_a_connection_whose_end_was_told_sends_nothing_more() -> None:
    """Between its end and the closing of its socket it is not free, and a request on it fails at once."""
    ours, theirs = socket.socketpair()
    _, connection = await asyncio.get_running_loop().create_connection(Connection, sock=ours)
    assert connection.is_free
    connection.eof_received()
    assert not connection.is_free
    with pytest.raises(BadUpstream):
        await connection.ask(b"GET / HTTP/1.1\r\n\r\n", 60, inf).head()
    connection.close()
    await connection.closed
    assert theirs.recv(9) == b""
    theirs.close()


async def test_a_request_is_sent_once() -> None:
    """A kept connection that ends under a request fails the call; the transport never asks again."""
    async with raw_server(in_turn(answer(200), fin())) as server, reading() as reads:
        await got(reads, asked(server.port))
        with pytest.raises(BadUpstream):
            await got(reads, asked(server.port))
        assert (len(server.requests), server.connections) == (2, 1)


async def test_idle_connections_are_closed() -> None:
    """A connection that nobody needs is closed after some seconds."""
    async with raw_server(answer(200)) as server, reading() as reads:
        await got(reads, asked(server.port))
        assert server.open == 1
        await eventually(lambda: _is(server, 0), 10)


async def test_closing_the_transport_closes_every_connection() -> None:
    """Kept connections and those of calls under way are closed, and the calls fail."""
    async with raw_server(in_turn(answer(200), NOTHING)) as server, reading() as reads:
        await got(reads, asked(server.port))
        calls = [asyncio.create_task(got(reads, asked(server.port))) for _ in range(2)]
        await eventually(lambda: _is(server, 2), 10)
        await reads.aclose()
        assert [type(error) for error in await asyncio.gather(*calls, return_exceptions=True)] == [BadUpstream] * 2
        await eventually(lambda: _is(server, 0), 10)


async def test_a_call_that_is_connecting_when_the_transport_closes_sends_nothing() -> None:
    """Its connection is closed as soon as it stands, and the call fails."""
    async with raw_server(NOTHING) as server, reading() as reads:
        call = asyncio.create_task(got(reads, asked(server.port), seconds=60))
        await asyncio.sleep(0)
        await reads.aclose()
        with pytest.raises(BadUpstream):
            await call
        await eventually(lambda: _is(server, 0), 10)
        assert not server.requests


@pytest.mark.parametrize("behaviour", [NOTHING, saying(HEAD + b"content-length: 9\r\n\r\nwe")], ids=["head", "body"])
async def test_a_cancelled_call_has_closed_its_connection_when_it_leaves_its_bulkhead(behaviour: Behaviour) -> None:
    """Of calls that are cancelled none goes on in the background, where no bulkhead would count it."""
    open_after = list[int]()

    async def ask() -> None:
        try:
            await patient(server.port).portal_settings("my-shop")
        finally:
            open_after.append(_sockets())

    async with raw_server(behaviour) as server, clients() as patient:
        calls = [asyncio.create_task(ask()) for _ in range(20)]
        await eventually(lambda: _has(server, requests=20), 10)
        before = _sockets()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(still <= before - left for left, still in enumerate(open_after, start=1))
        await eventually(lambda: _is(server, 0), 10)


async def test_calls_that_are_cancelled_while_they_connect_leave_no_socket() -> None:
    """Whatever turn of the event loop a call is cancelled in, its socket is closed."""
    async with raw_server(NOTHING, tls=self_signed("localhost")[0]) as server, reading() as reads:
        before = _sockets()
        for turns in range(60):
            call = asyncio.create_task(got(reads, asked(server.port, host="localhost")))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

        async def are_closed() -> bool:
            return _sockets() <= before

        await eventually(are_closed, 10)


async def test_calls_that_are_cancelled_while_they_connect_disturb_no_other() -> None:
    """A connection that is made at the same moment, perhaps on the number of the closed socket, works."""
    theirs, ours = self_signed("localhost")
    closing = saying(HEAD + b"connection: close\r\n" + WELL)
    async with raw_server(closing, tls=theirs) as server, reading(ours) as reads:
        request = asked(server.port, host="localhost")
        for turns in range(40):
            calls = [asyncio.create_task(got(reads, request)) for _ in range(4)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls[1:]:
                call.cancel()
            await asyncio.gather(*calls[1:], return_exceptions=True)
            calls = [calls[0], *(asyncio.create_task(got(reads, request)) for _ in range(3))]
            assert [body for _, _, body in await asyncio.gather(*calls)] == [b"well"] * 4


async def test_a_call_that_is_cancelled_twice_disturbs_nothing() -> None:
    """The second time may come while its connection closes, which goes on and ends without an error."""
    errors = list[dict[str, Any]]()
    loop = asyncio.get_running_loop()
    async with raw_server(NOTHING) as server, reading() as reads:
        call = asyncio.create_task(got(reads, asked(server.port)))
        await eventually(lambda: _has(server, requests=1), 10)
        loop.set_exception_handler(lambda _, context: errors.append(context))
        for _ in range(2):
            call.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(call, return_exceptions=True)
        await eventually(lambda: _is(server, 0), 10)
    loop.set_exception_handler(None)
    assert not errors


async def test_a_body_waits_for_its_reader() -> None:
    """Of a long body not more than some pieces are in memory while its reader is busy, and it arrives whole."""
    written = 0
    size = 16 * 1024 * 1024

    async def much(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        writer.transport.set_write_buffer_limits(0)
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            writer.write(bytes(65536))
            await writer.drain()
            written += 65536

    async with raw_server(much) as server, reading() as reads:
        deadline = asyncio.get_running_loop().time() + 60
        async with reads.response(asked(server.port), TIMEOUTS, deadline) as (_, chunks):
            first = len(await anext(chunks))
            last = -1
            while written != last:
                last = written
                await asyncio.sleep(0.05)
            # What is on the way lies with the operating system.
            assert written < size - 4 * 1024 * 1024
            assert first + sum([len(chunk) async for chunk in chunks]) == size
        assert server.open == 1


async def test_a_late_reader_of_one_answer_gets_nothing_of_the_next() -> None:
    """The body of an answer that was given up ends in an error, while its connection carries other answers."""
    secret = answer(200, b"for another")
    async with raw_server(in_turn(answer(200, b"well"), secret)) as server, reading() as reads:
        deadline = asyncio.get_running_loop().time() + 5
        async with reads.response(asked(server.port), TIMEOUTS, deadline) as (_, late):
            pass
        assert (await got(reads, asked(server.port)))[2] == b"for another"
        assert b"another" not in b"".join([chunk async for chunk in late])
        assert server.connections == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/it HTTP/1.1\r\nx: y", {}),
        ("/it it", {}),
        ("/it\n", {}),
        ("/\u0131t", {}),
        ("/it", {"Authorization": "AccessToken a\r\nx: y"}),
        ("/it", {"Authorization": "AccessToken a\nx: y"}),
        ("/it", {"Authorization": "AccessToken \u0131"}),
        ("/it", {"x\r\ny": "z"}),
    ],
)
async def test_no_value_can_end_a_line_of_the_request(path: str, headers: Mapping[str, str]) -> None:
    """A request whose parts could be read as others is never sent."""
    async with raw_server(answer(200)) as server, reading() as reads:
        with pytest.raises(BadUpstream) as caught:
            await got(reads, asked(server.port, path, **headers))
        assert not caught.value.transient
        assert server.connections == 0


async def test_an_address_of_version_6_is_an_address() -> None:
    """Its brackets are in the Host field and not in the address that is called."""
    heads = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + b"connection: close\r\ncontent-length: 0\r\n\r\n")

    async with AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(listening(handle, "::1"))
        except OSError:
            pytest.skip("this machine has no IPv6")
        reads = await stack.enter_async_context(reading())
        assert (await got(reads, asked(port, host="[::1]")))[0] == 200
        assert f"Host: [::1]:{port}\r\n".encode() in heads[0]


async def test_another_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens at the first address of a name, the second is called; the look-up serves later calls."""
    looked_up = []

    def addresses(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        looked_up.append(host)
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*stream, ("127.0.0.2", port)), (*stream, ("127.0.0.1", port))]

    closing = saying(HEAD + b"connection: close\r\ncontent-length: 0\r\n\r\n")
    async with raw_server(closing) as server, reading() as reads:
        monkeypatch.setattr(socket, "getaddrinfo", addresses)
        for _ in range(3):
            assert (await got(reads, asked(server.port, host="shop.example")))[0] == 200
        assert (server.connections, looked_up) == (3, ["shop.example"])


async def test_a_dead_name_server_holds_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that wait for one name share its look-up, whose failure is no news to those who have left."""
    looked_up = []
    is_dead = threading.Event()

    def addresses(host: str, *_: Any, **__: Any) -> list[Any]:
        looked_up.append(host)
        is_dead.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    async with reading() as reads:
        request = asked(1, host="shop.example")
        for _ in range(2):
            late = await asyncio.gather(*(got(reads, request, 0.1) for _ in range(20)), return_exceptions=True)
            assert {type(each) for each in late} == {UpstreamUnavailable}
        waiting = asyncio.create_task(got(reads, request))
        await asyncio.sleep(0)
        is_dead.set()
        with pytest.raises(UpstreamUnavailable):
            await waiting
    assert looked_up == ["shop.example"]


async def test_a_server_that_is_not_the_one_named_is_refused() -> None:
    """A certificate counts for its own name alone."""
    theirs, ours = self_signed("another.example")
    async with raw_server(answer(200), tls=theirs) as server, reading(ours) as reads:
        with pytest.raises(BadUpstream) as caught:
            await got(reads, asked(server.port, host="localhost"))
        assert not caught.value.transient
        assert not server.requests


async def test_connections_over_tls_are_kept_and_end_like_others() -> None:
    """Twenty calls share a connection; surplus bytes and a cancelled call close it."""
    theirs, ours = self_signed("localhost")
    surplus = saying(HEAD + b"content-length: 0\r\n\r\n" + HEAD)
    behaviour = in_turn(*[answer(200)] * 20, surplus, answer(200), NOTHING)
    async with raw_server(behaviour, tls=theirs) as server, reading(ours) as reads:
        request = asked(server.port, host="localhost")
        for number in range(22):
            assert (await got(reads, request))[0] == 200
            assert server.connections == (1 if number < 21 else 2)
        call = asyncio.create_task(got(reads, request))
        await eventually(lambda: _has(server, requests=23), 10)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await eventually(lambda: _is(server, 0), 10)


async def test_a_server_that_is_connected_and_not_ready_is_out_of_reach() -> None:
    """The time to connect covers TLS, and nothing was sent."""

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(listen) as port, reading() as reads:
        now = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamUnavailable) as caught:
            await exchange(reads, asked(port, host="localhost"), {"connect": 0.1, "read": 5.0}, now + 60)
        assert caught.value.transient


@pytest.mark.parametrize("behaviour", [fin(), answer(407), saying(b"SSH-2.0-x\r\n"), NOTHING])
async def test_a_proxy_that_opens_no_tunnel_is_an_upstream_out_of_reach(behaviour: Behaviour) -> None:
    """Whatever it does instead, nothing was sent to the upstream, and no connection is left."""
    async with raw_server(behaviour) as proxy, reading(proxy=f"http://127.0.0.1:{proxy.port}") as reads:
        now = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamUnavailable) as caught:
            await exchange(reads, asked(1, host="[::1]"), {"connect": 0.2, "read": 5.0}, now + 60)
        assert caught.value.transient
        assert proxy.requests == [b"CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\n\r\n"]
        await eventually(lambda: _is(proxy, 0), 10)


@pytest.mark.parametrize("end", [fin, lambda: rst], ids=["FIN", "RST"])
async def test_a_tunnel_that_ends_as_it_opens_is_an_upstream_out_of_reach(end: Callable[[], Behaviour]) -> None:
    """TLS fails at once on a connection that the proxy closes together with its consent, and nothing was sent."""

    async def open_and_end(writer: asyncio.StreamWriter) -> None:
        await saying(HEAD + b"\r\n")(writer)
        await end()(writer)

    async with raw_server(open_and_end) as proxy, reading(proxy=f"http://127.0.0.1:{proxy.port}") as reads:
        for _ in range(5):
            with pytest.raises(UpstreamUnavailable, match=r"Connection|BrokenPipe") as caught:
                await got(reads, asked(1, host="localhost"))
            assert caught.value.transient
        assert len(proxy.requests) == 5


async def test_a_tunnel_is_kept_like_a_connection() -> None:
    """It is opened once, and the calls through it are those that would be made without it."""
    through = in_turn(saying(b"HTTP/1.1 200 Connection established\r\n\r\n"), answer(200, b"well"))
    async with raw_server(through) as proxy, reading(proxy=f"http://127.0.0.1:{proxy.port}") as reads:
        for _ in range(2):
            assert (await got(reads, asked(1, host="upstream.example")))[2] == b"well"
        assert [request.split(b"\r\n")[0] for request in proxy.requests] == [
            b"CONNECT upstream.example:1 HTTP/1.1",
            b"GET /it HTTP/1.1",
            b"GET /it HTTP/1.1",
        ]
        assert proxy.connections == 1


async def _is(server: RawServer, connections: int) -> bool:
    return server.open == connections


async def _has(server: RawServer, requests: int) -> bool:
    return len(server.requests) == requests


def _sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += str(each.readlink()).startswith("socket:")
    return count
