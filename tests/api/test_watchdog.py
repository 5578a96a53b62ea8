"""A process whose event loop stands still ends by itself; one that is only told to stop is left its time."""

import asyncio
import signal
import sys

from tests.support.processes import LOCAL, Valkey, bff_environment, eventually, free_port
from tests.support.sandbox import SandboxProcess


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_blocked_loop_ends_the_process(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Blocked by code that keeps the interpreter lock, the process says where it stands and ends with status 1."""
    port = free_port()
    variables = bff_environment(valkey.url, sandbox, port=port, watchdog=2)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.blocking", env=variables, stderr=asyncio.subprocess.PIPE
    )
    try:
        await eventually(lambda: _listens(port), 30)
        process.send_signal(signal.SIGUSR1)
        _, said = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 1
    assert b"most recent call first" in said
    assert b"aaa" not in said
