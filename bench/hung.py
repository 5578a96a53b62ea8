"""How late are answers when the upstream hangs? Run `python -m bench.hung`; needs nginx.

Searches that share nothing, all sent at the same moment, while the service points host takes requests and says
nothing: first at one replica without a budget, then behind the shipped gateway with the budget as shipped. Late is
what an answer takes beyond the deadline of two seconds, for its caller. Replicas have one core, all others another.
"""  # noqa: INP001  run as a module, never imported

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import NamedTuple

from app.settings import Settings
from bench.overload import from_now_on_at
from tests.support.nginx import running_nginx
from tests.support.processes import LOCAL, Bff, Valkey, eventually, running_bff, running_valkey
from tests.support.raw_client import request
from tests.support.raw_server import answer, raw_server, silence
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, shopper

DEADLINE = 2.0
CROWDS = (1, 16, 64)
CROWD_OF_A_FLEET = 100
FLEETS = (1, 3)
SHOPPERS = 6
"""The failures of one would open no breaker."""
SHIPPED = {name: Settings.model_fields[name].default for name in ("upstream_reads", "upstream_burst")}
MILLISECONDS = 1000


class Answer(NamedTuple):
    """Its status, and the seconds until it was there."""

    status: int
    seconds: float


async def asked(port: int, people: Sequence[Shopper], number: int) -> Answer:
    """The answer to a search at a place of its own."""
    started = time.perf_counter()
    path = f"/v1/service-points?latitude={40 + number / 20:.2f}&longitude=5"
    reader, writer = await request(port, path, people[number % len(people)].headers)
    said = await reader.read()
    writer.close()
    return Answer(int(said.split(b" ", 2)[1]), time.perf_counter() - started)


async def row(what: str, port: int, people: Sequence[Shopper], crowd: int) -> None:
    """Prints how late so many answers are."""
    answers = await asyncio.gather(*[asked(port, people, number) for number in range(crowd)])
    late = sorted((each.seconds - DEADLINE) * MILLISECONDS for each in answers)
    statuses = dict(Counter(each.status for each in answers))
    print(f"{what}, {crowd} at once: {statuses}, the last one {late[-1]:.0f} ms beyond its deadline")  # noqa: T201


async def breaker(bff: Bff) -> float:
    """Where that of the searches stands: 0 closed, 2 open."""
    lines = (await bff.http.get("/metrics")).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith('bff_upstream_breaker{lane="service_'))


class Upstream:
    """A service points host that hangs until it is told to answer."""

    def __init__(self) -> None:
        self.hangs = True

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        """What it does with one request."""
        await (silence if self.hangs else answer(200, b"[]"))(writer)


class Bench(NamedTuple):
    """What all rows share."""

    store: Valkey
    sandbox: SandboxProcess
    port: int
    """Of the service points host."""

    def replica(self, **settings: float) -> AbstractAsyncContextManager[Bff]:
        """A replica whose service points host hangs."""
        host = {"service_points_url": f"http://{LOCAL}:{self.port}", "service_points_deadline": DEADLINE}
        return running_bff(self.store.url, self.sandbox, as_shipped=True, **host, **settings)


async def alone(bench: Bench) -> None:
    """One replica: each crowd meets a fresh one, whose breaker is closed."""
    for crowd in CROWDS:
        from_now_on_at(0)
        async with bench.replica() as bff:
            from_now_on_at(1)
            people = [await shopper(bff.http, f"LABEL-{crowd}x{number}") for number in range(SHOPPERS)]
            await row("one replica", bff.port, people, crowd)


async def behind_the_gateway(bench: Bench, upstream: Upstream, replicas: int) -> None:
    """A fleet as shipped, and how soon it is well again."""
    upstream.hangs = True
    async with AsyncExitStack() as stack:
        from_now_on_at(0)
        fleet = [await stack.enter_async_context(bench.replica(**SHIPPED)) for _ in range(replicas)]
        from_now_on_at(1)
        gateway = await stack.enter_async_context(running_nginx([bff.port for bff in fleet]))
        people = [await shopper(gateway.http, f"LABEL-fleet{replicas}x{number}") for number in range(SHOPPERS)]
        await row(f"behind the gateway, replicas: {replicas}", gateway.port, people, CROWD_OF_A_FLEET)
        states = [await breaker(bff) for bff in fleet]
        upstream.hangs, started = False, time.monotonic()
        numbers = itertools.count(CROWD_OF_A_FLEET)

        async def all_closed() -> bool:
            await asyncio.gather(*[asked(bff.port, people, next(numbers)) for bff in fleet])
            return not any([await breaker(bff) for bff in fleet])

        await eventually(all_closed, 20)
        seconds = time.monotonic() - started
        print(f"breakers {states} (2 open), all closed {seconds:.1f} s after the upstream answered again")  # noqa: T201


async def main() -> None:
    """Prints all rows."""
    from_now_on_at(1)
    upstream = Upstream()
    async with running_valkey() as store, running_sandbox() as sandbox, raw_server(upstream) as points:
        bench = Bench(store, sandbox, points.port)
        await alone(bench)
        for replicas in FLEETS:
            await behind_the_gateway(bench, upstream, replicas)


if __name__ == "__main__":
    asyncio.run(main())
