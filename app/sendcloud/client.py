"""The upstream over HTTP: the only caller of httpx.

Requests go straight to a transport, so there are no redirects, cookies, netrc or environment proxies to switch off.
Every deadline is a native timeout of the transport; a call is never cancelled from outside, which would poison
httpcore's pool (encode/httpcore#1093).
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar, cast

import httpx

from app.errors import (
    BadUpstream,
    ReturnOutcomeUnknown,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.sendcloud import protocol
from app.sendcloud.answers import MAX_JSON_BYTES
from app.sendcloud.lanes import Deadlines, lanes
from app.sendcloud.protocol import Picture, Request
from app.sendcloud.schemas import (
    CreatedReturn,
    LabelStatus,
    NewReturn,
    Outgoing,
    PortalSettings,
    ServicePoint,
    ServicePointQuery,
    Upload,
)
from app.sendcloud.witness import Witness

T = TypeVar("T")


class Document:
    """The bytes of a label or a customs declaration as they arrive; `length` is what the upstream announced."""

    def __init__(self, length: int | None, chunks: AsyncIterator[bytes]) -> None:
        self.length = length
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


class Sendcloud:
    """The Return Portal and Service Points APIs. Methods raise `UpstreamError` and, where they say so, `NotFound`.

    `reads` carries all GETs. `creates` carries the POSTs and must never reuse a connection.
    """

    def __init__(
        self,
        panel_url: str,
        service_points_url: str,
        *,
        reads: httpx.AsyncBaseTransport,
        creates: httpx.AsyncBaseTransport,
        deadlines: Deadlines,
    ) -> None:
        self._panel_url = panel_url.rstrip("/")
        self._service_points_url = service_points_url.rstrip("/")
        self._reads = reads
        self._creates = creates
        self._lanes = lanes(deadlines)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._reads.aclose()
        await self._creates.aclose()

    async def portal_settings(self, brand: str, language: str | None = None) -> PortalSettings:
        """A brand's return settings in `language` (E1). Raises `BrandNotFound`."""
        return await self._get(protocol.settings(self._panel_url, brand, language))

    async def outgoing(self, brand: str, identifier: str, postal_code: str) -> Outgoing:
        """The parcel to return and its tokens (E2). Raises `ParcelNotFound`."""
        return await self._get(protocol.outgoing(self._panel_url, brand, identifier, postal_code))

    async def poll_label(self, brand: str, token: str) -> LabelStatus:
        """How far the label is (E5)."""
        return await self._get(protocol.polling(self._panel_url, brand, token))

    async def service_points(self, token: str, query: ServicePointQuery) -> list[ServicePoint]:
        """The service points around a place (S1)."""
        return await self._get(protocol.service_points(self._service_points_url, token, query))

    async def service_point(self, token: str, service_point_id: int) -> ServicePoint:
        """One service point (S2). Raises `ServicePointNotFound`."""
        return await self._get(protocol.service_point(self._service_points_url, token, service_point_id))

    async def service_point_available(self, token: str, service_point_id: int) -> bool:
        """Whether the service point takes parcels now (S3). Raises `ServicePointNotFound`."""
        return await self._get(protocol.availability(self._service_points_url, token, service_point_id))

    def open_label(self, brand: str, token: str) -> AbstractAsyncContextManager[Document]:
        """The label while it downloads (E6)."""
        return self._open(protocol.download(self._panel_url, brand, token))

    def open_customs(self, path: str) -> AbstractAsyncContextManager[Document]:
        """The customs declaration while it downloads, from a `customs_path` of `LabelReady`."""
        return self._open(protocol.customs(self._panel_url, path))

    async def upload(self, brand: str, access_token: str, pictures: Sequence[Picture]) -> list[Upload]:
        """The pictures as the upstream stored them (E3), in their order; lost ones expire there, so no error is grave.

        It goes over `creates`: nobody repeats a POST that met a kept connection in its last moment.
        """
        request = protocol.uploads(self._panel_url, brand, access_token, pictures)
        async with self._lanes[request.call].slot() as deadline:
            answer = await self._exchange(self._creates, request, deadline)
        return protocol.decode(request, *answer)

    async def create_return(
        self,
        brand: str,
        access_token: str,
        new_return: NewReturn,
        before_first_byte: Callable[[], Awaitable[None]],
    ) -> CreatedReturn:
        """Create a return (E4), once. `before_first_byte` is awaited when the connection stands and nothing was sent.

        Raises `ReturnOutcomeUnknown` wherever the return may exist. Any other error, one of `before_first_byte`
        included, proves that it does not.
        """
        request = protocol.incoming(self._panel_url, brand, access_token, new_return)
        witness = Witness(before_first_byte)
        async with self._lanes[request.call].slot() as deadline:
            try:
                answer = await self._exchange(self._creates, request, deadline, witness)
            except Exception as error:
                if not witness.proves_never_sent:
                    raise ReturnOutcomeUnknown("no whole answer to a creation that may have been sent") from error
                if witness.refusal is not None:
                    raise witness.refusal from None
                raise
        if not witness.saw_it_leave:
            raise ReturnOutcomeUnknown("an answer through a transport that does not tell when it sends")
        try:
            return protocol.decode(request, *answer)
        except (UpstreamRejected, UpstreamUnauthorized, UpstreamUnavailable):
            raise
        except Exception as error:
            raise ReturnOutcomeUnknown("no usable answer to a creation that was sent") from error

    async def _get(self, request: Request[T]) -> T:
        async with self._lanes[request.call].slot() as deadline:
            answer = await self._exchange(self._reads, request, deadline)
        return protocol.decode(request, *answer)

    @asynccontextmanager
    async def _open(self, request: Request[None]) -> AsyncIterator[Document]:
        async with (
            self._lanes[request.call].slot() as deadline,
            self._response(self._reads, request, deadline) as (response, chunks),
        ):
            if response.status_code != httpx.codes.OK:
                body = await _read(chunks)
                raise protocol.refusal(request.call, response.status_code, response.headers, body)
            length = _content_length(response.headers)
            yield Document(length, _complete(chunks, length))

    async def _exchange(
        self,
        transport: httpx.AsyncBaseTransport,
        request: Request[T],
        deadline: float,
        witness: Witness | None = None,
    ) -> tuple[int, httpx.Headers, bytes]:
        async with self._response(transport, request, deadline, witness) as (response, chunks):
            return response.status_code, response.headers, await _read(chunks)

    @asynccontextmanager
    async def _response(
        self,
        transport: httpx.AsyncBaseTransport,
        request: Request[T],
        deadline: float,
        witness: Witness | None = None,
    ) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[bytes]]]:
        extensions: dict[str, object] = {"timeout": self._lanes[request.call].timeouts(deadline)}
        if witness is not None:
            extensions["trace"] = witness
        with _failures():
            response = await transport.handle_async_request(
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
                await stream.aclose()


def connect(panel_url: str, service_points_url: str, deadlines: Deadlines) -> Sendcloud:
    """A client on real connections."""
    tls = httpx.create_ssl_context(trust_env=False)
    return Sendcloud(
        panel_url,
        service_points_url,
        reads=httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=_READS),
        creates=httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=_CREATES),
        deadlines=deadlines,
    )


