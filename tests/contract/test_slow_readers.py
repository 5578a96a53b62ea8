"""Readers of documents who stop reading, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app.documents.delivery import Delivery
from app.documents.routes import Bounded
from app.errors import BffError
from tests.support.processes import LOCAL
from tests.support.raw_client import request

READER_SECONDS = 0.3
CUT_WITHIN_SECONDS = 10.0


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """The port on which this app is served here."""
    with socket.create_server((LOCAL, 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serve


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(64 * 1024)
        # What the upstream sends takes its time as well.
        await asyncio.sleep(0)


async def test_a_reader_who_takes_too_long_is_cut_off() -> None:
    """Once a reader has had its time, its connection is cut, which is no clean end, and no error of ours to the log."""
    over = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Bounded(Delivery(None, _endless(), READER_SECONDS), {})(scope, receive, send)
        except BffError:
            over.set()

    async with serving(app) as port:
        reader, writer = await request(port, "/", {})
        try:
            await asyncio.wait_for(over.wait(), CUT_WITHIN_SECONDS)
            with suppress(ConnectionError):
                assert not (await reader.read()).endswith(b"\r\n0\r\n\r\n")
        finally:
            writer.close()
