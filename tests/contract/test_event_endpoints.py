"""Posts to shops' endpoints on real sockets: what is sent, to which address, and what becomes of odd answers."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import uvloop

from app.background import meanwhile
from app.events.endpoint import Failure, Posted, Poster
from app.shops import EventsEntry
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
from tests.support.receiver import SECRETS

HEAD = b"HTTP/1.1 200 OK\r\n"
FULL = b"x" * 100_000
NOTHING = saying(b"")
"""Does not answer, and notices the end of the connection."""


@asynccontextmanager
async def posting(tls: ssl.SSLContext | None = None) -> AsyncIterator[Poster]:
    """A poster, closed afterwards."""
    poster = Poster(tls or ssl.create_default_context())
    try:
        yield poster
    finally:
        await poster.aclose()


async def posted(poster: Poster, url: str, *, private: bool = True) -> Posted:
    """What becomes of an event for this URL."""
    entry = EventsEntry.model_validate({"url": url, "secrets": SECRETS, "private": private})
    return await poster.post(entry, "rtn_a:2:created", '{"name":"Zoë"}', time.time())


def found(*addresses: str) -> Callable[..., list[Any]]:
    """A look-up that finds these addresses of version 4 for any name."""

    def look_up(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in addresses]

    return look_up


async def test_a_post_is_sent_as_the_entry_has_it() -> None:
    """The target and the host are those of the URL; nothing asks for a compressed answer or a kept connection."""
    async with raw_server(answer(204)) as server, posting() as poster:
        assert await posted(poster, f"http://127.0.0.1:{server.port}/Events/~a/") == Posted(204, None)
        [request] = server.requests
        head, _, body = request.decode().partition("\r\n\r\n")
        first, *fields = head.split("\r\n")
        assert first == "POST /Events/~a/ HTTP/1.1"
        assert {name.lower(): value for name, value in (each.split(": ", 1) for each in fields)}.items() >= {
            "host": f"127.0.0.1:{server.port}",
            "content-length": "15",
            "content-type": "application/json",
            "connection": "close",
        }.items()
        assert "accept-encoding" not in head.lower()
        assert body == '{"name":"Zoë"}'


async def test_a_post_to_an_address_of_version_6() -> None:
    """Its brackets are in the Host field and not in the address that is called."""
    requests = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + b"\r\n")

    try:
        async with listening(handle, "::1") as port, posting() as poster:
            assert await posted(poster, f"http://[::1]:{port}") == Posted(200, None)
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert requests[0].startswith(f"POST / HTTP/1.1\r\nHost: [::1]:{port}\r\n".encode())


async def test_each_post_has_a_connection_of_its_own_and_no_cookie() -> None:
    """Whatever the answer says of its connection, it is closed, and nothing that an endpoint sets comes back."""
    kept = answer(200, b"well", headers="connection: keep-alive\r\nset-cookie: a=b; path=/\r\n")
    async with raw_server(kept) as server, posting() as poster:
        for _ in range(3):
            assert (await posted(poster, f"http://127.0.0.1:{server.port}/")).status == 200
        await eventually(lambda: _is(server, 0), 10)
        assert (len(server.requests), server.connections) == (3, 3)
        assert not any(b"cookie" in each.lower() for each in server.requests)


ODD: Mapping[str, tuple[Behaviour, Posted]] = MappingProxyType(
    {
        "interim answers first": (
            saying(b"HTTP/1.1 100 -\r\n\r\nHTTP/1.1 103 -\r\n\r\n" + HEAD + b"\r\n"),
            Posted(200, None),
        ),
        "a head byte by byte": (trickle(HEAD + b"\r\n", 0), Posted(200, None)),
        "a body that is not what it says": (
            saying(HEAD + b"content-encoding: gzip\r\ncontent-length: 9\r\n\r\n" + FULL),
            Posted(200, None),
        ),
        "a body without end": (saying(HEAD + b"content-length: 1000000000\r\n\r\n"), Posted(200, None)),
        "a redirect": (answer(308, headers="location: /elsewhere\r\n"), Posted(308, Failure.STATUS)),
        "an error": (answer(500, FULL), Posted(500, Failure.STATUS)),
        "the end at once": (fin(), Posted(0, Failure.CONNECTION)),
        "the end in the head": (fin(HEAD + b"x: "), Posted(0, Failure.CONNECTION)),
        "a reset": (rst, Posted(0, Failure.CONNECTION)),
        "garbage": (saying(FULL), Posted(0, Failure.CONNECTION)),
        "another protocol": (saying(b"SSH-2.0-x\r\n"), Posted(0, Failure.CONNECTION)),
        "a field too long": (saying(HEAD + b"x: " + FULL), Posted(0, Failure.CONNECTION)),
        "too many fields": (saying(HEAD + b"x: y\r\n" * 50_000), Posted(0, Failure.CONNECTION)),
        "interim answers without end": (
            saying(b"HTTP/1.1 103 -\r\nx: y\r\n\r\n" * 5000),
            Posted(0, Failure.CONNECTION),
        ),
    }
)


@pytest.mark.parametrize(("behaviour", "expected"), ODD.values(), ids=ODD)
async def test_odd_answers_to_a_post(behaviour: Behaviour, expected: Posted) -> None:
    """The status decides as soon as the head is here; what is no head is a failure; nothing is sent twice."""
    async with raw_server(behaviour) as server, posting() as poster:
        assert await posted(poster, f"http://127.0.0.1:{server.port}/") == expected
        await eventually(lambda: _is(server, 0), 10)
        assert (len(server.requests), server.connections) == (1, 1)


async def test_no_endpoint_holds_a_post_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A post ends as `timeout`, whether connecting, TLS or the head takes too long, however busily."""
    monkeypatch.setattr(socket, "getaddrinfo", found("127.0.0.1"))

    async def accept(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    slow = trickle(HEAD + b"x: y\r\n" * 5000, 0.2)
    async with (
        raw_server(NOTHING) as silent,
        raw_server(slow) as busy,
        listening(accept) as deaf,
        posting() as poster,
    ):
        with _full("127.0.0.1") as full:
            urls = [f"http://127.0.0.1:{port}/" for port in (silent.port, busy.port, full)]
            urls.append(f"https://shop.example:{deaf}/")
            outcomes = await asyncio.gather(*(posted(poster, each) for each in urls))
        assert outcomes == [Posted(0, Failure.TIMEOUT)] * len(urls)
        await eventually(lambda: _is(silent, 0), 10)
        await eventually(lambda: _is(busy, 0), 10)


@pytest.mark.parametrize(
    ("host", "certified", "expected"),
    [
        ("shop.example", "shop.example", Posted(204, None)),
        ("SHOP.example", "shop.example", Posted(204, None)),
        ("shop.example.", "shop.example", Posted(204, None)),
        ("shop.example", "other.example", Posted(0, Failure.TLS)),
        # The address that the connection is made to is no name of the endpoint.
        ("shop.example", "127.0.0.1", Posted(0, Failure.TLS)),
        ("127.0.0.1", "127.0.0.1", Posted(204, None)),
        ("127.0.0.1", "shop.example", Posted(0, Failure.TLS)),
        ("127.0.0.1", "127.0.0.2", Posted(0, Failure.TLS)),
    ],
)
async def test_the_certificate_is_that_of_the_name_in_the_url(
    monkeypatch: pytest.MonkeyPatch, host: str, certified: str, expected: Posted
) -> None:
    """An endpoint proves the very name or address of its URL, or gets nothing."""
    monkeypatch.setattr(socket, "getaddrinfo", found("127.0.0.1"))
    theirs, ours = self_signed(certified)
    async with raw_server(answer(204), tls=theirs) as server, posting(ours) as poster:
        assert await posted(poster, f"https://{host}:{server.port}/") == expected
        assert len(server.requests) == (expected.failure is None)
        await eventually(lambda: _is(server, 0), 10)


async def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    """It proves nothing, and nothing is sent."""
    async with raw_server(answer(204), tls=self_signed("127.0.0.1")[0]) as server, posting() as poster:
        assert await posted(poster, f"https://127.0.0.1:{server.port}/") == Posted(0, Failure.TLS)
        assert not server.requests


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_endpoint_that_leaves_before_tls_begins(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Where connections end as soon as they stand, posts fail as `connection`, and no fault of ours is told."""
    faults: list[dict[str, Any]] = []

    async def turn_away(listener: socket.socket) -> None:
        while True:
            with suppress(BlockingIOError):
                listener.accept()[0].close()
            await asyncio.sleep(0)

    async def outcomes() -> set[Posted]:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            async with posting() as poster, meanwhile(partial(turn_away, listener)):
                url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
                return {await posted(poster, url) for _ in range(20)}

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(outcomes()) == {Posted(0, Failure.CONNECTION)}
    assert not faults


async def test_every_address_that_would_be_called_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public name that leads to private addresses is refused at each of them, also while they are known."""
    looked_up = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        looked_up.append(host)
        return found("127.0.0.1", "127.0.0.2")(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    theirs, ours = self_signed("shop.example")
    async with raw_server(answer(204), tls=theirs) as server, posting(ours) as poster:
        url = f"https://shop.example:{server.port}/"
        for _ in range(2):
            assert await posted(poster, url, private=False) == Posted(0, Failure.ADDRESS)
        assert (server.connections, looked_up) == (0, ["shop.example"])
        # Allowed for one shop, it is not for another.
        assert await posted(poster, url) == Posted(204, None)
        assert await posted(poster, url, private=False) == Posted(0, Failure.ADDRESS)
        assert len(server.requests) == 1


@pytest.mark.parametrize("first", ["refusing", "hanging"])
async def test_another_address_of_an_endpoint_is_tried(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """Where the first address refuses connections or does not answer at all, the event arrives at the second."""
    monkeypatch.setattr(socket, "getaddrinfo", found("127.0.0.2", "127.0.0.1"))
    theirs, ours = self_signed("shop.example")
    async with raw_server(answer(204), tls=theirs) as server, posting(ours) as poster:
        with _full("127.0.0.2", server.port) if first == "hanging" else nullcontext():
            assert await posted(poster, f"https://shop.example:{server.port}/") == Posted(204, None)
        assert len(server.requests) == 1


async def test_posts_that_are_cancelled_leave_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever turn of the event loop a post is cancelled in, while it connects or waits, its socket is closed."""
    monkeypatch.setattr(socket, "getaddrinfo", found("127.0.0.1"))
    theirs, ours = self_signed("shop.example")
    async with raw_server(NOTHING, tls=theirs) as server, posting(ours) as poster:
        before = _sockets()

        async def are_closed() -> bool:
            return _sockets() <= before

        url = f"https://shop.example:{server.port}/"
        for turns in range(60):
            post = asyncio.create_task(posted(poster, url))
            for _ in range(turns):
                await asyncio.sleep(0)
            post.cancel()
            await asyncio.gather(post, return_exceptions=True)
        post = asyncio.create_task(posted(poster, url))
        await eventually(lambda: _has_requests(server), 10)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
        await eventually(are_closed, 10)


@contextmanager
def _full(host: str, port: int = 0) -> Iterator[int]:
    """The port of a listener that takes no more connections, so that one to it neither stands nor fails."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def _is(server: RawServer, connections: int) -> bool:
    return server.open == connections


async def _has_requests(server: RawServer) -> bool:
    return bool(server.requests)


def _sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += str(each.readlink()).startswith("socket:")
    return count
