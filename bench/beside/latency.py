"""P8: what a call through us takes longer than the upstream call itself."""

import asyncio
import re
import statistics
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bench.beside.results import Goal, Result, Spread, at_most, in_turns
from bench.beside.servers import Server
from bench.beside.stage import Stage
from tests.support.processes import LOCAL

RATE = 50
"""Requests a second, whether or not those before are answered."""
ROUND_SECONDS = 4
MILLISECONDS = 1000
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Added(NamedTuple):
    """Milliseconds beyond the direct call, and how many calls failed."""

    p50: float
    p99: float
    errors: int


class Caller:
    """Asks one server over connections that stay open."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._idle: list[Connection] = []
        self.seconds: list[float] = []
        self.errors = 0

    async def call(self, token: str) -> None:
        """Asks once; it counts how long that took."""
        began = time.perf_counter()
        connection = self._idle.pop() if self._idle else await asyncio.open_connection(LOCAL, self._port)
        reader, writer = connection
        fields = f"Host: {LOCAL}\r\nAuthorization: Bearer {token}"
        writer.write(f"GET {self._path} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        await reader.readexactly(int(found[1]) if found else 0)
        self.seconds.append(time.perf_counter() - began)
        self.errors += b" 200 " not in head[:16]
        self._idle.append(connection)

    def close(self) -> None:
        """Closes its connections."""
        for _, writer in self._idle:
            writer.close()


async def latency(stage: Stage, rounds: int) -> list[Result]:
    """P8: the service point at 50 requests a second, each beside a direct call."""
    compared = [stage.ours, stage.fastapi, stage.node]
    for server in compared:
        await _added(stage, server)
    found = await in_turns({server.name: partial(_added, stage, server) for server in compared}, rounds)
    ours, *peers = (found[server.name] for server in compared)
    errors, peer_errors = (sum(each.errors for each in some) for some in (ours, [*peers[0], *peers[1]]))
    return [
        _result("p50", [[each.p50 for each in some] for some in (ours, *peers)], None, (errors, peer_errors)),
        _result("p99", [[each.p99 for each in some] for some in (ours, *peers)], 8, (errors, peer_errors)),
    ]


def _result(name: str, added: Sequence[Sequence[float]], limit: float | None, errors: tuple[int, int]) -> Result:
    """A line with a goal in ms; None: to add no more than Node."""
    ours, fastapi, node = (Spread.of(each) for each in added)
    level = Goal("no more than Node", ours.median <= node.median)
    goal = level if limit is None else at_most(ours.median, limit, "ms")
    what = f"added latency at {RATE}/s, {name}"
    peers = f"FastAPI + httpx {fastapi.median:+.2f} ms, Node {node.median:+.2f} ms"
    own = f"{ours.median:+.2f} ms ({ours.least:+.2f} - {ours.most:+.2f})"
    ratio = Spread.of_savings(added[0], added[1])
    return Result("P8", what, own, peers, [goal], ratio, *errors)


async def _added(stage: Stage, server: Server) -> Added:
    """A round: the server and the upstream itself in turns, evenly spaced."""
    visitors = stage.visitors
    through = Caller(server.port, visitors[0].point_path)
    direct = Caller(int(stage.around.stub.rpartition(":")[2]), visitors[0].point_path.replace("/v1/", "/api/v2/"))
    began, calls = asyncio.get_running_loop().time(), []
    for number in range(RATE * ROUND_SECONDS):
        for caller, moment in ((through, number / RATE), (direct, (number + 0.5) / RATE)):
            await asyncio.sleep(began + moment - asyncio.get_running_loop().time())
            calls.append(asyncio.create_task(caller.call(visitors[number % len(visitors)].token)))
    await asyncio.gather(*calls)
    through.close()
    direct.close()
    (p50, p99), (direct_p50, direct_p99) = (_percentiles(caller.seconds) for caller in (through, direct))
    return Added(p50 - direct_p50, p99 - direct_p99, through.errors + direct.errors)


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds."""
    hundredths = statistics.quantiles(seconds, n=100, method="inclusive")
    return hundredths[49] * MILLISECONDS, hundredths[98] * MILLISECONDS
