"""Documents on a real Valkey with a scripted upstream: downloaded once, followed by all, never cut without notice."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
import pytest_asyncio

from app.documents.delivery import DIRECT_READERS, DOWNLOADS_AT_ONCE, Documents
from app.documents.download import CHUNK_BYTES, RECENT_CHUNKS
from app.documents.store import KEPT_SECONDS, MAX_KEPT_BYTES, PASSING_SECONDS, progress_key
from app.errors import (
    BadUpstream,
    StoreUnavailable,
    TooManyCalls,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.redis.connections.discovery import topology
from app.redis.connections.server import CONNECTIONS
from app.redis.encryption import Keyring
from app.redis.store import Store
from app.telemetry.metrics import REGISTRY
from app.upstream import Document
from tests.support.processes import Valkey, running_valkey

HEAD, END = b"%PDF-1.7\n", b"%%EOF\n"
SILENCE, SHORT_SILENCE = 5.0, 0.5
"""Seconds; long enough that a dead download counts as dead."""
ROOMY = 1024 * MAX_KEPT_BYTES


def pdf(size: int) -> bytes:
    """A PDF of so many bytes, no two stretches of which are alike."""
    filler = secrets.token_bytes(size - len(HEAD) - len(END))
    return HEAD + filler + END


@dataclass
class Source:
    """A document at the upstream: its pieces with a pause (seconds) before each, then its end or an error."""

    pieces: Sequence[bytes]
    length: int | None = None
    pause: float = 0.0
    refusal: Exception | None = None
    """What opening it raises."""
    error: BaseException | None = None
    """What comes instead of the end."""
    opened: int = 0
    connections: int = 0
    first: int = 1
    """How many pieces come before it waits for `more`."""
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first pieces were taken and another one is wanted."""
    more: asyncio.Event = field(default_factory=asyncio.Event)
    """Once this is set it goes on after the first pieces."""

    def __post_init__(self) -> None:
        self.more.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds it back after the first pieces; at the end it goes on, even if the test failed."""
        self.more.clear()
        try:
            yield
        finally:
            self.more.set()

    def give_one_more(self) -> None:
        """Lets go of one more piece while it is held back."""
        self.first += 1
        self.more.set()
        self.more.clear()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Document]:
        """The document on a connection of its own."""
        self.opened += 1
        if self.refusal:
            raise self.refusal
        self.connections += 1
        try:
            yield Document(self.length, self._arriving())
        finally:
            self.connections -= 1

    async def _arriving(self) -> AsyncIterator[bytes]:
        for number, piece in enumerate(self.pieces, 1):
            await asyncio.sleep(self.pause)
            yield piece
            if number == self.first:
                self.flows.set()
                await self.more.wait()
        if self.error:
            raise self.error


def whole(document: bytes, *, announced: bool = True, pieces: int = 3) -> Source:
    """A source that gives this document in so many pieces."""
    size = -(-len(document) // pieces)
    cut = [document[start : start + size] for start in range(0, len(document), size)]
    return Source(cut, len(document) if announced else None)


@dataclass
class Fleet:
    """Two replicas on one store, and the name of a document."""

    valkey: Valkey
    one: Documents
    other: Documents
    name: str = field(default_factory=lambda: secrets.token_hex(8))

    async def read(self, documents: Documents, source: Source) -> bytes:
        """The whole document, as one reader gets it."""
        async with documents.open("parcel", self.name, source.open) as delivery:
            received = b"".join([chunk async for chunk in delivery.chunks])
        assert delivery.length in {None, len(received)}
        return received

    def reading(self, documents: Documents, source: Source) -> asyncio.Task[bytes]:
        """The same under way."""
        return asyncio.create_task(self.read(documents, source))

    async def chunks(self) -> list[str]:
        """The keys of the document's chunks, in no order."""
        return [name.decode() async for name in self.valkey.client.scan_iter(f"{progress_key(self.name)}:*")]

    async def chunks_read(self) -> int:
        """How many chunks were read from the store since its statistics began."""
        return await self._calls("get")

    async def scripts_run(self) -> int:
        """How many scripts, which alone write, ran in the store since its statistics began."""
        return await self._calls("evalsha")

    async def _calls(self, command: str) -> int:
        statistics = await self.valkey.client.info("commandstats")
        return int(statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"])


@asynccontextmanager
async def running_fleet(valkey: Valkey, idle_timeout: float, total_bytes: int) -> AsyncIterator[Fleet]:
    """Two replicas that keep so many bytes; nothing is kept from before."""
    await valkey.client.flushall()
    store, keyring = Store(topology(valkey.url)), Keyring([b"k" * 32])
    one, other = (Documents(store, keyring, total_bytes=total_bytes, idle_timeout=idle_timeout) for _ in range(2))
    yield Fleet(valkey, one, other)
    await asyncio.gather(one.aclose(), other.aclose())
    await store.aclose()


@pytest_asyncio.fixture(scope="module", name="kept")
async def valkey_of_documents() -> AsyncIterator[Valkey]:
    """A server of its own, because the bytes of kept documents are counted for the whole fleet."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture(name="fleet")
async def roomy_fleet(kept: Valkey) -> AsyncIterator[Fleet]:
    """Two replicas with room, that believe in a download for long."""
    async with running_fleet(kept, SILENCE, ROOMY) as fleet:
        yield fleet


@pytest_asyncio.fixture(name="hasty")
async def hasty_fleet(kept: Valkey) -> AsyncIterator[Fleet]:
    """Two replicas with room, that soon take a silent download for dead."""
    async with running_fleet(kept, SHORT_SILENCE, ROOMY) as fleet:
        yield fleet


SIZES = [20, 100, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 1_000_000, MAX_KEPT_BYTES]


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", SIZES)
async def test_kept_document(fleet: Fleet, size: int, announced: bool) -> None:  # noqa: FBT001  a column of the table
    """A document of up to 4 MiB comes whole, and from then on without upstream, on every replica."""
    document = pdf(size)
    source = whole(document, announced=announced)
    assert [await fleet.read(each, source) for each in (fleet.one, fleet.other, fleet.one)] == [document] * 3
    assert (source.opened, source.connections) == (1, 0)


@pytest.mark.parametrize("pieces", [1, 2, 1000])
async def test_pieces_of_any_size(fleet: Fleet, pieces: int) -> None:
    """A document arrives whole in however many pieces upstream sends it."""
    document = pdf(200_000)
    assert await fleet.read(fleet.one, whole(document, pieces=pieces)) == document


@pytest.mark.parametrize("announced", [True, False])
async def test_length(fleet: Fleet, announced: bool) -> None:  # noqa: FBT001  a column of the table
    """A reader knows the length beforehand if upstream announced it, and always for a kept document."""
    document = pdf(4 * CHUNK_BYTES)
    source = whole(document, announced=announced)
    source.more.clear()
    async with fleet.one.open("parcel", fleet.name, source.open) as delivery:
        assert delivery.length == (len(document) if announced else None)
        source.more.set()
        await fleet.one.aclose()
    async with fleet.other.open("parcel", fleet.name, source.open) as delivery:
        assert delivery.length == len(document)


async def test_one_download_for_all(fleet: Fleet) -> None:
    """Readers on both replicas follow one download from its first chunk on, whenever they come."""
    document = pdf(3 * CHUNK_BYTES)
    source = whole(document)
    source.more.clear()
    calls = [fleet.reading(each, source) for each in (fleet.one, fleet.other) for _ in range(5)]
    await source.flows.wait()
    calls.append(fleet.reading(fleet.other, source))
    source.more.set()
    assert await asyncio.gather(*calls) == [document] * 11
    assert source.opened == 1


async def test_one_reader_of_a_replica_begins(fleet: Fleet) -> None:
    """However many wait for a document on one replica, its download is begun in the store once."""
    document = pdf(CHUNK_BYTES)
    await fleet.read(fleet.one, whole(document))
    await fleet.one.aclose()
    counts = []
    for readers in (1, 50):
        crowd = replace(fleet, name=f"{fleet.name}-{readers}")
        await fleet.valkey.client.config_resetstat()
        source = whole(document)
        assert await asyncio.gather(*(crowd.reading(fleet.one, source) for _ in range(readers))) == [document] * readers
        await fleet.one.aclose()
        counts.append(await fleet.scripts_run())
    assert counts[1] == counts[0] > 0


async def test_who_keeps_up_reads_from_memory(fleet: Fleet) -> None:
    """Readers on the replica that downloads get what comes without asking the store for it, those elsewhere ask."""
    document = pdf(9 * CHUNK_BYTES)
    source = whole(document, pieces=9)
    received = []
    await fleet.valkey.client.config_resetstat()
    async with AsyncExitStack() as readers:
        readers.enter_context(source.held())
        opened = [fleet.one.open("parcel", fleet.name, source.open) for _ in range(5)]
        chunks = [(await readers.enter_async_context(each)).chunks for each in opened]
        # The next piece comes once all have this one, so that no reader lags.
        for _ in range(9):
            received.append([await anext(each) for each in chunks])
            source.give_one_more()
        await fleet.one.aclose()
    assert [b"".join(column) for column in zip(*received, strict=True)] == [document] * 5
    assert await fleet.chunks_read() == 0
    assert await fleet.read(fleet.other, source) == document
    assert (await fleet.chunks_read(), source.opened) == (9, 1)


async def test_who_lags_reads_from_the_store(fleet: Fleet) -> None:
    """A slow reader does not hold the download up; it gets older chunks from the store."""
    document = pdf(9 * CHUNK_BYTES)
    source = whole(document, pieces=9)
    source.first = 8
    with source.held():
        async with fleet.one.open("parcel", fleet.name, source.open) as delivery:
            await source.flows.wait()
            await fleet.valkey.client.config_resetstat()
            received = [await anext(delivery.chunks) for _ in range(8)]
            # The first chunk came with the delivery.
            assert await fleet.chunks_read() == 8 - RECENT_CHUNKS - 1
            source.more.set()
            received += [chunk async for chunk in delivery.chunks]
    assert b"".join(received) == document


async def test_readers_leave_connections_to_others(fleet: Fleet) -> None:
    """However many documents are read from the store at once, connections stay free for small questions."""
    fleets = [replace(fleet, name=f"{fleet.name}-{number}") for number in range(2 * CONNECTIONS)]
    source = whole(document := pdf(CHUNK_BYTES))
    for each in fleets:
        await each.read(each.one, source)
    calls = [each.reading(each.other, source) for each in fleets]
    assert set(await asyncio.gather(*calls)) == {document}
    assert len(await fleet.valkey.client.client_list()) <= CONNECTIONS - 8


async def test_store_that_takes_no_more(hasty: Fleet) -> None:
    """When the store fails during a download, no document ends cleanly, and the next one is whole."""
    document = pdf(9 * CHUNK_BYTES)
    source = whole(document, announced=False, pieces=9)
    source.more.clear()
    calls = [hasty.reading(each, source) for each in (hasty.one, hasty.other)]
    await source.flows.wait()
    await hasty.valkey.client.config_set("maxmemory", "1")
    source.more.set()
    try:
        await hasty.one.aclose()
    finally:
        await hasty.valkey.client.config_set("maxmemory", "0")
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {BadUpstream, StoreUnavailable}
    assert await hasty.read(hasty.other, source) == document


async def test_store_that_hangs_up(fleet: Fleet) -> None:
    """When the store closes its connections during a download, all readers get the document, and it is kept."""
    document = pdf(9 * CHUNK_BYTES)
    source = whole(document, pieces=9)
    with source.held():
        calls = [fleet.reading(each, source) for each in (fleet.one, fleet.other)]
        await source.flows.wait()
        await fleet.valkey.client.client_kill_filter(_type="normal", skipme=True)
    assert await asyncio.gather(*calls) == [document] * 2
    await fleet.one.aclose()
    assert await fleet.read(fleet.other, source) == document
    assert source.opened == 1


async def test_who_leaves_leaves_alone(fleet: Fleet) -> None:
    """If the reader who started a download leaves, it goes on, and readers who stay get everything."""
    document = pdf(3 * CHUNK_BYTES)
    source = whole(document)
    source.more.clear()
    async with fleet.one.open("parcel", fleet.name, source.open):
        staying = fleet.reading(fleet.other, source)
    source.more.set()
    assert await staying == document
    assert source.opened == 1


async def test_slow_upstream(hasty: Fleet) -> None:
    """An upstream that sends a little now and then counts as slow, not dead, however long a chunk takes to fill."""
    document = pdf(4000)
    source = whole(document, pieces=10)
    source.pause = SHORT_SILENCE / 4
    calls = [hasty.reading(each, source) for each in (hasty.one, hasty.other)]
    assert await asyncio.gather(*calls) == [document] * 2
    assert source.opened == 1


@pytest.mark.parametrize("got", [1, 3])
async def test_dead_pump(hasty: Fleet, got: int) -> None:
    """When the replica that downloads dies, its readers and those elsewhere are told before long to come again."""
    source = Source([pdf(CHUNK_BYTES), bytes(2 * CHUNK_BYTES)][: 1 + got // 3], 9 * CHUNK_BYTES)
    source.error = asyncio.CancelledError()
    calls = [hasty.reading(each, source) for each in (hasty.one, hasty.other)]
    async with asyncio.timeout(3 * SHORT_SILENCE + 2):
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
    document = pdf(1000)
    assert await hasty.read(hasty.other, whole(document)) == document


async def test_silent_upstream(hasty: Fleet) -> None:
    """A download of which nothing is heard any more counts as dead; the next reader starts another one."""
    silent, document = whole(pdf(1000)), pdf(1000)
    silent.more.clear()
    with pytest.raises(StoreUnavailable):
        await hasty.read(hasty.one, silent)
    again = whole(document)
    assert await hasty.read(hasty.other, again) == document
    silent.more.set()
    await hasty.one.aclose()
    assert await hasty.read(hasty.one, again) == document
    assert (silent.opened, again.opened) == (1, 1)


@pytest.mark.parametrize("missing", [0, 1, 3])
async def test_missing_chunk(fleet: Fleet, missing: int) -> None:
    """A document that lacks a chunk never ends cleanly; its reader may come again soon, and it is downloaded again."""
    source = whole(pdf(4 * CHUNK_BYTES), pieces=4)
    await fleet.read(fleet.one, source)
    (name,) = [name for name in await fleet.chunks() if name.endswith(f":{missing}")]
    await fleet.valkey.client.delete(name)
    with pytest.raises(StoreUnavailable) as caught:
        await fleet.read(fleet.other, source)
    assert caught.value.retry_after == 1
    assert await fleet.read(fleet.other, source) == await fleet.read(fleet.one, source)
    assert source.opened == 2


async def test_chunks_of_what_is_not_kept_go_soon(fleet: Fleet) -> None:
    """The chunks of a broken document are gone in minutes, as its room is given back; those of a kept one stay."""
    with pytest.raises(BadUpstream):
        await fleet.read(fleet.one, whole(pdf(3 * CHUNK_BYTES)[: -len(END)], announced=False))
    for name in await fleet.chunks():
        assert await fleet.valkey.client.ttl(name) <= PASSING_SECONDS
    await fleet.read(fleet.one, whole(pdf(3 * CHUNK_BYTES)))
    lives = [await fleet.valkey.client.ttl(name) for name in await fleet.chunks()]
    assert sum(life > KEPT_SECONDS for life in lives) == 3


async def test_forged_chunk(fleet: Fleet) -> None:
    """A chunk in another one's place does not open."""
    source = whole(pdf(2 * CHUNK_BYTES))
    await fleet.read(fleet.one, source)
    first, second = sorted(await fleet.chunks())
    await fleet.valkey.client.copy(first, second, replace=True)
    with pytest.raises(StoreUnavailable):
        await fleet.read(fleet.other, source)


async def test_another_parcel_during_the_download(fleet: Fleet) -> None:
    """A reader of another parcel gets nothing of a download under way, even on the same replica."""
    source = whole(pdf(2 * CHUNK_BYTES), pieces=2)
    with source.held():
        async with fleet.one.open("parcel", fleet.name, source.open):
            with pytest.raises(StoreUnavailable):
                async with fleet.one.open("other parcel", fleet.name, source.open):
                    pass
    await fleet.one.aclose()


async def test_another_parcel(fleet: Fleet) -> None:
    """A session of another parcel cannot read a kept document, and no document can be read in the store."""
    document = HEAD + b"swordfish " * 1000 + END
    source = whole(document)
    await fleet.read(fleet.one, source)
    for name in await fleet.chunks():
        assert b"swordfish" not in (await fleet.valkey.client.get(name) or b"")
    with pytest.raises(StoreUnavailable):
        async with fleet.other.open("other parcel", fleet.name, source.open):
            pass


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (partial(Source, [], refusal=UpstreamUnauthorized()), BadUpstream),
        (partial(Source, [], refusal=UpstreamRejected()), BadUpstream),
        (partial(Source, [], refusal=UpstreamUnavailable()), UpstreamUnavailable),
        (partial(Source, [b"<html>"]), BadUpstream),
        (partial(Source, []), BadUpstream),
        (partial(Source, [pdf(100)], 26 * 1024 * 1024), BadUpstream),
        (partial(Source, [HEAD + bytes(2 * CHUNK_BYTES)]), BadUpstream),
        (partial(Source, [pdf(2 * CHUNK_BYTES)], 3 * CHUNK_BYTES, error=BadUpstream()), BadUpstream),
    ],
    ids=["no token", "rejected", "away", "no PDF", "nothing", "announced too large", "cut off", "shorter"],
)
async def test_no_document(fleet: Fleet, refused: Callable[[], Source], told: type[Exception]) -> None:
    """A document that is refused, no PDF, cut or too large fails for all readers; the next one asks upstream again."""
    source = refused()
    for _ in range(2):
        with pytest.raises(told):
            await fleet.read(fleet.one, source)
        await fleet.one.aclose()
    assert (source.opened, source.connections) == (2, 0)
    document = pdf(100)
    assert await fleet.read(fleet.other, whole(document)) == document


