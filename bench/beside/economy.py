"""P1, P2: upstream calls, counted by the sandbox's ledger."""

import asyncio
import itertools
from contextlib import AsyncExitStack

from bench.beside.results import Goal, Result, at_most
from tests.fleet.conftest import SETTINGS
from tests.fleet.test_watchers import ARRIVE_EACH_SECOND, WAYS
from tests.support.processes import Bff, fresh, running_bff, running_valkey
from tests.support.raw_client import moment_of
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import shopper

WATCHERS = (1, 100, 2000)
REPLICAS = 3
UNAIDED = {"settings": 1, "lookup": 1, "search": 1, "check of the point": 1, "creation": 1, "polls": 3, "downloads": 2}
"""What a front end spends that calls the upstream itself, keeps nothing and polls no more often than we."""


async def journey() -> list[Result]:
    """P1: what one finished journey costs, with nothing kept and then with what a first one left behind."""
    async with (
        running_valkey() as store,
        running_sandbox() as sandbox,
        running_bff(store.url, sandbox, as_shipped=True, poll_interval=0.1) as bff,
    ):
        cold, warm = await _journey(bff, sandbox), await _journey(bff, sandbox)
    alone = f"{sum(UNAIDED.values())} calls (computed)"
    return [
        Result(
            "P1",
            "upstream calls of a finished journey, nothing kept",
            f"{cold} calls",
            alone,
            [at_most(cold, 9, "calls")],
        ),
        Result("P1", "the same, caches warm", f"{warm} calls", alone, [at_most(warm, 7, "calls")]),
    ]


async def _journey(bff: Bff, sandbox: SandboxProcess) -> int:
    """First screen, one map search, a return to a drop-off point, label after three polls, two downloads."""
    await sandbox.reset()
    (await bff.http.get("/v1/brands/demo/portal")).raise_for_status()
    someone = await shopper(bff.http, fresh("LABEL"))
    (await someone.get("/v1/service-points")).raise_for_status()
    path = (await someone.create()).raise_for_status().headers["location"]
    await someone.settled(path)
    for _ in range(2):
        (await someone.get(f"{path}/label")).raise_for_status()
    return len(await sandbox.ledger())


async def watchers() -> list[Result]:
    """P2: polls for one label, however many watch it on three replicas."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(running_valkey())
        sandbox = await stack.enter_async_context(running_sandbox())
        starts = [running_bff(store.url, sandbox, **SETTINGS) for _ in range(REPLICAS)]
        fleet = [await stack.enter_async_context(start) for start in starts]
        polls = [await _polls(fleet, sandbox, number) for number in WATCHERS]
    ours = " / ".join(map(str, polls))
    theirs = " / ".join(f"{polls[0] * number:,}" for number in WATCHERS)
    what = f"upstream polls for one label with {' / '.join(map(str, WATCHERS))} watchers on {REPLICAS} replicas"
    return [Result("P2", what, ours, f"{theirs} (computed)", [Goal("the same number", len(set(polls)) == 1)])]


async def _polls(fleet: list[Bff], sandbox: SandboxProcess, watching: int) -> int:
    order = fresh("SLOWLABEL")
    someone = await shopper(fleet[0].http, order)
    path = (await someone.create()).headers["location"]
    spread = zip(itertools.cycle(fleet), itertools.cycle(WAYS), range(watching), strict=False)
    await asyncio.gather(
        *(
            moment_of(marker, replica.port, path + suffix, someone.headers | headers, after=number / ARRIVE_EACH_SECOND)
            for replica, (suffix, headers, marker), number in spread
        )
    )
    return len(await sandbox.ledger(kind="polling", order=order))
