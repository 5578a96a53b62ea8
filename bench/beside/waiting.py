"""P7: what idle waiters cost, and how soon thousands are told."""

import asyncio

import httpx

from bench.beside import servers
from bench.beside.machine import resident_kb
from bench.beside.results import Goal, Result, at_most
from bench.beside.servers import Server
from bench.beside.stage import Stage
from tests.support.processes import LOCAL, eventually, fresh
from tests.support.raw_client import moment_of
from tests.support.shopper import Shopper, shopper
from tests.support.vitals import gauges

FEW, MANY = 1_000, 5_000
ARRIVE_EACH_SECOND = 500
CONNECTED_WITHIN_SECONDS = 30.0
READY = b'"state":"label_ready"'
WAYS: dict[str, tuple[str, dict[str, str]]] = {"long poll": ("", {"Prefer": "wait=55"}), "SSE": ("/events", {})}


async def waiters(stage: Stage, _rounds: int) -> list[Result]:
    """P7: memory of an idle waiter, and when the last of 5,000 knows, each way on a process of its own."""
    return [result for way in WAYS for result in await _waiters(stage, way)]


async def _waiters(stage: Stage, way: str) -> list[Result]:
    suffix, headers = WAYS[way]
    async with servers.ours_on_sandbox(stage.around) as server, _client(server) as http:
        order = fresh("PAID")
        someone = await shopper(http, order)
        path = (await someone.create()).headers["location"]
        warm = await _joined(someone, server, path + suffix, headers, 10, 10)
        idle = resident_kb(server.pid)
        few = await _joined(someone, server, path + suffix, headers, FEW, FEW + 10)
        with_few = resident_kb(server.pid)
        many = await _joined(someone, server, path + suffix, headers, MANY - FEW, MANY + 10)
        with_many = resident_kb(server.pid)
        await stage.around.sandbox.pay(order)
        told = await asyncio.gather(*warm, *few, *many, return_exceptions=True)
        polls = await stage.around.sandbox.ledger(kind="polling", order=order)
    moments = [moment for moment in told if isinstance(moment, float)]
    errors = len(told) - len(moments)
    last = max(moments, default=float("inf")) - polls[-1]["at"]
    each_few, each_many = (with_few - idle) / FEW, (with_many - idle) / MANY
    return [
        Result(
            "P7", f"an idle waiter ({way}), {FEW:,} of them", f"{each_few:.1f} KB", "", [at_most(each_few, 26, "KB")]
        ),
        Result(
            "P7", f"an idle waiter ({way}), {MANY:,} of them", f"{each_many:.1f} KB", "", [at_most(each_many, 26, "KB")]
        ),
        Result(
            "P7",
            f"last of {MANY:,} told ({way})",
            f"{last:.2f} s",
            "",
            [at_most(last, 0.5, "s"), Goal("no error", not errors)],
            None,
            errors,
        ),
    ]


def _client(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{LOCAL}:{server.port}", trust_env=False, timeout=60)


async def _joined(
    someone: Shopper, server: Server, path: str, headers: dict[str, str], number: int, then: int
) -> list[asyncio.Task[float]]:
    """So many more waiters, as soon as all of them are waiting."""
    together = someone.headers | headers
    tasks = [
        asyncio.create_task(moment_of(READY, server.port, path, together, after=each / ARRIVE_EACH_SECOND))
        for each in range(number)
    ]

    async def all_wait() -> bool:
        await asyncio.sleep(0.2)
        return (await gauges(someone.http))["bff_waiting"] >= then

    await eventually(all_wait, CONNECTED_WITHIN_SECONDS)
    return tasks
