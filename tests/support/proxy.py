"""A TCP proxy that can refuse and be slow, for what no server does by itself."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

from tests.support.processes import LOCAL, free_port
from tests.support.raw_server import refuse

PIECE_BYTES = 64 * 1024


@dataclass
class Proxy:
    """Passes bytes on to another port while it is open."""

    target: int
    port: int = field(default_factory=free_port)
    delay: float = 0.0
    """Seconds that bytes take, in either direction."""
    tls: ssl.SSLContext | None = None
    """How it speaks TLS to its callers, if it does."""
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accepts connections."""
        self._server = await asyncio.start_server(self._pass, LOCAL, self.port, ssl=self.tls)

    async def close(self) -> None:
        """Refuses connections; those that stand are left alone."""
        if self._server:
            await refuse(self._server)
            self._server = None

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            to_reader, to_writer = await asyncio.open_connection(LOCAL, self.target)
            await asyncio.gather(self._move(reader, to_writer), self._move(to_reader, writer))

    async def _move(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(piece)
                await writer.drain()


@asynccontextmanager
async def running_proxy(target: int, delay: float = 0.0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """An open proxy; bytes take `delay` seconds in either direction, and callers speak TLS to it if it has `tls`."""
    proxy = Proxy(target, delay=delay, tls=tls)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
