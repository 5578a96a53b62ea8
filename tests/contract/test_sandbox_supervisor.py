"""The embedded stack: its processes start together, end together, and leave nothing behind."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.forks import run

DEADLINE = 20.0
"""Seconds."""

PROGRAM = """
import asyncio, os, sys
from app.sandbox.supervisor import Child, supervise

async def answers():
    return True

def child(name, code):
    say = "import os, time; os.write(1, f'{os.getpid()}\\\\n'.encode());"
    return Child(name, [sys.executable, "-c", say + code], answers)

children = [child("the first", "time.sleep(60)"), child("the second", sys.argv[1])]
sys.exit(asyncio.run(supervise(children, lambda: os.write(1, b"ready\\n"))))
"""


@asynccontextmanager
async def supervisor(second_child: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[int]]]:
    """A supervisor of two children in a process group of its own, and the ids of the children once it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, second_child),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        words = [(await process.stdout.readline()).decode().strip() for _ in range(3)]
        try:
            yield process, [int(word) for word in words if word.isdecimal()]
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


def is_alive(process_id: int) -> bool:
    """Whether a process of this id exists."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("whole_group", [True, False])
async def test_signal_stops_everything(number: signal.Signals, *, whole_group: bool) -> None:
    """A signal to the supervisor alone or to its whole group ends every child, with status 0."""
    async with supervisor("time.sleep(60)") as (process, children):
        os.killpg(process.pid, number) if whole_group else process.send_signal(number)
        assert await process.wait() == 0
        assert len(children) == 2
        assert not any(is_alive(child) for child in children)


async def test_dying_child_stops_everything() -> None:
    """When one child dies the others are stopped; one line names it, and the status is 1."""
    async with supervisor("time.sleep(0.3); raise SystemExit(3)") as (process, children):
        _, complaint = await process.communicate()
        assert (process.returncode, complaint) == (1, b"the second ended with status 3\n")
        assert not any(is_alive(child) for child in children)


async def test_taken_port_is_one_clear_line() -> None:
    """`make run` on a taken port starts nothing and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await run(["app.sandbox", f"--port={port}"], os.environ)
    assert ended.returncode == 1
    assert ended.stderr == f"Port {port} is taken: choose another one, as in make run PORT=8080.\n"
