"""One real stack for the whole run: a Valkey, the sandbox upstream, a BFF; each a process of its own."""

import os
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import settings

from tests.support.processes import Bff, Valkey, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, running_sandbox

# httpx asks at each of its locks whether this is installed; to find that it is not takes a look into every path.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # None says that there is no such module
# No deadline: the machine may be busy. In CI the same examples every time, so that a failure is the change's own.
settings.register_profile("bff", deadline=None, max_examples=60, derandomize="CI" in os.environ)
settings.load_profile("bff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves the short files for the end, or a worker would be alone with a long one."""
    items.sort(key=lambda item: item.path.parent.name == "unit")


@pytest_asyncio.fixture(scope="session")
async def valkey() -> AsyncIterator[Valkey]:
    """The store that tests share; those that harm it start one of their own."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture(scope="module")
async def store() -> AsyncIterator[Valkey]:
    """A store of its own."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture(scope="session")
async def sandbox() -> AsyncIterator[SandboxProcess]:
    """The upstream that tests share; fresh order numbers keep them apart."""
    async with running_sandbox(covered=True) as process:
        yield process


@pytest_asyncio.fixture(scope="session")
async def bff(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """The service as it is by default, but that it looks at labels ten times as often."""
    async with running_bff(valkey.url, sandbox, poll_interval=0.1, covered=True) as process:
        yield process
