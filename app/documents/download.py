"""One download into Redis: a PDF that moves there in sealed chunks at the upstream's pace."""

import asyncio
import contextlib
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import InitVar, dataclass, field
from functools import partial
from typing import Literal

from app.documents.store import (
    CHUNK_SECONDS,
    KEPT_SECONDS,
    MAX_KEPT_BYTES,
    PASSING_SECONDS,
    Progress,
    chunk_key,
    context,
    progress_key,
)
from app.errors import (
    BadUpstream,
    BffError,
    StoreUnavailable,
)
from app.redis.bulk_writer import BulkWriter
from app.redis.encryption import ENVELOPE_BYTES, Keyring
from app.redis.store import Change, Store
from app.upstream import Document

MAGIC = b"%PDF-"
MAGIC_WITHIN_BYTES = 1024
"""PDF readers accept a header that begins this late, after blanks, a byte order mark or printer codes."""
_BEFORE_MAGIC = re.compile(
    rb"(?:\xef\xbb\xbf|[\0\s]|@PJL[^\r\n<%]*\r?\n|\x1b(?:E|[%&(*][-a-z0-9]*[A-Z]))*(?=" + MAGIC + rb")"
)
END, END_WITHIN_BYTES = b"%%EOF", 1024
MAX_BYTES = 25 * 1024 * 1024
CHUNK_BYTES = 128 * 1024
RECENT_CHUNKS = 4
"""Chunks of a download that stay in memory, for readers on the same replica that keep up with it."""


