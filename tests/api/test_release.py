"""The operator's way out: `python -m app.release` beside a running service."""

import base64
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.release import QUARTER_OF_AN_HOUR, Operator
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, shopper, told


@pytest_asyncio.fixture(scope="module", name="bff")
async def quick_bff(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service whose creations end soon, one way or the other."""
    async with running_bff(store.url, sandbox, create_deadline=2, create_lease=4, poll_interval=0.05) as process:
        yield process


@pytest.fixture
def operator(store: Valkey, sandbox: SandboxProcess) -> Operator:
    """An operator at a shell."""
    return Operator(store.client, store.url, sandbox)


@pytest_asyncio.fixture(autouse=True)
async def forgotten(store: Valkey) -> None:
    """The tests before lost no creation."""
    await store.forget_lost_creations()


async def unknown(bff: Bff, used: str) -> tuple[Shopper, str]:
    """A shopper whose creation got no answer, and the return's id."""
    someone = await shopper(bff.http, fresh("CREATE500"))
    lost = await someone.create(idempotency_key=used)
    assert told(lost) == (504, "return-outcome-unknown")
    # Or the breaker would open at the fifth.
    assert (await (await shopper(bff.http, fresh("LABEL"))).create()).status_code == 202
    return someone, lost.headers["location"].rpartition("/")[2]


async def test_a_found_return_is_accepted(bff: Bff, operator: Operator) -> None:
    """A return that the operator found upstream keeps holding its units, and its key is answered with it."""
    someone, return_id = await unknown(bff, used := key())
    status, output = await operator.releases(return_id)
    assert (status, "outcome_unknown" in output) == (0, True)
    assert (await someone.get(f"/v1/returns/{return_id}")).json()["state"] == "outcome_unknown"
    status, output = await operator.releases(return_id, "--as", "accepted", "--yes")
    assert (status, "done, recorded as accepted" in output, "return released" in output) == (0, True, True)
    assert (await someone.create(idempotency_key=used)).json()["state"] == "accepted"
    assert told(await someone.create()) == (409, "units-claimed")
    status, output = await operator.releases(return_id, "--as", "never-made", "--panel-checked", "--yes")
    assert (status, "not possible" in output) == (1, True)


async def test_how_long_a_lease_is_over(bff: Bff, operator: Operator) -> None:
    """The operator reads when the lease ends, or how many minutes ago it ended."""
    _, return_id = await unknown(bff, key())
    # Back in time, since the command takes seconds to start.
    await operator.waits(return_id, -QUARTER_OF_AN_HOUR)
    _, output = await operator.releases(return_id)
    assert ("lease until" in output, "ago" in output) == (True, False)
    await operator.waits(return_id, 2 * QUARTER_OF_AN_HOUR + 30)
    _, output = await operator.releases(return_id)
    assert re.search(r"\(1[5-9] minutes ago\)", output)


@pytest.mark.parametrize("indexed", [True, False])
async def test_a_return_that_was_never_made_frees_its_units(bff: Bff, operator: Operator, *, indexed: bool) -> None:
    """After a quarter of an hour and a look into the panel the units are free; the key never posts again."""
    someone, return_id = await unknown(bff, used := key())
    if not indexed:
        await operator.forgets_the_index(return_id)
    wanted = (return_id, "--as", "never-made", "--yes")
    assert (await operator.releases(*wanted))[0] == 2
    status, output = await operator.releases(*wanted, "--panel-checked")
    assert (status, "fifteen minutes" in output) == (1, True)
    await operator.waits(return_id, QUARTER_OF_AN_HOUR + 10)
    status, output = await operator.releases(*wanted, "--panel-checked")
    assert (status, "failed, recorded as never-made" in output) == (0, True), output
    refused = await someone.create(idempotency_key=used)
    assert told(refused) == (409, "return-released")
    assert refused.headers["location"] == f"/v1/returns/{return_id}"
    actions = {action["name"]: action for action in (await someone.get("/v1/session")).json()["actions"]}
    assert actions["create_return"]["allowed"]


async def test_an_unknown_return_is_not_cancelled_at_once(bff: Bff, operator: Operator) -> None:
    """Within a quarter of an hour the units of a return without an answer stay held, whatever was cancelled."""
    someone, return_id = await unknown(bff, key())
    status, output = await operator.releases(return_id, "--as", "cancelled", "--yes")
    assert (status, "fifteen minutes" in output) == (1, True)
    assert told(await someone.create()) == (409, "units-claimed")


async def test_a_cancelled_return_frees_its_units(bff: Bff, operator: Operator) -> None:
    """A return with a label that the shop cancels can be made again, and its label is no longer given out."""
    someone = await shopper(bff.http, order := fresh("INSTANT"))
    created = await someone.create(idempotency_key=(used := key()))
    assert created.status_code == 202, created.text
    location = created.headers["location"]
    await someone.settled(location)
    parcel = ("--brand", "demo", "--order", order, "--postal-code", "5611 AA")
    status, output = await operator.releases(*parcel)
    assert (status, created.json()["id"] in output) == (0, True)
    assert (await operator.releases(created.json()["id"], "--as", "cancelled"))[0] == 0
    assert (await someone.get(location)).json()["state"] == "label_ready"
    assert (await operator.releases(created.json()["id"], "--as", "cancelled", "--yes"))[0] == 0
    assert told(await someone.get(f"{location}/label")) == (409, "no-label")
    assert told(await someone.create(idempotency_key=used)) == (409, "return-released")
    assert (await someone.create()).status_code == 202


@pytest.mark.usefixtures("bff")
async def test_an_unknown_id_is_said_to_be_unknown(operator: Operator) -> None:
    """An id that no parcel has ends the command with a sentence and a status of 1."""
    assert await operator.releases("rtn_" + "x" * 22) == (1, "release: no parcel has such a return\n")


async def test_a_parcel_without_returns(bff: Bff, operator: Operator) -> None:
    """A parcel of which nothing was ever returned ends the command with a sentence and a status of 1."""
    await shopper(bff.http, order := fresh("LABEL"))
    parcel = ("--brand", "demo", "--order", order, "--postal-code", "5611 AA")
    status, output = await operator.releases(*parcel)
    assert (status, output) == (1, "release: no return holds units, or held any within BFF_CLAIM_TTL\n")


async def test_a_shell_with_another_naming_key(bff: Bff, store: Valkey, sandbox: SandboxProcess) -> None:
    """An operator with another naming key is told so, instead of that a parcel has no returns."""
    someone = await shopper(bff.http, order := fresh("LABEL"))
    assert (await someone.create()).status_code == 202
    astray = Operator(store.client, store.url, sandbox, naming_key=base64.b64encode(bytes(range(32))).decode())
    parcel = ("--brand", "demo", "--order", order, "--postal-code", "5611 AA")
    status, output = await astray.releases(*parcel)
    assert (status, "release: BFF_NAMING_KEY is not that of the store" in output) == (1, True)