async def test_failure_is_shared(fleet: Fleet) -> None:
    """A reader who follows a download that fails is told so at once, not only after it counts as dead."""
    source = Source([pdf(2 * CHUNK_BYTES)], 3 * CHUNK_BYTES, error=BadUpstream())
    source.more.clear()
    calls = [fleet.reading(each, source) for each in (fleet.one, fleet.other)]
    await source.flows.wait()
    source.more.set()
    async with asyncio.timeout(SILENCE / 2):
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [BadUpstream] * 2


async def is_kept(fleet: Fleet, source: Source) -> bool:
    """Whether a document is read from the store the second time."""
    fleet.name = secrets.token_hex(8)
    for each in (fleet.one, fleet.other):
        await fleet.read(each, source)
        await each.aclose()
    return source.opened == 1


async def test_room_for_small_documents(kept: Valkey) -> None:
    """A document of unknown length takes the room of a large one, and gives back what it does not need."""
    small = 100_000
    async with running_fleet(kept, SILENCE, MAX_KEPT_BYTES + 2 * small) as fleet:
        found = [await is_kept(fleet, whole(pdf(small), announced=False)) for _ in range(5)]
    assert found == [True, True, True, False, False]


async def test_kept_bytes_are_counted(fleet: Fleet) -> None:
    """A document counts when it was put into the store, once, and not at all if it broke."""
    before = REGISTRY.get_sample_value("bff_documents_kept_bytes_total") or 0
    assert await is_kept(fleet, whole(pdf(100_000)))
    fleet.name = secrets.token_hex(8)
    with pytest.raises(BadUpstream):
        await fleet.read(fleet.one, Source([HEAD + bytes(CHUNK_BYTES)]))
    await fleet.one.aclose()
    assert REGISTRY.get_sample_value("bff_documents_kept_bytes_total") == before + 100_000


