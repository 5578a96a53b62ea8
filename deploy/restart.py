#!/usr/bin/env python3
"""Restarts one replica behind the gateway without a failed request; a fleet is restarted replica by replica.

restart.py 127.0.0.1:8001 --pid "$(systemctl show -p MainPID --value bff@8001)" --start "systemctl start bff@8001"
"""

import argparse
import fcntl
import http.client
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

RELOAD_SECONDS = 10.0
READY_SECONDS = 60.0
EXIT_SECONDS = 75.0
"""Longer than a replica drains (5) and finishes what is under way (50)."""
PAUSE_SECONDS = 0.05


class RestartError(Exception):
    """The restart stopped half-way; the text says where, for the operator."""


@dataclass(frozen=True)
class Gateway:
    """A running nginx and the file that names its upstream servers."""

    pid_file: Path
    upstreams: Path

    @contextmanager
    def without(self, address: str, patience: float) -> Iterator[None]:
        """Sends nothing to this address meanwhile; it stays out if what is done meanwhile fails."""
        former = self._workers()
        self._mark(address, " down")
        # Watchers are left, and the replica itself ends those; all others should be through by then.
        _wait(lambda: not any(map(_exists, former)), patience)
        yield
        self._mark(address, "")

    def _mark(self, address: str, mark: str) -> None:
        before = self.upstreams.read_text()
        after, found = re.subn(rf"(server {re.escape(address)}\b[^;]*?)(?: down)?;", rf"\1{mark};", before)
        if not found:
            raise RestartError(f"{self.upstreams} names no server {address}")
        _replace(self.upstreams, after)
        former = self._workers()
        os.kill(self._master(), signal.SIGHUP)
        if not _wait(lambda: not any(map(_accepts, former)), RELOAD_SECONDS):
            _replace(self.upstreams, before)
            raise RestartError("nginx did not take the new configuration; its error log says why")

    def _master(self) -> int:
        return int(self.pid_file.read_text())

    def _workers(self) -> list[int]:
        master = self._master()
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def restart(gateway: Gateway, address: str, pid: int, start: str, patience: float) -> None:
    """Restarts the replica `pid` that listens on this address.

    Raises:
        RestartError: the replica is out of the gateway and may be down.
    """
    with gateway.without(address, patience):
        _stop(pid)
        subprocess.run(start, shell=True, check=True)  # noqa: S602  the operator's own command line
        if not _wait(lambda: _is_ready(address), READY_SECONDS):
            raise RestartError(f"{address} is not ready; it stays marked down")


def _stop(pid: int) -> None:
    # Killed before, or 0, which systemd names for a service that does not run.
    if not _exists(pid):
        return
    process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        gone, _, _ = select.select([process], [], [], EXIT_SECONDS)
    finally:
        os.close(process)
    if not gone:
        raise RestartError(f"process {pid} does not end; it stays marked down")


def _is_ready(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()


def _replace(path: Path, text: str) -> None:
    """Replaces the file; a reader finds it whole at any moment."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def _accepts(worker: int) -> bool:
    """Whether this worker takes new connections: nginx writes into its title that it no longer does."""
    try:
        return b"is shutting down" not in Path(f"/proc/{worker}/cmdline").read_bytes()
    except OSError:
        return False


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _wait(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def main() -> None:
    """Reads the command line; one restart at a time, however many are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="host:port of the replica, as in upstreams.conf")
    parser.add_argument("--pid", type=int, required=True, help="its process id; one that is gone is only started")
    parser.add_argument("--start", required=True, help="the command that starts it again and returns")
    parser.add_argument("--nginx-pid", type=Path, default=Path("/run/nginx.pid"))
    parser.add_argument("--upstreams", type=Path, default=Path("/etc/nginx/bff/site/upstreams.conf"))
    parser.add_argument("--patience", type=float, default=10.0, help="seconds for requests under way (default: 10)")
    asked = parser.parse_args()
    gateway = Gateway(asked.nginx_pid, asked.upstreams)
    turn = os.open(asked.upstreams.parent, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    try:
        restart(gateway, asked.address, asked.pid, asked.start, asked.patience)
    except (RestartError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"restart.py: {error}")


if __name__ == "__main__":
    main()
