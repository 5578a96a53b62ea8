"""A process whose event loop stands still ends by itself; one that is only told to stop is left its time."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from tests.support.forks import fork
from tests.support.processes import LOCAL, Valkey, bff_environment, eventually, free_port
from tests.support.sandbox import SandboxProcess


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return False
    writer.close()
    return True


async def _ends_once_blocked(valkey: Valkey, sandbox: SandboxProcess, errors: Path) -> None:
    """Fails unless a service with this standard error ends with status 1 after its loop was blocked."""
    variables = bff_environment(valkey.url, sandbox, port=(port := free_port()), watchdog=2)
    process = await fork(["tests.support.blocking"], variables, Path(os.devnull), errors)
    try:
        await eventually(lambda: _listens(port), 30)
        os.kill(process.pid, signal.SIGUSR1)
        assert await asyncio.wait_for(process.wait(), 20) == 1
    finally:
        if process.returncode is None:
            process.kill()


async def test_a_blocked_loop_ends_the_process(valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Blocked by code that keeps the interpreter lock, the process says where it stands and ends with status 1."""
    (errors := tmp_path / "errors").touch()
    await _ends_once_blocked(valkey, sandbox, errors)
    said = errors.read_text()
    assert "most recent call first" in said
    assert "aaa" not in said


async def test_a_blocked_process_waits_for_no_reader(valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """A blocked process ends although its standard error is a pipe that is full."""
    os.mkfifo(errors := tmp_path / "errors")
    pipe = os.open(errors, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    try:
        await _ends_once_blocked(valkey, sandbox, errors)
    finally:
        os.close(pipe)