async def test_room_of_broken_documents(kept: Valkey) -> None:
    """A document that breaks off, and one whose download was refused, give back all the room that they took."""
    async with running_fleet(kept, SILENCE, MAX_KEPT_BYTES) as fleet:
        for source in (Source([HEAD + bytes(CHUNK_BYTES)]), Source([pdf(100)], error=BadUpstream())):
            fleet.name = secrets.token_hex(8)
            with pytest.raises(BadUpstream):
                await fleet.read(fleet.one, source)
            await fleet.one.aclose()
        assert await is_kept(fleet, whole(pdf(MAX_KEPT_BYTES)))


async def test_room_of_large_documents(kept: Valkey) -> None:
    """A document that turns out larger than 4 MiB comes whole, takes no room, and does not stay."""
    document = pdf(MAX_KEPT_BYTES + 1)
    async with running_fleet(kept, SILENCE, MAX_KEPT_BYTES) as fleet:
        assert await fleet.read(fleet.one, whole(document, announced=False)) == document
        await fleet.one.aclose()
        assert 0 < await kept.client.ttl(progress_key(fleet.name)) <= PASSING_SECONDS
        assert await is_kept(fleet, whole(pdf(MAX_KEPT_BYTES)))


async def test_no_room(kept: Valkey) -> None:
    """Where there is no room every reader gets the document from upstream, and nothing of it is stored."""
    document = pdf(100_000)
    async with running_fleet(kept, SILENCE, 0) as fleet:
        source = whole(document)
        assert [await fleet.read(each, source) for each in (fleet.one, fleet.other)] == [document] * 2
        assert (source.opened, source.connections, await fleet.chunks()) == (2, 0, [])


