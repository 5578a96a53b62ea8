"""Deliveries of labels and customs declarations: checked, downloaded once for all readers, kept for a day.

The first reader starts a download, which moves the document from the upstream into sealed chunks in Redis at the
upstream's pace. Every reader, on any replica, follows the chunks at its own pace.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, NoReturn

from pydantic import ValidationError

from app.documents.download import Download, Pdf
from app.documents.store import (
    CHUNK_SECONDS,
    KEPT_SECONDS,
    MAX_KEPT_BYTES,
    PASSING_SECONDS,
    Progress,
    chunk_key,
    context,
    is_alive,
    is_over,
    progress_key,
)
from app.errors import (
    BadUpstream,
    BffError,
    StoreUnavailable,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.redis.encryption import Keyring, RecordUnreadable
from app.redis.limits.rate_limits import PerParcelLimit
from app.redis.single_flight import SingleFlight
from app.redis.store import Limit, Store
from app.telemetry.metrics import KEPT_BYTES
from app.upstream import Document

DOWNLOADS_AT_ONCE = 8
"""The most downloads into Redis at a time on one replica: they are fast, and each takes some MB of buffers."""
CHUNKS_READ_AT_ONCE = 16
"""The most chunks that one replica reads at a time; each takes a connection that small commands need, too."""
DIRECT_READERS = 8
DIRECT_READERS_OF_ONE_PARCEL = 2
DIRECT_SECONDS = 60.0
"""A direct reader holds a connection to the upstream, so there are few, and not for long."""
BUSY_SECONDS = 2
RESTART_SECONDS = 1
"""Retry-After for a document whose download was lost with its replica or in a failover of the store."""
SHORTEST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.2
"""Pauses between two reads of the next chunk."""

Source = Callable[[], AbstractAsyncContextManager[Document]]
"""Opens the document at the upstream."""


@dataclass(frozen=True)
class Delivery:
    """A document for one reader: its length in bytes, if known, and its bytes at the reader's pace."""

    length: int | None
    chunks: AsyncIterator[bytes]
    seconds: float
    """How long the reader may take; after that the connection is cut."""


class Known(NamedTuple):
    """The state of a document in the store."""

    now: float
    """The store's clock, seconds."""
    revision: int
    progress: Progress | None


