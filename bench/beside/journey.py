"""P10: what a whole journey costs in processor time and in round trips to Redis, beside both peers."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.beside import servers
from bench.beside.results import Result, Spread, at_least, in_turns
from bench.beside.servers import Server
from bench.beside.stage import Stage
from tests.support.processes import LOCAL, Valkey, fresh
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper

JOURNEYS = 20
"""In a round; processor time is counted in steps of 10 ms."""
TICKS = os.sysconf("SC_CLK_TCK")
MICROSECONDS = 1e6


SPENT_BY_US = {"outgoing": 1, "service_point": 2, "incoming": 1, "polling": 1, "download": 1}
"""Upstream calls by kind: the search is kept from the journey before; preview and creation each check the point."""
SPENT_BY_PEERS = {"outgoing": 1, "service_points": 1, "incoming": 1, "polling": 1, "download": 1}
"""They keep no search and do not check the point again: one call less than we."""


class Cost(NamedTuple):
    """What one journey costs, on average of a round."""

    microseconds: float
    round_trips: float


class Finished(NamedTuple):
    """What is left of a journey: the order, the points that were found, the document."""

    order: str
    points: list[int]
    document: bytes


async def journeys(stage: Stage, rounds: int) -> list[Result]:
    """P10: processor time and round trips to Redis, caches warm, one journey at a time, all before the sandbox."""
    around, starts = stage.around, (servers.ours_on_sandbox, servers.fastapi_on_sandbox, servers.node_on_sandbox)
    async with AsyncExitStack() as stack:
        compared = [await stack.enter_async_context(start(around)) for start in starts]
        clients = [await stack.enter_async_context(_client(server)) for server in compared]
        await _agree(around.sandbox, clients)
        measures = {
            server.name: partial(_round, server, around.store, http)
            for server, http in zip(compared, clients, strict=True)
        }
        ours, fastapi, node = (await in_turns(measures, rounds)).values()
    return [*_results(ours, fastapi, "FastAPI + httpx", 5), *_results(ours, node, "Node")]


def _client(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{LOCAL}:{server.port}", trust_env=False, timeout=60)


async def _agree(sandbox: SandboxProcess, clients: Sequence[httpx.AsyncClient]) -> None:
    """Returns if all find the same points, end with a document of the same size and spend the calls they should."""
    ends = []
    for http, expected in zip(clients, (SPENT_BY_US, SPENT_BY_PEERS, SPENT_BY_PEERS), strict=True):
        await _journey(http)
        finished = await _journey(http)
        spent = Counter(str(call["kind"]) for call in await sandbox.ledger(order=finished.order))
        if spent != expected:
            raise RuntimeError(f"{spent} calls, not {expected}")
        whole = finished.document.startswith(b"%PDF") and finished.document.endswith(b"%%EOF\n")
        ends.append((finished.points, len(finished.document), whole))
    if not ends[0][2] or any(end != ends[0] for end in ends):
        raise RuntimeError(f"journeys end differently: {ends}")


def _results(ours: Sequence[Cost], theirs: Sequence[Cost], peer: str, *limits: float) -> list[Result]:
    what = f"a whole journey with a label of 100 KB, {{}}, vs {peer}"
    worked, peer_worked = ([each.microseconds for each in costs] for costs in (ours, theirs))
    asked, peer_asked = ([each.round_trips for each in costs] for costs in (ours, theirs))
    saved = Spread.of_savings(worked, peer_worked)
    return [
        Result(
            "P10",
            what.format("processor time"),
            f"{_shown(worked)} µs",
            f"{_shown(peer_worked)} µs",
            [at_least(saved, limit) for limit in limits],
            saved,
        ),
        Result("P10", what.format("round trips to Redis"), _shown(asked), _shown(peer_asked), []),
    ]


def _shown(values: Sequence[float]) -> str:
    return f"{Spread.of(values).median:,.0f}"


async def _round(server: Server, store: Valkey, http: httpx.AsyncClient) -> Cost:
    worked, asked = _seconds_worked(server.pid), await _reads(store)
    for _ in range(JOURNEYS):
        await _journey(http)
    # One of the reads is that of our own question.
    trips = await _reads(store) - asked - 1
    return Cost((_seconds_worked(server.pid) - worked) * MICROSECONDS / JOURNEYS, trips / JOURNEYS)


async def _journey(http: httpx.AsyncClient) -> Finished:
    """Portal, session, points, preview, creation, the wait for the label, its first download."""
    (await http.get("/v1/brands/demo/portal")).raise_for_status()
    order = fresh("PDF100K")
    someone = await shopper(http, order)
    points = (await someone.get("/v1/service-points")).raise_for_status().json()["service_points"]
    preview = await http.post("/v1/returns/preview", json=someone.body(), headers=someone.headers)
    if not preview.raise_for_status().json()["valid"]:
        raise RuntimeError(preview.text)
    path = (await someone.create()).raise_for_status().headers["location"]
    await someone.settled(path)
    label = (await someone.get(f"{path}/label")).raise_for_status()
    return Finished(order, [point["id"] for point in points], label.content)


def _seconds_worked(pid: int) -> float:
    """Processor time of the process, its own and the kernel's for it."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS


async def _reads(store: Valkey) -> int:
    """How often the store has read from a connection; a pipeline that comes in one piece is read at once."""
    return int((await store.client.info("stats"))["total_reads_processed"])
