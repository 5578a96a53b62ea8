"""Shoppers go through whole journeys while the store behind three replicas fails over, three times, or grows."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import MovedError

from tests.support.growth import Move, at_once, by_key, grow
from tests.support.nginx import running_nginx
from tests.support.output import ANSWER_CUT
from tests.support.processes import LOCAL, Process, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shop import Shop
from tests.support.shopper import key, shopper, told
from tests.support.topologies import (
    Deployment,
    Server,
    cluster_server,
    running_cluster,
    running_sentinels,
    running_servers,
)
from tests.support.trouble import frozen, killed, planned

JOURNEYS = int(os.environ.get("JOURNEYS", "250"))
A_SECOND = 5
WHOLE_SECONDS = 60.0
QUIET_SECONDS = 10.0
"""Before each trouble, so that no repeated request meets two."""
COMPLETE = 0.99
EVERYBODY_NEEDS = "q:{upstream}:burst"
"""A key that every lookup and creation needs: who holds it is the master whose failure costs most."""
SETTINGS: dict[str, Any] = {"trusted_proxies": f"{LOCAL}/32", "poll_interval": 0.1, "timed": True}

pytestmark = [pytest.mark.system, pytest.mark.timeout(300 + JOURNEYS)]


@asynccontextmanager
async def running_shop(deployment: Deployment, sandbox: SandboxProcess) -> AsyncIterator[Shop]:
    """A gateway and three replicas that keep everything there."""
    async with AsyncExitStack() as stack:
        replicas = [running_bff(deployment.url, sandbox, **SETTINGS) for _ in range(3)]
        fleet = [await stack.enter_async_context(each) for each in replicas]
        gateway = await stack.enter_async_context(running_nginx([each.port for each in fleet]))
        yield Shop(gateway.http)
        for each in fleet:
            _expect_foreseen_cuts(each.process)


def _expect_foreseen_cuts(process: Process) -> None:
    """A label whose store went away while it was read is cut, which the server calls an error; no other cut is."""
    told, by_the_server = ANSWER_CUT
    if any(told in line and '"level": "info"' in line for line in process.output.read_text().splitlines()):
        process.expected.append(by_the_server)


async def _busiest(deployment: Deployment) -> Server:
    """The master that has the keys that all replicas need."""
    for master in await deployment.masters():
        with suppress(MovedError):
            await master.command("EXISTS", EVERYBODY_NEEDS)
            return master
    raise AssertionError("nobody has it")


async def _trouble(deployment: Deployment) -> None:
    for trouble in (killed, frozen, planned):
        await asyncio.gather(asyncio.sleep(QUIET_SECONDS), eventually(deployment.is_whole, WHOLE_SECONDS))
        await trouble(deployment, await _busiest(deployment))
    await eventually(deployment.is_whole, WHOLE_SECONDS)


async def _shopping(shop: Shop, trouble: Coroutine[None, None, None], at_least: int = JOURNEYS) -> None:
    """Journeys at a steady rate, until there were enough and trouble is over."""
    over = asyncio.create_task(trouble)
    journeys: list[asyncio.Task[None]] = []
    while len(journeys) < at_least or not over.done():
        journeys.append(asyncio.create_task(shop.journey()))
        await asyncio.sleep(1 / A_SECOND)
    await asyncio.gather(over, *journeys)


@pytest.mark.alone
@pytest.mark.parametrize("running", [running_cluster, running_sentinels])
async def test_a_store_that_fails_over_costs_no_session_and_no_return(
    sandbox: SandboxProcess, tmp_path: Path, running: Callable[[Path], Any]
) -> None:
    """While masters die, hang and are swapped, journeys go on: no session is lost, nothing is created twice."""
    async with running(tmp_path) as deployment, running_shop(deployment, sandbox) as shop:
        await _shopping(shop, _trouble(deployment))
        assert not [what for what in shop.told if what.startswith("401")]
        await _check(shop, sandbox, running.__name__)


@pytest.mark.alone
@pytest.mark.parametrize("move", [by_key, at_once])
async def test_a_cluster_that_grows_costs_nothing_but_a_repetition(
    sandbox: SandboxProcess, tmp_path: Path, move: Move
) -> None:
    """While a Cluster grows and slots move, journeys meet 503 at most: no session is lost, nothing is created twice."""
    newcomers = master, replica = [cluster_server(tmp_path / name) for name in ("master", "replica")]
    async with (
        running_cluster(tmp_path) as deployment,
        running_servers(newcomers),
        running_shop(deployment, sandbox) as shop,
    ):
        await _shopping(shop, grow(deployment, master, replica, move), at_least=10 * A_SECOND)
        assert await master.client.dbsize()
        assert all(what.startswith(("503", "complete", "repeated")) for what in shop.told)
        await _check(shop, sandbox, f"grown {move.__name__}")


async def _check(shop: Shop, sandbox: SandboxProcess, title: str) -> None:
    """Fails if a session is lost, a return was made twice, or journeys did not come to their end."""
    lost = await shop.lost()
    posts = Counter(each["order"] for each in await sandbox.ledger(kind="incoming"))
    twice = [order for order in shop.orders if posts[order] > 1]
    print(f"{title}: {len(shop.orders)} journeys, {shop.told}, gave up {Counter(shop.gave_up)}")  # noqa: T201  for docs/operations.md
    print(f"{lost} lost, {len(twice)} twice, gap {shop.longest_gap:.1f} s, slowest {shop.slowest:.1f} s")  # noqa: T201  likewise
    assert lost == 0
    assert twice == []
    assert shop.told["complete"] >= COMPLETE * len(shop.orders)


@pytest.mark.patient
async def test_an_outcome_is_told_when_it_cannot_be_lost(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """The outcome of a creation is answered only once a replica of the store has it; a repetition gets it later."""
    async with running_cluster(tmp_path) as deployment, running_bff(deployment.url, sandbox, **SETTINGS) as bff:
        order, same_key = fresh("SLOW"), key()
        someone = await shopper(bff.http, order)
        creation = asyncio.create_task(someone.create(idempotency_key=same_key))
        await eventually(partial(_was_posted, sandbox, order), 10)
        replicas = await deployment.replicas()
        for replica in replicas:
            replica.send(signal.SIGSTOP)
        assert told(await creation) == (503, "temporarily-unavailable")
        for replica in replicas:
            replica.send(signal.SIGCONT)
        await eventually(deployment.is_whole, WHOLE_SECONDS)
        assert (await someone.create(idempotency_key=same_key)).status_code == 202
        assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def _was_posted(sandbox: SandboxProcess, order: str) -> bool:
    return bool(await sandbox.ledger(kind="incoming", order=order))
