"""One run: a fleet, its shoppers and its trouble, for so many seconds, with this seed."""

import asyncio
import random
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from bench.chaos.fleet import REPLICAS, Fleet
from bench.chaos.shoppers import CLIENTS, Crowd
from bench.chaos.trouble import Trouble
from bench.chaos.verdict import Verdict, judge
from tests.support.builds import PREVIOUS, build_of
from tests.support.release import Operator
from tests.support.sandbox import running_sandbox
from tests.support.topologies import Server, running_servers

DURABLE = {"save": "", "appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
FINISHED_SECONDS = 400.0
"""After the faults; creations of a brand may pause for up to five minutes."""


class Run(NamedTuple):
    """What happened."""

    seed: int
    seconds: float
    trouble: Counter[str]
    orders: int
    shoppers: int
    answers: int
    creations: Counter[tuple[int, str]]
    faults_of_the_build_before: int
    verdict: Verdict


async def run(seed: int, seconds: float) -> Run:
    """Chaos, then calm until every shopper has finished."""
    chance = random.Random(seed)  # noqa: S311  chance, not secrecy
    before = await asyncio.to_thread(build_of, PREVIOUS)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bff-chaos-")))
        store = Server(folder / "store", DURABLE)
        await stack.enter_async_context(running_servers([store]))
        sandbox = await stack.enter_async_context(running_sandbox())
        fleet = Fleet(store, sandbox, chance, stack)
        for _ in range(REPLICAS):
            await fleet.start(before)
        crowd = Crowd(fleet, chance)
        clients = [asyncio.create_task(crowd.come()) for _ in range(CLIENTS)]
        trouble = Trouble(fleet, sandbox, chance)
        await trouble.go_on(seconds)
        crowd.is_open = False
        async with asyncio.timeout(FINISHED_SECONDS):
            await asyncio.gather(*clients)
            verdict = await judge(crowd, sandbox, Operator(store.client, fleet.url, sandbox))
        return Run(
            seed,
            seconds,
            trouble.done,
            len({visit.order for visit in crowd.visits}),
            len(crowd.visits),
            fleet.answers,
            crowd.answers,
            fleet.faults_of_ours[False],
            verdict,
        )
