"""Does each event reach its shop, once, and soon? `make events` tries a thousand; see docs/reports/events.md.

EVENTS_SEED decides when replicas are killed and endpoints fail; the moments at which that meets an event are the
machine's.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.chaos.fleet import REPLICAS
from bench.events.drill import CLIENTS, ENDPOINTS, HEALTHY, Drill, drill, percentile

REPORT = Path("docs/reports/events.md")
RETURNS = 510
"""Each of which makes two events, but for a few whose outcome becomes unknown."""


def report(done: Drill) -> str:
    """The figures of a drill as Markdown."""
    healthy, killed = done.seconds_of(HEALTHY), done.seconds_of(HEALTHY, killed=True)
    share = 100 * done.twice / max(1, len(done.first))
    return f"""# Events

Written by `make events` (`EVENTS_SEED={done.seed}`) on {time.strftime("%F")}: {len(done.visits)} returns in
{done.seconds:.0f} s. {REPLICAS} replicas, {CLIENTS} shoppers at a time, the sandbox upstream and the endpoints of
{len(ENDPOINTS)} shops shared a machine of {os.cpu_count()} processors with other work. {len(done.kills)} times a
replica was killed, and another one started in its place.

| promise | |
|---|---|
| events that came | {len(done.first)} |
| events that never came | {len(done.lost)} |
| events that an endpoint took more than once | {done.twice} ({share:.1f} %) |
| outcomes that became unknown | {sum(visit.is_unknown for visit in done.visits)} |
| 95th percentile at healthy endpoints, from the change to the endpoint's answer | {percentile(healthy, 95):.2f} s |
| the same, of events under way when a replica was killed | {_spread(killed)} |

## By endpoint

Without the events that were under way when a replica was killed.

| endpoint | events | posts | median | 95th percentile | longest |
|---|---|---|---|---|---|
{"".join(_row(done, brand) for brand in ENDPOINTS)}"""


def _row(done: Drill, brand: str) -> str:
    seconds = done.seconds_of([brand])
    spread = " | ".join(f"{percentile(seconds, share):.2f} s" for share in (50, 95, 100))
    return f"| {ENDPOINTS[brand]} | {len(seconds)} | {done.posts[brand]} | {spread} |\n"


def _spread(seconds: Sequence[float]) -> str:
    return f"{percentile(seconds, 95):.1f} s of {len(seconds)} events, the longest {percentile(seconds, 100):.1f} s"


def main() -> None:
    """Runs it and writes the report; the exit status is 1 if a promise was broken."""
    returns, seed = int(os.environ.get("EVENTS_RETURNS", RETURNS)), int(os.environ.get("EVENTS_SEED", "1"))
    done = asyncio.run(drill(seed, returns))
    REPORT.write_text(report(done))
    print(REPORT.read_text())  # noqa: T201  a command's output
    sys.exit(not done.is_clean)


if __name__ == "__main__":
    main()
