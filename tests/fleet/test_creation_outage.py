"""What an outage of creation costs: a handful of returns in doubt, not one for each shopper."""

import asyncio
import signal
from collections.abc import AsyncIterator
from itertools import count, cycle

import pytest
import pytest_asyncio

from tests.support import scripted_upstream
from tests.support.processes import Bff, Valkey, eventually, running_bff
from tests.support.raw_server import answer, trickle
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import ScriptedUpstream, always
from tests.support.shopper import Shopper, look_up, told

PARCELS = count(9000)
CROWD = 12
LOST = (504, "return-outcome-unknown")
BUSY = (503, "upstream-unavailable")


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream that loses every creation."""
    async with scripted_upstream.scripted_upstream() as running:
        running.do(incoming=always(answer(500)))
        yield running


@pytest_asyncio.fixture
async def replicas(store: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AsyncIterator[list[Bff]]:
    """Two replicas of one fleet."""
    urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
    async with running_bff(store.url, sandbox, **urls) as one, running_bff(store.url, sandbox, **urls) as other:
        yield [one, other]


@pytest_asyncio.fixture(autouse=True)
async def forgotten(store: Valkey) -> None:
    """The tests before lost no creation."""
    await store.forget_lost_creations()


async def returning(bff: Bff, upstream: ScriptedUpstream) -> Shopper:
    """A shopper of a parcel that no other test uses."""
    upstream.say(outgoing=scripted_upstream.outgoing({"id": next(PARCELS)}))
    screen = (await look_up(bff.http, "A-1001")).json()
    return Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


async def test_an_outage_locks_few_out(replicas: list[Bff], upstream: ScriptedUpstream) -> None:
    """Five lost creations stop the fleet; each pause lets one through, and the first answer lets all through."""
    turns = zip(range(CROWD), cycle(replicas), strict=False)
    crowd = [await returning(bff, upstream) for _, bff in turns]
    answers = [told(await each.create(each.body("pickup"))) for each in crowd]
    assert answers == [LOST] * 5 + [BUSY] * (CROWD - 5)
    waiting = crowd[5:]

    async def was_probed() -> bool:
        answers[:] = [
            told(each) for each in await asyncio.gather(*[each.create(each.body("pickup")) for each in waiting])
        ]
        return LOST in answers

    await eventually(was_probed, 20)
    assert sorted(answers) == [BUSY] * (len(waiting) - 1) + [LOST]
    assert len(upstream.requests_for("incoming")) == 6
    left = [each for each, said in zip(waiting, answers, strict=True) if said == BUSY]
    upstream.say(incoming=scripted_upstream.created())

    async def all_are_through() -> bool:
        created = await asyncio.gather(*[each.create(each.body("pickup"), "0123456789abcdef") for each in left])
        return {each.status_code for each in created} == {202}

    await eventually(all_are_through, 40)
    assert len(upstream.requests_for("incoming")) == 6 + len(left)


async def in_an_outage(replicas: list[Bff], upstream: ScriptedUpstream) -> list[Shopper]:
    """A shopper at each replica, after five creations were lost and while the first pause lasts."""
    for _ in range(5):
        lost = await returning(replicas[0], upstream)
        assert told(await lost.create(lost.body("pickup"))) == LOST
    return [await returning(bff, upstream) for bff in replicas]


async def test_another_brand_goes_on(replicas: list[Bff], upstream: ScriptedUpstream) -> None:
    """An outage of one brand's creations stops no other brand."""
    ours = (await in_an_outage(replicas, upstream))[0]
    upstream.say(incoming=scripted_upstream.created(), outgoing=scripted_upstream.outgoing({"id": next(PARCELS)}))
    screen = (await look_up(replicas[0].http, "A-1001", brand="mode-paris")).json()
    theirs = Shopper(replicas[0].http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
    assert (await theirs.create(theirs.body("pickup"))).status_code == 202
    assert told(await ours.create(ours.body("pickup"))) == BUSY


async def test_a_killed_replica_ends_no_pause(store: Valkey, sandbox: SandboxProcess) -> None:
    """While one replica tries a creation no other does; after its death another one is tried once its time is up."""
    async with scripted_upstream.scripted_upstream() as upstream:
        upstream.do(incoming=always(answer(500)))
        settings = {"upstream_url": upstream.url, "service_points_url": upstream.url, "create_lease": 4}
        async with (
            running_bff(store.url, sandbox, create_deadline=3, **settings) as other,
            running_bff(store.url, sandbox, create_deadline=3, **settings) as doomed,
        ):
            theirs, waiting = (await in_an_outage([doomed, other], upstream))[:2]
            upstream.do(incoming=always(trickle(b"", 60)))
            sent = len(upstream.requests_for("incoming"))
            trying = asyncio.create_task(_tried(theirs))
            await eventually(lambda: _sent_more(upstream, sent), 20)
            assert told(await waiting.create(waiting.body("pickup"))) == BUSY
            doomed.process.send(signal.SIGKILL)
            await asyncio.gather(trying, return_exceptions=True)
            upstream.say(incoming=scripted_upstream.created())
            began = asyncio.get_running_loop().time()
            await eventually(lambda: _is_created(waiting), 30)
            assert asyncio.get_running_loop().time() - began > 1


@pytest.mark.parametrize("value", [b"", b"{", b'{"lost": "many"}'])
async def test_an_unreadable_count(
    replicas: list[Bff], upstream: ScriptedUpstream, store: Valkey, value: bytes
) -> None:
    """A stored outage that this build cannot read counts as none."""
    await store.client.hset("n:{create:demo}", mapping={"r": 1, "o": "other", "v": value})
    await store.client.expire("n:{create:demo}", 60)
    upstream.say(incoming=scripted_upstream.created())
    someone = await returning(replicas[0], upstream)
    assert (await someone.create(someone.body("pickup"))).status_code == 202


async def _tried(someone: Shopper) -> None:
    """Creates again and again, until the replica is gone."""
    while True:
        await someone.create(someone.body("pickup"))
        await asyncio.sleep(0.2)


async def _sent_more(upstream: ScriptedUpstream, than: int) -> bool:
    return len(upstream.requests_for("incoming")) > than


async def _is_created(someone: Shopper) -> bool:
    return (await someone.create(someone.body("pickup"))).status_code == 202
