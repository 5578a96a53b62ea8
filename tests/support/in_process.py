"""The service in the test's own process, on a socket of its own: it starts soon, and its lines can be traced."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.main import ConnectUpstream, create_app
from app.server import Server
from app.settings import PREFIX, Settings
from tests.support.processes import LOCAL, START_SECONDS, UNBOUNDED, bff_environment, eventually, free_port
from tests.support.sandbox import SandboxProcess


@asynccontextmanager
async def serving_bff(
    store_url: str, sandbox: SandboxProcess, connect_upstream: ConnectUpstream | None = None, **settings: Any
) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """The production server with these settings, and a client of it; it has ended afterwards."""
    variables = bff_environment(store_url, sandbox, host=LOCAL, port=free_port(), **UNBOUNDED | settings)
    configured = Settings.model_validate({name.removeprefix(PREFIX).lower(): text for name, text in variables.items()})
    server = Server(create_app(configured, connect_upstream), configured)
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    async with httpx.AsyncClient(base_url=f"http://{LOCAL}:{configured.port}", trust_env=False) as http:
        try:
            await eventually(started, START_SECONDS)
            yield server, http
        finally:
            server.should_exit = True
            await serving
