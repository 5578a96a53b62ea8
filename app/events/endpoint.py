"""The address to which a shop's events go: signed posts over connections whose address was checked."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp
from aiohappyeyeballs import AddrInfoType
from standardwebhooks import Webhook
from yarl import URL

from app.shops import EventsEntry

POST_SECONDS = 5.0
"""For a whole delivery, from the look-up of the name to the head of the answer."""
DNS_SECONDS = 10
"""How long an address is known. All posts to one name share a look-up, so that a dead name server holds one thread."""
NOT_ANSWERED = 0
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""Leads to IPv4 addresses of any kind (RFC 6052)."""


class Poster:
    """Posts events; nothing of an answer but its status is kept."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._public = _session(tls, _public_socket)
        self._private = _session(tls, _any_socket)

    async def post(self, endpoint: EventsEntry, event_id: str, body: str) -> int:
        """The status of the answer; `NOT_ANSWERED` if there was none within `POST_SECONDS`."""
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
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return NOT_ANSWERED

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._public.close()
        await self._private.close()


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
        if ip.sixtofour or ip.teredo or ip in _TRANSLATED:
            return False
        ip = ip.ipv4_mapped or ip
    return ip.is_global and not ip.is_multicast


def _public_socket(where: AddrInfoType) -> socket.socket:
    # Called for the very address that the connection is then made to.
    if not is_public(str(where[4][0])):
        raise OSError("not a public address")
    return _any_socket(where)


def _any_socket(where: AddrInfoType) -> socket.socket:
    return socket.socket(where[0], where[1], where[2])


def _session(tls: ssl.SSLContext, sockets: "aiohttp.SocketFactoryType") -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=tls, limit=0, force_close=True, ttl_dns_cache=DNS_SECONDS, socket_factory=sockets
        ),
        timeout=aiohttp.ClientTimeout(total=POST_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
