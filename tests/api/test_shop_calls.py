"""A shop's own systems: what they are told of returns, and that no other caller is told anything."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.release import QUARTER_OF_AN_HOUR, let_pass
from tests.support.sandbox import SandboxProcess
from tests.support.shop_system import GUESSED, KEYS, PARTNER_KEY, ShopSystem, write_shops
from tests.support.shopper import Shopper, key, shopper, told

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
    async with running_bff(store.url, sandbox, brands="", shops=file, covered=True, **soon) as process:
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


async def logged(bff: Bff, **members: str) -> list[dict[str, Any]]:
    """The lines of the log with these members, as soon as there is one."""

    def lines() -> list[dict[str, Any]]:
        written = map(json.loads, bff.process.output.read_text().rpartition("\n")[0].splitlines())
        return [each for each in written if members.items() <= each.items()]

    async def are_there() -> bool:
        return bool(lines())

    await eventually(are_there, 10)
    return lines()


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
    [line] = await logged(bff, event="request", request_id=answer.headers["x-request-id"])
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
    assert told(await ShopSystem(bff.http, KEYS[GUESSED], GUESSED).get(NEVER)) == (404, "return-not-found")


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


async def lost(bff: Bff, used: str | None = None) -> tuple[Shopper, str]:
    """A shopper whose creation got no answer, and the return's id."""
    someone = await shopper(bff.http, fresh("CREATE500"))
    answer = await someone.create(idempotency_key=used)
    assert told(answer) == (504, "return-outcome-unknown")
    return someone, answer.headers["location"].rpartition("/")[2]


async def test_a_shop_accepts_a_return_that_it_found(bff: Bff, system: ShopSystem) -> None:
    """A return that the shop found is accepted, once however often it says so; the log tells which system did."""
    someone, return_id = await lost(bff, used := key())
    assert told(await system.erase(return_id)) == (409, "return-still-open")
    answers = [await system.resolve(return_id, "accepted") for _ in range(2)]
    assert [(each.status_code, each.json()["state"]) for each in answers] == [(200, "accepted")] * 2
    assert answers[0].json() == answers[1].json()
    assert (await someone.create(idempotency_key=used)).json()["state"] == "accepted"
    assert told(await someone.create()) == (409, "units-claimed")
    lines = await logged(bff, event="return released", return_id=return_id)
    assert [(each["finding"], each["by"], each["repeated"]) for each in lines] == [
        ("accepted", "demo:warehouse", repeated) for repeated in (False, True)
    ]


async def test_a_shop_frees_units_that_were_never_returned(bff: Bff, system: ShopSystem, store: Valkey) -> None:
    """A quarter of an hour after a creation without an answer its units can be freed; its key never posts again."""
    someone, return_id = await lost(bff, used := key())
    early = await system.resolve(return_id, "never-made", panel_checked=True)
    assert told(early) == (409, "finding-refused")
    assert 0 < int(early.headers["retry-after"]) <= QUARTER_OF_AN_HOUR + 4
    await let_pass(store.client, return_id, QUARTER_OF_AN_HOUR + 10)
    unseen = await system.resolve(return_id, "never-made")
    assert told(unseen) == (422, "invalid-request")
    assert [each["pointer"] for each in unseen.json()["errors"]] == ["#/panel_checked"]
    assert (await system.resolve(return_id, "never-made", panel_checked=True)).json()["state"] == "failed"
    assert told(await someone.create(idempotency_key=used)) == (409, "return-released")
    [holder] = (await system.get(return_id, "/units")).json()["holders"]
    assert (holder["phase"], holder["holds_units"], holder["finding"]) == ("failed", False, "never-made")
    assert told(await system.resolve(return_id, "accepted")) == (409, "finding-refused")


async def test_a_cancelled_return_can_be_made_again(bff: Bff, system: ShopSystem) -> None:
    """A return that the shop cancelled frees its units at once, and its label is no longer given out."""
    someone, return_id = await created(bff)
    path = f"/v1/returns/{return_id}"
    await someone.settled(path)
    assert (await system.resolve(return_id, "cancelled")).json()["state"] == "failed"
    assert told(await someone.get(f"{path}/label")) == (409, "no-label")
    assert (await someone.create()).status_code == 202


@pytest.mark.parametrize(("prefix", "link"), [("INTL", "customs_declaration"), ("PAID", "payment_url")])
async def test_a_cancelled_return_leads_nowhere(bff: Bff, system: ShopSystem, prefix: str, link: str) -> None:
    """A shopper is led neither to the customs declaration nor to the payment of a return that the shop cancelled."""
    someone = await shopper(bff.http, fresh(prefix))
    customs = {"customs": {"invoice_number": "1"}} if prefix == "INTL" else {}
    path = (await someone.create(someone.body("pickup", **customs))).headers["location"]

    async def leads_on() -> bool:
        return (await someone.get(path)).json()[link] is not None

    await eventually(leads_on, 10)
    assert (await system.resolve(path.rpartition("/")[2], "cancelled")).status_code == 200
    assert (await someone.get(path)).json()[link] is None
    assert told(await someone.get(f"{path}/customs-declaration")) == (404, "customs-declaration-not-found")


