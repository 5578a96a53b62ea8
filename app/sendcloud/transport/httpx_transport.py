"""The transport of POSTs, on httpx, which tells whether a request has left.

Requests go straight to a transport, so there are no redirects, cookies, netrc or environment proxies to switch off.
Every deadline is a native timeout of the transport; a call is never cancelled from outside, which would poison
httpcore's pool (encode/httpcore#1093).
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar, cast

import httpx
from typing_extensions import override

from app.errors import BadUpstream, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.sendcloud.protocol import Request
from app.sendcloud.transport.base import Head, Transport
from app.sendcloud.transport.send_tracker import SendTracker

T = TypeVar("T")

# The bulkheads bound the number of connections. None is kept, because a kept one may close under a request and leave
# its outcome unknown.
CREATES = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class HttpxTransport(Transport):
    """Exchanges over one transport of httpx."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()

    @override
    @asynccontextmanager
    async def response(
        self, request: Request[T], timeouts: Mapping[str, float], deadline: float, witness: SendTracker | None = None
    ) -> AsyncIterator[tuple[Head, AsyncIterator[bytes]]]:
        extensions: dict[str, object] = {"timeout": dict(timeouts)}
        if witness is not None:
            extensions["trace"] = witness
        with _failures():
            response = await self._transport.handle_async_request(
                httpx.Request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    content=request.body,
                    extensions=extensions,
                )
            )
        stream = cast("httpx.AsyncByteStream", response.stream)
        try:
            yield Head(response.status_code, response.headers), _chunks(stream, deadline)
        finally:
            with _failures():
                await stream.aclose()


async def _chunks(stream: httpx.AsyncByteStream, deadline: float) -> AsyncIterator[bytes]:
    with _failures():
        async for chunk in stream:
            if asyncio.get_running_loop().time() > deadline:
                raise UpstreamTimeout("an answer that does not end in time")
            yield chunk


# The first row that fits decides, so the most specific stand first.
_FAILURES: tuple[tuple[type[Exception], type[UpstreamError]], ...] = (
    (httpx.ConnectTimeout, UpstreamUnavailable),
    (httpx.PoolTimeout, UpstreamUnavailable),
    (httpx.TimeoutException, UpstreamTimeout),
    (httpx.ConnectError, UpstreamUnavailable),
    (httpx.ProxyError, UpstreamUnavailable),
    (httpx.HTTPError, BadUpstream),
    (httpx.StreamError, BadUpstream),
    (httpx.InvalidURL, BadUpstream),
    # httpcore lets TLS errors on a standing connection through.
    (OSError, BadUpstream),
)


# Failures of connections, not of answers: another connection may succeed.
_TRANSIENT = (httpx.ConnectTimeout, httpx.NetworkError, httpx.RemoteProtocolError)


@contextmanager
def _failures() -> Iterator[None]:
    """Turns the transport's errors into ours."""
    try:
        yield
    except tuple(theirs for theirs, _ in _FAILURES) as cause:
        kind = next(ours for theirs, ours in _FAILURES if isinstance(cause, theirs))
        tls = _is_tls(cause)
        error = (BadUpstream if kind is UpstreamUnavailable and tls else kind)(type(cause).__name__)
        error.transient = isinstance(cause, _TRANSIENT) and not tls
        # h11 quotes the offending bytes, which may be the upstream's text or our token.
        raise error from (None if isinstance(cause, httpx.ProtocolError) else cause)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None