class Pdf:
    """A PDF on its way; iterating it raises BadUpstream before an incomplete or oversized one could end cleanly."""

    def __init__(self, length: int | None, head: bytes, rest: AsyncIterator[bytes]) -> None:
        self.length = length
        """In bytes; None where it is not known."""
        self._head = head
        self._rest = rest

    @classmethod
    async def begin(cls, document: Document) -> "Pdf":
        """The document as a PDF, without the bytes that may precede one.

        Raises:
            BadUpstream: it does not start like one, or announces more than 25 MiB.
        """
        chunks = aiter(document)
        head, most = b"", MAGIC_WITHIN_BYTES + len(MAGIC)
        while MAGIC not in head and len(head) < most and (chunk := await anext(chunks, b"")):
            head += chunk
        before = _BEFORE_MAGIC.match(head[:most])
        if before is None:
            raise BadUpstream("the document is not a PDF")
        if (document.length or 0) > MAX_BYTES:
            raise BadUpstream("the document is too large")
        length = None if document.length is None else document.length - before.end()
        return cls(length, head[before.end() :], chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._head
        size, tail = len(self._head), self._head.rstrip(b"\0")[-END_WITHIN_BYTES:]
        async for chunk in self._rest:
            size += len(chunk)
            if size > MAX_BYTES:
                raise BadUpstream("the document is too large")
            tail = (tail + chunk.rstrip(b"\0")[-END_WITHIN_BYTES:])[-END_WITHIN_BYTES:]
            yield chunk
        if self.length is None and END not in tail:
            raise BadUpstream("the document is cut off")


@dataclass
class Download:
    """One download into Redis at the upstream's pace, independent of its readers."""

    store: Store
    keyring: Keyring
    parcel_key: str
    name: str
    idle_timeout: float
    """Seconds without progress after which a download counts as dead."""
    now: InitVar[float]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))

    def __post_init__(self, now: float) -> None:
        self._clock = now - asyncio.get_running_loop().time()
        self.progress = Progress(pump=self.id, alive_until=0)
        self._revision = 0
        self._recent: deque[bytes] = deque(maxlen=RECENT_CHUNKS)
        self._news = asyncio.Event()

    @property
    def kept_bytes(self) -> int:
        """The bytes of the document that stay for a day."""
        return self.progress.size if self._is_kept else 0

    async def begin(self, revision: int) -> bool:
        """Whether this download may run; False means that another one was faster."""
        self._revision = revision
        return await self._store_progress()

    async def chunk(self, number: int) -> tuple[Progress, bytes]:
        """The progress once it has reached this chunk, and the chunk; empty if it has to be read from the store."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.idle_timeout):
                while self.progress.phase == "pumping" and number >= self.progress.chunks:
                    await self._news.wait()
        back = self.progress.chunks - number
        return self.progress, self._recent[-back] if 0 < back <= len(self._recent) else b""

    async def run(self, pdf: Pdf, connection: AsyncExitStack) -> None:
        """Moves the whole document; `connection` is given back at the end."""
        self.progress = self.progress.model_copy(update={"length": pdf.length})
        async with connection:
            try:
                async with self.store.bulk_writer(progress_key(self.name), CHUNK_SECONDS) as writer:
                    async for chunk in self._chunks(pdf):
                        await self._put(chunk, writer)
                    await writer.flush()
            except BffError:
                await self.end("failed")
            else:
                await self.end("done")

    async def _chunks(self, pdf: Pdf) -> AsyncIterator[bytes]:
        """The document in chunks of at least `CHUNK_BYTES`, which exceed it by one received piece at most."""
        # Joined instead of cut to size, so that a piece that is large enough is not copied.
        pieces, size = list[bytes](), 0
        async for piece in pdf:
            await self._show_life()
            pieces.append(piece)
            size += len(piece)
            if size >= CHUNK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
        if size:
            yield b"".join(pieces)

    async def end(self, phase: Literal["done", "failed", "direct"]) -> None:
        """Tells all readers how it ended."""
        self._move(phase=phase)
        chunks = [chunk_key(self.name, self.id, number) for number in range(self.progress.chunks)]
        with contextlib.suppress(StoreUnavailable):
            if self._is_kept:
                # Before the progress says "done", and for longer, so that no chunk ends before the progress does.
                await self.store.prolong(chunks, KEPT_SECONDS + PASSING_SECONDS)
            if not await self._store_progress():
                # It was erased meanwhile, or taken for dead.
                for chunk in chunks:
                    await self.store.delete(chunk, durable=True)

    async def _show_life(self) -> None:
        """Renews `alive_until`, so that a slow download does not count as dead."""
        if self.progress.alive_until - self._now() < self.idle_timeout / 2 and not await self._store_progress():
            raise BadUpstream("taken for dead")

    async def _put(self, chunk: bytes, writer: BulkWriter) -> None:
        number, size = self.progress.chunks, self.progress.size + len(chunk)
        self._recent.append(chunk)
        self._move(chunks=number + 1, size=size)
        seal = partial(
            self.keyring.seal_into,
            plaintext=chunk,
            scope=self.parcel_key,
            context=context(self.name, self.id, number),
        )
        await writer.put(chunk_key(self.name, self.id, number), len(chunk) + ENVELOPE_BYTES, seal, PASSING_SECONDS)

    def _move(self, **changes: object) -> None:
        """Changes the progress and wakes the readers on this replica."""
        self.progress = self.progress.model_copy(update=changes)
        self._news.set()
        self._news = asyncio.Event()

    async def _store_progress(self) -> bool:
        self.progress = self.progress.model_copy(update={"alive_until": self._now() + self.idle_timeout})
        ttl = KEPT_SECONDS if self._is_kept else PASSING_SECONDS
        change = Change(progress_key(self.name), self._revision, self.progress.model_dump_json().encode(), ttl)
        stored = await self.store.commit(secrets.token_urlsafe(9), [change])
        # A download that was taken for dead stays dead, so that it cannot end its successor's.
        self._revision += stored
        return stored

    @property
    def _is_kept(self) -> bool:
        return self.progress.phase == "done" and self.progress.size <= MAX_KEPT_BYTES

    def _now(self) -> float:
        return self._clock + asyncio.get_running_loop().time()
