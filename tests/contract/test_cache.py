"""What the fleet asks once, on a real Valkey with two replicas: shared, renewed ahead, and kept when upstream fails."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from app.errors import (
    BadUpstream,
    BrandNotFound,
    StoreUnavailable,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.redis.connections.discovery import topology
from app.redis.shared_cache import ROOM_OF_ONE_PARCEL, Cached, FleetCache
from app.redis.store import Store
from tests.support.processes import LOCAL, Valkey, eventually, free_port
from tests.support.proxy import running_proxy

FRESH, NEVER_FRESH = 600.0, -1.0
"""Seconds: an answer of a moment ago is far from half that age, or beyond it (clocks tell milliseconds)."""
PATIENCE, SHORT_PATIENCE = 5.0, 0.3
DELAY_SECONDS = 0.06
"""Either way between a distant replica and the store: long enough for another one to ask and to keep its answer."""
AGE_SECONDS, FRESH_FOR_THAT_AGE = 1.0, 1.9
"""At this age an answer is past the half of this freshness, and not past the whole."""


@dataclass
class Upstream:
    """Numbers its answers, or fails; holds them back once it is closed."""

    asked: int = 0
    error: Exception | None = None
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    async def fetch(self) -> bytes:
        """The next answer."""
        self.asked += 1
        number, error = self.asked, self.error
        self.was_asked.set()
        await self.answers.wait()
        if error:
            raise error
        return b"%d" % number

    def close(self) -> None:
        """Holds its answers back from now on."""
        self.was_asked.clear()
        self.answers.clear()


@dataclass
class Fleet:
    """Two replicas, and a key of this test alone."""

    store: Store
    one: FleetCache
    other: FleetCache
    upstream: Upstream = field(default_factory=Upstream)
    key: str = field(default_factory=lambda: secrets.token_hex(8))

    async def get(self, cache: FleetCache, freshness: float = FRESH) -> tuple[bytes, bool]:
        """What a replica answers, and whether it says that this is stale."""
        cached: Cached = await cache.get(self.key, self.upstream.fetch, freshness)
        return cached.value, cached.stale

    def asking(self, cache: FleetCache, freshness: float = FRESH) -> asyncio.Task[tuple[bytes, bool]]:
        """The same under way."""
        return asyncio.create_task(self.get(cache, freshness))

    async def aged(self, seconds: float) -> None:
        """Keeps a first answer and returns when it is so old."""
        await self.get(self.one)
        old_enough = await self.store.now() + seconds

        async def is_old() -> bool:
            return await self.store.now() >= old_enough

        await eventually(is_old, seconds + 5)


@contextlib.asynccontextmanager
async def running_fleet(valkey: Valkey, patience: float, other_patience: float) -> AsyncIterator[Fleet]:
    """Two replicas that wait so long for each other; upstream is open again at the end."""
    store = Store(topology(valkey.url))
    fleet = Fleet(store, FleetCache(store, max_wait=patience), FleetCache(store, max_wait=other_patience))
    try:
        yield fleet
    finally:
        fleet.upstream.answers.set()
        await asyncio.gather(fleet.one.aclose(), fleet.other.aclose())
        await store.aclose()


@pytest_asyncio.fixture(name="fleet")
async def patient_fleet(valkey: Valkey) -> AsyncIterator[Fleet]:
    """Two replicas that wait for each other longer than any test takes."""
    async with running_fleet(valkey, PATIENCE, PATIENCE) as fleet:
        yield fleet


async def test_one_call_for_all(fleet: Fleet) -> None:
    """However many ask on both replicas, upstream is asked once, and all get its answer."""
    fleet.upstream.close()
    calls = [fleet.asking(cache) for cache in (fleet.one, fleet.other) for _ in range(50)]
    await fleet.upstream.was_asked.wait()
    fleet.upstream.answers.set()
    assert set(await asyncio.gather(*calls)) == {(b"1", False)}
    assert fleet.upstream.asked == 1


async def test_renewed_between_look_and_lock(valkey: Valkey) -> None:
    """A replica that found nothing kept, and gets the lock once another one has kept its answer, makes no call."""
    async with (
        running_proxy(urlsplit(valkey.url).port or 0, DELAY_SECONDS) as far,
        running_fleet(valkey, PATIENCE, PATIENCE) as fleet,
        aclosing(Store(topology(f"redis://{LOCAL}:{far.port}/0"))) as store,
    ):
        distant = FleetCache(store, max_wait=PATIENCE)
        # Now the server knows the scripts, and the connection is open.
        await distant.get(f"{fleet.key}-warm", fleet.upstream.fetch, FRESH)
        scripts = await run_scripts(valkey)
        call = fleet.asking(distant)

        async def has_looked() -> bool:
            return await run_scripts(valkey) > scripts

        await eventually(has_looked, 5)
        assert await fleet.get(fleet.one) == (b"2", False)
        assert await call == (b"2", False)
        assert fleet.upstream.asked == 2
        await distant.aclose()


async def run_scripts(valkey: Valkey) -> int:
    """How many scripts the server has run."""
    return int((await valkey.client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"])


async def test_fresh_answer(fleet: Fleet) -> None:
    """A fresh answer is given by every replica without a call, at a moment of the store's clock."""
    # The moment of an answer is told in whole milliseconds.
    before = int(await fleet.store.now() * 1000) / 1000
    assert await fleet.get(fleet.one) == (b"1", False)
    for cache in (fleet.one, fleet.other):
        cached = await cache.get(fleet.key, fleet.upstream.fetch, FRESH)
        assert (cached.value, cached.stale) == (b"1", False)
        assert before <= cached.now <= await fleet.store.now() + 0.001
    assert fleet.upstream.asked == 1


