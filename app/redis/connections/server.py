"""One Redis server: a pool of connections, and exchanges over them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple

from hiredis import pack_command
from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError

from app.errors import StoreUnavailable
from app.redis.connections.failures import FOREIGN, misreads_mapped, reason

TIMEOUT_SECONDS = 0.25
"""The limit of each step: connecting, the handshake, an exchange."""
CONNECTIONS = 32
WAIT_FOR_CONNECTION_SECONDS = 2.0
"""A burst may wait for connections; only the server itself must answer quickly."""
READ_BYTES = 256 * 1024
"""The most bytes of one read, as many as the event loop reads."""
TOGETHER = 64
"""The most commands of one turn of the event loop that share a connection and a round trip."""
QUIET_SECONDS = 2.0
"""After this long without news, the connection is probed, and must answer in the same time."""

TICKS = 5
PROBE_SECONDS = 0.3
"""Between two probes of a server that did not answer; longer than a probe takes."""
RETRY_AFTER_SECONDS = 5
"""By then a replica has taken its master's place (docs/operations.md), so that one repetition of a call succeeds."""

AnyConnection = Connection | UnixDomainSocketConnection
Argument = str | int | bytes
Command = Sequence[Argument]
Reply = object
"""A reply of the server: bytes, numbers, lists of them, None, or an error."""
Stated = Any
"""A reply that is not an error; its form depends on the command."""


class LoopTimeout:
    """Raises TimeoutError after so many seconds in which the event loop ran; a stall of the loop hardly counts.

    A loop that comes back from a stall runs its timers before it reads its sockets: a plain timeout would give up on
    a reply that has arrived long ago. Here several timers in a row must pass, and a stall uses up one at most.
    """

    def __init__(self, seconds: float) -> None:
        self._tick_seconds = seconds / TICKS
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._tick(TICKS)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _tick(self, left: int) -> None:
        if left:
            self._timer = self._loop.call_later(self._tick_seconds, self._tick, left - 1)
        else:
            self._limit.reschedule(self._loop.time())


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


class Server(NamedTuple):
    """The address of a server: host and port, or the path of a socket; the user, and whether TLS is used."""

    host: str
    port: int = 0
    username: str | None = None
    password: str | None = None
    db: int = 0
    tls: bool = False

    def connection(self) -> AnyConnection:
        """A connection that is not open yet; every default of the library that matters is stated."""
        options: dict[str, Any] = {
            "username": self.username,
            "password": self.password,
            "db": self.db,
            # Timeouts are ours (see `LoopTimeout`), and so are repetitions.
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_timeout": False,
            "health_check_interval": 0,
            # RESP2 spares new connections the HELLO, and has no notifications of maintenance.
            "protocol": 2,
            "maint_notifications_config": None,
            "driver_info": None,
            "decode_responses": False,
            "socket_read_size": READ_BYTES,
            # `handshake` runs on its own, so that connecting and the handshake each have their time.
            "redis_connect_func": _say_nothing,
        }
        if self.host.startswith("/"):
            return UnixDomainSocketConnection(path=self.host, **options)
        options |= {"host": self.host, "port": self.port, "socket_keepalive": True}
        if self.tls:
            return SSLConnection(ssl_cert_reqs="required", ssl_check_hostname=True, **options)
        return Connection(**options)


def _say_nothing(_: object) -> None: ...


class Asked(NamedTuple):
    """One caller's packed commands, the number of their replies, and the future that gets them."""

    packed: bytes
    expected: int
    replies: asyncio.Future[list[Reply]]


