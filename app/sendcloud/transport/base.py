"""The transport's interface, and one exchange over it."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeVar

from app.errors import BadUpstream
from app.sendcloud.leniency.answers import MAX_JSON_BYTES
from app.sendcloud.protocol import Request
from app.sendcloud.transport.send_tracker import SendTracker

T = TypeVar("T")
Answer = tuple[int, Mapping[str, str], bytes]
UNZIPPED_BYTES = 256 * 1024
"""How much of a compressed body is unpacked at a time."""


class Head(NamedTuple):
    """The head of an answer; the names of `headers` are in lower case or ignore it."""

    status: int
    headers: Mapping[str, str]


class Transport(Protocol):
    """Carries requests: no redirects, no cookies, no proxies of the environment, and nothing is sent twice.

    Every method raises `UpstreamError` where the library would raise an error of its own. `timeouts` (seconds) has
    `connect` and `read`, the longest silence; `deadline` is a moment on the event loop's clock.
    """

    def response(
        self, request: Request[T], timeouts: Mapping[str, float], deadline: float, witness: SendTracker | None = None
    ) -> AbstractAsyncContextManager[tuple[Head, AsyncIterator[bytes]]]:
        """The head of the answer, and its body while it arrives; a send tracker sees the steps of sending."""

    async def aclose(self) -> None:
        """Closes its connections."""


async def exchange(
    wire: Transport,
    request: Request[T],
    timeouts: Mapping[str, float],
    deadline: float,
    witness: SendTracker | None = None,
) -> Answer:
    """Status, headers and the whole body. Raises `BadUpstream` if the body is too long."""
    async with wire.response(request, timeouts, deadline, witness) as (head, chunks):
        return head.status, head.headers, await read(decoded(head.headers, chunks), request.max_bytes)


async def read(chunks: AsyncIterable[bytes], most: int = MAX_JSON_BYTES) -> bytes:
    """The whole body. Raises `BadUpstream` if it is longer than `most` bytes."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise BadUpstream(f"an answer of more than {most} bytes")
    return bytes(body)


def decoded(headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body without the gzip that a proxy may add, though no request accepts any encoding.

    Raises `BadUpstream` where it is no whole gzip; the reader bounds its length.
    """
    return _unzipped(chunks) if headers.get("content-encoding", "").strip().lower() in {"gzip", "x-gzip"} else chunks


async def _unzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    # A body without any byte has nothing that could be compressed.
    is_whole = True
    async for chunk in chunks:
        for piece in _pieces(unzip, chunk):
            yield piece
        is_whole = unzip.eof
    if not is_whole:
        raise BadUpstream("a compressed body that is cut off")


def _pieces(unzip: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """The unpacked bytes piece by piece, because a small body can unpack to any size."""
    try:
        while piece := unzip.decompress(packed, UNZIPPED_BYTES):
            yield piece
            packed = unzip.unconsumed_tail
    except zlib.error:
        raise BadUpstream("a body that is not compressed as it says") from None


async def complete(chunks: AsyncIterable[bytes], length: int | None) -> AsyncIterator[bytes]:
    """The chunks. Raises `BadUpstream` at their end if they are not as long as announced."""
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        yield chunk
    if length is not None and received != length:
        raise BadUpstream("a document that is not as long as announced")


def content_length(headers: Mapping[str, str]) -> int | None:
    """The announced length in bytes, if there is one."""
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdecimal() else None
