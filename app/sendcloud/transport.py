"""One exchange with the upstream over HTTP: the only caller of httpx.

Requests go straight to a transport, so there are no redirects, cookies, netrc or environment proxies to switch off.
Every deadline is a native timeout of the transport; a call is never cancelled from outside, which would poison
httpcore's pool (encode/httpcore#1093).
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from operator import attrgetter
from typing import TypeVar, cast

import httpx

from app.errors import BadUpstream, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.sendcloud.answers import MAX_JSON_BYTES
from app.sendcloud.protocol import Request
from app.sendcloud.witness import Witness

T = TypeVar("T")
Answer = tuple[int, httpx.Headers, bytes]

# The lanes hold the numbers down. As many are kept as there are: httpcore trims idle connections by counting all.
# An idle one is given up well before common servers (5 s and more) do it: a request that meets their FIN is lost.
READS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0)
# A kept connection may die while the request is on its way; a fresh one for each leaves no doubt about the others.
CREATES = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class Wire:
    """Exchanges over one transport. Every method raises `UpstreamError` where httpx would raise one of its own."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._transport.aclose()

    async def exchange(
        self, request: Request[T], timeouts: Mapping[str, float], deadline: float, witness: Witness | None = None
    ) -> Answer:
        """Status, headers and the whole body, of 1 MiB at most; the deadline is on the event loop's clock."""
        async with self.response(request, timeouts, deadline, witness) as (response, chunks):
            return response.status_code, response.headers, await read(chunks)

    @asynccontextmanager
    async def response(
        self, request: Request[T], timeouts: Mapping[str, float], deadline: float, witness: Witness | None = None
    ) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[bytes]]]:
        """The head of the answer, and its body while it arrives."""
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
            yield response, _chunks(stream, deadline)
        finally:
            with _failures():
                _refuse_surplus(stream)
                await stream.aclose()


async def _chunks(stream: httpx.AsyncByteStream, deadline: float) -> AsyncIterator[bytes]:
    with _failures():
        async for chunk in stream:
            if asyncio.get_running_loop().time() > deadline:
                raise UpstreamTimeout("an answer that does not end in time")
            yield chunk


_parser_of = attrgetter("_httpcore_stream._stream._connection._h11_state")


def _refuse_surplus(stream: httpx.AsyncByteStream) -> None:
    """Keeps a connection from being used again on which more came than the answer.

    httpcore 1.0 has no public way to ask: it would give these bytes to the next call as the beginning of its answer.
    """
    with suppress(AttributeError):  # there is no parser behind a transport that is no connection
        parser = _parser_of(stream)
        surplus, _ = parser.trailing_data
        if surplus:
            parser.send_failed()


async def read(chunks: AsyncIterable[bytes]) -> bytes:
    """All of it. Raises `BadUpstream` beyond 1 MiB."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise BadUpstream("an answer of more than 1 MiB")
    return bytes(body)


async def complete(chunks: AsyncIterable[bytes], length: int | None) -> AsyncIterator[bytes]:
    """The chunks. Raises `BadUpstream` at their end if they are not as long as announced."""
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        yield chunk
    if length is not None and received != length:
        raise BadUpstream("a document that is not as long as announced")


def content_length(headers: httpx.Headers) -> int | None:
    """The length that was announced, in bytes."""
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdecimal() else None


# The first row that fits decides, so the most specific stand first.
_FAILURES: tuple[tuple[type[Exception], type[UpstreamError]], ...] = (
    (httpx.ConnectTimeout, UpstreamUnavailable),
    (httpx.PoolTimeout, UpstreamUnavailable),
    (httpx.TimeoutException, UpstreamTimeout),
    (httpx.ConnectError, UpstreamUnavailable),
    (httpx.HTTPError, BadUpstream),
    (httpx.StreamError, BadUpstream),
    (httpx.InvalidURL, BadUpstream),
    # httpcore lets TLS errors on a standing connection through.
    (OSError, BadUpstream),
)


# What happens to connections and not to answers: another one may do better.
_PASSING = (httpx.ConnectTimeout, httpx.NetworkError, httpx.RemoteProtocolError)


@contextmanager
def _failures() -> Iterator[None]:
    """The one place where the transport's errors become ours."""
    try:
        yield
    except tuple(theirs for theirs, _ in _FAILURES) as cause:
        kind = next(ours for theirs, ours in _FAILURES if isinstance(cause, theirs))
        tls = _is_tls(cause)
        error = (BadUpstream if kind is UpstreamUnavailable and tls else kind)(type(cause).__name__)
        error.passing = isinstance(cause, _PASSING) and not tls
        # h11 quotes the offending bytes, which may be the upstream's text or our token.
        raise error from (None if isinstance(cause, httpx.ProtocolError) else cause)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None
