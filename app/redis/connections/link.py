"""A connection that is opened when it is needed, and again when it turns out to be closed."""

import asyncio

from redis.exceptions import AuthenticationError, BusyLoadingError

from app.errors import StoreUnavailable
from app.redis.connections.connection import Connection, Reply, Server, opened
from app.redis.connections.failures import FOREIGN


class Link:
    """A connection to one server, for one caller after the other or for many at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a caller has left before its replies came."""
        opening = self._opening is not None and not self._opening.done()
        return opening or (self._connection is not None and self._connection.is_busy)

    async def ask(self, packed: bytes, expected: int, seconds: float) -> list[Reply]:
        """The replies, as `Connection.ask` gives them.

        Raises:
            RedisError, OSError, ...: one of `FOREIGN`.
            StoreUnavailable: the attempt to connect was ended.
        """
        if self._connection and self._connection.is_open:
            try:
                return await self._connection.ask(packed, expected, seconds)
            except (TimeoutError, AuthenticationError, BusyLoadingError):
                raise
            except FOREIGN:
                # It had been closed, as by a restart, which says nothing about the server. Every command of ours can
                # be sent twice.
                pass
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
            # If every caller leaves before it fails, nothing is wrong that the log should tell.
            self._opening.add_done_callback(lambda opening: opening.cancelled() or opening.exception())
        connection = await self._opened(self._opening)
        return await connection.ask(packed, expected, seconds)

    def close(self) -> None:
        """Closes the connection."""
        if self._opening:
            self._opening.cancel()
        if self._connection:
            self._connection.close()

    async def _opened(self, opening: asyncio.Task[Connection]) -> Connection:
        try:
            # A cancelled caller must not cancel what others wait for.
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.cancelled():
                raise StoreUnavailable("no connection is made any more", retry_after=1) from None
            raise

    async def _open(self) -> Connection:
        self._connection = await opened(self._server)
        return self._connection
