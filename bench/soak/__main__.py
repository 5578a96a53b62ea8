"""Does anything grow? `make soak` runs the whole service for SOAK_MINUTES (10, at least 1); see docs/reports/soak.md.

Replicas behind the shipped gateway on one store, under a quiet load with faults now and then. It needs nginx.
SOAK_RATE (1) multiplies the load. Other work on the machine shows in the times, and hardly in the rest.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from bench.soak.books import Books
from bench.soak.load import Load
from bench.soak.outages import go_wrong
from bench.soak.report import Run, write
from bench.soak.samples import Sampler
from tests.support.nginx import running_nginx
from tests.support.processes import running_bff, running_valkey
from tests.support.retention import offences
from tests.support.sandbox import running_sandbox

REPLICAS = 3
SETTINGS = {
    "as_shipped": True,
    # The shipped quota of the upstream, which tests lift.
    "upstream_reads": 800,
    "upstream_writes": 80,
    "upstream_burst": 12,
    # Labels are looked at often and given up early, so that rest comes soon.
    "label_budget": 30,
    "poll_interval": 0.3,
    "loop_lag": 1,
}
CALM_SECONDS = 100.0
"""After the load: idle connections of nginx close after 60 seconds, watches of labels end after 30."""


async def soaked(seconds: float, rate: float) -> Run:
    """Everything that was seen in so many seconds of load, and of rest after it."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(running_valkey())
        sandbox = await stack.enter_async_context(running_sandbox())
        fleet = [await stack.enter_async_context(running_bff(store.url, sandbox, **SETTINGS)) for _ in range(REPLICAS)]
        gateway = await stack.enter_async_context(running_nginx([replica.port for replica in fleet]))
        books = Books()
        sampler = Sampler(fleet, store, urlsplit(store.url).port or 0, books)
        before = await sampler.sample()
        books.watch(gateway.http)
        load = Load(gateway.http, gateway.port, books, rate)
        outages = asyncio.create_task(go_wrong(store, sandbox, books))
        await load.start()
        samples = await sampler.collect(seconds)
        outages.cancel()
        await sandbox.fault("none")
        await load.stop()
        await asyncio.sleep(CALM_SECONDS)
        return Run(rate, before, samples, await sampler.sample(), books, await offences(store.client))


def main() -> None:
    """Runs it and writes the report."""
    minutes, rate = float(os.environ.get("SOAK_MINUTES", "10")), float(os.environ.get("SOAK_RATE", "1"))
    write(asyncio.run(soaked(minutes * 60, rate)))


if __name__ == "__main__":
    main()
