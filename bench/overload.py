"""What is left of the service at ten times its load? Run `python -m bench.overload`; needs nginx and wrk.

Three replicas behind the shipped gateway on one machine, which the load generator shares. Each call is measured three
times: with as many connections as give its peak, then with 1000 connections that together ask ten times as often, and
at its peak again. Goodput is 2xx answers a second. Times of answers turned away are from the gateway's log.
"""  # noqa: INP001  run as a module, never imported

import asyncio
import json
import re
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from tests.support.nginx import Nginx, running_nginx
from tests.support.processes import running_bff, running_valkey
from tests.support.sandbox import running_sandbox
from tests.support.shopper import Shopper, shopper

PEAK_CONNECTIONS, OVERLOAD_CONNECTIONS = 48, 1000
PEAK_SECONDS, OVERLOAD_SECONDS = 10, 30
MILLISECONDS = 1000
OVERLOAD = 10
SCRIPT = """
delay = function() return %d end
done = function(summary, latency, requests)
  io.write(string.format("FIGURES %%d %%d %%d\\n", summary.requests, summary.errors.status, summary.duration))
end
"""


class Figures(NamedTuple):
    """Answers a second: those with 2xx, and all others."""

    good: float
    other: float


class Callers(NamedTuple):
    """How many connections ask, for how long, and how long each pauses between requests (seconds)."""

    connections: int
    seconds: int
    pause: float = 0.0


async def hammered(gateway: Nginx, someone: Shopper, path: str, callers: Callers) -> Figures:
    """What these callers get out of this call."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % (callers.pause * MILLISECONDS))
        script.flush()
        options = [f"-c{callers.connections}", "-t2", f"-d{callers.seconds}", "-s", script.name, "--timeout", "30"]
        headers = [word for name, value in someone.headers.items() for word in ("-H", f"{name}: {value}")]
        url = f"http://127.0.0.1:{gateway.port}{path}"
        wrk = await asyncio.create_subprocess_exec("wrk", *options, *headers, url, stdout=asyncio.subprocess.PIPE)
        output, _ = await wrk.communicate()
    figures = re.search(r"FIGURES (\d+) (\d+) (\d+)", output.decode())
    if not figures:
        sys.exit(output.decode())
    requests, failed, microseconds = map(int, figures.groups())
    return Figures((requests - failed) * 1e6 / microseconds, failed * 1e6 / microseconds)


def turned_away(log: Path, skip: int) -> list[float]:
    """How long it took to say so, in ms, for each answer of the log that was 503."""
    entries = [json.loads(line) for line in log.read_text().splitlines()[skip:]]
    return sorted(entry["seconds"] * MILLISECONDS for entry in entries if entry["status"] == 503)  # noqa: PLR2004


async def measure(gateway: Nginx, someone: Shopper, path: str) -> None:
    """Prints one row."""
    usual = Callers(PEAK_CONNECTIONS, PEAK_SECONDS)
    peak = await hammered(gateway, someone, path, usual)
    skip = len((gateway.folder / "access.log").read_text().splitlines())
    pause = OVERLOAD_CONNECTIONS / (OVERLOAD * peak.good)
    over = await hammered(gateway, someone, path, Callers(OVERLOAD_CONNECTIONS, OVERLOAD_SECONDS, pause))
    times = turned_away(gateway.folder / "access.log", skip) or [0.0]
    after = await hammered(gateway, someone, path, usual)
    times_peak, share = (over.good + over.other) / peak.good, over.good / peak.good
    print(  # noqa: T201  a command's output
        f"{path}: peak {peak.good:.0f}/s (other {peak.other:.0f}); "
        f"overload {times_peak:.1f}x: goodput {over.good:.0f}/s = {share:.0%}, "
        f"turned away {over.other:.0f}/s in "
        f"{statistics.median(times):.0f} ms (p99 {times[int(len(times) * 0.99)]:.0f}); "
        f"afterwards {after.good:.0f}/s (other {after.other:.0f})"
    )


async def main() -> None:
    """Measures a call that needs the store alone and one that asks the upstream each time."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(running_valkey())
        sandbox = await stack.enter_async_context(running_sandbox())
        fleet = [
            await stack.enter_async_context(running_bff(store.url, sandbox, as_shipped=True, loop_lag=0.25))
            for _ in range(3)
        ]
        gateway = await stack.enter_async_context(running_nginx([replica.port for replica in fleet]))
        someone = await shopper(gateway.http, "LABEL-overload")
        point = someone.screen["drop_off"]["nearest"]["id"]
        for path in ("/v1/session", f"/v1/service-points/{point}"):
            await measure(gateway, someone, path)


if __name__ == "__main__":
    asyncio.run(main())
