"""What goes wrong, one after the other: first a rolling upgrade among crashes, then everything, outages included."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.chaos.fleet import REPLICAS, Fleet
from tests.support.sandbox import SandboxProcess

CALM_SECONDS = (0.5, 2.0)
PAUSED_SECONDS = (0.3, 2.0)
DOWN_SECONDS = (1.0, 3.0)
OUTAGE_SECONDS = (6.0, 12.0)


@dataclass
class Trouble:
    """Of which kind there was how much."""

    fleet: Fleet
    sandbox: SandboxProcess
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)

    async def go_on(self, seconds: float) -> None:
        """An upgrade, then every kind once in random order, again until so many seconds have passed."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        crashes: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("replica killed", self.fleet.kill),
            ("replica frozen", self.fleet.freeze),
            ("store restarted", self.fleet.restart_store),
        ]
        for number in range(REPLICAS):
            await self._happens("replica upgraded", self.fleet.upgrade)
            await self._happens(*crashes[number % len(crashes)])
        outages = [
            ("store paused", self._pause_store),
            ("upstream down", lambda: self._fault("down", DOWN_SECONDS)),
            ("polling outage", lambda: self._fault("polling", OUTAGE_SECONDS)),
            ("creation outage", lambda: self._fault("creation", OUTAGE_SECONDS)),
        ]
        everything = crashes + outages
        is_first = True
        while is_first or clock() < end:
            is_first = False
            for name, happens in self.chance.sample(everything, len(everything)):
                await self._happens(name, happens)

    async def _happens(self, name: str, happens: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(self.chance.uniform(*CALM_SECONDS))
        await happens()
        self.done[name] += 1

    async def _pause_store(self) -> None:
        milliseconds = int(self.chance.uniform(*PAUSED_SECONDS) * 1000)
        await self.fleet.store.command("CLIENT", "PAUSE", milliseconds)
        await asyncio.sleep(milliseconds / 1000)

    async def _fault(self, mode: str, seconds: tuple[float, float]) -> None:
        await self.sandbox.fault(mode)
        await asyncio.sleep(self.chance.uniform(*seconds))
        await self.sandbox.fault("none")
