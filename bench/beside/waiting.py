"""P7: what idle waiters cost, and how soon thousands are told."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import httpx
from typing_extensions import override

from bench.beside import servers
from bench.beside.machine import resident_kb
from bench.beside.results import Goal, Result, at_most
from bench.beside.servers import Server
from bench.beside.stage import Stage
from tests.support.processes import LOCAL, eventually, fresh
from tests.support.shopper import Shopper, shopper
from tests.support.vitals import gauges

WARM_UP, FEW, MANY = 10, 1_000, 5_000
CONNECTED_WITHIN_SECONDS, TOLD_WITHIN_SECONDS = 30.0, 30.0
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
        crowd = Crowd(someone, server, path + suffix, headers)
        held = [await crowd.grown_to(size) for size in (WARM_UP, WARM_UP + FEW, WARM_UP + MANY)]
        await stage.around.sandbox.pay(order)
        async with asyncio.timeout(TOLD_WITHIN_SECONDS):
            told = await asyncio.gather(*crowd.waiting, return_exceptions=True)
        polls = await stage.around.sandbox.ledger(kind="polling", order=order)
    moments = [moment for moment in told if isinstance(moment, float)]
    errors, last = len(told) - len(moments), max(moments, default=float("inf")) - polls[-1]["at"]
    goals = [at_most(last, 0.5, "s"), Goal("no error", not errors)]
    return [
        _memory(way, FEW, held[1] - held[0]),
        _memory(way, MANY, held[2] - held[0]),
        Result("P7", f"last of {MANY:,} told ({way})", f"{last:.2f} s", "", goals, None, errors),
    ]


def _memory(way: str, number: int, kilobytes: int) -> Result:
    each = kilobytes / number
    what = f"an idle waiter ({way}), {number:,} of them"
    return Result("P7", what, f"{each:.1f} KB", "", [at_most(each, 26, "KB")])


def _client(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{LOCAL}:{server.port}", trust_env=False, timeout=60)


class Waiter(asyncio.Protocol):
    """Asks once; `told` is when the answer said that the label is ready (monotonic seconds)."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.told: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        if READY in self._received and not self.told.done():
            self.told.set_result(time.monotonic())

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.told.done():
            self.told.set_exception(exc or ConnectionResetError("closed before it was told"))


@dataclass
class Crowd:
    """Waiters for one label, all the same way."""

    someone: Shopper
    server: Server
    path: str
    headers: dict[str, str]
    waiting: list[asyncio.Future[float]] = field(default_factory=list)

    async def grown_to(self, size: int) -> int:
        """KB that the server holds once there are so many waiters."""
        fields = {"Host": LOCAL} | self.someone.headers | self.headers
        lines = [f"GET {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        loop = asyncio.get_running_loop()
        while len(self.waiting) < size:
            _, waiter = await loop.create_connection(
                partial(Waiter, "\r\n".join(lines).encode()), LOCAL, self.server.port
            )
            self.waiting.append(waiter.told)
        await eventually(partial(self._all_wait, size), CONNECTED_WITHIN_SECONDS)
        return resident_kb(self.server.pid)

    async def _all_wait(self, size: int) -> bool:
        await asyncio.sleep(0.2)
        return (await gauges(self.someone.http))["bff_waiting"] >= size