async def test_a_creation_without_an_answer_is_not_cancelled_at_once(bff: Bff, system: ShopSystem) -> None:
    """Within a quarter of an hour the units of a return without an answer stay held, whatever the shop cancelled."""
    someone, return_id = await lost(bff)
    assert told(await system.resolve(return_id, "cancelled")) == (409, "finding-refused")
    # Found first, and cancelled then: nothing was heard of the upstream in between.
    assert (await system.resolve(return_id, "accepted")).json()["state"] == "accepted"
    assert told(await system.resolve(return_id, "cancelled")) == (409, "finding-refused")
    assert told(await someone.create()) == (409, "units-claimed")


@pytest.mark.parametrize("wrong", [None, PARTNER_KEY, KEYS["guide"]])
async def test_other_callers_resolve_nothing(bff: Bff, system: ShopSystem, wrong: str | None) -> None:
    """Partners, other shops and callers without a key change nothing, not even at their own brand."""
    _, return_id = await created(bff)
    before = (await system.get(return_id)).json()["state"]
    assert told(await ShopSystem(bff.http, wrong).resolve(return_id, "cancelled")) == (403, "partner-key-unknown")
    other = ShopSystem(bff.http, KEYS["guide"], "guide")
    assert told(await other.resolve(return_id, "cancelled")) == (404, "return-not-found")
    assert (await system.get(return_id)).json()["state"] in {before, "label_ready"}


async def test_what_is_left_of_an_erased_return(bff: Bff, system: ShopSystem, store: Valkey) -> None:
    """An erased return says how it stands and no more, however often it is erased; its units and its key stay used."""
    someone = await shopper(bff.http, fresh("INSTANT"))
    path = (await someone.create(body := someone.body(message="Call Sam"), used := key())).headers["location"]
    settled = await someone.settled(path)
    assert (await someone.get(f"{path}/label")).status_code == 200
    answers = [await system.erase(settled["id"]) for _ in range(2)]
    assert [(each.status_code, each.json()["state"], each.json()["items"]) for each in answers] == [
        (200, "label_ready", [])
    ] * 2
    assert answers[0].json() == answers[1].json()
    seen = (await someone.get(path)).json()
    assert (seen["items"], seen["drop_off"], seen["parcels"], seen["label"]["state"]) == ([], None, [], "unavailable")
    assert seen["sendcloud_return_id"] == settled["sendcloud_return_id"]
    assert told(await someone.get(f"{path}/label")) == (409, "no-label")
    assert not await store.client.keys(f"l:*{settled['id']}*")
    assert told(await someone.create(body)) == (409, "units-claimed")
    assert (await someone.create(body, used)).json()["id"] == settled["id"]
    lines = await logged(bff, event="return erased", return_id=settled["id"])
    assert {each["by"] for each in lines} == {"demo:warehouse"}


async def test_an_open_return_is_not_erased(bff: Bff, system: ShopSystem) -> None:
    """The content of a return is needed until its state is final; an outcome that the shop records makes it so."""
    someone = await shopper(bff.http, order := fresh("PAID"))
    path = (await someone.create()).headers["location"]
    return_id = path.rpartition("/")[2]
    assert told(await system.erase(return_id)) == (409, "return-still-open")
    assert (await system.of_order(order, "erase")).json() == {"erased": [], "still_open": [return_id]}
    seen = (await someone.get(path)).json()
    assert (seen["state"], bool(seen["items"])) == ("awaiting_payment", True)
    assert (await system.resolve(return_id, "cancelled")).status_code == 200
    assert (await system.of_order(order, "erase")).json() == {"erased": [return_id], "still_open": []}
    assert (await someone.get(path)).json()["items"] == []


async def test_the_returns_of_an_order(bff: Bff, system: ShopSystem) -> None:
    """The returns of an order are found by its number as the shop writes it; another number has none."""
    someone = await shopper(bff.http, order := fresh("ITEMS"))
    assert (await system.of_order(order, "search")).json() == {"returns": []}
    (item,) = someone.body()["items"]
    chosen = [item | {"id": each["id"]} for each in someone.screen["items"] if each["returnable"]]
    made = [(await someone.create(someone.body(items=[each]))).json()["id"] for each in chosen[:2]]
    for written in (order, f" {order.lower()} "):
        found = (await system.of_order(written, "search")).json()["returns"]
        assert [(each["id"], len(each["items"])) for each in found] == [(return_id, 1) for return_id in made]


async def test_an_order_of_another_shop_is_unknown(bff: Bff, system: ShopSystem) -> None:
    """Neither partners nor other shops find or erase anything by order number or by id."""
    someone = await shopper(bff.http, order := fresh("INSTANT"))
    path = (await someone.create()).headers["location"]
    await someone.settled(path)
    partner, other = ShopSystem(bff.http, PARTNER_KEY), ShopSystem(bff.http, KEYS["guide"], "guide")
    for call in ("search", "erase"):
        assert told(await partner.of_order(order, call)) == (403, "partner-key-unknown")
        assert not any((await other.of_order(order, call)).json().values())
    assert told(await partner.erase(path.rpartition("/")[2])) == (403, "partner-key-unknown")
    assert told(await other.erase(path.rpartition("/")[2])) == (404, "return-not-found")
    assert len((await system.of_order(order, "search")).json()["returns"][0]["items"]) == 1
