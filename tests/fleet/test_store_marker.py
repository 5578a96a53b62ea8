"""A replica creates nothing in a store that has lost its memory, or in which others name by another key."""

import base64
import secrets
from collections.abc import AsyncIterator
from os import environ

import pytest
import pytest_asyncio

from tests.fleet.conftest import SETTINGS
from tests.support.forks import run
from tests.support.processes import SECRET_KEY, STRICT, Bff, Valkey, bff_environment, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper, told

pytestmark = pytest.mark.system
ANOTHER_KEY = base64.b64encode(secrets.token_bytes(32)).decode()


@pytest_asyncio.fixture(name="own")
async def store_of_its_own() -> AsyncIterator[Valkey]:
    """A store that a test may empty."""
    async with running_valkey() as process:
        yield process


async def is_ready(replica: Bff) -> bool:
    """Whether the replica wants requests."""
    return (await replica.http.get("/readyz")).is_success


async def accept(store: Valkey, sandbox: SandboxProcess, *options: str) -> str:
    """What the command says that accepts a store."""
    inherited = {name: value for name, value in environ.items() if not name.startswith("BFF_")}
    ended = await run(["app.accept", *options], inherited | STRICT | bff_environment(store.url, sandbox))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


async def test_another_naming_key(own: Valkey, sandbox: SandboxProcess) -> None:
    """A replica with another key is not ready and creates nothing: it would not find what the others have claimed."""
    order = fresh("LABEL")
    async with (
        running_bff(own.url, sandbox, **SETTINGS) as ours,
        running_bff(own.url, sandbox, **SETTINGS, secret_key=ANOTHER_KEY) as astray,
    ):
        assert (await is_ready(ours), await is_ready(astray)) == (True, False)
        assert (await (await shopper(ours.http, order)).create()).status_code == 202
        refused = await (await shopper(astray.http, order)).create()
    assert told(refused) == (503, "temporarily-unavailable")
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_the_sealing_key_is_rotated_out(own: Valkey, sandbox: SandboxProcess) -> None:
    """With the old key as the naming key, a new sealing key needs no other, and claims are found."""
    order = fresh("ITEMS")
    async with running_bff(own.url, sandbox, **SETTINGS) as before:
        someone = await shopper(before.http, order)
        assert (await someone.create(someone.body())).status_code == 202
    rotated = {"secret_key": f"{ANOTHER_KEY},{SECRET_KEY}", "naming_key": SECRET_KEY}
    alone = {"secret_key": ANOTHER_KEY, "naming_key": SECRET_KEY}
    async with (
        running_bff(own.url, sandbox, **SETTINGS, **rotated) as during,
        running_bff(own.url, sandbox, **SETTINGS, **alone) as after,
    ):
        assert (await is_ready(during), await is_ready(after)) == (True, True)
        someone = await shopper(during.http, order)
        assert someone.screen["returns"]
        assert (await (await shopper(after.http, fresh("LABEL"))).create()).status_code == 202


async def test_a_store_that_was_emptied(own: Valkey, sandbox: SandboxProcess) -> None:
    """Creations pause, at new replicas too, until an operator has accepted the store; everything else goes on."""
    async with running_bff(own.url, sandbox, **SETTINGS) as witness:
        assert (await (await shopper(witness.http, fresh("LABEL"))).create()).status_code == 202
        await own.client.flushall()
        order = fresh("LABEL")
        someone = await shopper(witness.http, order)
        assert told(await someone.create()) == (503, "temporarily-unavailable")
        assert await is_ready(witness)
        async with running_bff(own.url, sandbox, **SETTINGS) as newcomer:
            elsewhere = await shopper(newcomer.http, order)
            assert told(await elsewhere.create()) == (503, "temporarily-unavailable")
            assert await accept(own, sandbox) == "m:{0}: doubted: creations are paused\n"
            assert await accept(own, sandbox, "--yes") == "m:{0}: known\n"
            assert (await someone.create()).status_code == 202
            assert told(await elsewhere.create()) == (409, "units-claimed")
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_a_store_that_a_newcomer_took_as_new(own: Valkey, sandbox: SandboxProcess) -> None:
    """A replica that knew the store before it was emptied doubts the marker of one that did not."""
    async with running_bff(own.url, sandbox, **SETTINGS) as witness:
        known = await own.client.get("m:{0}")
        await own.client.flushall()
        async with running_bff(own.url, sandbox, **SETTINGS):
            assert await own.client.get("m:{0}") not in {None, known}
            someone = await shopper(witness.http, fresh("LABEL"))
            assert told(await someone.create()) == (503, "temporarily-unavailable")