async def test_keys_are_apart(fleet: Fleet) -> None:
    """An answer kept under one key is not given for another."""
    await fleet.get(fleet.one)
    assert (await fleet.other.get(secrets.token_hex(8), fleet.upstream.fetch, FRESH)).value == b"2"


async def test_renewed_behind(fleet: Fleet) -> None:
    """From half its age on an answer is given at once as fresh, while one call for the fleet renews it."""
    await fleet.aged(AGE_SECONDS)
    fleet.upstream.close()
    for cache in (fleet.one, fleet.other) * 3:
        assert await fleet.get(cache, FRESH_FOR_THAT_AGE) == (b"1", False)
    await fleet.upstream.was_asked.wait()
    fleet.upstream.answers.set()

    async def is_renewed() -> bool:
        return {await fleet.get(cache) for cache in (fleet.one, fleet.other)} == {(b"2", False)}

    await eventually(is_renewed, 5)
    assert fleet.upstream.asked == 2


@pytest.mark.parametrize("error", [BadUpstream(), BrandNotFound()])
async def test_failed_renewal_is_nobodys_trouble(fleet: Fleet, error: Exception) -> None:
    """A failed renewal behind an answer that is still fresh is not reported."""
    await fleet.aged(AGE_SECONDS)
    fleet.upstream.error = error
    assert await fleet.get(fleet.one, FRESH_FOR_THAT_AGE) == (b"1", False)
    await fleet.one.aclose()
    assert await fleet.get(fleet.other) == (b"1", False)
    assert fleet.upstream.asked == 2


async def test_too_old_answer_waits(fleet: Fleet) -> None:
    """An answer beyond its freshness is not given while upstream works: who asks waits for the next one."""
    await fleet.get(fleet.one)
    fleet.upstream.close()
    call = fleet.asking(fleet.one, NEVER_FRESH)
    await fleet.upstream.was_asked.wait()
    assert not call.done()
    fleet.upstream.answers.set()
    assert await call == (b"2", False)
    assert await fleet.get(fleet.other) == (b"2", False)


