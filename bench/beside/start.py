"""P9: how soon a process accepts, and what it holds while it has nothing to do."""

import asyncio
import time
from functools import partial

from bench.beside import servers
from bench.beside.machine import resident_kb
from bench.beside.results import Result, Spread, at_most, in_turns
from bench.beside.servers import Start
from bench.beside.stage import Stage

REST_SECONDS = 1.0
KB_PER_MB = 1024
Started = tuple[float, float]
"""Seconds, and MB."""


async def starts(stage: Stage, rounds: int) -> list[Result]:
    """P9: from the start of the process to its first answer, and its memory a second later."""
    compared: dict[str, Start] = {"we": servers.ours, "FastAPI + httpx": servers.fastapi, "Node": servers.node}
    found = await in_turns({name: partial(_started, stage, start) for name, start in compared.items()}, rounds)
    return [
        _result("start to accepting", 0, found, 1.2, "s"),
        _result("resident memory, idle", 1, found, 95, "MB"),
    ]


def _result(what: str, which: int, found: dict[str, list[Started]], limit: float, unit: str) -> Result:
    figures = {name: [each[which] for each in some] for name, some in found.items()}
    ratio = Spread.of_savings(figures["we"], figures["FastAPI + httpx"])
    spreads = {name: Spread.of(values) for name, values in figures.items()}
    ours = spreads.pop("we")
    digits = 2 if unit == "s" else 0
    peers = ", ".join(f"{name} {spread.median:.{digits}f} {unit}" for name, spread in spreads.items())
    own = f"{ours.median:.{digits}f} {unit} ({ours.least:.{digits}f} - {ours.most:.{digits}f})"
    return Result("P9", what, own, peers, [at_most(ours.median, limit, unit)], ratio)


async def _started(stage: Stage, start: Start) -> Started:
    began = time.monotonic()
    async with start(stage.around) as server:
        took = time.monotonic() - began
        await asyncio.sleep(REST_SECONDS)
        return took, resident_kb(server.pid) / KB_PER_MB
