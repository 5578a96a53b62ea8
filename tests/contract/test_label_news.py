"""What one replica finds out about a label reaches those who wait on another, over a real Valkey."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest_asyncio

from app.models.returns import ReturnState
from app.redis.connections.discovery import topology
from app.redis.store import CHANNEL, Store
from app.returns.labels.watching import Watch
from app.returns.store.records import VersionedReturn
from tests.support.processes import Valkey, eventually
from tests.unit.test_labels import Desk, desk_on, stays

INTERVAL_SECONDS = 600.0
"""No poll is due while a test runs, so that all news comes from the other replica."""
TOLD_WITHIN_SECONDS = 10.0


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
