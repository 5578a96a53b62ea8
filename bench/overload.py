"""What is left of the service at ten times its load? Run `python -m bench.overload`; needs nginx and wrk.

Three replicas share one core of the machine; the shipped gateway, the store, the upstream and the load generator share
another, so that clients take no processor time from replicas. The upstream is the sandbox, whose answers about
service points are kept by an nginx: a real one computes elsewhere. Budgets and limits of callers are out of the way.

Each call is measured three times: with as many connections as give its peak, then with 1000 connections that together
ask ten times as often, and at its peak again. Goodput is 2xx answers a second, as a share of the higher peak. Times
of answers turned away are from the gateway's log.
"""  # noqa: INP001  run as a module, never imported

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.nginx import Nginx, running_nginx
from tests.support.processes import LOCAL, free_port, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, shopper

REPLICAS = 3
PEAK_CONNECTIONS, OVERLOAD_CONNECTIONS = 48, 1000
PEAK_SECONDS, OVERLOAD_SECONDS = (int(os.environ.get(name, usual)) for name, usual in (("PEAK", 10), ("OVERLOAD", 30)))
MILLISECONDS = 1000
OVERLOAD = 10
TURNED_AWAY = 503
SCRIPT = """
delay = function() return %d end
done = function(summary, latency, requests)
  io.write(string.format("FIGURES %%d %%d %%d\\n", summary.requests, summary.errors.status, summary.duration))
end
"""
MEMO = """
daemon off; pid memo.pid; user root; error_log stderr crit;
events { worker_connections 8192; }
http {
    access_log off;
    proxy_cache_path cache keys_zone=memo:10m;
    server {
        listen %(listen)s;
        keepalive_requests 100000000;
        location / {
            proxy_pass http://%(upstream)s;
            proxy_cache memo;
            proxy_cache_valid 200 1h;
            proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
            proxy_cache_lock on;
        }
    }
}
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


class Away(NamedTuple):
    """Answers turned away: how many by nginx and by replicas, and the times of all (ms, sorted)."""

    by_nginx: int
    by_replicas: int
    times: list[float]

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share was told so."""
        return self.times[int((len(self.times) - 1) * share)] if self.times else 0.0


async def hammered(gateway: Nginx, someone: Shopper, path: str, callers: Callers) -> Figures:
    """What these callers get out of this call."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % (callers.pause * MILLISECONDS))
        script.flush()
        options = [f"-c{callers.connections}", "-t2", f"-d{callers.seconds}", "-s", script.name, "--timeout", "30"]
        headers = [word for name, value in someone.headers.items() for word in ("-H", f"{name}: {value}")]
        url = f"http://{LOCAL}:{gateway.port}{path}"
        wrk = await asyncio.create_subprocess_exec("wrk", *options, *headers, url, stdout=asyncio.subprocess.PIPE)
        output, _ = await wrk.communicate()
    figures = re.search(r"FIGURES (\d+) (\d+) (\d+)", output.decode())
    if not figures:
        sys.exit(output.decode())
    requests, failed, microseconds = map(int, figures.groups())
    return Figures((requests - failed) * 1e6 / microseconds, failed * 1e6 / microseconds)


def turned_away(log: Path, skip: int) -> Away:
    """The answers of the log that were 503."""
    entries = [entry for entry in map(json.loads, _lines(log)[skip:]) if entry["status"] == TURNED_AWAY]
    times = sorted(entry["seconds"] * MILLISECONDS for entry in entries)
    by_replicas = sum(entry["upstream_status"] == str(TURNED_AWAY) for entry in entries)
    return Away(len(entries) - by_replicas, by_replicas, times)


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines()


async def measure(gateway: Nginx, someone: Shopper, path: str) -> None:
    """Prints one row."""
    usual, log = Callers(PEAK_CONNECTIONS, PEAK_SECONDS), gateway.folder / "access.log"
    before = await hammered(gateway, someone, path, usual)
    skip = len(_lines(log))
    pause = OVERLOAD_CONNECTIONS / (OVERLOAD * before.good)
    over = await hammered(gateway, someone, path, Callers(OVERLOAD_CONNECTIONS, OVERLOAD_SECONDS, pause))
    away = turned_away(log, skip)
    after = await hammered(gateway, someone, path, usual)
    peak = max(before.good, after.good)
    print(  # noqa: T201  a command's output
        f"{path}: peak {before.good:.0f}/s (other {before.other:.0f}); "
        f"overload {(over.good + over.other) / peak:.1f}x: goodput {over.good:.0f}/s = {over.good / peak:.0%}, "
        f"turned away {over.other:.0f}/s in {away.percentile(0.5):.0f} ms (p99 {away.percentile(0.99):.0f}), "
        f"{away.by_nginx} by nginx, {away.by_replicas} by replicas; "
        f"afterwards {after.good:.0f}/s (other {after.other:.0f})"
    )


@asynccontextmanager
async def memo(sandbox: SandboxProcess) -> AsyncIterator[str]:
    """The URL of an nginx that asks the sandbox about a service point once and then knows the answer."""
    port = free_port()
    configuration = MEMO % {"listen": f"{LOCAL}:{port}", "upstream": f"{LOCAL}:{sandbox.service_points_port}"}
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.to_thread(Path(folder, "memo.conf").write_text, configuration)
        server = await asyncio.create_subprocess_exec("nginx", "-p", folder, "-c", "memo.conf", "-e", "stderr")
        try:
            yield sandbox.service_points_url.replace(str(sandbox.service_points_port), str(port))
        finally:
            server.terminate()
            await server.wait()


def from_now_on_at(core: int) -> None:
    """Processes started from now on run there."""
    cores = sorted(os.sched_getaffinity(os.getppid()))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


async def main() -> None:
    """Measures a call that needs the store alone and one that asks the upstream each time."""
    async with AsyncExitStack() as stack:
        from_now_on_at(1)
        store = await stack.enter_async_context(running_valkey())
        sandbox = await stack.enter_async_context(running_sandbox())
        points = await stack.enter_async_context(memo(sandbox))
        from_now_on_at(0)
        settings = {"as_shipped": True, "loop_lag": 0.25, "service_points_url": points}
        fleet = [await stack.enter_async_context(running_bff(store.url, sandbox, **settings)) for _ in range(REPLICAS)]
        from_now_on_at(1)
        gateway = await stack.enter_async_context(running_nginx([replica.port for replica in fleet]))
        someone = await shopper(gateway.http, "LABEL-overload")
        point = someone.screen["drop_off"]["nearest"]["id"]
        for path in ("/v1/session", f"/v1/service-points/{point}"):
            await measure(gateway, someone, path)


if __name__ == "__main__":
    asyncio.run(main())
