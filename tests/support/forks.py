"""Commands of the service, forked from a process that has imported it already."""

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

TEMPLATE_SECONDS = 60.0


class ForkedProcess:
    """What tests use of `asyncio.subprocess.Process`, for a process that is no child of theirs."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._status(reader, writer))

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Ends it at once."""
        os.kill(self.pid, signal.SIGKILL)

    async def _status(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        self.returncode = int(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return self.returncode


async def fork(
    arguments: Sequence[str], environment: Mapping[str, str], output: Path, errors: Path | None = None
) -> ForkedProcess:
    """`python -m` with these arguments and variables, without the time for its imports; it ends with this process.

    It prints into the file `output`, and its errors into the same one or into `errors`.
    """
    reader, writer = await asyncio.wait_for(_connection(_template()), TEMPLATE_SECONDS)
    files = [str(output), str(errors or output)]
    wanted = {"arguments": list(arguments), "environment": dict(environment), "files": files}
    writer.write(json.dumps(wanted).encode() + b"\n")
    return ForkedProcess(int(await reader.readline()), reader, writer)


async def run(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """How `python -m` with these arguments and variables ended, and what it printed."""
    with tempfile.NamedTemporaryFile("r") as output, tempfile.NamedTemporaryFile("r") as errors:
        process = await fork(arguments, environment, Path(output.name), Path(errors.name))
        return subprocess.CompletedProcess(arguments, await process.wait(), output.read(), errors.read())


async def _connection(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_unix_connection(path)
        except OSError:
            await asyncio.sleep(0.02)


@cache
def _template() -> str:
    """The socket of a template that ends with this process, however this one ends."""
    folder = tempfile.TemporaryDirectory(prefix="bff-test-")
    path = str(Path(folder.name, "template"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BFF_", "COVERAGE_"))}
    command = [sys.executable, "-m", "tests.support.template", path]
    process = subprocess.Popen(command, env=inherited | {"PYTHONWARNINGS": "error"}, stdin=subprocess.PIPE)

    def end() -> None:
        process.kill()
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    return path
