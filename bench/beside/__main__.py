"""We beside the peers: `python -m bench.beside [P3 ...] [--rounds 5]`; without rows all of them, with the report."""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from bench.beside import downloads, economy, journey, latency, machine, report, start, throughput, waiting
from bench.beside.results import Goal, Result
from bench.beside.stage import SHOPPERS, Stage, staged

ALONE: Mapping[str, Callable[[], Awaitable[list[Result]]]] = {"P1": economy.journey, "P2": economy.watchers}
"""With an upstream, a store and replicas of their own."""
ON_STAGE: Mapping[str, Callable[[Stage, int], Awaitable[list[Result]]]] = {
    "P3": throughput.proxied,
    "P4": throughput.proxied_beside_node,
    "P5": throughput.kept,
    "P6": downloads.labels,
    "P7": waiting.waiters,
    "P8": latency.latency,
    "P9": start.starts,
    "P10": journey.journeys,
}
ROWS = [*ALONE, *ON_STAGE]
PARTS = ("wrk", "nginx", "node", "npm")
NODE = Path(__file__).with_name("node")


async def measured(rows: Sequence[str], rounds: int) -> list[Result]:
    """The results of these rows, shown as they come."""
    results = [result for row in rows if row in ALONE for result in await shown(row, ALONE[row]())]
    if set(rows) & set(ON_STAGE):
        async with staged() as stage:
            for row in rows:
                if row in ON_STAGE:
                    results += await shown(row, ON_STAGE[row](stage, rounds))
    return results


async def shown(row: str, measuring: Awaitable[list[Result]]) -> list[Result]:
    """The results, printed; a row that cannot be measured is a row that failed."""
    try:
        results = await measuring
    except Exception as error:  # noqa: BLE001  the other rows are measured all the same
        traceback.print_exc()
        results = [Result(row, f"not measured: {type(error).__name__}", "", "", [Goal("measured", False)], errors=1)]
    print(report.table(results), flush=True)  # noqa: T201  a command's output
    return results


def prepare() -> None:
    """Everything that is needed is there, and we are off the core of the systems under test."""
    missing = [part for part in PARTS if shutil.which(part) is None]
    if missing:
        sys.exit(f"bench: {', '.join(missing)} not found; all of {', '.join(PARTS)} are needed (Debian has them)")
    if not machine.REST:
        sys.exit("bench: two cores are needed, one for the system under test and one for the rest")
    installed = NODE / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (NODE / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=NODE, check=True)  # noqa: S607  as installed
    os.sched_setaffinity(0, machine.REST)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Measures what the command line names."""
    parser = argparse.ArgumentParser("python -m bench.beside", description="We beside the peers.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    prepare()
    began, load = time.monotonic(), report.load_average()
    results = uvloop.run(measured(options.rows or ROWS, options.rounds))
    if not options.rows:
        report.write(results, options.rounds, time.monotonic() - began, load, SHOPPERS)


if __name__ == "__main__":
    main()
