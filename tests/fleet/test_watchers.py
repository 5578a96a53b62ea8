"""A label is watched once for all, on three replicas, as the sandbox's ledger shows."""

import asyncio
import itertools
import random
import signal
from contextlib import AsyncExitStack, suppress

import pytest

from tests.fleet.conftest import SETTINGS
from tests.support.pdf import pages
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.raw_client import moment_of
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, shopper

POLLS = 9
"""What the prefix SLOWLABEL scripts: eight times 202, then 200."""
TOLD_WITHIN_SECONDS = 1.0
ARRIVE_EACH_SECOND = 1000


async def _held(someone: Shopper, path: str) -> None:
    await someone.settled(path)


async def _by_events(someone: Shopper, path: str) -> None:
    async with someone.events(path) as events:
        async for _ in events:
            pass


async def _by_label(someone: Shopper, path: str) -> None:
    await someone.get(f"{path}/label", Prefer="wait=30")


LONG = {"Prefer": "wait=50"}
WAYS: list[tuple[str, dict[str, str], bytes]] = [
    ("", LONG, b'"state":"label_ready"'),
    ("/events", {}, b'"state":"label_ready"'),
    ("/label", LONG, b"%PDF-"),
]


@pytest.mark.parametrize(
    "watchers",
    [pytest.param(1, marks=pytest.mark.system), 100, pytest.param(2000, marks=[pytest.mark.system, pytest.mark.alone])],
)
async def test_many_watchers_cost_the_polls_of_one(fleet: list[Bff], sandbox: SandboxProcess, watchers: int) -> None:
    """Upstream is polled as often for many waiters as for one, on all replicas; all are told at once."""
    order = fresh("SLOWLABEL")
    someone = await shopper(fleet[0].http, order)
    path = (await someone.create()).headers["location"]
    spread = zip(itertools.cycle(fleet), itertools.cycle(WAYS), range(watchers), strict=False)
    told = await asyncio.gather(
        *(
            moment_of(marker, replica.port, path + suffix, someone.headers | headers, after=number / ARRIVE_EACH_SECOND)
            for replica, (suffix, headers, marker), number in spread
        )
    )
    assert len(await sandbox.ledger(kind="polling", order=order)) == POLLS
    assert max(told) - min(told) < TOLD_WITHIN_SECONDS


async def _gauge(replica: Bff, name: str) -> float:
    lines = (await replica.http.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@pytest.mark.system
async def test_watchers_that_leave_hold_nothing(fleet: list[Bff]) -> None:
    """Watchers that go away at random leave no watch, no waiting request, no task and no store connection behind."""
    someone = await shopper(fleet[0].http, fresh("PAID"))
    path = (await someone.create()).headers["location"]
    replica = fleet[1]
    names = ("bff_watches", "bff_waiting", "bff_tasks", "bff_store_connections_in_use")
    before = [await _gauge(replica, name) for name in names]
    away = Shopper(replica.http, someone.screen, someone.headers)
    for way in (_held, _by_events, _by_label) * 20:
        with suppress(TimeoutError):
            await asyncio.wait_for(way(away, path), random.uniform(0.01, 0.1))  # noqa: S311  a random moment

    async def nothing_left() -> bool:
        now = [await _gauge(replica, name) for name in names]
        return all(after <= earlier for after, earlier in zip(now, before, strict=True))

    await eventually(nothing_left, 5)


async def _first_poll(sandbox: SandboxProcess, order: str, at_least: int) -> None:
    async def polled() -> bool:
        return len(await sandbox.ledger(kind="polling", order=order)) >= at_least

    await eventually(polled, 10)


async def _pair(stack: AsyncExitStack, valkey: Valkey, sandbox: SandboxProcess) -> tuple[Bff, Bff]:
    settings = SETTINGS | {"label_budget": 60}
    one, other = [await stack.enter_async_context(running_bff(valkey.url, sandbox, **settings)) for _ in range(2)]
    return one, other


@pytest.mark.system
async def test_polls_go_on_when_the_replica_that_polls_is_killed(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A watcher on another replica gets the label though the one that polled died, one poll lost at the most."""
    async with AsyncExitStack() as stack:
        doomed, other = await _pair(stack, valkey, sandbox)
        order = fresh("SLOWLABEL")
        someone = await shopper(doomed.http, order)
        path = (await someone.create()).headers["location"]
        await _first_poll(sandbox, order, 2)
        await doomed.process.stop(signal.SIGKILL)
        settled = await Shopper(other.http, someone.screen, someone.headers).settled(path)
    assert settled["state"] == "label_ready"
    assert len(await sandbox.ledger(kind="polling", order=order)) <= POLLS + 1


@pytest.mark.system
async def test_a_frozen_replica_costs_one_poll_at_most(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """The replica that polls is frozen and woken: another one takes over, and at most one poll is made twice."""
    async with AsyncExitStack() as stack:
        frozen, other = await _pair(stack, valkey, sandbox)
        order = fresh("SLOWLABEL")
        someone = await shopper(frozen.http, order)
        path = (await someone.create()).headers["location"]
        await _first_poll(sandbox, order, 2)
        frozen.process.send(signal.SIGSTOP)
        settled = await Shopper(other.http, someone.screen, someone.headers).settled(path)
        frozen.process.send(signal.SIGCONT)
        again = await someone.settled(path)
    assert settled["state"] == again["state"] == "label_ready"
    assert len(await sandbox.ledger(kind="polling", order=order)) <= POLLS + 1


@pytest.mark.system
async def test_a_return_is_found_from_everywhere_it_belongs(fleet: list[Bff]) -> None:
    """A second tab, a later lookup and another device find the return and its label; other parcels and brands not."""
    order = fresh("LABEL")
    first = await shopper(fleet[0].http, order)
    path = (await first.create()).headers["location"]
    settled = await first.settled(path)
    for again in (await shopper(fleet[1].http, order, delivery="cookie"), await shopper(fleet[2].http, order)):
        assert (await again.get(path)).json()["state"] == "label_ready"
        assert settled["parcels"][0]["tracking_number"] in pages((await again.get(f"{path}/label")).content)[0]
        assert again.screen["returns"][0]["id"] == path.rpartition("/")[2]
    strangers = [await shopper(fleet[0].http, fresh("LABEL")), await shopper(fleet[0].http, order, brand="buecherei")]
    for stranger in strangers:
        absent = await stranger.get("/v1/returns/rtn_AAAAAAAAAAAAAAAAAAAAAA")
        other = await stranger.get(path)
        assert (other.status_code, other.json()["code"]) == (404, "return-not-found")
        assert set(absent.json()) == set(other.json())
