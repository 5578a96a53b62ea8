"""A log that is not read, or cannot be written, costs no request."""

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from app.telemetry.log_output import LogWriter
from app.telemetry.metrics import REGISTRY
from tests.support.forks import fork
from tests.support.processes import LOCAL, STOP_SECONDS, Handle, Valkey, bff_environment, eventually, free_port, fresh
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import look_up

PIPE_BYTES = 4096
LINES = 60
"""Of a request at least 200 bytes each: more than the pipe holds."""
NOWHERE = Path(os.devnull)
Start = Callable[[Mapping[str, str]], Awaitable[Handle]]
"""Starts a service with these variables."""


def _into(output: Path) -> Start:
    """Starts a service whose standard output is this file."""
    return lambda variables: fork(["app"], variables, output, NOWHERE)


async def _without_output(variables: Mapping[str, str]) -> Handle:
    """Starts a service whose standard output and error are closed, which only an interpreter of its own notices."""
    command = ["/bin/sh", "-c", 'exec "$0" -m app >&- 2>&-', sys.executable]
    return await asyncio.create_subprocess_exec(*command, env=variables)


@contextlib.asynccontextmanager
async def _serving(
    start: Start, store: Valkey, sandbox: SandboxProcess
) -> AsyncIterator[tuple[httpx.AsyncClient, Handle]]:
    """A service that was started so; it is gone afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BFF_", "COVERAGE_"))}
    port = free_port()
    process = await start(environment | bff_environment(store.url, sandbox, port=port))
    async with httpx.AsyncClient(base_url=f"http://{LOCAL}:{port}", trust_env=False, timeout=10) as http:

        async def is_live() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await http.get("/livez")).is_success
            return False

        try:
            await eventually(is_live, 30)
            yield http, process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@contextlib.contextmanager
def _reading(pipe: Path) -> Iterator[None]:
    """There is a small pipe of this name, which is open for reading, and nobody reads from it."""
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield
    finally:
        os.close(reader)


async def _serves(http: httpx.AsyncClient) -> None:
    """Fails unless requests, probes and problems are answered as ever."""
    for _ in range(LINES):
        assert (await http.get("/v1/session")).status_code == 401
    assert (await look_up(http, fresh("LABEL"))).status_code == 201
    assert [(await http.get(path)).status_code for path in ("/livez", "/readyz")] == [200, 200]


async def _counts_lost_lines(http: httpx.AsyncClient) -> None:
    """Fails unless the service comes to count the lines of these requests as lost."""

    async def are_counted() -> bool:
        metrics = (await http.get("/metrics")).text
        [dropped] = re.findall(r"^bff_log_lines_dropped_total (\S+)$", metrics, re.MULTILINE)
        return float(dropped) >= LINES

    await eventually(are_counted, 10)


async def test_nobody_reads_the_log(valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """With a full pipe as standard output every request is answered, and SIGTERM ends the process."""
    pipe = tmp_path / "pipe"
    with _reading(pipe):
        async with _serving(_into(pipe), valkey, sandbox) as (http, process):
            await _serves(http)
            os.kill(process.pid, signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), STOP_SECONDS) in {0, -signal.SIGTERM}


async def test_the_reader_of_the_log_is_gone(valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """With a pipe that nobody reads any more every request is answered, and the lost lines are counted."""
    pipe = tmp_path / "pipe"
    with contextlib.ExitStack() as reader:
        reader.enter_context(_reading(pipe))
        async with _serving(_into(pipe), valkey, sandbox) as (http, _):
            reader.close()
            await _serves(http)
            await _counts_lost_lines(http)


@pytest.mark.parametrize("start", [_into(Path("/dev/full")), _without_output], ids=["full disk", "closed"])
async def test_the_log_cannot_be_written(valkey: Valkey, sandbox: SandboxProcess, start: Start) -> None:
    """With a standard output that takes nothing every request is answered, and the lost lines are counted."""
    async with _serving(start, valkey, sandbox) as (http, _):
        await _serves(http)
        await _counts_lost_lines(http)


async def test_a_line_that_is_cut_is_completed() -> None:
    """If a line fits only in part, its end comes as soon as there is room, so that the next line stands alone."""
    reader, writer = os.pipe2(os.O_NONBLOCK)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    before = REGISTRY.get_sample_value("bff_log_lines_dropped_total") or 0.0

    async def is_one_lost() -> bool:
        return (REGISTRY.get_sample_value("bff_log_lines_dropped_total") or 0.0) > before

    log, cut = LogWriter(writer), "c" * (PIPE_BYTES + 1)
    log.write(f"{cut}\n")
    log.write("lost\n")
    await eventually(is_one_lost, 10)
    printed = os.read(reader, PIPE_BYTES)
    log.write("next\n")
    log.close()
    printed += os.read(reader, PIPE_BYTES)
    os.close(reader)
    os.close(writer)
    assert printed.decode().splitlines() == [cut, "next"]
