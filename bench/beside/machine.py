"""This machine: which core runs what, how busy each is, and what processes hold in memory."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SYSTEM, REST = {CORES[0]}, set(CORES[1:])
"""The core of the system under test, and those of everything else."""


@contextmanager
def system_core() -> Iterator[None]:
    """What is started meanwhile runs on the core of the system under test."""
    os.sched_setaffinity(0, SYSTEM)
    try:
        yield
    finally:
        os.sched_setaffinity(0, REST)


def busy_ticks(cores: set[int]) -> int:
    """Ticks (1/100 s) these cores have worked, together."""
    rows = re.findall(r"^cpu(\d+) (.+)$", Path("/proc/stat").read_text(), re.MULTILINE)
    times = [[int(ticks) for ticks in row.split()] for core, row in rows if int(core) in cores]
    # Without idle and iowait.
    return sum(sum(row[:3]) + sum(row[5:8]) for row in times)


def resident_kb(pid: int) -> int:
    """Resident memory of the process and its children."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = re.search(r"VmRSS:\s+(\d+) kB", status)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(own[1]) if own else 0) + sum(resident_kb(int(child)) for child in children)


def described() -> str:
    """The machine in one line."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return f"{model[1] if model else 'unknown processor'}, {len(CORES)} cores, Linux {os.uname().release}"
