"""Quotas hold for the fleet, not for each replica."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess

KEY = "a partner's key"
SETTINGS = {
    "as_shipped": True,
    "trusted_proxies": "127.0.0.1",
    "lookup_limit": 30,
    "partners": f"acme:{hashlib.sha256(KEY.encode()).hexdigest()}",
}
ANSWERED = {httpx.codes.CREATED, httpx.codes.TOO_MANY_REQUESTS}


@pytest_asyncio.fixture(scope="module", name="fleet")
async def limited_fleet(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[list[Bff]]:
    """Three replicas with the limits as documented."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_bff(valkey.url, sandbox, **SETTINGS)) for _ in range(3)]


async def served(fleet: list[Bff], lookups: int, headers: dict[str, str]) -> int:
    """How many of so many parallel lookups, each of another order and at another replica, are served."""

    async def ask(replica: Bff) -> int:
        wanted = {"identifier": fresh("LABEL"), "postal_code": "5611 AA"}
        return (await replica.http.post("/v1/brands/demo/sessions", json=wanted, headers=headers)).status_code

    replicas = itertools.islice(itertools.cycle(fleet), lookups)
    statuses = await asyncio.gather(*map(ask, replicas))
    assert set(statuses) <= ANSWERED
    return statuses.count(httpx.codes.CREATED)


@pytest.mark.parametrize(("address", "lookups"), [("203.0.113.7", 90), ("203.0.113.8", 31), ("2001:db8::1", 30)])
async def test_one_address_at_three_replicas(
    fleet: list[Bff], sandbox: SandboxProcess, address: str, lookups: int
) -> None:
    """However many lookups an address makes at once and wherever, thirty a minute are served and sent on."""
    before = len(await sandbox.ledger(kind="outgoing"))
    got_through = await served(fleet, lookups, {"X-Forwarded-For": address})
    # A command to the store that is sent again may count twice, never not at all.
    assert got_through in {29, 30}
    assert len(await sandbox.ledger(kind="outgoing")) - before == got_through


async def test_a_partner_with_many_shoppers(fleet: list[Bff]) -> None:
    """A partner with 200 shoppers a minute is served."""
    assert await served(fleet, 200, {"X-Partner-Key": KEY}) == 200
