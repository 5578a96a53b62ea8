"""The address to which a shop's events go: signed posts over connections whose address was checked."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook
from typing_extensions import override
from yarl import URL

from app.shops import EventsEntry

POST_SECONDS = 5.0
"""For a whole delivery, from the look-up of the name to the head of the answer."""
DNS_SECONDS = 10
"""How long an address is known. All posts to one name share a look-up, so that a dead name server holds one thread."""
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
        self._names = _Names()
        self._public = _session(tls, self._names, _public_socket)
        self._private = _session(tls, self._names, _any_socket)

    async def post(self, endpoint: EventsEntry, event_id: str, body: str) -> Posted:
        """Whether the endpoint took the event within `POST_SECONDS`."""
        session = self._private if endpoint.private else self._public
        secrets = [each.get_secret_value() for each in endpoint.secrets]
        try:
            async with session.post(
                URL(endpoint.url, encoded=True),
                data=body.encode(),
                headers=signed(secrets, event_id, datetime.now(UTC), body),
                allow_redirects=False,
            ) as response:
                # Closed, because the body is not read.
                response.close()
                return Posted(response.status, None if response.status in _TAKEN else Failure.STATUS)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Posted(0, _failure(error))

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._public.close()
        await self._private.close()
        await self._names.close()


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


class _Names(AbstractResolver):
    """Looks names up in threads of its own: the loop's are few, and upstream and store are looked up there."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "endpoint-names")

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        )
        return [
            ResolveResult(
                hostname=host, host=str(where[0]), port=port, family=of, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for of, _, proto, _, where in found
        ]

    @override
    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _failure(error: Exception) -> Failure:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure.NAME
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Failure.TLS
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    is_refused = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, _AddressRefused)
    return Failure.ADDRESS if is_refused else Failure.CONNECTION


def _public_socket(where: AddrInfoType) -> socket.socket:
    # Called for the very address that the connection is then made to.
    if not is_public(str(where[4][0])):
        raise _AddressRefused("not a public address")
    return _any_socket(where)


def _any_socket(where: AddrInfoType) -> socket.socket:
    return socket.socket(where[0], where[1], where[2])


def _session(tls: ssl.SSLContext, names: _Names, sockets: "aiohttp.SocketFactoryType") -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=tls,
            limit=0,
            force_close=True,
            resolver=names,
            ttl_dns_cache=DNS_SECONDS,
            socket_factory=sockets,
        ),
        timeout=aiohttp.ClientTimeout(total=POST_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
