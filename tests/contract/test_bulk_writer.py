"""Large values written in bulk: whole, two of them on their way at most, and stored although a connection breaks."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from app.documents.store import progress_key
from app.errors import StoreUnavailable
from app.redis.bulk_writer import UNACKNOWLEDGED, BulkWriter
from app.redis.connections.connection import Server
from app.redis.connections.discovery import topology
from app.redis.connections.server import opened
from app.redis.store import Store
from tests.support.processes import LOCAL, Valkey, eventually, running_valkey
from tests.support.raw_server import listening

NAME = progress_key(secrets.token_hex(8))
SECONDS = 5.0


@pytest_asyncio.fixture(scope="module", name="own")
async def valkey_of_its_own() -> AsyncIterator[Valkey]:
    """A server whose connections a test may break."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture(name="store")
async def connected_store(own: Valkey) -> AsyncIterator[Store]:
    """A store on this server."""
    async with aclosing(Store(topology(own.url))) as store:
        yield store


async def put(writer: BulkWriter, number: int, value: bytes) -> None:
    """Writes the value under the key of this number."""

    def write(place: memoryview) -> None:
        place[:] = value

    await writer.put(f"{NAME}:bulk:{number}", len(value), write, 60)


async def stored(store: Store, count: int) -> list[bytes | None]:
    """The values under the first keys."""
    return [await store.get(f"{NAME}:bulk:{number}", SECONDS) for number in range(count)]


async def test_values_of_any_size(store: Store) -> None:
    """A value is stored as it is, whether the one before it was longer or shorter, and by the next writer, too."""
    values = [secrets.token_bytes(size) for size in (300_000, 1, 0, 400_000, 99, 300_000, 100)]
    for _ in range(2):
        async with store.bulk_writer(NAME, SECONDS) as writer:
            for number, value in enumerate(values):
                await put(writer, number, value)
            await writer.flush()
        assert await stored(store, len(values)) == values
        values.reverse()


async def test_a_connection_that_breaks(own: Valkey, store: Store) -> None:
    """When the server closes the connection, the values on their way and those after them are stored all the same."""
    values = [secrets.token_bytes(300_000) for _ in range(6)]
    async with store.bulk_writer(NAME, SECONDS) as writer:
        for number, value in enumerate(values):
            if number == 1:
                await own.client.client_kill_filter(_type="normal", skipme=True)
            await put(writer, number, value)
        await writer.flush()
    assert await stored(store, len(values)) == values


async def test_a_server_that_takes_no_more(own: Valkey, store: Store) -> None:
    """A value that the server refuses is told, at the latest by `flush`."""
    await own.client.config_set("maxmemory", "1")
    try:
        async with store.bulk_writer(NAME, SECONDS) as writer:
            await put(writer, 0, bytes(300_000))
            with pytest.raises(StoreUnavailable):
                await writer.flush()
    finally:
        await own.client.config_set("maxmemory", "0")


async def test_few_values_are_on_their_way() -> None:
    """While the server acknowledges nothing, only so many values are sent; the next one waits for the first."""
    received, acknowledge = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            received.extend(data)
            if received.count(b"SET") == UNACKNOWLEDGED:
                await acknowledge.wait()
                writer.write(b"+OK\r\n")

    async def refused(_key: str, _value: bytes, _ttl: float) -> None:
        raise StoreUnavailable

    async def sent() -> bool:
        return received.count(b"SET") == UNACKNOWLEDGED

    async with listening(serve) as port:
        connection = await opened(Server(LOCAL, port))
        bulk = BulkWriter(connection, SECONDS, refused, [])
        for number in range(UNACKNOWLEDGED):
            await put(bulk, number, b"value")
        waiting = asyncio.create_task(put(bulk, UNACKNOWLEDGED, b"value"))
        await eventually(sent, 5)
        assert not waiting.done()
        acknowledge.set()
        await waiting
        bulk.abandon()
        connection.close()
