"""Every upstream call through the real client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import httpx

from app.domain import ServicePointQuery
from app.sendcloud.client import Sendcloud, connect
from app.sendcloud.policy.bulkheads import Deadlines
from app.sendcloud.protocol import Call
from app.sendcloud.transport.httptools_transport import HttptoolsTransport
from app.sendcloud.transport.httpx_transport import CREATES, HttpxTransport
from app.upstream import Document, Picture
from tests.support.unlimited import unlimited
from tests.unit.test_protocol_answers import RETURN_REQUEST

DEADLINES = Deadlines(lookup=0.5, create=0.5, poll=0.5, service_points=0.5, label_gap=0.5, label_total=1, upload=0.5)
METHODS = set(Call) - {Call.SERVICE_POINT_CARRIERS}
"""Calls that are methods of the client; the enabled carriers are asked for within a search that brings nothing."""
PUBLIC_CALLS = METHODS - {Call.UPLOADS, Call.INCOMING}
_JPEG = b"\xff\xd8\xff\xe0"


@asynccontextmanager
async def client(port: int, scheme: str = "http") -> AsyncIterator[Sendcloud]:
    """The client as production makes it, in a hurry, for an upstream on this port of this machine."""
    url = f"{scheme}://localhost:{port}"
    sendcloud = connect(url, url, unlimited(DEADLINES))
    try:
        yield sendcloud
    finally:
        await sendcloud.aclose()


@asynccontextmanager
async def clients() -> AsyncIterator[Callable[[int], Sendcloud]]:
    """Patient clients by port, all on the same connections, each with breakers that are closed."""
    tls = httpx.create_ssl_context(trust_env=False)
    async with (
        aclosing(HttptoolsTransport(tls)) as reads,
        httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=CREATES) as creates,
    ):

        def fresh(port: int) -> Sendcloud:
            url = f"http://127.0.0.1:{port}"
            return Sendcloud(url, url, reads=reads, creates=HttpxTransport(creates), guards=unlimited())

        yield fresh


async def made(sendcloud: Sendcloud, call: Call) -> object:
    """What any of `METHODS` answers; those that change something are allowed to leave."""
    calls: dict[Call, Callable[[], Awaitable[object]]] = {
        Call.SETTINGS: lambda: sendcloud.portal_settings("my-shop"),
        Call.OUTGOING: lambda: sendcloud.open_order("my-shop", "A-1001", "5611 AA"),
        Call.UPLOADS: lambda: sendcloud.upload("my-shop", "access", [Picture("image/jpeg", len(_JPEG), _jpeg())]),
        Call.INCOMING: lambda: sendcloud.create_return("my-shop", "access-token", RETURN_REQUEST, _nothing),
        Call.POLLING: lambda: sendcloud.poll_label("my-shop", "poll"),
        Call.SERVICE_POINTS: lambda: sendcloud.service_points("my-shop", "points", ServicePointQuery(country="NL")),
        Call.SERVICE_POINT: lambda: sendcloud.service_point("my-shop", "points", 1),
        Call.AVAILABILITY: lambda: sendcloud.service_point_available("my-shop", "points", 1),
        Call.DOWNLOAD: lambda: _whole(sendcloud.open_label("my-shop", "download")),
        Call.CUSTOMS: lambda: _whole(sendcloud.open_customs("my-shop", "/brand/my-shop/return-portal/customs/1")),
    }
    return await calls[call]()


async def _nothing() -> None:
    """Records nothing before the first byte."""


async def _jpeg() -> AsyncIterator[bytes]:
    yield _JPEG


async def _whole(opening: AbstractAsyncContextManager[Document]) -> bytes:
    async with opening as document:
        return b"".join([chunk async for chunk in document])
