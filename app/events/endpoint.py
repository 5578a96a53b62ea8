"""The address to which a shop's events go: signed posts over connections whose address was checked."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple

from aiohappyeyeballs import AddrInfoType
from standardwebhooks import Webhook

from app.errors import UpstreamError, UpstreamTimeout
from app.http_client.connecting import Connector
from app.http_client.connection import request_head
from app.shops import EventsEntry

POST_SECONDS = 5.0
"""For a whole delivery, from the look-up of the name to the head of the answer."""
LOOKUPS_AT_ONCE = 64
"""Twice the posts to failing endpoints (`delivery.py`), because a look-up can outlive its post."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""The one part of IPv6 whose addresses are those of the internet so far."""
_SPECIAL = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Within it: protocols (Teredo, for one, leads to any IPv4 address), documentation, 6to4, documentation."""
_TAKEN = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


class Failure(StrEnum):
    """Why an endpoint did not take a post."""

    STATUS = "status"
    """It answered, and not with 2xx."""
    TIMEOUT = "timeout"
    NAME = "name"
    """Its name cannot be looked up."""
    ADDRESS = "address"
    """Its name leads to an address that is not allowed."""
    TLS = "tls"
    CONNECTION = "connection"
    """It was refused, or ended before the answer."""


class Posted(NamedTuple):
    """What became of a post."""

    status: int
    """0 if it did not answer."""
    failure: Failure | None
    """None if it took the event."""


class Poster:
    """Posts events; nothing of an answer but its status is kept."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        # Of their own: the loop's threads are few, and upstream and store are looked up there.
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "endpoint-names")
        self._connectors: dict[tuple[str, bool], Connector] = {}

    async def post(self, endpoint: EventsEntry, event_id: str, body: str, at: float) -> Posted:
        """Whether the endpoint took the event within `POST_SECONDS`.

        `at` is the moment of the post, seconds on the store's clock: that of a replica may be minutes off, and then no
        verifier would accept the signature.
        """
        secrets = [each.get_secret_value() for each in endpoint.secrets]
        headers = signed(secrets, event_id, datetime.fromtimestamp(at, UTC), body)
        try:
            status = await self._status(endpoint, headers, body.encode())
        except (OSError, ValueError, UpstreamError) as error:
            return Posted(0, _failure(error))
        return Posted(status, None if status in _TAKEN else Failure.STATUS)

    async def aclose(self) -> None:
        """Looks no more names up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _status(self, endpoint: EventsEntry, headers: Mapping[str, str], body: bytes) -> int:
        """That of the answer to one post, on a connection that is closed after it."""
        scheme, _, rest = endpoint.url.partition("://")
        authority, _, target = rest.partition("/")
        of_connection = {"content-length": str(len(body)), "connection": "close"}
        head = request_head("POST", authority, target, {**headers, **of_connection})
        deadline = asyncio.get_running_loop().time() + POST_SECONDS
        connector = self._connector(f"{scheme}://{authority}", private=endpoint.private)
        connection = await connector.connected(POST_SECONDS, deadline)
        try:
            answer = connection.ask(head + body, POST_SECONDS, deadline)
            await answer.head()
            return answer.status
        finally:
            connection.close()
            await asyncio.wait([connection.closed])

    def _connector(self, server: str, *, private: bool) -> Connector:
        """The same for all posts to one server, so that they share look-ups and a dead name server holds one thread."""
        key = server, private
        if key not in self._connectors:
            sockets = None if private else _public_socket
            self._connectors[key] = Connector(server, self._tls, look_up=self._look_up, sockets=sockets)
        return self._connectors[key]

    async def _look_up(self, host: str, port: int) -> Sequence[AddrInfoType]:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        )


def signed(secrets: Sequence[str], event_id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of a delivery, with a signature by each secret (Standard Webhooks)."""
    return {
        "content-type": "application/json",
        "user-agent": "return-portal-bff",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, at, body) for secret in secrets),
    }


def is_public(address: str) -> bool:
    """Whether the address is one of the internet: not private, loopback, link-local, multicast, or a way to those."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return ip in _UNICAST and not any(ip in each for each in _SPECIAL)
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast


class _AddressRefused(OSError):
    pass


_FAILURES: tuple[tuple[tuple[type[Exception], ...], Failure], ...] = (
    ((socket.gaierror, UnicodeError), Failure.NAME),
    ((TimeoutError, UpstreamTimeout), Failure.TIMEOUT),
    ((_AddressRefused,), Failure.ADDRESS),
    ((ssl.SSLError,), Failure.TLS),
)


def _failure(error: Exception) -> Failure:
    return next((failure for errors, failure in _FAILURES if isinstance(error, errors)), Failure.CONNECTION)


def _public_socket(where: AddrInfoType) -> socket.socket:
    # Called for the very address that the connection is then made to.
    if not is_public(str(where[4][0])):
        raise _AddressRefused("not a public address")
    return socket.socket(where[0], where[1], where[2])
