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
from tests.support.shopper import Shopper, told

PARCELS = count(9000)
ALL_BRANDS = [f"shop-{number}" for number in range(20)]
BRANDS = list(ALL_BRANDS)
CROWD = 12
LOST = (504, "return-outcome-unknown")
BUSY = (503, "upstream-unavailable")


@pytest_asyncio.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream that creates returns as each test says."""
    async with scripted_upstream.scripted_upstream() as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def replicas(store: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AsyncIterator[list[Bff]]:
    """Two replicas of one fleet."""
    urls = {"upstream_url": upstream.url, "service_points_url": upstream.url, "brands": ",".join(ALL_BRANDS)}
    async with running_bff(store.url, sandbox, **urls) as one, running_bff(store.url, sandbox, **urls) as other:
        yield [one, other]


@pytest.fixture
def brand(upstream: ScriptedUpstream) -> str:
    """A brand of which no creation was lost yet, and from now on every one is."""
    upstream.do(incoming=always(answer(500)))
    upstream.heard.clear()
    return BRANDS.pop()


async def returning(bff: Bff, upstream: ScriptedUpstream, brand: str) -> Shopper:
    """A shopper of a parcel that no other test uses."""
    upstream.say(outgoing=scripted_upstream.outgoing({"id": next(PARCELS)}))
    wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
    screen = (await bff.http.post(f"/v1/brands/{brand}/sessions", json=wanted)).json()
    return Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


async def test_an_outage_locks_few_out(
    replicas: list[Bff], upstream: ScriptedUpstream, store: Valkey, brand: str
) -> None:
    """Five lost creations stop the fleet; each pause lets one through, and the first answer lets all through."""
    crowd = [await returning(bff, upstream, brand) for _, bff in zip(range(CROWD), cycle(replicas), strict=False)]
    answers = [told(await each.create(each.body("pickup"))) for each in crowd]
    assert answers == [LOST] * 5 + [BUSY] * (CROWD - 5)
    waiting = crowd[5:]
    await store.end_pause_of_creations(brand)
    answers = [told(each) for each in await asyncio.gather(*[each.create(each.body("pickup")) for each in waiting])]
    assert sorted(answers) == [BUSY] * (len(waiting) - 1) + [LOST]
    assert len(upstream.requests_for("incoming")) == 6
    left = [each for each, said in zip(waiting, answers, strict=True) if said == BUSY]
    upstream.say(incoming=scripted_upstream.created())
    await store.end_pause_of_creations(brand)

    async def all_are_through() -> bool:
        created = await asyncio.gather(*[each.create(each.body("pickup"), "0123456789abcdef") for each in left])
        return {each.status_code for each in created} == {202}

    await eventually(all_are_through, 40)
    assert len(upstream.requests_for("incoming")) == 6 + len(left)


async def in_an_outage(replicas: list[Bff], upstream: ScriptedUpstream, brand: str) -> list[Shopper]:
    """A shopper at each replica, after five creations were lost and while the first pause lasts."""
    # At both replicas, or a breaker of one would open.
    for _, bff in zip(range(5), cycle(replicas), strict=False):
        lost = await returning(bff, upstream, brand)
        assert told(await lost.create(lost.body("pickup"))) == LOST
    return [await returning(bff, upstream, brand) for bff in replicas]


async def test_another_brand_goes_on(replicas: list[Bff], upstream: ScriptedUpstream, brand: str) -> None:
    """An outage of one brand's creations stops no other brand."""
    ours = (await in_an_outage(replicas, upstream, brand))[0]
    upstream.say(incoming=scripted_upstream.created())
    theirs = await returning(replicas[0], upstream, BRANDS.pop())
    assert (await theirs.create(theirs.body("pickup"))).status_code == 202
    assert told(await ours.create(ours.body("pickup"))) == BUSY


async def test_a_killed_replica_ends_no_pause(
    store: Valkey, sandbox: SandboxProcess, replicas: list[Bff], upstream: ScriptedUpstream, brand: str
) -> None:
    """While one replica tries a creation no other does; after its death another one is tried once its time is up."""
    urls = {"upstream_url": upstream.url, "service_points_url": upstream.url, "brands": brand}
    async with running_bff(store.url, sandbox, create_deadline=2, create_lease=3, **urls) as doomed:
        theirs, waiting = (await in_an_outage([doomed, replicas[0]], upstream, brand))[:2]
        upstream.do(incoming=always(trickle(b"", 60)))
        sent = len(upstream.requests_for("incoming"))
        await store.end_pause_of_creations(brand)
        trying = asyncio.create_task(theirs.create(theirs.body("pickup")))
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
    replicas: list[Bff], upstream: ScriptedUpstream, store: Valkey, brand: str, value: bytes
) -> None:
    """A stored outage that this build cannot read counts as none."""
    await store.client.hset(f"n:{{create:{brand}}}", mapping={"r": 1, "o": "other", "v": value})
    await store.client.expire(f"n:{{create:{brand}}}", 60)
    upstream.say(incoming=scripted_upstream.created())
    someone = await returning(replicas[0], upstream, brand)
    assert (await someone.create(someone.body("pickup"))).status_code == 202


async def _sent_more(upstream: ScriptedUpstream, than: int) -> bool:
    return len(upstream.requests_for("incoming")) > than


async def _is_created(someone: Shopper) -> bool:
    return (await someone.create(someone.body("pickup"))).status_code == 202
