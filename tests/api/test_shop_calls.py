"""A shop's own systems: what they are told of returns, and that no other caller is told anything."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shop_system import GUESSED, KEYS, PARTNER_KEY, ShopSystem, write_shops
from tests.support.shopper import Shopper, shopper, told

NEVER = "rtn_" + "A" * 22
CALLS = ("", "/units")
"""What can be asked about a return."""


@pytest_asyncio.fixture(scope="module", name="bff")
async def shops_with_systems(
    store: Valkey, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bff]:
    """A service whose shops have systems of their own, and whose creations end soon, one way or the other."""
    file = write_shops(tmp_path_factory.mktemp("shops") / "shops.toml")
    soon = {"create_deadline": 2, "create_lease": 4, "poll_interval": 0.05}
    async with running_bff(store.url, sandbox, brands="", shops=file, **soon) as process:
        yield process


@pytest.fixture(name="system")
def the_shops_system(bff: Bff) -> ShopSystem:
    """A system of the shop `demo`."""
    return ShopSystem(bff.http)


@pytest_asyncio.fixture(autouse=True)
async def forgotten(store: Valkey) -> None:
    """The tests before lost no creation."""
    await store.forget_lost_creations()


async def created(bff: Bff, prefix: str = "INSTANT") -> tuple[Shopper, str]:
    """A shopper, and the id of the return that they made."""
    someone = await shopper(bff.http, fresh(prefix))
    return someone, (await someone.create()).headers["location"].rpartition("/")[2]


async def logged(bff: Bff, answer: httpx.Response, event: str) -> list[dict[str, Any]]:
    """The lines of this event that were written for the request of this answer."""

    def lines() -> list[dict[str, Any]]:
        written = map(json.loads, bff.process.output.read_text().rpartition("\n")[0].splitlines())
        return [each for each in written if each.get("request_id") == answer.headers["x-request-id"]]

    async def is_over() -> bool:
        return any(each["event"] == "request" for each in lines())

    await eventually(is_over, 10)
    return [each for each in lines() if each["event"] == event]


async def test_a_shop_reads_its_return(bff: Bff, system: ShopSystem) -> None:
    """A shop is told state, items and numbers of a return by its id alone, without a session."""
    someone, return_id = await created(bff)
    seen = await someone.settled(f"/v1/returns/{return_id}")
    answer = await system.get(return_id)
    assert answer.status_code == 200
    assert answer.json()["state"] == "label_ready"
    shared = ("id", "revision", "created_at", "items", "delivery", "sendcloud_return_id", "parcels", "fee")
    assert {name: answer.json()[name] for name in shared} == {name: seen[name] for name in shared}


@pytest.mark.parametrize("call", CALLS)
async def test_a_shops_call_asks_the_upstream_nothing(bff: Bff, system: ShopSystem, call: str) -> None:
    """A shop's call leaves the shipping service alone; its line in the log names the system, and never its key."""
    _, return_id = await created(bff)
    answer = await system.get(return_id, call)
    [line] = await logged(bff, answer, "request")
    assert (answer.status_code, line["upstream_calls"]) == (200, 0)
    assert (line["brand"], line["partner"]) == ("demo", "demo:warehouse")
    assert KEYS["demo"] not in bff.process.output.read_text()


async def test_what_holds_the_units_of_a_parcel(bff: Bff, system: ShopSystem) -> None:
    """Each claim on the parcel is told with its phase, and whether it holds units."""
    someone, return_id = await created(bff, "CREATE500")
    blocked = await someone.create()
    assert told(blocked) == (409, "units-claimed")
    [holder] = (await system.get(return_id, "/units")).json()["holders"]
    assert {**holder, "lease_until": None} == {
        "return_id": return_id,
        "phase": "outcome_unknown",
        "holds_units": True,
        "lease_until": None,
        "finding": None,
    }


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("wrong", [None, "", PARTNER_KEY, KEYS["guide"], "guessed"])
async def test_other_callers_are_refused(bff: Bff, call: str, wrong: str | None) -> None:
    """Partners, systems of other shops and callers without a key get the same 403, whether or not the return exists."""
    _, return_id = await created(bff)
    for wanted in (return_id, NEVER):
        assert told(await ShopSystem(bff.http, wrong).get(wanted, call)) == (403, "partner-key-unknown")


@pytest.mark.parametrize("call", CALLS)
async def test_the_return_of_another_shop_does_not_exist(bff: Bff, call: str) -> None:
    """A shop cannot tell a return of another shop from one that never was."""
    _, return_id = await created(bff)
    other = ShopSystem(bff.http, KEYS["guide"], "guide")
    for wanted in (return_id, NEVER, "rtn_none"):
        assert told(await other.get(wanted, call)) == (404, "return-not-found")


async def test_an_unknown_brand_is_no_oracle(bff: Bff) -> None:
    """At a brand that is not served, the key of another shop is refused as it is at any other shop."""
    assert told(await ShopSystem(bff.http, brand="nowhere").get(NEVER)) == (403, "partner-key-unknown")


async def test_keys_cannot_be_guessed_fast(bff: Bff) -> None:
    """A wrong key counts as a lookup of its address, and the right one is not counted."""
    guesses = [await ShopSystem(bff.http, "guessed", GUESSED).get(NEVER) for _ in range(3)]
    assert [each.status_code for each in guesses] == [403, 403, 429]
    assert told(await ShopSystem(bff.http, KEYS["demo"], GUESSED).get(NEVER)) == (404, "return-not-found")


async def test_a_shops_key_is_no_partners_key(bff: Bff) -> None:
    """The key of a shop's system opens the shop's own calls alone: a lookup with it is refused."""
    wanted = {"identifier": fresh("LABEL"), "postal_code": "5611 AA"}
    answer = await bff.http.post("/v1/brands/demo/sessions", json=wanted, headers=ShopSystem(bff.http).headers)
    assert told(answer) == (403, "partner-key-unknown")


async def test_a_return_that_is_not_in_the_index(bff: Bff, system: ShopSystem, store: Valkey) -> None:
    """Without an entry in the index a return is not found; no request looks through all keys of the store."""
    _, return_id = await created(bff)
    await store.client.delete(f"i:{{{return_id}}}")
    assert told(await system.get(return_id)) == (404, "return-not-found")
