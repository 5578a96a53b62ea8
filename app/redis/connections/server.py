"""One Redis server: the connections to it, and whether it is asked at all."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from redis.exceptions import AuthenticationError, BusyLoadingError
from redis.exceptions import ConnectionError as ConnectionFailed

from app.errors import StoreUnavailable
from app.redis.connections.connection import TIMEOUT_SECONDS, Command, Connection, Hear, Reply, Server, packed
from app.redis.connections.failures import FOREIGN, misreads_mapped, reason
from app.redis.connections.loop_timeout import LoopTimeout

CONNECTIONS = 32
"""One is for all short questions; durable writes and long answers take turns on the others."""
WAIT_FOR_CONNECTION_SECONDS = 2.0
"""A burst may wait for connections; only the server itself must answer quickly."""
IDLE_SECONDS = 5.0
"""After this long unused, a connection is closed: a firewall may forget idle ones, and what they carry next is lost."""
QUIET_SECONDS = 2.0
"""After this long without news, the connection is probed, and must answer in the same time."""
PROBE_SECONDS = 0.3
"""Between two probes of a server that did not answer; longer than a probe takes."""
RETRY_AFTER_SECONDS = 5
"""By then a replica has taken its master's place (docs/operations.md), so that one repetition of a call succeeds."""


class Circuit:
    """Whether to ask a server at all: after a miss, one call probes it now and then and the others fail at once."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server did not answer the last time."""
        return self._reason is not None

    def check(self, now: float) -> None:
        """Returns if it may be asked (`now` in seconds of any steady clock).

        Raises:
            StoreUnavailable: it may not be asked now; the text names the last miss.
        """
        if self._reason is not None and now < self._probe_at:
            raise StoreUnavailable(self._reason, retry_after=RETRY_AFTER_SECONDS)

    def asked(self, now: float) -> None:
        """Notes that the server is being asked; while the circuit is open, that is the only probe for a while."""
        self._probe_at = now + PROBE_SECONDS

    def answered(self) -> None:
        """Notes that the server answered, which closes the circuit."""
        self._reason = None

    def missed(self, reason: str, now: float) -> None:
        """Notes that the server did not answer, and why, which opens the circuit."""
        self._reason, self._probe_at = reason, now + PROBE_SECONDS


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
        connection = await self.connection()
        try:
            return await connection.ask(packed, expected, seconds)
        except (TimeoutError, AuthenticationError, BusyLoadingError):
            raise
        except FOREIGN:
            # It was closed, as by a restart, which says nothing about the server, even if it had just been opened.
            # Every command of ours can be sent twice.
            connection = await self.connection()
        return await connection.ask(packed, expected, seconds)

    async def connection(self) -> Connection:
        """The connection, opened if it is not open. Raises like `ask`."""
        if self._connection and self._connection.is_open:
            return self._connection
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
            # If every caller leaves before it fails, nothing is wrong that the log should tell.
            self._opening.add_done_callback(lambda opening: opening.cancelled() or opening.exception())
        return await self._opened(self._opening)

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


