"""A service with a front end of another origin."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.processes import Bff, Valkey, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import SHOP


@pytest_asyncio.fixture(scope="module")
async def shop(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that one front end of another origin may call."""
    async with running_bff(store.url, sandbox, allowed_origins=SHOP) as process:
        yield process


@pytest_asyncio.fixture(autouse=True)
async def no_creation_was_lost(valkey: Valkey) -> None:
    """Creations that other tests lost stop none of this one."""
    await valkey.forget_lost_creations()
