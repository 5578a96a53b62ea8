"""What one replica finds out about a label reaches those who wait on another, over a real Valkey."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
import pytest_asyncio

from app.http.answers.deferred import Leaving
from app.models.returns import ReturnState
from app.redis.connections.discovery import topology
from app.redis.store import CHANNEL, Store
from app.returns.labels.watching import Labels, Watch
from app.returns.store.records import VersionedReturn
from tests.support.processes import Valkey, eventually
from tests.unit.test_labels import Desk, desk_on, stays

INTERVAL_SECONDS = 600.0
"""No poll is due while a test runs, so that all news comes from the other replica."""
TOLD_WITHIN_SECONDS = 10.0
Wait = Callable[[Labels, str, VersionedReturn, float, Leaving], Awaitable[VersionedReturn]]


@dataclass
class Fleet:
    """A replica on which a caller waits, another one, and their store."""

    here: Desk
    elsewhere: Desk
    valkey: Valkey
    parcel_key: str

    async def told(self, watch: Watch, seen: VersionedReturn) -> ReturnState:
        """The state that a waiting caller gets who has seen this version of the return."""
        async with asyncio.timeout(TOLD_WITHIN_SECONDS):
            found = await watch.newer_than(seen.record.revision, None, stays)
        assert found
        return found.record.state

    async def unpaid(self, found: VersionedReturn) -> VersionedReturn:
        """The return after the other replica has stored that it is to be paid for."""
        return await self.elsewhere.returns.update(self.parcel_key, found, found.became(ReturnState.AWAITING_PAYMENT))


@pytest_asyncio.fixture(name="fleet")
async def listening_fleet(store: Valkey) -> AsyncIterator[Fleet]:
    """Two replicas, the first of which listens already."""
    stores = [Store(topology(store.url)) for _ in range(2)]
    here, elsewhere = (desk_on(each, INTERVAL_SECONDS) for each in stores)
    listening = asyncio.create_task(here.labels.listen())
    await eventually(lambda: _is_listening(store), 5)
    yield Fleet(here, elsewhere, store, secrets.token_hex(8))
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await here.labels.aclose()
    for each in stores:
        await each.aclose()


async def _is_listening(valkey: Valkey) -> bool:
    [(_, listeners)] = await valkey.client.pubsub_numsub(CHANNEL)
    return bool(listeners)


async def _is_watching(desk: Desk) -> bool:
    return desk.labels.waiting > 0


async def test_a_failure_is_told_on_every_replica(fleet: Fleet) -> None:
    """A caller who waits on one replica hears at once that another one found the label failed."""
    pending = await fleet.elsewhere.pending(fleet.parcel_key)
    with fleet.here.labels.watching(fleet.parcel_key, pending) as watch:
        unpaid = await fleet.unpaid(pending)
        assert await fleet.told(watch, pending) is ReturnState.AWAITING_PAYMENT
        await fleet.elsewhere.returns.announcement_failed(fleet.parcel_key, unpaid)
        assert await fleet.told(watch, unpaid) is ReturnState.FAILED


async def test_missed_news_are_looked_up(fleet: Fleet) -> None:
    """A change made while a replica was cut off from the news is passed on as soon as it listens again."""
    pending = await fleet.elsewhere.pending(fleet.parcel_key)
    with fleet.here.labels.watching(fleet.parcel_key, pending) as watch:
        unpaid = await fleet.unpaid(pending)
        assert await fleet.told(watch, pending) is ReturnState.AWAITING_PAYMENT
        await fleet.valkey.client.client_kill_filter(_type="pubsub")
        await fleet.elsewhere.returns.announcement_failed(fleet.parcel_key, unpaid)
        assert await fleet.told(watch, unpaid) is ReturnState.FAILED


async def test_a_wait_for_news_ends_with_the_news(fleet: Fleet) -> None:
    """A caller who waits for any change gets the version that another replica stored meanwhile."""
    pending = await fleet.elsewhere.pending(fleet.parcel_key)
    waiting = asyncio.create_task(fleet.here.labels.awaited(fleet.parcel_key, pending, TOLD_WITHIN_SECONDS, stays))
    await eventually(lambda: _is_watching(fleet.here), 5)
    unpaid = await fleet.unpaid(pending)
    assert (await waiting).record == unpaid.record


async def test_a_wait_for_the_end_goes_on_beyond_other_news(fleet: Fleet) -> None:
    """A caller who waits for the final state is not answered before it, whatever else changes meanwhile."""
    pending = await fleet.elsewhere.pending(fleet.parcel_key)
    waiting = asyncio.create_task(fleet.here.labels.settled(fleet.parcel_key, pending, TOLD_WITHIN_SECONDS, stays))
    await eventually(lambda: _is_watching(fleet.here), 5)
    unpaid = await fleet.unpaid(pending)
    with fleet.here.labels.watching(fleet.parcel_key, pending) as watch:
        assert await fleet.told(watch, pending) is ReturnState.AWAITING_PAYMENT
    assert not waiting.done()
    failed = await fleet.elsewhere.returns.announcement_failed(fleet.parcel_key, unpaid)
    assert (await waiting).record == failed.record


@pytest.mark.parametrize("wait", [Labels.awaited, Labels.settled])
async def test_a_wait_without_news_ends_in_time(fleet: Fleet, wait: Wait) -> None:
    """A caller for whom nothing changes gets the return as it stands when time is up, and the watch of it ends."""
    pending = await fleet.here.pending(fleet.parcel_key)
    async with asyncio.timeout(TOLD_WITHIN_SECONDS):
        assert (await wait(fleet.here.labels, fleet.parcel_key, pending, 0.05, stays)).record == pending.record

    async def is_watched_no_more() -> bool:
        return fleet.here.labels.watched == 0

    await eventually(is_watched_no_more, 5)


async def test_no_wait_begins_where_the_replica_stops(fleet: Fleet) -> None:
    """A caller who would wait at a replica that is about to stop is answered at once."""
    pending = await fleet.here.pending(fleet.parcel_key)
    fleet.here.labels.drain()
    async with asyncio.timeout(TOLD_WITHIN_SECONDS):
        found = await fleet.here.labels.awaited(fleet.parcel_key, pending, INTERVAL_SECONDS, stays)
    assert found.record == pending.record