class Node:
    """One server; calls fail at once while its circuit is open."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.circuit = Circuit()
        self._shared = Link(server)
        self._sharing = 0
        self._turns = asyncio.Semaphore(CONNECTIONS - 1)
        # The last one given back is used first, so that the surplus of a burst closes unused.
        self._idle: dict[Link, asyncio.TimerHandle] = {}
        self._lent_out = 0
        self._listening: set[Connection] = set()
        self._closed = False

    @property
    def in_use(self) -> int:
        """Connections in use now, including listening ones."""
        return self._lent_out + len(self._listening) + bool(self._sharing)

    async def run(self, commands: Sequence[Command], seconds: float = TIMEOUT_SECONDS) -> list[Reply]:
        """The replies to commands sent one after the other over one connection; error replies are among them.

        Raises:
            StoreUnavailable: the circuit is open.
            RedisError, OSError, ...: one of `FOREIGN`; the circuit is open from now on.
            TypeError: Redis does not take such an argument; nothing is sent.
        """
        loop = asyncio.get_running_loop()
        self.circuit.check(loop.time())
        sent = packed(commands)
        try:
            # What takes long, because of replicas or many bytes, goes alone, so that nothing waits behind it.
            ask = self._ask_alone if seconds > TIMEOUT_SECONDS else self._ask
            replies = await ask(sent, len(commands), seconds)
        except FOREIGN as error:
            self.circuit.missed(reason(error), loop.time())
            raise
        self.circuit.answered()
        return replies

    async def _ask(self, sent: bytes, expected: int, seconds: float) -> list[Reply]:
        self.circuit.asked(asyncio.get_running_loop().time())
        self._sharing += 1
        try:
            return await self._shared.ask(sent, expected, seconds)
        finally:
            self._sharing -= 1
            self._close_if_over()

    async def _ask_alone(self, sent: bytes, expected: int, seconds: float) -> list[Reply]:
        async with self.lent() as link:
            return await link.ask(sent, expected, seconds)

    async def listen(self, channel: str) -> AsyncGenerator[bytes]:
        """The messages published on the channel; b"" says that listening begins. Ends with one of `FOREIGN`."""
        heard: asyncio.Queue[Reply] = asyncio.Queue()
        connection = await opened(self.server, heard.put_nowait)
        self._listening.add(connection)
        try:
            if self._closed:
                raise ConnectionFailed("closed")
            (said,) = await connection.ask(packed([("SUBSCRIBE", channel)]), 1)
            if isinstance(said, Exception):
                raise said
            yield b""
            while True:
                message = await _next(heard, connection)
                if isinstance(message, list) and message[0] == b"message":
                    yield message[2]
        finally:
            self._listening.discard(connection)
            connection.close()

    async def aclose(self) -> None:
        """Closes listening and idle connections; those in use close when they are given back."""
        self._closed = True
        self._close_if_over()
        while self._idle:
            self._taken().close()
        for connection in [*self._listening]:
            connection.close()

    def _close_if_over(self) -> None:
        if self._closed and not self._sharing:
            self._shared.close()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Link]:
        """A connection for one caller alone. Raises StoreUnavailable: none is free, or the circuit is open."""
        try:
            async with LoopTimeout(WAIT_FOR_CONNECTION_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("no connection is free", retry_after=RETRY_AFTER_SECONDS) from error
        self._lent_out += 1
        link = self._taken() if self._idle else Link(self.server)
        loop = asyncio.get_running_loop()
        now = loop.time()
        try:
            # Checked again, because it may have opened while we waited for a connection.
            self.circuit.check(now)
            self.circuit.asked(now)
            yield link
        finally:
            # Nothing here awaits, so that no cancellation can come between and lose the connection.
            self._lent_out -= 1
            self._turns.release()
            if self._closed or link.is_busy:
                link.close()
            else:
                self._idle[link] = loop.call_later(IDLE_SECONDS, self._expired, link)

    def _taken(self) -> Link:
        """The idle connection that was given back last."""
        link, timer = self._idle.popitem()
        timer.cancel()
        return link

    def _expired(self, link: Link) -> None:
        del self._idle[link]
        link.close()


async def opened(server: Server, hear: Hear | None = None) -> Connection:
    """A connection that is open and authenticated.

    Raises:
        RedisError, TimeoutError: it cannot be had.
    """
    connection = await _connected(server, hear)
    try:
        await _greeted(connection, server)
    except BaseException:
        connection.close()
        raise
    return connection


async def _greeted(connection: Connection, server: Server) -> None:
    greeting = server.greeting
    for reply in await connection.ask(packed(greeting), len(greeting)) if greeting else []:
        if isinstance(reply, Exception):
            raise AuthenticationError(reason(reply)) if server.password else ConnectionFailed(reason(reply))


async def _connected(server: Server, hear: Hear | None) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        with misreads_mapped():
            async with LoopTimeout(TIMEOUT_SECONDS):
                if server.host.startswith("/"):
                    _, connection = await loop.create_unix_connection(lambda: Connection(hear), server.host)
                else:
                    _, connection = await loop.create_connection(
                        lambda: Connection(hear), server.host, server.port, ssl=server.tls
                    )
    except TimeoutError:
        raise
    except OSError as error:
        raise ConnectionFailed(type(error).__name__) from error
    return connection


async def ask(server: Server, commands: Sequence[Command]) -> list[Reply]:
    """The replies to commands over a connection of their own.

    Raises:
        RedisError, OSError, ...: one of `FOREIGN`, also for the first error the server answers with.
    """
    connection = await opened(server)
    try:
        replies = await connection.ask(packed(commands), len(commands))
    finally:
        connection.close()
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


async def _next(heard: asyncio.Queue[Reply], connection: Connection) -> Reply:
    """What is heard next, over a connection that is probed where nothing comes. Raises one of `FOREIGN`."""
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            message = await heard.get()
    except TimeoutError:
        (message,) = await connection.ask(packed([("PING",)]), 1, QUIET_SECONDS)
    if isinstance(message, Exception):
        raise message
    return message
