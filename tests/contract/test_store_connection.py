"""One connection to a server that does not keep to its protocol."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    MovedError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as ConnectionFailed

from app.errors import StoreUnavailable
from app.redis.connections.connection import TIMEOUT_SECONDS, Server, packed
from app.redis.connections.discovery import topology
from app.redis.connections.server import Link, Node, opened
from app.redis.store import Store
from tests.support.processes import LOCAL, eventually, free_port
from tests.support.raw_server import listening

PING = packed([("PING",)])
NOPERM = b"-NOPERM no permissions to access a channel\r\n"
SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$7\r\nreturns\r\n:1\r\n"


@asynccontextmanager
async def saying(*answers: bytes) -> AsyncIterator[Server]:
    """A server that gives these answers, one to each read of every connection, and then closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            if not await reader.read(1024):
                break
            writer.write(answer)
            await writer.drain()

    async with listening(serve) as port:
        yield Server(LOCAL, port)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", InvalidResponse),
        (b"-MOVED nowhere\r\n", ConnectionFailed),
        (b"-NOAUTH Authentication required.\r\n", AuthenticationError),
        (b"-LOADING the dataset\r\n", BusyLoadingError),
        (b"-ERR max number of clients reached\r\n", ConnectionFailed),
        (b"$5\r\nhal", ConnectionFailed),
        (b"", ConnectionFailed),
    ],
)
async def test_what_no_caller_can_use_ends_the_connection(answer: bytes, expected: type[RedisError]) -> None:
    """Everyone who waits hears why, no matter how much of the answer came, and nobody asks over it again."""
    async with saying(answer) as server:
        connection = await opened(server)
        asked = [connection.ask(PING, 1) for _ in range(3)]
        results = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 2)
        assert [type(result) for result in results] == [expected] * 3
        assert not connection.is_open
        assert not connection.is_busy


async def test_a_reply_too_many_reaches_nobody() -> None:
    """A reply that nobody asked for ends the connection, so that the next caller does not get it as its own."""
    async with saying(b"+one\r\n+surplus\r\n") as server:
        connection = await opened(server)
        assert await connection.ask(PING, 1) == [b"one"]
        assert not connection.is_open
        async with aclosing(Node(server)) as node:
            assert [await node.run([("PING",)]) for _ in range(3)] == [[b"one"]] * 3


async def test_a_server_may_close_a_connection_that_was_just_opened() -> None:
    """A caller whose fresh connection is closed, as by a restart at this moment, is answered over another one."""
    seen = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        if await reader.read(1024) and seen > 1:
            writer.write(b"+PONG\r\n")

    async with listening(serve) as port:
        link = Link(Server(LOCAL, port))
        assert await link.ask(PING, 1, TIMEOUT_SECONDS) == [b"PONG"]
        link.close()
    assert seen == 2


async def test_a_late_reply_goes_to_the_caller_that_left() -> None:
    """Whoever leaves takes the reply along; the next caller gets its own."""
    async with saying(b"+first\r\n+second\r\n") as server:
        connection = await opened(server)
        connection.ask(PING, 1).cancel()
        assert await connection.ask(PING, 1) == [b"second"]


async def test_errors_of_a_command_leave_the_connection() -> None:
    """A refusal is the reply of its caller alone."""
    async with saying(b"-MOVED 7 10.0.0.1:7001\r\n") as server:
        connection = await opened(server)
        (reply,) = await connection.ask(PING, 1)
        assert isinstance(reply, MovedError)
        assert (reply.slot_id, reply.host, reply.port) == (7, "10.0.0.1", 7001)


async def test_a_listener_that_is_refused_says_so() -> None:
    """Whoever may not subscribe is not told that listening has begun, after which nothing would ever be heard."""
    async with (
        saying(b"-NOPERM no permissions to access a channel\r\n") as server,
        aclosing(Node(server).listen("returns")) as news,
    ):
        with pytest.raises(ResponseError):
            await anext(news)


async def test_a_listener_of_a_closed_node_ends() -> None:
    """A node that is closed while a listener still connects, as after a switch, does not go on listening."""
    async with saying(b"+OK\r\n", SUBSCRIBED) as server:
        node = Node(server._replace(db=1))
        async with aclosing(node.listen("returns")) as news:
            listening = asyncio.ensure_future(anext(news))
            await asyncio.sleep(0)
            await node.aclose()
            with pytest.raises(ConnectionFailed):
                await listening


async def test_a_user_without_a_password_logs_in() -> None:
    """A named user is the one who asks, not the server's default user, although no password is set."""
    async with saying(b"+OK\r\n", b"+PONG\r\n") as server:
        connection = await opened(server._replace(username="worker"))
        assert await connection.ask(PING, 1) == [b"PONG"]


async def _left(server: Server) -> None:
    """Returns once an attempt to connect has failed whose only caller left before."""
    link = Link(server)

    async def given_up() -> bool:
        return not link.is_busy

    caller = asyncio.create_task(link.ask(PING, 1, TIMEOUT_SECONDS))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await eventually(given_up, 2)


async def test_a_connection_that_fails_after_its_callers_left_is_no_bug() -> None:
    """The log is not told of an attempt to connect that fails after every caller has left."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with saying(b"-ERR DB index is out of range\r\n") as server:
        await _left(server._replace(db=1))
    gc.collect()
    assert told == []


async def test_the_roots_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections are made, the certificates they are verified with are read once: that takes long."""
    made: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", context)
    hosts = ",".join(f"{LOCAL}:{free_port()}" for _ in range(3))
    async with aclosing(Store(topology(f"rediss+sentinel://{hosts}/main/0"))) as store:
        with pytest.raises(StoreUnavailable):
            await store.ping()
    assert len(made) == 1
