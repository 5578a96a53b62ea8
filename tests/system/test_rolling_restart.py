"""Replicas are restarted one after the other, by the recipe of deploy/, under load, without a failed request."""

import asyncio
import contextlib
import json
import os
import select
import shlex
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.nginx import Nginx, running_nginx
from tests.support.output import json_below_error
from tests.support.pdf import pages
from tests.support.processes import (
    AS_SHIPPED,
    LOCAL,
    STOP_SECONDS,
    Valkey,
    bff_environment,
    eventually,
    free_port,
    fresh,
)
from tests.support.raw_server import answer, raw_server
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, look_up, shopper

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

RESTARTS = 20
SETTINGS = {"drain": 0.5, "poll_interval": 0.1, "label_budget": 5}
PAUSE_SECONDS = 0.1


@dataclass
class Replica:
    """A replica that is started by a command line and ended by process id, as a service manager would."""

    port: int
    start: str
    pid_file: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.pid_file.read_text())

    async def answers(self) -> bool:
        """Whether it listens."""
        try:
            _, writer = await asyncio.open_connection(LOCAL, self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def running_replica(folder: Path, store_url: str, sandbox: SandboxProcess) -> AsyncIterator[Replica]:
    """A replica; whichever process it is at the end is ended."""
    port = free_port()
    variables = AS_SHIPPED | bff_environment(store_url, sandbox, port=port, **SETTINGS)
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    pid_file, output = folder / f"{port}.pid", folder / f"{port}.out"
    command = f"env {environment} {sys.executable} -m app >>{output} 2>&1 & echo $! >{pid_file}"
    replica = Replica(port, command, pid_file)
    starting = await asyncio.create_subprocess_shell(command)
    await starting.wait()
    try:
        await eventually(replica.answers, 20, lambda: output.read_text()[-2000:])
        yield replica
    finally:
        await asyncio.to_thread(_end, replica.pid)
    assert [line for line in output.read_text().splitlines() if not json_below_error(line)] == []


def _end(pid: int) -> None:
    # Not our child: its exit status is not for us to know, its end is.
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        select.select([process], [], [], STOP_SECONDS)
        os.close(process)


@dataclass
class Load:
    """Shoppers who come one after the other, and what went wrong for them."""

    http: httpx.AsyncClient
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    async def forever(self) -> None:
        """One journey after the other."""
        while True:
            try:
                await self._journey()
            except (httpx.HTTPError, AssertionError) as error:
                self.failures.append(f"journey {error!r}"[:300])

    async def _journey(self) -> None:
        someone = await shopper(self.http, fresh("LABEL"))
        created = await someone.create()
        assert created.status_code == httpx.codes.ACCEPTED, created.text
        self.done["creations"] += 1
        path = created.headers["location"]
        await self._watched(someone, path)
        label = await someone.get(f"{path}/label")
        assert f"Return {created.json()['sendcloud_return_id']}" in pages(label.content)[0]
        self.done["labels"] += 1
        await asyncio.sleep(PAUSE_SECONDS)

    async def _watched(self, someone: Shopper, path: str) -> None:
        """The events up to the final state; a stream that ends before is taken up again, as browsers do."""
        state, revision = "", "0"
        while state != "label_ready":
            async with someone.events(path, **{"Last-Event-ID": revision}) as events:
                with contextlib.suppress(httpx.ReadError, httpx.RemoteProtocolError):
                    async for event in events:
                        revision, state = event["id"], json.loads(event["data"])["state"]
            self.done["streams"] += 1

    async def watch_forever(self) -> None:
        """The events of a return that never gets its label, again and again."""
        someone = await shopper(self.http, fresh("PAID"))
        path = (await someone.create()).headers["location"]
        while True:
            try:
                async with someone.events(path) as events:
                    with contextlib.suppress(httpx.ReadError, httpx.RemoteProtocolError):
                        async for _ in events:
                            self.done["events"] += 1
            except (httpx.HTTPError, AssertionError) as error:
                self.failures.append(f"watch {error!r}"[:300])

    async def ask_forever(self) -> None:
        """Sessions resumed and orders looked up."""
        someone = await shopper(self.http, fresh("LABEL"))
        while True:
            try:
                for answer in (await someone.get("/v1/session"), await look_up(self.http, fresh("LABEL"))):
                    assert answer.is_success, answer.text
            except (httpx.HTTPError, AssertionError) as error:
                self.failures.append(f"ask {error!r}"[:300])
            self.done["answers"] += 2
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def under_load(gateway: Nginx) -> AsyncIterator[Load]:
    """Shoppers at the gateway, until the end of the block."""
    load = Load(gateway.http)
    ways = [load.forever] * 4 + [load.watch_forever] * 4 + [load.ask_forever] * 4
    tasks = [asyncio.create_task(way()) for way in ways]
    try:
        yield load
        assert not [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _restart(gateway: Nginx, replica: Replica) -> None:
    address = f"{LOCAL}:{replica.port}"
    files = ["--nginx-pid", f"{gateway.folder}/nginx.pid", "--upstreams", f"{gateway.folder}/site/upstreams.conf"]
    options = ["--pid", str(replica.pid), "--start", replica.start, "--patience", "0.5"]
    process = await asyncio.create_subprocess_exec(sys.executable, "deploy/restart.py", address, *options, *files)
    assert await process.wait() == 0


@pytest.mark.alone
async def test_restarts_cost_nobody_anything(valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Three replicas are restarted one after the other, over and over, and no caller sees a failed request."""
    async with AsyncExitStack() as stack:
        fleet = [await stack.enter_async_context(running_replica(tmp_path, valkey.url, sandbox)) for _ in range(3)]
        gateway = await stack.enter_async_context(running_nginx([each.port for each in fleet]))
        load = await stack.enter_async_context(under_load(gateway))
        first = {each.pid for each in fleet}
        for number in range(RESTARTS):
            await _restart(gateway, fleet[number % 3])
        print(load.done, Counter(load.failures))  # noqa: T201  shown when it fails
        assert load.failures == []
    assert not first & {each.pid for each in fleet}
    assert set(load.done) == {"creations", "labels", "streams", "events", "answers"}


@pytest.mark.patient
async def test_a_replica_that_does_not_come_back_stays_out(
    valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    """If a replica cannot be started again, the recipe fails and callers never meet it, until it can be started."""
    async with AsyncExitStack() as stack:
        fleet = [await stack.enter_async_context(running_replica(tmp_path, valkey.url, sandbox)) for _ in range(2)]
        gateway = await stack.enter_async_context(running_nginx([each.port for each in fleet]))
        with pytest.raises(AssertionError):
            await _restart(gateway, Replica(fleet[0].port, "false", fleet[0].pid_file))
        assert {(await gateway.http.get("/livez")).status_code for _ in range(20)} == {200}
        servers = (gateway.folder / "site/upstreams.conf").read_text()
        assert servers.count(f"{LOCAL}:{fleet[0].port} max_fails=3") == servers.count(" down;") == 4
        # As systemd names the process of a service that does not run.
        fleet[0].pid_file.write_text("0")
        await _restart(gateway, fleet[0])
        assert (gateway.folder / "site/upstreams.conf").read_text().count(" down;") == 0
        assert await fleet[0].answers()


@pytest.mark.patient
async def test_a_gateway_that_does_not_reload(tmp_path: Path) -> None:
    """If nginx refuses its configuration, the recipe fails before anything is stopped, and nothing has changed."""
    async with raw_server(answer(200)) as server, running_nginx([server.port]) as gateway:
        gateway.process.expected.append("[emerg]")
        upstreams = (gateway.folder / "site/upstreams.conf").read_text()
        (gateway.folder / "site/private.conf").write_text("nonsense")
        pid_file = tmp_path / "pid"
        stands_for_a_replica = await asyncio.create_subprocess_exec("sleep", "60")
        pid_file.write_text(str(stands_for_a_replica.pid))
        with pytest.raises(AssertionError):
            await _restart(gateway, Replica(server.port, "true", pid_file))
        assert stands_for_a_replica.returncode is None
        stands_for_a_replica.kill()
        await stands_for_a_replica.wait()
        assert (gateway.folder / "site/upstreams.conf").read_text() == upstreams
        assert (await gateway.http.get("/livez")).is_success
