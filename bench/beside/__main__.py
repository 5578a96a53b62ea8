"""We beside the peers, row by row: `python -m bench.beside [P3 ...] [--rounds 5]`; without rows all, with the report."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from bench.beside import machine, report, throughput
from bench.beside.results import Result
from bench.beside.stage import Stage, staged

ON_STAGE: Mapping[str, Callable[[Stage, int], Awaitable[list[Result]]]] = {
    "P3": throughput.proxied,
    "P4": throughput.proxied_beside_node,
    "P5": throughput.kept,
}
PARTS = ("wrk", "nginx", "node", "npm")
NODE = Path(__file__).with_name("node")


async def measured(rows: Sequence[str], rounds: int) -> list[Result]:
    """The results of these rows, printed as they come."""
    results: list[Result] = []
    async with staged() as stage:
        for row in rows:
            found = await ON_STAGE[row](stage, rounds)
            print("\n".join(report.table(found)), flush=True)  # noqa: T201  a command's output
            results += found
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
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=NODE, check=True)
    os.sched_setaffinity(0, machine.REST)


def main() -> None:
    """Measures what the command line names."""
    parser = argparse.ArgumentParser("python -m bench.beside", description="We beside the peers.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ON_STAGE)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    unknown = set(options.rows) - set(ON_STAGE)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    prepare()
    uvloop.run(measured(options.rows or list(ON_STAGE), options.rounds))


if __name__ == "__main__":
    main()