# The lanes hold the numbers down. As many are kept as there are: httpcore trims idle connections by counting all.
# An idle one is given up well before common servers (5 s and more) do it: a request that meets their FIN is lost.
_READS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0)
# A kept connection may die while the request is on its way; a fresh one for each leaves no doubt about the others.
_CREATES = httpx.Limits(max_connections=None, max_keepalive_connections=0)


async def _chunks(stream: httpx.AsyncByteStream, deadline: float) -> AsyncIterator[bytes]:
    with _failures():
        async for chunk in stream:
            if asyncio.get_running_loop().time() > deadline:
                raise UpstreamTimeout("an answer that does not end in time")
            yield chunk


async def _read(chunks: AsyncIterable[bytes]) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise BadUpstream("an answer of more than 1 MiB")
    return bytes(body)


async def _complete(chunks: AsyncIterable[bytes], length: int | None) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        yield chunk
    if length is not None and received != length:
        raise BadUpstream("a document that is not as long as announced")


def _content_length(headers: httpx.Headers) -> int | None:
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


@contextmanager
def _failures() -> Iterator[None]:
    """The one place where the transport's errors become ours."""
    try:
        yield
    except tuple(theirs for theirs, _ in _FAILURES) as cause:
        error = next(ours for theirs, ours in _FAILURES if isinstance(cause, theirs))
        if error is UpstreamUnavailable and _is_tls(cause):
            error = BadUpstream
        # h11 quotes the offending bytes, which may be the upstream's text or our token.
        raise error(type(cause).__name__) from (None if isinstance(cause, httpx.ProtocolError) else cause)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None
