"""A log that is not read, or cannot be written, costs no request."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.processes import LOCAL, STOP_SECONDS, Valkey, bff_environment, eventually, free_port, fresh
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import look_up

PIPE_BYTES = 64 * 1024
LINES = 400
"""Of a request at least 200 bytes each: more than a pipe holds."""


@contextlib.asynccontextmanager
async def _logging_to(
    stdout: int | None, store: Valkey, sandbox: SandboxProcess
) -> AsyncIterator[tuple[httpx.AsyncClient, subprocess.Popen[bytes]]]:
    """A service whose standard output is this descriptor, or closed; its standard error goes nowhere."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BFF_", "COVERAGE_"))}
    port = free_port()
    variables = environment | bff_environment(store.url, sandbox, port=port)
    process = subprocess.Popen(  # noqa: ASYNC220  nothing else runs yet
        ["/bin/sh", "-c", f'exec "$0" -m app{"" if stdout else " >&-"}', sys.executable],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env=variables,
    )
    async with httpx.AsyncClient(base_url=f"http://{LOCAL}:{port}", trust_env=False, timeout=10) as http:

        async def is_live() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await http.get("/livez")).is_success
            return False

        try:
            await eventually(is_live, 30)
            yield http, process
        finally:
            process.kill()
            process.wait()


async def _dropped(http: httpx.AsyncClient) -> float:
    metrics = (await http.get("/metrics")).text
    return float(re.findall(r"^bff_log_lines_dropped_total (\S+)$", metrics, re.MULTILINE)[0])


async def _serves(http: httpx.AsyncClient) -> None:
    """Fails unless requests, probes and problems are answered as ever."""
    for _ in range(LINES):
        assert (await http.get("/v1/session")).status_code == 401
    assert (await look_up(http, fresh("LABEL"))).status_code == 201
    assert [(await http.get(path)).status_code for path in ("/livez", "/readyz")] == [200, 200]


async def test_nobody_reads_the_log(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """With a full pipe as standard output every request is answered, and SIGTERM ends the process."""
    reader, writer = os.pipe()
    try:
        async with _logging_to(writer, valkey, sandbox) as (http, process):
            await _serves(http)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, STOP_SECONDS) in {0, -signal.SIGTERM}
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("reason", ["full disk", "closed pipe", "closed"])
async def test_the_log_cannot_be_written(valkey: Valkey, sandbox: SandboxProcess, reason: str) -> None:
    """With a standard output that takes nothing every request is answered, and the lost lines are counted."""
    with contextlib.ExitStack() as opened:
        stdout = None
        if reason == "full disk":
            stdout = os.open("/dev/full", os.O_WRONLY)
            opened.callback(os.close, stdout)
        if reason == "closed pipe":
            reader, stdout = os.pipe()
            os.close(reader)
            opened.callback(os.close, stdout)
        async with _logging_to(stdout, valkey, sandbox) as (http, _):
            await _serves(http)

            async def are_counted() -> bool:
                return await _dropped(http) >= LINES

            await eventually(are_counted, 10)
