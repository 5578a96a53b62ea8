"""Three replicas on one store and one upstream."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio

from tests.support.processes import Bff, Valkey, running_bff
from tests.support.sandbox import SandboxProcess

SETTINGS: dict[str, Any] = {
    # These tests time and kill the replicas.
    "timed": True,
    "lookup_deadline": 5,
    "create_deadline": 2,
    "create_lease": 3,
    "poll_deadline": 2,
    "poll_interval": 0.1,
    "label_budget": 1,
}


@pytest_asyncio.fixture(scope="session")
async def fleet(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[list[Bff]]:
    """Replicas that tests share; those that kill some start their own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_bff(valkey.url, sandbox, **SETTINGS)) for _ in range(3)]


@pytest_asyncio.fixture(autouse=True)
async def no_creation_was_lost(valkey: Valkey) -> None:
    """Creations that other tests lost stop none of this one."""
    await valkey.forget_lost_creations()
