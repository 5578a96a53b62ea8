"""The transport of reads, on aiohttp: connections are kept, and a cancelled call affects no other (ADR 3)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http import HTTPStatus
from math import inf
from typing import Any, TypeVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from typing_extensions import override
from yarl import URL

from app.errors import BadUpstream, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.sendcloud.protocol import Request
from app.sendcloud.transport.base import Head, Transport
from app.sendcloud.transport.send_tracker import SendTracker

T = TypeVar("T")

KEPT_SECONDS = 2.0
"""Common servers close idle connections after 5 s or more, and a request that meets their FIN is lost."""
MAX_HEADER_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
"""The most of a body at a time: one read of the event loop, so that pieces need not be cut."""

# The first row that fits decides, so the most specific stand first. The last column: another connection may do better.
_FAILURES: tuple[tuple[type[Exception], type[UpstreamError], bool], ...] = (
    (aiohttp.ClientSSLError, BadUpstream, False),
    (aiohttp.ConnectionTimeoutError, UpstreamUnavailable, True),
    (aiohttp.ClientConnectorError, UpstreamUnavailable, True),
    (aiohttp.ClientHttpProxyError, UpstreamUnavailable, True),
    (asyncio.TimeoutError, UpstreamTimeout, False),
    (aiohttp.InvalidURL, BadUpstream, False),
    (ssl.SSLError, BadUpstream, False),
    (aiohttp.ClientError, BadUpstream, True),
    (OSError, BadUpstream, True),
    (ValueError, BadUpstream, False),
)


class SingleResponseProtocol(ResponseHandler):
    """A connection of aiohttp that is closed when more arrives on it than one answer.

    The library would keep it and take the surplus for the beginning of the next answer.
    """

    _answer: aiohttp.StreamReader | None = None
    """The body of the answer that is not an interim one."""

    @property
    def _is_answered(self) -> bool:
        return self._answer is not None and self._answer.is_eof()

    @override
    def set_response_params(self, **params: Any) -> None:
        self._answer = None
        super().set_response_params(**params)

    @override
    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        message, body = data
        if message.code < HTTPStatus.OK:
            super().feed_data(data, size)
        elif self._answer is None:
            self._answer = body
            super().feed_data(data, size)
        else:
            self.close()

    @override
    def data_received(self, data: bytes) -> None:
        # The library calls it with no data to resume reading.
        if data and self._is_answered:
            self.close()
            return
        super().data_received(data)
        if self._is_answered and self._has_begun_another():
            self.close()

    def _has_begun_another(self) -> bool:
        try:
            return self._parser is not None and self._parser.feed_eof() is not None
        except Exception:  # noqa: BLE001  whatever is wrong with it, it is there
            return True


class AiohttpTransport(Transport):
    """Exchanges of requests that may be repeated; the bulkheads bound their number."""

    def __init__(self, tls: ssl.SSLContext, proxy: str = "") -> None:
        self._proxy = proxy or None
        connector = aiohttp.TCPConnector(ssl=tls, limit=0, keepalive_timeout=KEPT_SECONDS)
        # The library has no public way to set the class of connections, nor to keep it from repeating a GET that met
        # the end of a kept connection, which would make every count wrong.
        connections: Any = partial(SingleResponseProtocol, loop=asyncio.get_running_loop())
        connector._factory = connections  # noqa: SLF001
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        self._session._retry_connection = False  # noqa: SLF001

    @override
    async def aclose(self) -> None:
        await self._session.close()

    @override
    @asynccontextmanager
    async def response(
        self, request: Request[T], timeouts: Mapping[str, float], deadline: float, witness: SendTracker | None = None
    ) -> AsyncIterator[tuple[Head, AsyncIterator[bytes]]]:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            # The library takes 0 for "no limit".
            raise UpstreamTimeout("no time is left")
        limits = aiohttp.ClientTimeout(
            total=left,
            sock_connect=timeouts["connect"],
            sock_read=timeouts["read"],
            ceil_threshold=inf,
        )
        with _failures():
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                allow_redirects=False,
                timeout=limits,
                proxy=self._proxy,
            )
        try:
            yield Head(response.status, response.headers), _chunks(response)
        finally:
            response.release()


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with _failures():
        async for chunk in response.content.iter_chunked(PIECE_BYTES):
            yield chunk


@contextmanager
def _failures() -> Iterator[None]:
    """Turns the library's errors into ours, without their texts, which quote received bytes."""
    try:
        yield
    except tuple(theirs for theirs, _, _ in _FAILURES) as cause:
        ours, transient = next((ours, transient) for theirs, ours, transient in _FAILURES if isinstance(cause, theirs))
        error = ours(type(cause).__name__)
        error.transient = transient
        raise error from None
