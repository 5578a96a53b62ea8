"""One connection to a server that does not keep to its protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from redis.exceptions import AuthenticationError, BusyLoadingError, InvalidResponse, MovedError, RedisError
from redis.exceptions import ConnectionError as ConnectionFailed

from app.redis.connections.connection import Server, opened, packed
from app.redis.connections.server import Node
from tests.support.processes import LOCAL

PING = packed([("PING",)])


@asynccontextmanager
async def saying(*answers: bytes) -> AsyncIterator[Server]:
    """A server that gives these answers, one to each read of every connection, and then closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            if not await reader.read(1024):
                break
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, LOCAL, 0) as server:
        yield Server(LOCAL, server.sockets[0].getsockname()[1])


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