async def test_large_documents_are_not_stored(fleet: Fleet) -> None:
    """A document announced with more than 4 MiB comes from upstream for each reader."""
    document = pdf(MAX_KEPT_BYTES + 1)
    source = whole(document)
    calls = [fleet.reading(each, source) for each in (fleet.one, fleet.other) for _ in range(2)]
    assert await asyncio.gather(*calls) == [document] * 4
    assert (source.opened, source.connections, await fleet.chunks()) == (4, 0, [])


async def test_large_document_that_breaks(fleet: Fleet) -> None:
    """A document that comes straight from upstream and breaks off does not end cleanly either."""
    source = Source([pdf(100)], MAX_KEPT_BYTES + 1, error=BadUpstream())
    with pytest.raises(BadUpstream):
        await fleet.read(fleet.one, source)
    assert source.connections == 0


async def test_direct_readers(hasty: Fleet) -> None:
    """Only so many read straight from upstream at once; one more is told when to ask again, and may once one left."""
    source = whole(pdf(MAX_KEPT_BYTES + 1))
    async with AsyncExitStack() as readers:
        for number in range(DIRECT_READERS):
            await readers.enter_async_context(hasty.one.open(f"parcel_key {number}", hasty.name, source.open))
        with pytest.raises(UpstreamUnavailable) as caught:
            await hasty.read(hasty.one, source)
        assert caught.value.retry_after
        assert source.connections == DIRECT_READERS
        assert len(await hasty.read(hasty.other, source)) == MAX_KEPT_BYTES + 1
    assert len(await hasty.read(hasty.one, source)) == MAX_KEPT_BYTES + 1
    assert source.connections == 0


