"""Servers die, freeze and swap roles under writers: what the store said is kept, is kept."""

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from app.errors import StoreUnavailable
from app.redis.connections.discovery import topology
from app.redis.store import Change, Store
from app.sessions.store import SessionStore
from tests.support.processes import eventually
from tests.support.samples import session
from tests.support.topologies import SERVICE, Deployment, Server, running_cluster, running_sentinels
from tests.support.trouble import Trouble, frozen, killed, planned, succeeded

pytestmark = [pytest.mark.system, pytest.mark.patient, pytest.mark.timeout(180)]

SESSION = session()

WRITERS = 12
PAUSE_SECONDS = 0.01
BEFORE_SECONDS = 1.0
AFTER_SECONDS = 4.0
WHOLE_SECONDS = 60.0
LONGEST_WRITE_SECONDS = 6.0
"""The five seconds of a durable write and what one attempt and a busy machine may add."""


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A Cluster to be harmed."""
    async with running_cluster(tmp_path) as deployment:
        yield deployment


@pytest_asyncio.fixture
async def sentinels(tmp_path: Path) -> AsyncIterator[Deployment]:
    """Servers under Sentinels to be harmed."""
    async with running_sentinels(tmp_path) as deployment:
        yield deployment


@pytest_asyncio.fixture(params=[running_cluster, running_sentinels])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Either of them."""
    async with request.param(tmp_path) as either:
        yield either


@dataclass
class Ledger:
    """What writers were told."""

    acknowledged: list[str] = field(default_factory=list)
    failed: int = 0
    slowest: float = 0.0
    """Seconds of the longest write, successful or not."""

    async def write(self, store: Store, key: str, how: int) -> None:
        """One durable write, of a session or of a claim, and what came of it."""
        started = time.monotonic()
        try:
            if how % 2:
                await store.put(key, key.encode(), 600, durable=True)
            else:
                assert await store.commit(key, [Change(key, 0, key.encode(), 600)], key, durable=True)
            self.acknowledged.append(key)
        except StoreUnavailable:
            self.failed += 1
        self.slowest = max(self.slowest, time.monotonic() - started)

    async def lost(self, store: Store) -> int:
        """How many acknowledged writes are not there."""
        script = store.script("return redis.call('EXISTS', KEYS[1])")
        there: int = sum([await script(keys=[key], args=[]) for key in self.acknowledged])
        return len(self.acknowledged) - there


@asynccontextmanager
async def _writing(store: Store, ledger: Ledger) -> AsyncIterator[None]:
    over = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not over.is_set():
            await ledger.write(store, f"{{{time.monotonic_ns()}-{writer}}}", number)
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)

    writers = [asyncio.create_task(write(number)) for number in range(WRITERS)]
    try:
        await asyncio.sleep(BEFORE_SECONDS)
        yield
        await asyncio.sleep(AFTER_SECONDS)
    finally:
        over.set()
        await asyncio.gather(*writers)


async def _ledger_of(deployment: Deployment, trouble: Trouble) -> tuple[Ledger, int]:
    """The writes acknowledged during trouble, and how many of them are lost afterwards."""
    ledger = Ledger()
    async with aclosing(Store(topology(deployment.url))) as store:
        async with _writing(store, ledger):
            await trouble(deployment, (await deployment.masters())[0])
        await eventually(deployment.is_whole, WHOLE_SECONDS)
        await eventually(lambda: _serves(store), 5)
        lost = await ledger.lost(store)
    figures = f"{len(ledger.acknowledged)} acknowledged, {lost} lost, {ledger.failed} failed, {ledger.slowest:.1f} s"
    print(f"{trouble.__name__}: {figures}")  # noqa: T201  the figures of docs/operations.md
    return ledger, lost


async def _serves(store: Store) -> bool:
    return all([await _succeeds(store.get(f"{{{number}}}")) for number in range(32)])


async def restarted(deployment: Deployment, master: Server) -> None:
    """A master dies and is there again before anybody could take its place."""
    assert master in deployment.data
    # With `everysec` it appends nothing while the disk still syncs, and would come back without that.
    await master.client.config_set("appendfsync", "always")
    await master.stop(signal.SIGKILL)
    await master.start()


async def unplanned(deployment: Deployment, master: Server) -> None:
    """A Sentinel is told to fail over while the master is healthy and writes go on."""
    await deployment.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
    await succeeded(deployment, master)


@pytest.mark.parametrize("trouble", [killed, restarted, frozen, planned])
async def test_cluster_loses_no_acknowledged_write(cluster: Deployment, trouble: Trouble) -> None:
    """However a master of a Cluster is replaced, every acknowledged durable write is there afterwards."""
    ledger, lost = await _ledger_of(cluster, trouble)
    assert ledger.acknowledged
    assert lost == 0
    assert ledger.slowest < LONGEST_WRITE_SECONDS


@pytest.mark.parametrize("trouble", [killed, restarted, frozen, planned])
async def test_sentinels_lose_no_acknowledged_write(sentinels: Deployment, trouble: Trouble) -> None:
    """Behind Sentinels acknowledged writes survive, unless a healthy master is replaced while it takes writes."""
    ledger, lost = await _ledger_of(sentinels, trouble)
    assert ledger.acknowledged
    assert lost == 0
    assert ledger.slowest < LONGEST_WRITE_SECONDS


async def test_an_unplanned_switch_is_survived(sentinels: Deployment) -> None:
    """Replacing a healthy master under its writers may lose what it acknowledged, but service goes on by itself."""
    ledger, lost = await _ledger_of(sentinels, unplanned)
    assert lost < len(ledger.acknowledged) / 2
    assert ledger.slowest < LONGEST_WRITE_SECONDS


