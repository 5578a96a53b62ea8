"""How connections to a server are made: addresses, TCP, a proxy's tunnel, TLS."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from math import inf
from typing import cast
from urllib.parse import urlsplit

from aiohappyeyeballs import AddrInfoType, SocketFactoryType, start_connection

from app.errors import UpstreamError
from app.http_client.connection import Answer, Connection

LookUp = Callable[[str, int], Awaitable[Sequence[AddrInfoType]]]
"""Finds the addresses of a host and port."""

DNS_SECONDS = 10.0
"""How long an address is known."""
OTHER_ADDRESS_SECONDS = 0.25
"""When the first address has not answered after this, the next is tried as well (RFC 8305)."""
_PORTS = {"http": 80, "https": 443}


class Connector:
    """Connects to the server of a URL, through the tunnel of a proxy if there is one.

    `sockets` makes the socket for an address, or raises `OSError` if no connection may be made to it.
    """

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        proxy: str = "",
        *,
        look_up: LookUp | None = None,
        sockets: SocketFactoryType | None = None,
    ) -> None:
        self._name, port = _server(url)
        self._tls = tls if urlsplit(url).scheme == "https" else None
        host = f"[{self._name}]" if ":" in self._name else self._name
        self._tunnel = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode() if proxy else b""
        self._addresses = _Addresses(*_server(proxy or url), look_up or _looked_up)
        self._sockets = sockets

    async def connected(self, seconds: float, deadline: float) -> Connection:
        """A new connection.

        Raises:
            TimeoutError: the server is not reached within so many seconds, or by the deadline.
            OSError, UnicodeError: its name is not found, it is out of reach, or it does not prove its name.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(deadline):
            addresses = await self._addresses.known()
        deadline = min(loop.time() + seconds, deadline)
        async with asyncio.timeout_at(deadline):
            sock = await start_connection(
                addresses, happy_eyeballs_delay=OTHER_ADDRESS_SECONDS, socket_factory=self._sockets
            )
            return await self._on(sock, deadline)

    async def _on(self, sock: socket.socket, deadline: float) -> Connection:
        # TLS is a step of its own even without a tunnel. Where asyncio does both in one, a call that is cancelled early
        # leaves the socket open, and closing it under its transport takes events from the next one of its number.
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(Connection, sock=sock)
        try:
            if self._tunnel:
                await _opened(connection.ask(self._tunnel, inf, deadline))
                connection = Connection()
                transport.set_protocol(connection)
                connection.connection_made(transport)
            if self._tls:
                await self._encrypt(transport, connection, self._tls)
        except BaseException:
            transport.abort()
            raise
        return connection

    async def _encrypt(self, transport: asyncio.Transport, connection: Connection, tls: ssl.SSLContext) -> None:
        if transport.is_closing():
            # The peer has left. uvloop would begin all the same, and fail in a callback of its own.
            raise ConnectionAbortedError
        name = self._name.rstrip(".")
        encrypted = await asyncio.get_running_loop().start_tls(transport, connection, tls, server_hostname=name)
        connection.connection_made(cast("asyncio.Transport", encrypted))


def _server(url: str) -> tuple[str, int]:
    """Its host and port."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


async def _opened(answer: Answer) -> None:
    """Returns when the proxy has opened the tunnel. Raises `OSError` if it does not."""
    try:
        await answer.head()
    except UpstreamError as error:
        raise ConnectionAbortedError(str(error)) from None
    if answer.status != HTTPStatus.OK:
        raise ConnectionRefusedError


class _Addresses:
    """The addresses of a host. Those who want them share a look-up, so that a dead name server holds one thread."""

    def __init__(self, host: str, port: int, look_up: LookUp) -> None:
        self._look_up = partial(look_up, host, port)
        self._lookup: asyncio.Task[Sequence[AddrInfoType]] | None = None
        self._until = 0.0

    async def known(self) -> Sequence[AddrInfoType]:
        """The addresses, at most `DNS_SECONDS` old. Raises `OSError` if they cannot be looked up."""
        now = asyncio.get_running_loop().time()
        if self._lookup is None or (self._lookup.done() and now >= self._until):
            self._lookup = asyncio.create_task(self._found())
            # Those who wait may all have left when it fails.
            self._lookup.add_done_callback(lambda lookup: lookup.cancelled() or lookup.exception())
        # A caller that is cancelled must not cancel what others wait for.
        return await asyncio.shield(self._lookup)

    async def _found(self) -> Sequence[AddrInfoType]:
        found = await self._look_up()
        self._until = asyncio.get_running_loop().time() + DNS_SECONDS
        return found


async def _looked_up(host: str, port: int) -> Sequence[AddrInfoType]:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
