"""Is a return ever made twice, lost, or stuck? `make chaos` tries for CHAOS_MINUTES (10); see docs/reports/chaos.md.

CHAOS_SEED decides which troubles come when; the moments at which they meet a request are the machine's.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.chaos.fleet import REPLICAS
from bench.chaos.run import Run, run
from bench.chaos.shoppers import CLIENTS

REPORT = Path("docs/reports/chaos.md")


def report(done: Run) -> str:
    """The figures of a run as Markdown."""
    verdict = done.verdict
    stuck = [f"- {each}\n" for each in verdict.stuck]
    return f"""# Chaos

Written by `make chaos` (`CHAOS_SEED={done.seed}`) on {time.strftime("%F")}: {done.seconds / 60:g} minutes of trouble.
{REPLICAS} replicas on one store, {CLIENTS} shoppers at a time and the sandbox upstream shared a machine of
{os.cpu_count()} processors with other work.

The run begins with replicas of the build before, and a rolling upgrade replaces them among crashes. Outages of polling
and of creation come after it, because the build before takes an outage of polling for failed announcements. Shoppers
repeat with the same key what may be repeated. When the faults have ended, an operator settles each unknown outcome with
`python -m app.release` from the sandbox's ledger, and each shopper finishes. A quarter of an hour passes for a claim by
moving its lease.

{_table(("promise", "broken"), _promises(done))}
{"".join(stuck)}
{_table(("what", "how many"), _figures(done))}
## Trouble

{_table(("trouble", "times"), done.trouble.most_common())}
## Answers to creations

{_table(("answer", "times"), _answers(done))}"""


def _promises(done: Run) -> list[tuple[str, int]]:
    verdict = done.verdict
    return [
        ("units claimed by more returns than were ordered", verdict.over_claimed),
        ("returns that the upstream made and no shopper can see", verdict.lost),
        ("answers 500", verdict.faults_of_ours),
        ("shoppers who cannot finish", len(verdict.stuck)),
    ]


def _figures(done: Run) -> list[tuple[str, int]]:
    verdict = done.verdict
    return [
        ("orders", done.orders),
        ("shoppers, some of them two for one unit", done.shoppers),
        ("answers of all kinds", done.answers),
        ("answers 500 of the build before", done.faults_of_the_build_before),
        ("returns that the upstream made", verdict.made),
        ("outcomes unknown when the faults ended", verdict.unknown),
        *((f"recorded as {finding}", number) for finding, number in verdict.found.items()),
    ]


def _answers(done: Run) -> list[tuple[str, int]]:
    return [
        (f"{status} {f'`{code}`' if code else ''}", times) for (status, code), times in done.creations.most_common()
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def main() -> None:
    """Runs it and writes the report; the exit status is 1 if a promise was broken."""
    minutes, seed = float(os.environ.get("CHAOS_MINUTES", "10")), int(os.environ.get("CHAOS_SEED", "1"))
    done = asyncio.run(run(seed, minutes * 60))
    REPORT.write_text(report(done))
    print(REPORT.read_text())  # noqa: T201  a command's output
    sys.exit(not done.verdict.is_clean)


if __name__ == "__main__":
    main()