async def test_a_durable_write_without_replicas(deployment: Deployment) -> None:
    """While every replica hangs a durable write is refused within five seconds, as is a new session; reads go on."""
    again = [Change("{key}:1", 0, b"new", 600)]
    async with aclosing(Store(topology(deployment.url))) as store, aclosing(Store(topology(deployment.url))) as other:
        await store.put("{key}", b"old", 600, durable=True)
        replicas = await deployment.replicas()
        for replica in replicas:
            replica.send(signal.SIGSTOP)
        await store.commit("same", again)
        started = time.monotonic()
        writes = [
            store.put("{key}", b"new", 600, durable=True),
            other.commit("same", again, durable=True),
            SessionStore(store, 20).create(SESSION, 600),
        ]
        assert await asyncio.gather(*map(_succeeds, writes)) == [False] * 3
        assert time.monotonic() - started < LONGEST_WRITE_SECONDS
        assert await store.get("{key}")
        for replica in replicas:
            replica.send(signal.SIGCONT)
        await eventually(lambda: _succeeds(other.commit("same", again, durable=True)), WHOLE_SECONDS)


async def test_what_is_over_stays_over(deployment: Deployment) -> None:
    """No logout and no redeemed link is acknowledged before a replica, which may be the next master, knows of it."""
    async with aclosing(Store(topology(deployment.url))) as store:
        sessions = SessionStore(store, 20)
        held, link = await sessions.create(SESSION, 600), await sessions.create(SESSION, 600, "rph")
        replicas = await deployment.replicas()
        for replica in replicas:
            replica.send(signal.SIGSTOP)
        ends = [sessions.delete(held), sessions.take(link), store.delete("nothing there", durable=True)]
        assert await asyncio.gather(*map(_succeeds, ends)) == [False] * 3
        for replica in replicas:
            replica.send(signal.SIGCONT)
        await eventually(lambda: _succeeds(store.delete("nothing there", durable=True)), WHOLE_SECONDS)
        assert not await sessions.may_go_on(held, None)


async def test_one_hung_sentinel(sentinels: Deployment) -> None:
    """One Sentinel that hangs costs a fresh store half a second at most; the fastest of three, as machines are busy."""
    sentinels.sentinels[0].send(signal.SIGSTOP)
    costs = []
    for _ in range(3):
        async with aclosing(Store(topology(sentinels.url))) as store:
            started = time.monotonic()
            await store.put("key", b"value", 60)
            costs.append(time.monotonic() - started)
    assert min(costs) < 0.5


async def test_one_node_is_not_the_cluster(cluster: Deployment) -> None:
    """While one master hangs, keys of the others are served as ever, and its own fail at once until it is replaced."""
    async with aclosing(Store(topology(cluster.url))) as store:
        await eventually(lambda: _serves(store), 5)
        (await cluster.masters())[0].send(signal.SIGSTOP)
        answered, slowest = 0, 0.0
        for number in range(300):
            started = time.monotonic()
            answered += await _succeeds(store.get(f"{{{number}}}"))
            slowest = max(slowest, time.monotonic() - started)
        assert answered >= 300 / 2
        assert slowest < 1
        assert await _succeeds(store.ping())
        await eventually(lambda: _serves(store), 10)


async def test_a_switch_is_heard_of(sentinels: Deployment) -> None:
    """Writes go to the new master as soon as Sentinels say so, though the old one goes on taking them for a while."""
    old = (await sentinels.masters())[0]
    for server in sentinels.data:
        await server.client.config_set("min-replicas-to-write", 0)
    async with aclosing(Store(topology(sentinels.url))) as store:
        await store.ping()
        await sentinels.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
        await eventually(lambda: _all_left(sentinels, old), 20)
        await eventually(partial(_is_kept_elsewhere, store, old), 2)
        assert old in await sentinels.masters()


async def _is_kept_elsewhere(store: Store, old: Server) -> bool:
    """Whether a fresh key is not on that server."""
    key = str(time.monotonic_ns())
    await store.put(key, b"value", 60)
    return not await old.client.exists(key)


async def _all_left(deployment: Deployment, old: Server) -> bool:
    """Whether no Sentinel takes this server for the master any more."""
    told = [await sentinel.command("SENTINEL MASTER", SERVICE) for sentinel in deployment.sentinels]
    return all(each["port"] != old.port for each in told)


@pytest.mark.parametrize("trouble", [killed, frozen])
async def test_news_after_a_failover(deployment: Deployment, trouble: Trouble) -> None:
    """A listener is told that news may have been missed, and then gets the news of any master."""
    heard: list[str] = []
    tellings = itertools.count()
    async with aclosing(Store(topology(deployment.url))) as store:
        listener = asyncio.create_task(_listen(store, heard))
        await eventually(lambda: _is(heard == [""]), 5)
        await trouble(deployment, (await deployment.masters())[0])
        await eventually(lambda: _is(heard.count("") > 1), 15)

        async def told(number: int) -> bool:
            # Published again each time, because news may get lost while servers and listeners find each other.
            await _succeeds(store.commit("o", [Change(f"{{{number}}}{next(tellings)}", 0, b"v", 60)], str(number)))
            return str(number) in heard

        for number in range(2 * deployment.masters_wanted):
            await eventually(partial(told, number), 15)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _listen(store: Store, heard: list[str]) -> None:
    while True:
        with suppress(StoreUnavailable):
            async with aclosing(cast("AsyncGenerator[str, None]", store.listen())) as news:
                async for each in news:
                    heard.append(each)  # noqa: PERF401  as it comes
        await asyncio.sleep(0.2)


async def _is(fact: bool) -> bool:  # noqa: FBT001  what `eventually` asks
    return fact


async def _succeeds(call: Awaitable[object]) -> bool:
    try:
        await call
    except StoreUnavailable:
        return False
    return True
