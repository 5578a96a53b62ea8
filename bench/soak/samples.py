"""How the fleet and its store are, every few seconds."""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.soak.books import Books
from tests.support.processes import Bff, Valkey
from tests.support.vitals import descriptors, gauges, resident

EVERY_SECONDS = 5.0


@dataclass
class Sample:
    """The fleet at one moment."""

    at: float
    """Seconds since the load began."""
    resident: list[float]
    """MiB of each replica."""
    totals: dict[str, float]
    """Gauges and file descriptors, all replicas together."""
    keys: int
    store: float
    """MiB."""
    busy: float
    """How many processes of the whole machine wanted to run, on average of a minute."""
    times: list[float]
    """Seconds that ordinary answers took since the sample before."""


@dataclass
class Sampler:
    """Takes samples of these."""

    fleet: Sequence[Bff]
    store: Valkey
    store_port: int
    books: Books
    began: float = field(default_factory=time.monotonic)

    async def sample(self) -> Sample:
        """How it is now."""
        totals: dict[str, float] = {}
        for replica in self.fleet:
            opened = descriptors(replica.process.pid, replica.port, self.store_port)
            held = await gauges(replica.http) | {f"descriptors to {kind}": number for kind, number in opened.items()}
            totals = {name: totals.get(name, 0) + held.get(name, 0) for name in totals | held}
        memory = await self.store.client.info("memory")
        times, self.books.seconds = self.books.seconds, []
        return Sample(
            time.monotonic() - self.began,
            [resident(replica.process.pid) for replica in self.fleet],
            totals,
            await self.store.client.dbsize(),
            memory["used_memory"] / 2**20,
            os.getloadavg()[0],
            times,
        )

    async def collect(self, seconds: float) -> list[Sample]:
        """A sample every few seconds, for so many seconds."""
        self.began = time.monotonic()
        samples = [await self.sample()]
        while samples[-1].at < seconds:
            await asyncio.sleep(EVERY_SECONDS)
            samples.append(await self.sample())
        return samples


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Growth an hour by least squares, and its standard error; the first of each pair is a moment in seconds."""
    moments, values = zip(*points, strict=True)
    line = statistics.linear_regression(moments, values)
    rest = sum((value - line.slope * moment - line.intercept) ** 2 for moment, value in points)
    spread = sum((moment - statistics.fmean(moments)) ** 2 for moment in moments)
    return line.slope * 3600, (rest / (len(points) - 2) / spread) ** 0.5 * 3600


def percentile(times: Sequence[float], share: float) -> float:
    """Milliseconds within which this share of the answers came; 0 without answers."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0
