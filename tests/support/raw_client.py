"""An HTTP client of a few lines, for thousands of connections and for readers that are slow on purpose."""

import asyncio
import time
from collections.abc import Mapping

from tests.support.processes import LOCAL

PIECE_BYTES = 64 * 1024


async def request(
    port: int, path: str, headers: Mapping[str, str], *, method: str = "GET", limit: int = PIECE_BYTES
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request without a body under way; at most about `limit` bytes of the answer are taken off the socket unread."""
    reader, writer = await asyncio.open_connection(LOCAL, port, limit=limit)
    fields = {"Host": LOCAL, "Connection": "close", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    await writer.drain()
    return reader, writer


async def moment_of(marker: bytes, port: int, path: str, headers: Mapping[str, str], *, after: float = 0.0) -> float:
    """When the answer first showed this marker (monotonic seconds); the request arrives `after` so many seconds."""
    await asyncio.sleep(after)
    reader, writer = await request(port, path, headers)
    received = b""
    try:
        while marker not in received:
            piece = await reader.read(PIECE_BYTES)
            assert piece, received[-500:]
            received += piece
        return time.monotonic()
    finally:
        writer.close()