async def test_stale_answer(fleet: Fleet) -> None:
    """When upstream fails, the old answer is given as stale, and no caller waits for the next failing call."""
    await fleet.get(fleet.one)
    fleet.upstream.error = UpstreamTimeout()
    assert await fleet.get(fleet.one, NEVER_FRESH) == (b"1", True)
    fleet.upstream.close()
    answers = [await fleet.get(cache, NEVER_FRESH) for cache in (fleet.one, fleet.other) * 5]
    assert set(answers) == {(b"1", True)}
    assert fleet.upstream.asked == 2


async def test_a_refused_token_is_not_bridged(fleet: Fleet) -> None:
    """An asker whose own token is refused is told so, and the next one renews the answer at once."""
    await fleet.get(fleet.one)
    fleet.upstream.error = UpstreamUnauthorized()
    with pytest.raises(UpstreamUnauthorized):
        await fleet.get(fleet.one, NEVER_FRESH)
    fleet.upstream.error = None
    assert await fleet.get(fleet.other, NEVER_FRESH) == (b"3", False)


async def test_fresh_again(valkey: Valkey) -> None:
    """Once upstream is back, a stale answer is renewed without an operator."""
    async with running_fleet(valkey, SHORT_PATIENCE, SHORT_PATIENCE) as fleet:
        await fleet.get(fleet.one)
        fleet.upstream.error = UpstreamUnavailable()
        assert await fleet.get(fleet.one, NEVER_FRESH) == (b"1", True)
        fleet.upstream.error = None

        async def is_fresh() -> bool:
            _, stale = await fleet.get(fleet.other, NEVER_FRESH)
            return not stale

        await eventually(is_fresh, 5)


@pytest.mark.parametrize("error", [BadUpstream, UpstreamTimeout, UpstreamUnavailable, BrandNotFound])
async def test_nothing_kept(fleet: Fleet, error: type[Exception]) -> None:
    """Without a kept answer, all who share a failing call get its error; the next caller makes a new call."""
    fleet.upstream.error = error()
    fleet.upstream.close()
    calls = [fleet.asking(fleet.one) for _ in range(5)]
    await fleet.upstream.was_asked.wait()
    fleet.upstream.answers.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [error] * 5
    assert fleet.upstream.asked == 1
    fleet.upstream.error = None
    assert await fleet.get(fleet.other) == (b"2", False)


async def test_trouble_of_one_replica_is_not_kept(fleet: Fleet) -> None:
    """A replica that waits for another one's failing call makes its own then."""
    fleet.upstream.error = BadUpstream()
    fleet.upstream.close()
    failing = fleet.asking(fleet.one)
    await fleet.upstream.was_asked.wait()
    fleet.upstream.error = None
    waiting = fleet.asking(fleet.other)
    fleet.upstream.answers.set()
    with pytest.raises(BadUpstream):
        await failing
    assert await waiting == (b"2", False)


async def test_not_found_is_told_though_something_is_kept(fleet: Fleet) -> None:
    """An upstream "not found" is an answer, not a failure: it is passed on at once and never kept."""
    await fleet.get(fleet.one)
    fleet.upstream.error = BrandNotFound()
    for cache in (fleet.one, fleet.other):
        with pytest.raises(BrandNotFound):
            await fleet.get(cache, NEVER_FRESH)
    fleet.upstream.error = None
    assert await fleet.get(fleet.other, NEVER_FRESH) == (b"4", False)