class Documents:
    """Documents by name; a name belongs to one return, whose parcel key seals the chunks."""

    def __init__(self, store: Store, keyring: Keyring, *, total_bytes: int, idle_timeout: float) -> None:
        self._store = store
        self._keyring = keyring
        self._total_bytes = total_bytes
        self._idle_timeout = idle_timeout
        self._downloads: dict[str, Download] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
        self._beginning: dict[str, asyncio.Future[Progress]] = {}
        self._reading = asyncio.Semaphore(CHUNKS_READ_AT_ONCE)
        self._direct_turns = asyncio.Semaphore(DIRECT_READERS)
        self._direct_places = PerParcelLimit(DIRECT_READERS_OF_ONE_PARCEL)
        # Thousands may wait for one label, and all of them read it at the same moment.
        self._looks: SingleFlight[Known] = SingleFlight()
        self._chunks: SingleFlight[tuple[Progress, bytes]] = SingleFlight()

    @asynccontextmanager
    async def open(self, parcel_key: str, name: str, source: Source) -> AsyncIterator[Delivery]:
        """The document, from Redis if it is there or on its way there, otherwise from `source`.

        Raises:
            UpstreamError: there is no PDF to be had.
            TooManyCalls: it is not kept, and others of the parcel are reading from the upstream.
        """
        known = await self._looks.share(name, partial(self._known, name))
        progress = known.progress
        async with AsyncExitStack() as held:
            own = None
            if progress is None or not _can_be_followed(progress, known.now):
                progress = await self._begun_here(name)
            if progress is None:
                download = Download(self._store, self._keyring, parcel_key, name, self._idle_timeout, known.now)
                with self._as_beginning(name) as begun:
                    progress, own = await self._begun(download, source, known.revision, held)
                    begun.set_result(progress)
            shared = None if own else await self._followed(parcel_key, name, progress)
            if shared:
                yield shared
                return
            # It is too large, or there is no room: every reader gets it from the upstream.
            if own is None:
                await self._enter_direct_turn(parcel_key, held)
                own = await held.enter_async_context(_opened(source))
            yield Delivery(own.length, aiter(own), DIRECT_SECONDS)

    async def erase(self, name: str) -> None:
        """Deletes what is kept of the document."""
        progress = (await self._known(name)).progress
        if progress is None:
            return
        for number in range(progress.chunks):
            await self._store.delete(chunk_key(name, progress.pump, number), durable=True)
        # Last, because it leads a repetition to the chunks.
        await self._store.delete(progress_key(name), durable=True)

    async def aclose(self) -> None:
        """Waits for the downloads under way; their deadlines are short."""
        await self._looks.aclose()
        await self._chunks.aclose()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _begun_here(self, name: str) -> Progress | None:
        """The download that another reader on this replica has just begun; None if there is none.

        Thousands may wait for one label, and without this each of them would try to begin the download.
        """
        while begun := self._beginning.get(name):
            await asyncio.wait({begun})
            if not begun.cancelled():
                return begun.result()
        return None

    @contextlib.contextmanager
    def _as_beginning(self, name: str) -> Iterator[asyncio.Future[Progress]]:
        """The future that the other readers on this replica wait for; a reader that gives up leaves it to the next.

        Not a `SingleFlight`, because a document that is not kept comes over the first reader's own connection.
        """
        self._beginning[name] = begun = asyncio.get_running_loop().create_future()
        try:
            yield begun
        except BffError as error:
            begun.set_exception(error)
            # Perhaps no other reader waits for it.
            begun.exception()
            raise
        finally:
            del self._beginning[name]
            begun.cancel()

    async def _begun(
        self, download: Download, source: Source, revision: int, held: AsyncExitStack
    ) -> tuple[Progress, Pdf | None]:
        """Starts the download that all follow, unless another was faster; a PDF that is not kept is for this reader."""
        async with AsyncExitStack() as ours:
            turn = await ours.enter_async_context(AsyncExitStack())
            await turn.enter_async_context(self._turn(self._turns))
            if not await download.begin(revision):
                return await self._current(download.name), None
            self._downloads[download.id] = download
            ours.callback(self._downloads.pop, download.id)
            pdf = await ours.enter_async_context(_opened_for(download, source))
            reserved = MAX_KEPT_BYTES if pdf.length is None else pdf.length
            if reserved <= MAX_KEPT_BYTES and await self._spend(reserved):
                ours.push_async_callback(self._settle_account, download, reserved)
                task = asyncio.create_task(download.run(pdf, ours.pop_all()))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                return download.progress, None
            await download.end("direct")
            # A slow reader must not keep others from downloading.
            await turn.aclose()
            await self._enter_direct_turn(download.parcel_key, ours)
            await held.enter_async_context(ours.pop_all())
            return download.progress, pdf

    async def _spend(self, size: int) -> bool:
        allowance = await self._store.spend("q:{kept}", size, Limit(self._total_bytes, KEPT_SECONDS))
        return bool(allowance.granted)

    async def _settle_account(self, download: Download, reserved: int) -> None:
        """Gives back the reserved bytes that are not kept."""
        KEPT_BYTES.inc(download.kept_bytes)
        if download.kept_bytes != reserved:
            with contextlib.suppress(StoreUnavailable):
                await self._spend(download.kept_bytes - reserved)

    async def _enter_direct_turn(self, parcel_key: str, held: AsyncExitStack) -> None:
        held.enter_context(self._direct_places.place(parcel_key))
        await held.enter_async_context(self._turn(self._direct_turns))

    @asynccontextmanager
    async def _turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._idle_timeout):
                await turns.acquire()
        except TimeoutError:
            raise UpstreamUnavailable("too many downloads at once", retry_after=BUSY_SECONDS) from None
        try:
            yield
        finally:
            turns.release()

    async def _followed(self, parcel_key: str, name: str, progress: Progress) -> Delivery | None:
        """The document as it arrives in Redis; None if it is not kept there."""
        progress, head = await self._chunk(parcel_key, name, progress, 0)
        if progress.phase == "direct":
            return None
        length = progress.size if progress.phase == "done" else progress.length
        return Delivery(length, self._rest(parcel_key, name, progress, head), PASSING_SECONDS)

    async def _rest(self, parcel_key: str, name: str, progress: Progress, chunk: bytes) -> AsyncIterator[bytes]:
        number = 0
        while chunk:
            yield chunk
            number += 1
            if is_over(progress, number):
                return
            progress, chunk = await self._chunk(parcel_key, name, progress, number)

    async def _chunk(self, parcel_key: str, name: str, progress: Progress, number: int) -> tuple[Progress, bytes]:
        """This chunk as soon as it is there; empty after the last one, and for a document that is not kept in Redis.

        Raises:
            BadUpstream: the download failed.
            StoreUnavailable: its state is unknown, and it can be downloaded again.
        """
        here = self._downloads.get(progress.pump)
        if here and here.parcel_key == parcel_key:
            progress, chunk = await here.chunk(number)
            if chunk or is_over(progress, number):
                return progress, chunk
        work = partial(self._stored_chunk, parcel_key, name, progress, number)
        return await self._chunks.share((parcel_key, progress.pump, number), work)

    async def _stored_chunk(
        self, parcel_key: str, name: str, progress: Progress, number: int
    ) -> tuple[Progress, bytes]:
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            async with self._reading:
                sealed = await self._store.get(chunk_key(name, progress.pump, number), CHUNK_SECONDS)
            if sealed:
                with contextlib.suppress(RecordUnreadable):
                    return progress, self._keyring.unseal(sealed, parcel_key, context(name, progress.pump, number))
                await self._forget(name, "a chunk cannot be read")
            if is_over(progress, number):
                return progress, b""
            # The download was over before the chunk was read, so the chunk should have been there.
            lost = progress.phase == "done"
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            progress = await self._current(name, progress.pump)
            if lost:
                await self._forget(name, "a chunk is gone")

    async def _forget(self, name: str, why: str) -> NoReturn:
        """Deletes the progress, so that the next reader downloads the document again."""
        await self._store.delete(progress_key(name))
        raise StoreUnavailable(why, retry_after=RESTART_SECONDS)

    async def _current(self, name: str, pump: str | None = None) -> Progress:
        """The progress of a download that can be followed: of the download `pump`, if one is named, or of any."""
        now, _, progress = await self._known(name)
        if progress is None or progress.pump != (pump or progress.pump):
            raise StoreUnavailable("another download took over", retry_after=RESTART_SECONDS)
        if progress.phase == "failed":
            raise BadUpstream("the download broke off")
        if not _can_be_followed(progress, now):
            raise StoreUnavailable("the download shows no more signs of life", retry_after=RESTART_SECONDS)
        return progress

    async def _known(self, name: str) -> Known:
        now, (read,) = await self._store.read(progress_key(name))
        progress = None
        # Unreadable progress counts as absent, and the next download replaces it.
        with contextlib.suppress(ValidationError):
            progress = Progress.model_validate_json(read.value) if read.revision else None
        return Known(now, read.revision, progress)


@asynccontextmanager
async def _opened(source: Source) -> AsyncIterator[Pdf]:
    try:
        async with source() as document:
            yield await Pdf.begin(document)
    except (UpstreamUnauthorized, UpstreamRejected) as error:
        # The document's own token was refused, which says nothing about the session's tokens.
        raise BadUpstream("the download is refused") from error


@asynccontextmanager
async def _opened_for(download: Download, source: Source) -> AsyncIterator[Pdf]:
    """The document; if it cannot be had, the download ends as failed for all who follow it."""
    async with AsyncExitStack() as connection:
        try:
            pdf = await connection.enter_async_context(_opened(source))
        except BffError:
            await download.end("failed")
            raise
        yield pdf


def _can_be_followed(progress: Progress, now: float) -> bool:
    return progress.phase in {"done", "direct"} or is_alive(progress, now)