async def test_direct_readers_of_one_parcel(fleet: Fleet) -> None:
    """Two readers of one parcel may read straight from upstream at a replica; other parcels find room."""
    first, source = whole(pdf(MAX_KEPT_BYTES + 1)), whole(pdf(MAX_KEPT_BYTES + 1))
    async with AsyncExitStack() as readers:
        for each in (first, source):
            await readers.enter_async_context(fleet.one.open("parcel", fleet.name, each.open))
        for name in (fleet.name, "another document of the parcel"):
            with pytest.raises(TooManyCalls) as caught:
                async with fleet.one.open("parcel", name, source.open):
                    pass
            assert caught.value.retry_after
        assert (first.connections, source.connections) == (1, 1)
        await readers.enter_async_context(fleet.one.open("other parcel", fleet.name, source.open))
    assert len(await fleet.read(fleet.one, source)) == MAX_KEPT_BYTES + 1
    assert (first.connections, source.connections) == (0, 0)


async def test_too_many_downloads(hasty: Fleet) -> None:
    """A replica makes so many downloads at once; one more is told when to ask again, and may once one has ended."""
    sources = [whole(pdf(100), pieces=100) for _ in range(DOWNLOADS_AT_ONCE)]
    calls = []
    for source in sources:
        source.more.clear()
        calls.append(asyncio.create_task(Fleet(hasty.valkey, hasty.one, hasty.other).read(hasty.one, source)))
    for source in sources:
        await source.flows.wait()
    document = pdf(100)
    with pytest.raises(UpstreamUnavailable) as caught:
        await hasty.read(hasty.one, whole(document))
    assert caught.value.retry_after
    for source in sources:
        source.more.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await hasty.read(hasty.one, whole(document)) == document