async def test_who_leaves_leaves_alone(fleet: Fleet) -> None:
    """A caller that is cancelled, even the first one, takes nothing from the others."""
    fleet.upstream.close()
    calls = [fleet.asking(fleet.one) for _ in range(3)]
    await fleet.upstream.was_asked.wait()
    calls[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls[0]
    fleet.upstream.answers.set()
    assert await asyncio.gather(*calls[1:]) == [(b"1", False)] * 2


@pytest.mark.parametrize("error", [None, BadUpstream()])
async def test_everybody_leaves(fleet: Fleet, error: Exception | None) -> None:
    """A call whose callers have left is finished; its answer is kept, and its failure is silent."""
    fleet.upstream.error = error
    fleet.upstream.close()
    call = fleet.asking(fleet.one)
    await fleet.upstream.was_asked.wait()
    call.cancel()
    fleet.upstream.error = None
    fleet.upstream.answers.set()
    await fleet.one.aclose()
    assert await fleet.get(fleet.other) == ((b"2" if error else b"1"), False)


async def test_end_of_a_replica(fleet: Fleet) -> None:
    """A replica that stops waits for its calls, those behind an answer too."""
    await fleet.aged(AGE_SECONDS)
    fleet.upstream.close()
    await fleet.get(fleet.one, FRESH_FOR_THAT_AGE)
    await fleet.upstream.was_asked.wait()
    end = asyncio.create_task(fleet.one.aclose())
    fleet.upstream.answers.set()
    await end
    assert await fleet.get(fleet.other) == (b"2", False)


async def test_patience(valkey: Valkey) -> None:
    """A replica waits for another one's call for a bounded time, and makes no second one meanwhile."""
    async with running_fleet(valkey, PATIENCE, SHORT_PATIENCE) as fleet:
        fleet.upstream.close()
        call = fleet.asking(fleet.one)
        await fleet.upstream.was_asked.wait()
        with pytest.raises(UpstreamTimeout):
            await fleet.get(fleet.other)
        fleet.upstream.answers.set()
        assert await call == (b"1", False)
        assert fleet.upstream.asked == 1


async def test_dead_replica(valkey: Valkey) -> None:
    """When a replica dies in the middle of its call another one makes its own; late news replaces nothing."""
    async with running_fleet(valkey, SHORT_PATIENCE, PATIENCE) as fleet:
        fleet.upstream.close()
        late = fleet.asking(fleet.one)
        await fleet.upstream.was_asked.wait()
        dead, fleet.upstream.answers = fleet.upstream.answers, asyncio.Event()
        fleet.upstream.answers.set()
        assert await fleet.get(fleet.other) == (b"2", False)
        dead.set()
        assert await late == (b"1", False)
        assert await fleet.get(fleet.other) == (b"2", False)


async def test_no_store_no_call() -> None:
    """Without the store upstream is not asked, because the calls could not be counted."""
    store, upstream = Store(topology(f"redis://127.0.0.1:{free_port()}/0")), Upstream()
    with pytest.raises(StoreUnavailable):
        await FleetCache(store, max_wait=PATIENCE).get("key", upstream.fetch, FRESH)
    assert upstream.asked == 0
    await store.aclose()


async def test_how_long_it_is_kept(fleet: Fleet, valkey: Valkey) -> None:
    """An answer is kept for a day, and nothing is left of the call that brought it."""
    await fleet.get(fleet.one)
    (name,) = await valkey.client.keys(f"c:{{{fleet.key}}}*")
    assert 86_000 < await valkey.client.ttl(name) <= 86_400


async def test_room_of_one_parcel(fleet: Fleet) -> None:
    """Searches of a parcel are kept while it has room, and answered without; other parcels have room of their own."""
    asked: list[str] = []

    async def get(key: str, parcel_key: str) -> None:
        """Gets an answer of a third of the room."""

        async def fetch() -> bytes:
            asked.append(key)
            return bytes(ROOM_OF_ONE_PARCEL.quantity // 3)

        await fleet.one.get(fleet.key + key, fetch, FRESH, fleet.key + parcel_key)

    for key in "abcdabcd":
        await get(key, "greedy")
    assert "".join(asked) == "abcdd"
    await get("d", "modest")
    await get("d", "greedy")
    assert "".join(asked) == "abcddd"


async def test_no_bytes_are_an_answer(fleet: Fleet) -> None:
    """An empty answer is kept like any other."""
    asked = 0

    async def nothing() -> bytes:
        """No bytes at all."""
        nonlocal asked
        asked += 1
        return b""

    answers = [await cache.get(fleet.key, nothing, FRESH) for cache in (fleet.one, fleet.other)]
    assert [cached.value for cached in answers] == [b"", b""]
    assert asked == 1
