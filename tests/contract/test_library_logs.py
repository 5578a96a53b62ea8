"""What other libraries log: at most their names, and nothing of what they say."""

import asyncio
import os
import sys

import pytest

from tests.support.processes import STRICT
from tests.support.raw_server import answer, raw_server

TOKEN = "swordfish"
PROGRAM = f"""
import asyncio, contextlib, logging, sys
from app.errors import UpstreamError
from app.telemetry.log_output import configure_logging
from app.sendcloud.client import connect
from tests.support.unlimited import unlimited

async def read_and_write(url):
    sendcloud = connect(url, url, unlimited())
    await sendcloud.poll_label("my-shop", "{TOKEN}")
    with contextlib.suppress(UpstreamError):
        await sendcloud.upload("my-shop", "{TOKEN}", [])
    await sendcloud.aclose()

configure_logging()
for name in ("httpx", "httpcore", "h11", "asyncio"):
    logging.getLogger(name).setLevel(sys.argv[2])
asyncio.run(read_and_write(sys.argv[1]))
try:
    int("{TOKEN}")
except ValueError:
    logging.getLogger("redis").exception("failed with %s", "{TOKEN}")
"""


@pytest.mark.parametrize(("level", "chatty"), [("NOTSET", False), ("DEBUG", True)])
async def test_no_library_logs_a_token(level: str, *, chatty: bool) -> None:
    """Nothing below a warning is written; if enabled, it shows only that a library logged something."""
    async with raw_server(answer(202)) as server:
        command = (sys.executable, "-c", PROGRAM, f"http://127.0.0.1:{server.port}", level)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=os.environ | STRICT
        )
        written = (await process.communicate())[0].decode()
        assert [TOKEN.encode() in request for request in server.requests] == [True, True]
    assert process.returncode == 0
    assert TOKEN not in written
    assert ('"logger": "httpcore.http11"' in written) == chatty
    assert '"logger": "redis", "level_name": "ERROR", "error": "ValueError"' in written
