"""A return is created exactly once, on three replicas; the sandbox's ledger is the judge."""

import asyncio
import itertools
import random
import signal
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.fleet.conftest import SETTINGS
from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.proxy import running_proxy
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, shopper


def _at(someone: Shopper, replica: Bff) -> Shopper:
    return Shopper(replica.http, someone.screen, someone.headers)


async def test_one_key_makes_one_return_on_all_replicas(fleet: list[Bff], sandbox: SandboxProcess) -> None:
    """Fifty parallel creates with one key are one upstream POST, and every answer is the first one or 409."""
    order = fresh("LABEL")
    someone, same_key = await shopper(fleet[0].http, order), key()
    replicas = itertools.islice(itertools.cycle(fleet), 50)
    answers = await asyncio.gather(*(_at(someone, replica).create(idempotency_key=same_key) for replica in replicas))
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1
    assert {answer.status_code for answer in answers} <= {202, 409}
    running = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert running <= {"return-in-progress"}
    later = [await _at(someone, replica).create(idempotency_key=same_key) for replica in fleet]
    assert len({answer.content for answer in [*answers, *later] if answer.status_code == 202}) == 1


@pytest.mark.system
async def test_duplicates_cost_the_upstream_nothing(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """30 clicks with one key at two replicas cause one look-up of the point and one POST, 300 ms late upstream."""
    async with AsyncExitStack() as stack:
        late = {
            "upstream_url": await _late(stack, sandbox.panel_port),
            "service_points_url": await _late(stack, sandbox.service_points_port),
        }
        settings = SETTINGS | late | {"upstream_burst": 12}
        replicas = [await stack.enter_async_context(running_bff(valkey.url, sandbox, **settings)) for _ in range(2)]
        order, same_key = fresh("LABEL"), key()
        someone = await shopper(replicas[0].http, order)
        asked = len(await sandbox.ledger(kind="service_point"))
        clicks = itertools.islice(itertools.cycle(replicas), 30)
        answers = await asyncio.gather(*(_at(someone, replica).create(idempotency_key=same_key) for replica in clicks))
        told = Counter(answer.status_code for answer in answers)
        assert told[202] >= 1
        assert told.keys() <= {202, 409}
        assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
        places = {answer.headers["location"] for answer in answers if "location" in answer.headers}
        assert {(await someone.get(place)).status_code for place in places} == {200}
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1
    assert len(await sandbox.ledger(kind="service_point")) - asked <= 1


async def _late(stack: AsyncExitStack, port: int) -> str:
    """The base of an upstream whose answers come 300 ms late."""
    proxy = await stack.enter_async_context(running_proxy(port, delay=0.15))
    return f"http://127.0.0.1:{proxy.port}/api/v2"


@pytest.mark.system
async def test_one_key_with_another_body_is_refused(fleet: list[Bff]) -> None:
    """The same key with another body is 422 on every replica."""
    someone, same_key = await shopper(fleet[0].http, fresh("ITEMS")), key()
    assert (await someone.create(idempotency_key=same_key)).status_code == 202
    for replica in fleet:
        answer = await _at(someone, replica).create(someone.body(message="Another one."), same_key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


async def test_two_sessions_race_for_the_last_unit(fleet: list[Bff], sandbox: SandboxProcess) -> None:
    """Two sessions of one parcel: one gets the last unit, the other learns which return holds it once it was sent."""
    order = fresh("LABEL")
    one, other = [await shopper(replica.http, order) for replica in fleet[:2]]
    answers = sorted(await asyncio.gather(one.create(), other.create()), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [202, 409]
    assert answers[1].json()["code"] == "units-claimed"
    assert answers[1].headers.get("location") in {None, answers[0].headers["location"]}
    assert (await other.create()).headers["location"] == answers[0].headers["location"]
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


@pytest.mark.system
async def test_a_refused_connection_frees_the_units(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A creation that provably never left is released at once: the next try, with any key, succeeds."""
    async with running_proxy(sandbox.panel_port) as proxy:
        upstream = f"http://127.0.0.1:{proxy.port}/api/v2"
        async with running_bff(valkey.url, sandbox, upstream_url=upstream, **SETTINGS) as bff:
            order = fresh("LABEL")
            someone, same_key = await shopper(bff.http, order), key()
            await proxy.close()
            refused = await someone.create(idempotency_key=same_key)
            assert (refused.status_code, refused.json()["code"]) == (503, "upstream-unavailable")
            assert "retry-after" in refused.headers
            await proxy.open()
            assert (await someone.create(idempotency_key=same_key)).status_code == 202
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


class Doomed:
    """Replicas of which one is killed now and then, and started again."""

    def __init__(self, valkey: Valkey, sandbox: SandboxProcess) -> None:
        self._valkey = valkey
        self._sandbox = sandbox
        self._stacks: list[AsyncExitStack] = []
        self.replicas: list[Bff] = []

    async def start(self) -> None:
        """One replica more."""
        stack = AsyncExitStack()
        self._stacks.append(stack)
        self.replicas.append(await stack.enter_async_context(running_bff(self._valkey.url, self._sandbox, **SETTINGS)))

    async def kill_one(self) -> None:
        """SIGKILL for one of them, and a new one in its place."""
        number = random.randrange(len(self.replicas))  # noqa: S311  no secret
        # Removed from the list first, so that no test picks it while its client is being closed.
        victim, stack = self.replicas.pop(number), self._stacks.pop(number)
        await victim.process.stop(signal.SIGKILL)
        await stack.aclose()
        await self.start()

    async def aclose(self) -> None:
        """Stops all."""
        for stack in self._stacks:
            await stack.aclose()


async def _until_answered(doomed: Doomed, someone: Shopper, same_key: str) -> httpx.Response:
    """What a patient front end gets in the end: it repeats the same request when it broke off or may be repeated."""
    for _ in range(100):
        replica = random.choice(doomed.replicas)  # noqa: S311  no secret
        try:
            answer = await _at(someone, replica).create(idempotency_key=same_key)
        except httpx.TransportError:
            await asyncio.sleep(0.05)
            continue
        if not answer.json().get("retryable"):
            return answer
        await asyncio.sleep(0.2)
    raise AssertionError("never answered")


async def _is_listed(someone: Shopper, doomed: Doomed, path: str) -> bool:
    answer = await _at(someone, doomed.replicas[0]).get(path)
    return answer.status_code == httpx.codes.OK


@pytest.mark.timeout(300)
@pytest.mark.system
async def test_killed_workers_never_make_a_second_return(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """200 creates while workers die: at most one POST per key and unit, every doubt is called one, none is lost."""
    doomed = Doomed(valkey, sandbox)
    try:
        for _ in range(3):
            await doomed.start()
        for _ in range(5):
            await _one_batch(doomed, sandbox, 40)
    finally:
        await doomed.aclose()


async def _one_batch(doomed: Doomed, sandbox: SandboxProcess, size: int) -> None:
    orders = [fresh("SLOW") for _ in range(size)]
    people = await asyncio.gather(*(shopper(doomed.replicas[0].http, order) for order in orders))
    creating = [asyncio.create_task(_until_answered(doomed, someone, key())) for someone in people]
    for _ in range(2):
        await asyncio.sleep(random.uniform(0.1, 1.2))  # noqa: S311  the random moment of the death
        await doomed.kill_one()
    for order, someone, answer in zip(orders, people, await asyncio.gather(*creating), strict=True):
        await _check(doomed, sandbox, order, someone, answer)


async def _check(doomed: Doomed, sandbox: SandboxProcess, order: str, someone: Shopper, answer: Any) -> None:
    posts = await sandbox.ledger(kind="incoming", order=order)
    assert answer.status_code in {202, 504}, answer.text
    assert len(posts) == 1 if answer.status_code == httpx.codes.ACCEPTED else len(posts) <= 1
    assert answer.status_code == httpx.codes.ACCEPTED or answer.json()["code"] == "return-outcome-unknown"
    assert await _is_listed(someone, doomed, answer.headers["location"])
    # Where several creations got no answer in time, all others have to wait first.
    rival = await _until_answered(doomed, someone, key())
    assert (rival.status_code, rival.json()["code"]) == (409, "units-claimed")
    assert len(await sandbox.ledger(kind="incoming", order=order)) == len(posts)
