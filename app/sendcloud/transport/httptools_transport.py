"""The transport of reads: a small client on httptools that keeps connections and sends nothing twice (ADR 3)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from typing_extensions import override

from app.errors import BadUpstream, UpstreamTimeout, UpstreamUnavailable
from app.http_client.connecting import Connector
from app.http_client.connection import Connection, request_head
from app.sendcloud.protocol import Request
from app.sendcloud.transport.base import Head, Transport
from app.sendcloud.transport.send_tracker import SendTracker

T = TypeVar("T")

KEPT_SECONDS = 2.0
"""Common servers close idle connections after 5 s or more, and a request that meets their FIN is lost."""


class HttptoolsTransport(Transport):
    """GETs without a body. The bulkheads bound the number of calls, and that is the number of connections."""

    def __init__(self, tls: ssl.SSLContext, proxy: str = "") -> None:
        self._tls = tls
        self._proxy = proxy
        self._pools: dict[str, _Pool] = {}

    @override
    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    @override
    def response(
        self, request: Request[T], timeouts: Mapping[str, float], deadline: float, witness: SendTracker | None = None
    ) -> "_Exchange":
        scheme, _, rest = request.url.partition("://")
        authority, _, target = rest.partition("/")
        head = request_head("GET", authority, target, request.headers)
        return _Exchange(self._pool(f"{scheme}://{authority}"), head, timeouts, deadline)

    def _pool(self, server: str) -> "_Pool":
        pool = self._pools.get(server)
        if pool is None:
            pool = self._pools[server] = _Pool(Connector(server, self._tls, self._proxy))
        return pool


class _Exchange:
    """One exchange as a context, at whose end its connection is free again or closed."""

    def __init__(self, pool: "_Pool", head: bytes, timeouts: Mapping[str, float], deadline: float) -> None:
        self._pool = pool
        self._head = head
        self._timeouts = timeouts
        self._deadline = deadline

    async def __aenter__(self) -> tuple[Head, AsyncIterator[bytes]]:
        if self._deadline <= asyncio.get_running_loop().time():
            raise UpstreamTimeout("no time is left")
        connection = self._pool.free() or await self._pool.connected(self._timeouts["connect"], self._deadline)
        self._connection = connection
        try:
            answer = connection.ask(self._head, self._timeouts["read"], self._deadline)
            await answer.head()
        except BaseException:
            await self._pool.take_back(connection)
            raise
        return Head(answer.status, answer.headers), answer

    async def __aexit__(self, *_: object) -> None:
        await self._pool.take_back(self._connection)


class _Pool:
    """The connections to one server: those in use, and the free ones, each with the timer that will close it."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._open = set[Connection]()
        self._free: dict[Connection, asyncio.TimerHandle] = {}
        self._is_closed = False

    def free(self) -> Connection | None:
        """The connection that was given back last, if any is free."""
        while self._free:
            connection, timer = self._free.popitem()
            timer.cancel()
            if connection.is_free:
                return connection
        return None

    async def connected(self, seconds: float, deadline: float) -> Connection:
        """A new connection, as `Connector.connected` gives it. Raises `UpstreamUnavailable` or `BadUpstream`."""
        with _failures():
            connection = await self._connector.connected(seconds, deadline)
        self._open.add(connection)
        connection.closed.add_done_callback(lambda _: self._forget(connection))
        if self._is_closed:
            connection.close()
        return connection

    async def take_back(self, connection: Connection) -> None:
        """Keeps the connection for a while if it is free; returns when it is kept or closed."""
        if connection.is_free:
            self._free[connection] = asyncio.get_running_loop().call_later(KEPT_SECONDS, connection.close)
        else:
            connection.close()
            # If the caller is cancelled meanwhile, this must not be.
            await asyncio.wait([connection.closed])

    async def aclose(self) -> None:
        """Closes all of them, and those that are being made once they stand."""
        self._is_closed = True
        for connection in self._open:
            connection.close()
        if self._open:
            await asyncio.wait([connection.closed for connection in self._open])

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if timer := self._free.pop(connection, None):
            timer.cancel()


@contextmanager
def _failures() -> Iterator[None]:
    """Turns failures to connect into ours."""
    try:
        yield
    except (ssl.SSLError, UnicodeError) as cause:
        raise BadUpstream(type(cause).__name__) from None
    except OSError as cause:
        error = UpstreamUnavailable(type(cause).__name__)
        error.transient = True
        raise error from None
