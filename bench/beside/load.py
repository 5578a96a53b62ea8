"""What wrk gets out of a server, errors counted as errors."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.beside.machine import REST, SYSTEM, busy_ticks

SCRIPT = Path(__file__).with_name("load.lua")
MICROSECONDS = 1e6
TICKS = 100


class Asked(NamedTuple):
    """One call and who makes it."""

    path: str
    token: str


class Figures(NamedTuple):
    """What came of a run; a good answer is below 400, everything else is an error."""

    rate: float
    """Good answers a second."""
    errors: int
    system: float
    """Share of the time that the core of the system under test was busy."""
    rest: float
    """The busiest that the others were, on average."""


async def hammered(port: int, calls: Sequence[Asked], connections: int, seconds: float) -> Figures:
    """What these calls get, so many at a time."""
    with tempfile.NamedTemporaryFile("w", suffix=".calls") as listed:
        listed.writelines(f"{call.path}\tBearer {call.token}\n" for call in calls)
        listed.flush()
        before = busy_ticks(SYSTEM), busy_ticks(REST)
        options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s", "-s", str(SCRIPT)]
        command = ["wrk", *options, f"http://127.0.0.1:{port}", listed.name]
        wrk = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await wrk.communicate()
        worked = busy_ticks(SYSTEM) - before[0], busy_ticks(REST) - before[1]
    found = re.search(r"FIGURES (.+)", output.decode())
    if found is None:
        raise RuntimeError(output.decode())
    requests, refused, broken, duration, *_ = map(float, found[1].split())
    took = duration / MICROSECONDS
    shares = worked[0] / TICKS / took, worked[1] / TICKS / took / len(REST)
    return Figures((requests - refused) / took, int(refused + broken), *shares)
