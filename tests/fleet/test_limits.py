"""Quotas hold for the fleet, not for each replica."""

import asyncio
import hashlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess

pytestmark = pytest.mark.system
KEY = "a partner's key"
SETTINGS = {
    "timed": True,
    "trusted_proxies": "127.0.0.1",
    "lookup_limit": 30,
    "partners": f"acme:{hashlib.sha256(KEY.encode()).hexdigest()}",
}
TOGETHER = 15
"""Lookups under way at once."""


@pytest_asyncio.fixture(scope="module", name="fleet")
async def limited_fleet(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[list[Bff]]:
    """Three replicas with the limits as documented."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_bff(valkey.url, sandbox, **SETTINGS)) for _ in range(3)]


async def answers(fleet: list[Bff], lookups: int, headers: dict[str, str]) -> Counter[int]:
    """How many of so many lookups, each of another order and at the next replica, were answered with which status."""
    turns = asyncio.Semaphore(TOGETHER)

    async def ask(replica: Bff) -> int:
        wanted = {"identifier": fresh("LABEL"), "postal_code": "5611 AA"}
        async with turns:
            return (await replica.http.post("/v1/brands/demo/sessions", json=wanted, headers=headers)).status_code

    return Counter(await asyncio.gather(*map(ask, itertools.islice(itertools.cycle(fleet), lookups))))


@pytest.mark.parametrize(("address", "lookups"), [("203.0.113.7", 90), ("203.0.113.8", 31), ("2001:db8::1", 30)])
async def test_one_address_at_three_replicas(
    fleet: list[Bff], sandbox: SandboxProcess, address: str, lookups: int
) -> None:
    """However many lookups an address makes at once and wherever, thirty a minute are served and sent on."""
    before = len(await sandbox.ledger(kind="outgoing"))
    statuses = await answers(fleet, lookups, {"X-Forwarded-For": address})
    # A busy store may answer late: then a lookup is 503, or a command sent again counts twice, but never not at all.
    assert 29 - statuses[503] <= statuses[201] <= 30
    assert statuses[201] + statuses[429] + statuses[503] == lookups
    assert len(await sandbox.ledger(kind="outgoing")) - before <= 30


@pytest.mark.alone
async def test_a_partner_with_many_shoppers(fleet: list[Bff]) -> None:
    """A partner with 200 shoppers a minute is served."""
    statuses = await answers(fleet, 200, {"X-Partner-Key": KEY})
    assert (statuses[201] + statuses[503], statuses[429]) == (200, 0)
    assert statuses[503] <= 5