async def test_end_of_a_replica(fleet: Fleet) -> None:
    """A replica that stops finishes its downloads, so that readers elsewhere get their rest."""
    document = pdf(3 * CHUNK_BYTES)
    source = whole(document)
    source.more.clear()
    async with fleet.one.open("parcel", fleet.name, source.open):
        staying = fleet.reading(fleet.other, source)
    end = asyncio.create_task(fleet.one.aclose())
    source.more.set()
    await end
    assert source.connections == 0
    assert await staying == document


async def test_a_document_that_is_erased_while_it_arrives_leaves_nothing(fleet: Fleet) -> None:
    """An erasure during the download takes the chunks that are stored by then and those that come afterwards."""
    source = whole(pdf(4 * CHUNK_BYTES), pieces=4)
    with source.held():
        reader = fleet.reading(fleet.one, source)
        await source.flows.wait()
        await fleet.other.erase(fleet.name)
    await asyncio.gather(reader, return_exceptions=True)
    await fleet.one.aclose()
    assert await fleet.chunks() == []


async def test_nothing_is_left_of_an_erased_document(fleet: Fleet) -> None:
    """The erasure of a kept document deletes all of it, and a later reader gets it from the upstream."""
    source = whole(pdf(3 * CHUNK_BYTES), pieces=3)
    await fleet.read(fleet.one, source)
    await fleet.one.aclose()
    await fleet.other.erase(fleet.name)
    assert await fleet.chunks() == []
    await fleet.read(fleet.other, source)
    assert source.opened == 2
