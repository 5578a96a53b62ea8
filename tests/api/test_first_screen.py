"""The first screen: two calls when everything is cold, one when it is not, and nothing in it that is then refused."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, look_up, prove_that_polling_works, shopper, told


@pytest_asyncio.fixture(scope="module")
async def quiet() -> AsyncIterator[SandboxProcess]:
    """An upstream of this test's own, which no other test calls."""
    async with running_sandbox() as process:
        yield process


@asynccontextmanager
async def cold(sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that has just started, on an empty store; the upstream has not been asked yet."""
    await sandbox.reset()
    async with running_valkey() as store, running_bff(store.url, sandbox) as bff:
        yield bff


@pytest_asyncio.fixture(scope="module", name="bff")
async def patient_bff(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that waits for the slow orders."""
    async with running_bff(valkey.url, sandbox, poll_interval=0.1) as process:
        yield process


async def upstream_calls(sandbox: SandboxProcess) -> Counter[str]:
    """How many upstream calls of each kind there were since the ledger was emptied."""
    return Counter(entry["kind"] for entry in await sandbox.ledger())


@pytest.mark.parametrize("language", [None, "nl-NL"])
async def test_a_cold_front_end_needs_two_calls(quiet: SandboxProcess, language: str | None) -> None:
    """Portal and lookup draw the first screen of a fresh stack, with one settings and one lookup call behind them."""
    wanted = {"language": language} if language else {}
    async with cold(quiet) as bff:
        assert (await bff.http.get("/v1/brands/demo/portal", params=wanted)).status_code == 200
        response = await look_up(bff.http, fresh("LABEL"), **wanted)
        assert response.status_code == 201
        assert response.json()["drop_off"]["nearest"]["open_now"] is not None
        assert await upstream_calls(quiet) == {"settings": 1, "outgoing": 1}


async def test_a_lookup_alone_is_enough(quiet: SandboxProcess) -> None:
    """A front end that comes with the order number in a link needs the lookup alone, and upstream is asked no more."""
    async with cold(quiet) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        assert someone.screen["options"]["reasons"]
        assert await upstream_calls(quiet) == {"settings": 1, "outgoing": 1}


async def test_a_warm_front_end_needs_one_call(quiet: SandboxProcess) -> None:
    """A reload draws the same screen from one call that asks the upstream nothing."""
    async with cold(quiet) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        await quiet.reset()
        again = (await someone.get("/v1/session")).json()
        # Whether points are open may have changed in between.
        same = again.keys() - {"session_token", "drop_off"}
        assert [again[name] for name in same] == [someone.screen[name] for name in same]
        assert again["drop_off"]["nearest"]["id"] == someone.screen["drop_off"]["nearest"]["id"]
        assert await upstream_calls(quiet) == {}


async def test_the_screen_is_complete(bff: Bff) -> None:
    """Everything a front end draws is there: brand, parcel, sender, items, options, places, returns and actions."""
    screen = (await shopper(bff.http, fresh("ITEMS"))).screen
    assert {name: sorted(screen[name]) for name in ("parcel", "ship_from", "options", "drop_off")} == {
        "parcel": ["carrier", "max_parcels", "order_number", "tracking_number"],
        "ship_from": ["city", "country", "email", "name", "phone", "postal_code", "street"],
        "options": [
            "delivery_options",
            "fee",
            "national_carrier",
            "pickup",
            "reasons",
            "refund_options",
            "refund_required",
            "shipping_method_ids",
            "stores",
        ],
        "drop_off": ["carriers", "nearest", "nearest_labelless"],
    }
    assert {
        "id",
        "product_id",
        "name",
        "image_url",
        "unit_price",
        "quantity",
        "returnable",
        "why_not",
        "why_not_text",
        "remaining",
    } == {*screen["items"][0]}
    assert screen["expires_at"] > "2020"
    assert screen["brand"]["name"] == "Demo Shop"
    assert screen["returns"] == []
    assert [action["name"] for action in screen["actions"]] == [
        "create_return",
        "find_service_points",
        "upload_photos",
        "hand_off",
        "end_session",
    ]


@pytest.mark.parametrize(
    ("accepted", "told"),
    [("", "The shop does not take this item back."), ("nl-BE, en;q=0.5", "De winkel neemt dit artikel niet terug.")],
)
async def test_what_cannot_be_done_is_told_in_the_readers_language(bff: Bff, accepted: str, told: str) -> None:
    """Lookup and resumed session say in words why an item cannot be returned, and that words depend on the header."""
    someone = await shopper(bff.http, fresh("ITEMS"))
    lines = {line["why_not"]: line["why_not_text"] for line in someone.screen["items"]}
    assert (lines[None], lines["not-returnable"]["title"]) == (None, "Not returnable")
    resumed = await bff.http.get("/v1/session", headers=someone.headers | {"Accept-Language": accepted})
    assert "Accept-Language" in resumed.headers["vary"]
    texts = [line["why_not_text"] for line in resumed.json()["items"]]
    assert told in [text["detail"] for text in texts if text]


async def test_options_are_those_of_the_parcel(bff: Bff) -> None:
    """Each return method says what it needs, stores have their distance, and upstream's own hints come along."""
    screen = (await shopper(bff.http, fresh("LABEL"))).screen
    options = screen["options"]
    assert {option["code"]: option["needs"] for option in options["delivery_options"]} == {
        "drop_off_point": ["service_point"],
        "drop_off_labelless": [],
        "in_store": ["store"],
        "pickup": [],
    }
    assert all(option["possible"] for option in options["delivery_options"])
    assert [(store["id"], store["distance"] > 0) for store in options["stores"]] == [(7, True), (8, True)]
    assert [refund["code"] for refund in options["refund_options"] if refund["message_required"]] == ["exchange"]
    assert (options["shipping_method_ids"], options["national_carrier"]["code"]) == ([8, 117], "postnl")
    assert [carrier["code"] for carrier in screen["drop_off"]["carriers"]] == ["postnl", "dhl", "ups"]


@pytest.mark.parametrize("path", ["lookup", "/v1/session"])
async def test_the_address_is_masked(bff: Bff, path: str) -> None:
    """Order number and postal code reveal neither full name nor street, e-mail address or phone number."""
    someone = await shopper(bff.http, fresh("LABEL"))
    screen = someone.screen if path == "lookup" else (await someone.get(path)).json()
    assert screen["ship_from"] == {
        "name": "S••• V•••",
        "street": "V••• 1•••",
        "postal_code": "5611 AA",
        "city": "Eindhoven",
        "country": "NL",
        "email": "s•••@c•••",
        "phone": "+•••",
    }
    secrets = ("Sam", "Voorbeeldlaan", "customer.example", "31600000000")
    assert not [secret for secret in secrets if secret in str(screen)]


async def test_remaining_goes_down_everywhere(bff: Bff) -> None:
    """Units that another session returns are no longer there to be returned here."""
    order = fresh("ITEMS")
    here, elsewhere = await shopper(bff.http, order), await shopper(bff.http, order)
    item = here.screen["items"][1]["id"]
    for left in (2, 1, 0):
        created = await elsewhere.create(elsewhere.body(items=[{"id": item, "quantity": 1, "reason": 11}]))
        assert created.status_code == 202
        screen = (await here.get("/v1/session")).json()
        assert [each["remaining"] for each in screen["items"]] == [1, left, 2, 0]
        assert created.json()["id"] in [each["id"] for each in screen["returns"]]


def actions(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The actions of a screen or a return by name."""
    return {action["name"]: action for action in document["actions"]}


async def called(someone: Shopper, action: dict[str, Any]) -> httpx.Response:
    """The answer to the call that an action names."""
    if action["name"] == "create_return":
        return await someone.create()
    return await someone.http.request(action["method"], action["href"], headers=someone.headers)


async def hold_their_word(someone: Shopper, document: dict[str, Any]) -> None:
    """Calls every action: none that is allowed may be refused for its state, each that is not must be."""
    for action in document["actions"]:
        response = await called(someone, action)
        assert (response.status_code == 409) == (not action["allowed"]), (action, response.text)
        assert response.status_code < 500


@pytest.mark.parametrize(
    ("prefix", "returned", "why_not"),
    [
        ("LABEL", 0, None),
        ("LABEL", 1, "nothing-left-to-return"),
        ("FAIL", 0, None),
        ("UNSHIPPED", 0, "not-returnable-online"),
    ],
)
async def test_actions_of_a_session(bff: Bff, prefix: str, returned: int, why_not: str | None) -> None:
    """A return can be created while upstream names a parcel and units are left, and the actions say just that."""
    order = fresh(prefix)
    for _ in range(returned):
        assert (await (await shopper(bff.http, order)).create()).status_code == 202
    someone = await shopper(bff.http, order)
    assert actions(someone.screen)["create_return"]["why_not"] == why_not
    await hold_their_word(someone, someone.screen)


async def test_actions_after_a_failed_return(bff: Bff) -> None:
    """A return that failed gives its units back, and creating another one is allowed again and works."""
    await prove_that_polling_works(bff.http)
    someone = await shopper(bff.http, fresh("FAIL"))
    location = (await someone.create()).headers["location"]
    assert not actions((await someone.get("/v1/session")).json())["create_return"]["allowed"]
    assert (await someone.settled(location))["state"] == "failed"
    await hold_their_word(someone, (await someone.get("/v1/session")).json())


@pytest.mark.parametrize(
    ("prefix", "option", "state", "why_not"),
    [
        ("SLOWLABEL", "pickup", "label_pending", "label-not-ready"),
        ("PAID", "pickup", "awaiting_payment", "label-not-ready"),
        ("INSTANT", "pickup", "label_ready", None),
        ("LABELLESS", "drop_off_labelless", "label_ready", None),
        ("STORE", "in_store", "no_label_needed", "no-label"),
        ("FAIL", "pickup", "failed", "no-label"),
        ("CREATE500", "pickup", "outcome_unknown", "no-label"),
    ],
)
async def test_actions_of_a_return(bff: Bff, prefix: str, option: str, state: str, why_not: str | None) -> None:
    """In every state a return says whether its label can be fetched now, or else which problem that gives."""
    await prove_that_polling_works(bff.http)
    someone = await shopper(bff.http, fresh(prefix))
    location = (await someone.create(someone.body(option))).headers["location"]
    await eventually(is_in_state(someone, location, state), 20)
    [shown] = (await someone.get("/v1/session")).json()["returns"]
    action = actions(shown)["download_label"]
    response = await called(someone, action)
    assert (action["allowed"], action["why_not"]) == (why_not is None, why_not)
    assert response.status_code == 200 if why_not is None else told(response) == (409, why_not)


def is_in_state(someone: Shopper, path: str, state: str) -> Callable[[], Awaitable[bool]]:
    """Asks whether the return is in this state."""

    async def asked() -> bool:
        return bool((await someone.get(path)).json()["state"] == state)

    return asked


async def test_actions_while_a_return_is_created(bff: Bff) -> None:
    """While a return is being created, another session is told that its units are taken and its label not there."""
    order = fresh("SLOW")
    someone, other = await shopper(bff.http, order), await shopper(bff.http, order)
    creation = asyncio.create_task(someone.create(someone.body("pickup")))

    async def is_creating() -> bool:
        return [each["state"] for each in (await other.get("/v1/session")).json()["returns"]] == ["creating"]

    await eventually(is_creating, 5)
    screen = (await other.get("/v1/session")).json()
    assert not actions(screen)["create_return"]["allowed"]
    assert not actions(screen["returns"][0])["download_label"]["allowed"]
    assert (await called(other, actions(screen["returns"][0])["download_label"])).status_code == 409
    assert told(await other.create(other.body("pickup"))) == (409, "units-claimed")
    assert (await creation).status_code == 202
