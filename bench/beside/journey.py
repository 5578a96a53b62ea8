"""P10: what a whole journey costs us in processor time and in round trips to Redis."""

import os
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.beside import servers
from bench.beside.results import Result, Spread
from bench.beside.servers import Server
from bench.beside.stage import Stage
from tests.support.processes import LOCAL, Valkey, fresh
from tests.support.shopper import shopper

JOURNEYS = 20
"""In a round; processor time is counted in steps of 10 ms."""
TICKS = os.sysconf("SC_CLK_TCK")
MICROSECONDS = 1e6


class Cost(NamedTuple):
    """What one journey costs, on average of a round."""

    microseconds: float
    round_trips: float


async def journeys(stage: Stage, rounds: int) -> list[Result]:
    """P10: processor time of our process and its round trips to Redis, with caches warm, one journey at a time."""
    store = stage.around.store
    async with (
        servers.ours_on_sandbox(stage.around) as server,
        httpx.AsyncClient(base_url=f"http://{LOCAL}:{server.port}", trust_env=False, timeout=60) as http,
    ):
        await _journey(http)
        found = [await _round(server, store, http) for _ in range(rounds)]
    return [
        _result("processor time", "µs", [each.microseconds for each in found]),
        _result("round trips to Redis", "", [each.round_trips for each in found]),
    ]


def _result(what: str, unit: str, values: list[float]) -> Result:
    median, least, most = Spread.of(values)
    ours = f"{median:,.0f} {unit}".strip() + f" ({least:,.0f} - {most:,.0f})"
    return Result("P10", f"a whole journey with a label of 100 KB, {what}", ours, "", [])


async def _round(server: Server, store: Valkey, http: httpx.AsyncClient) -> Cost:
    worked, asked = _seconds_worked(server.pid), await _reads(store)
    for _ in range(JOURNEYS):
        await _journey(http)
    # One of the reads is that of our own question.
    trips = await _reads(store) - asked - 1
    return Cost((_seconds_worked(server.pid) - worked) * MICROSECONDS / JOURNEYS, trips / JOURNEYS)


async def _journey(http: httpx.AsyncClient) -> None:
    """Portal, session, points, preview, creation, the wait for the label, its first download."""
    (await http.get("/v1/brands/demo/portal")).raise_for_status()
    someone = await shopper(http, fresh("PDF100K"))
    (await someone.get("/v1/service-points")).raise_for_status()
    preview = await http.post("/v1/returns/preview", json=someone.body(), headers=someone.headers)
    preview.raise_for_status()
    path = (await someone.create()).raise_for_status().headers["location"]
    await someone.settled(path)
    (await someone.get(f"{path}/label")).raise_for_status()


def _seconds_worked(pid: int) -> float:
    """Processor time of the process, its own and the kernel's for it."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS


async def _reads(store: Valkey) -> int:
    """How often the store has read from a connection; a pipeline that comes in one piece is read at once."""
    return int((await store.client.info("stats"))["total_reads_processed"])