class Node:
    """One server; calls wait for one of its connections, and fail at once while its circuit is open."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.circuit = Circuit()
        self.in_use = 0
        """Connections in use now, including listening ones."""
        self._turns = asyncio.Semaphore(CONNECTIONS)
        # The last one given back is used first, so that the surplus of a burst can close unused.
        self._idle: list[AnyConnection] = []
        self._listening: set[AnyConnection] = set()
        self._asked: list[Asked] = []
        self._sending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, commands: Sequence[Command], seconds: float = TIMEOUT_SECONDS) -> list[Reply]:
        """The replies to commands sent one after the other over one connection; error replies are among them.

        Raises:
            StoreUnavailable: the circuit is open.
            RedisError, OSError, ...: one of `FOREIGN`; the circuit is open from now on.
            TypeError: Redis does not take such an argument; nothing is sent.
        """
        loop = asyncio.get_running_loop()
        self.circuit.check(loop.time())
        # Packed before it joins others in one exchange, so that a bad argument fails its caller alone.
        packed = _packed(commands)
        if seconds > TIMEOUT_SECONDS:
            # It takes long, because of replicas or many bytes, and others should not wait for it.
            return await self._exchange(packed, len(commands), seconds)
        if not self._asked:
            loop.call_soon(self._send)
        asked = Asked(packed, len(commands), loop.create_future())
        self._asked.append(asked)
        return await asked.replies

    def _send(self) -> None:
        """Starts the exchanges of all commands of this turn of the event loop."""
        asked, self._asked = self._asked, []
        for first in range(0, len(asked), TOGETHER):
            task = asyncio.create_task(self._answer(asked[first : first + TOGETHER]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _answer(self, asked: Sequence[Asked]) -> None:
        """Hands each caller its replies, or the error to all; callers that left meanwhile do not affect the others."""
        try:
            packed = b"".join(each.packed for each in asked)
            replies = iter(await self._exchange(packed, sum(each.expected for each in asked)))
        except Exception as error:  # noqa: BLE001  any error must reach the callers that wait
            _tell_all(asked, error)
        except BaseException as error:
            _tell_all(asked, StoreUnavailable(reason(error), retry_after=RETRY_AFTER_SECONDS))
            raise
        else:
            for each in asked:
                own = list(islice(replies, each.expected))
                if not each.replies.done():
                    each.replies.set_result(own)

    async def _exchange(self, packed: bytes, count: int, seconds: float = TIMEOUT_SECONDS) -> list[Reply]:
        loop = asyncio.get_running_loop()
        async with self._lent() as connection:
            # Checked again, because it may have opened while we waited for a connection.
            self.circuit.check(loop.time())
            self.circuit.asked(loop.time())
            try:
                replies = await _exchanged_with_retry(connection, packed, count, seconds)
            except FOREIGN as error:
                self.circuit.missed(reason(error), loop.time())
                raise
        self.circuit.answered()
        return replies

    async def listen(self, channel: str) -> AsyncGenerator[bytes]:
        """The messages published on the channel; b"" says that listening begins. Ends with one of `FOREIGN`."""
        connection = self.server.connection()
        self._listening.add(connection)
        self.in_use += 1
        try:
            await handshake(connection)
            async for news in subscribe(connection, channel):
                yield news
        finally:
            self.in_use -= 1
            self._listening.discard(connection)
            await connection.disconnect(nowait=True)

    async def aclose(self) -> None:
        """Closes listening and idle connections; those in use close when they are given back."""
        self._closed = True
        if self._sending:
            # Not `gather`, which would cancel exchanges that others wait for if this wait is cancelled.
            await asyncio.wait(self._sending)
        connections = [*self._idle, *self._listening]
        self._idle.clear()
        for connection in connections:
            await connection.disconnect(nowait=True)

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[AnyConnection]:
        try:
            async with LoopTimeout(WAIT_FOR_CONNECTION_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("no connection is free", retry_after=RETRY_AFTER_SECONDS) from error
        self.in_use += 1
        connection = self._idle.pop() if self._idle else self.server.connection()
        try:
            yield connection
        finally:
            # Nothing here awaits, so that no cancellation can come between and lose the connection.
            self.in_use -= 1
            self._turns.release()
            if self._closed:
                await connection.disconnect(nowait=True)
            else:
                self._idle.append(connection)


def _packed(commands: Sequence[Command]) -> bytes:
    try:
        # The library's stub knows tuples of one argument.
        return b"".join(pack_command(tuple(command)) for command in commands)  # type: ignore[arg-type]
    except (TypeError, UnicodeError) as error:
        # `from None`: the cause may quote the argument.
        raise TypeError(f"no argument for Redis: {type(error).__name__}") from None


def _tell_all(asked: Sequence[Asked], error: Exception) -> None:
    for each in asked:
        if not each.replies.done():
            each.replies.set_exception(error)


async def ask(server: Server, commands: Sequence[Command]) -> list[Reply]:
    """The replies to commands over a connection of their own.

    Raises:
        RedisError, OSError, ...: one of `FOREIGN`, also for the first error the server answers with.
    """
    connection = server.connection()
    try:
        await handshake(connection)
        replies = await _exchanged(connection, _packed(commands), len(commands), TIMEOUT_SECONDS)
    finally:
        await connection.disconnect(nowait=True)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


async def handshake(connection: AnyConnection) -> None:
    """Returns once the connection is open and authenticated."""
    try:
        with misreads_mapped():
            async with LoopTimeout(TIMEOUT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]  # the library's
            async with LoopTimeout(TIMEOUT_SECONDS):
                await connection.on_connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


async def subscribe(connection: AnyConnection, channel: str) -> AsyncGenerator[bytes]:
    """The messages published on the channel, over an open connection; b"" says that listening begins.

    Raises:
        TimeoutError: the server does not answer a probe.
    """
    with misreads_mapped():
        await connection.send_command("SUBSCRIBE", channel)
    asked = False
    while True:
        with misreads_mapped():
            message = await connection.read_response(timeout=QUIET_SECONDS)
            if message is None and asked:
                raise TimeoutError
            if message is None:
                await connection.send_command("PING")
        asked = message is None
        if message is None:
            continue
        if message[0] in {b"subscribe", b"message"}:
            yield message[2] if message[0] == b"message" else b""


async def _exchanged_with_retry(connection: AnyConnection, packed: bytes, count: int, seconds: float) -> list[Reply]:
    reused = connection.is_connected
    try:
        if reused:
            return await _exchanged(connection, packed, count, seconds)
    except (TimeoutError, AuthenticationError, BusyLoadingError):
        raise
    except FOREIGN:
        # The idle connection was closed, as by a restart, which says nothing about the server. Every command of ours
        # can be sent twice.
        pass
    await handshake(connection)
    return await _exchanged(connection, packed, count, seconds)


async def _exchanged(connection: AnyConnection, packed: bytes, count: int, seconds: float) -> list[Reply]:
    # On any interruption the library closes the connection, so that no caller gets a late reply of another.
    with misreads_mapped():
        async with LoopTimeout(seconds):
            await connection.send_packed_command(packed)
            return [await _reply(connection) for _ in range(count)]


async def _reply(connection: AnyConnection) -> Reply:
    try:
        reply: Reply = await connection.read_response(disconnect_on_error=True)
    except ResponseError as error:
        return error
    return reply
