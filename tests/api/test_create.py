"""Creating a return over HTTP: checked whole, claimed first, posted once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, key, shopper, told

CROWD = 20
OF_DHL, OF_ANOTHER_SHOPS_CARRIER, NEVER_WAS = 20000003, 20000013, 1
"""Service points as the brand `demo` sees them."""


@pytest_asyncio.fixture(scope="module", name="bff")
async def patient_bff(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that waits for the slow orders."""
    async with running_bff(valkey.url, sandbox, poll_interval=0.1, covered=True) as process:
        yield process


def found(response: httpx.Response) -> list[tuple[str, str]]:
    """Pointer and code of each field problem."""
    return [(error["pointer"], error["code"]) for error in response.json()["errors"]]


@pytest.mark.parametrize(
    "used",
    [
        None,
        "",
        "short",
        "fifteen-letters",
        "with a blank inside",
        "ümlaut-ümlaut-ümlaut",
        "x" * 256,
        '"' * 17,
        '"' + "x" * 20,
    ],
)
async def test_idempotency_key_is_required(bff: Bff, used: str | None) -> None:
    """A creation needs a key of 16 to 255 visible ASCII characters."""
    someone = await shopper(bff.http, fresh("LABEL"))
    headers = someone.headers | ({"Idempotency-Key": used} if used is not None else {})
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    response = await bff.http.post("/v1/returns", json=someone.body(), headers=encoded)
    assert told(response) == (400, "idempotency-key-invalid")


async def test_two_idempotency_keys(bff: Bff) -> None:
    """Two keys with one creation are refused, whether they come in one header field or in two."""
    someone = await shopper(bff.http, fresh("LABEL"))
    for fields in ([key(), key()], [f"{key()}, {key()}"]):
        sent = [*someone.headers.items(), *(("Idempotency-Key", each) for each in fields)]
        response = await bff.http.post("/v1/returns", json=someone.body(), headers=sent)
        assert told(response) == (400, "idempotency-key-invalid")


@pytest.mark.parametrize("used", ["x" * 16, "x" * 255, "!~" * 8])
async def test_same_key_same_answer(bff: Bff, sandbox: SandboxProcess, used: str) -> None:
    """The same key, with quotes or without, gets the first answer again, byte by byte, even after later changes."""
    order = fresh("INSTANT")
    someone = await shopper(bff.http, order)
    first = await someone.create(idempotency_key=used)
    await someone.settled(first.headers["location"])
    again, quoted = await someone.create(idempotency_key=used), await someone.create(idempotency_key=f'"{used}"')
    assert [each.status_code for each in (first, again, quoted)] == [202] * 3
    assert first.content == again.content == quoted.content
    assert first.headers["location"] == again.headers["location"]
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_equal_bodies_in_other_words(bff: Bff) -> None:
    """The same item twice is summed, so both spellings of a body are the same for a key."""
    someone, used = await shopper(bff.http, fresh("ITEMS")), key()
    item = {"id": someone.screen["items"][1]["id"], "reason": 11}
    twice, once = [item | {"quantity": 1}] * 2, [item | {"quantity": 2}]
    first, again = [await someone.create(someone.body(items=each), used) for each in (twice, once)]
    assert first.content == again.content
    assert [each["quantity"] for each in first.json()["items"]] == [2]


async def test_same_key_other_body(bff: Bff) -> None:
    """A key that came with another body before is refused."""
    someone, used = await shopper(bff.http, fresh("LABEL")), key()
    await someone.create(idempotency_key=used)
    again = await someone.create(someone.body(message="Something else"), used)
    assert told(again) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("same_session", [True, False])
async def test_claimed_units(bff: Bff, same_session: bool) -> None:  # noqa: FBT001 - a column of the table
    """Units of a return cannot be returned again, from whichever session: Location names the first return."""
    someone = await shopper(bff.http, fresh("LABEL"))
    first = await someone.create()
    other = someone if same_session else await shopper(bff.http, someone.screen["parcel"]["order_number"])
    second = await other.create(someone.body())
    assert told(second) == (409, "units-claimed")
    assert second.headers["location"] == first.headers["location"]


async def test_another_orders_key(bff: Bff) -> None:
    """A key counts for one parcel: another shopper may happen to use the same."""
    used = key()
    created = [await (await shopper(bff.http, fresh("LABEL"))).create(idempotency_key=used) for _ in range(2)]
    assert [each.status_code for each in created] == [202, 202]
    assert created[0].json()["id"] != created[1].json()["id"]


async def test_everything_wrong_at_once(bff: Bff, sandbox: SandboxProcess) -> None:
    """One answer names everything that does not fit the parcel and the shop, and nothing is sent."""
    order = fresh("LABEL")
    someone = await shopper(bff.http, order)
    body = {
        "items": [{"id": someone.screen["items"][0]["id"], "quantity": 2}, {"id": "none", "quantity": 1, "reason": 99}],
        "refund": {"type": "exchange"},
        "delivery": {"option": "drop_off_point", "store": 7, "carrier": "pigeon"},
        "parcels": 2,
    }
    response = await someone.create(body)
    assert told(response) == (422, "invalid-request")
    assert sorted(found(response)) == [
        ("#/delivery", "missing"),
        ("#/delivery/carrier", "not-offered"),
        ("#/delivery/store", "not-applicable"),
        ("#/items/0", "missing"),
        ("#/items/0/quantity", "too-many"),
        ("#/items/1/id", "unknown-item"),
        ("#/items/1/reason", "unknown-reason"),
        ("#/parcels", "too-many"),
        ("#/refund", "missing"),
    ]
    assert await sandbox.ledger(kind="incoming", order=order) == []


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"items": []}, "#/items", "too-short"),
        ({"items": [{"id": 1234, "quantity": 1}]}, "#/items/0/id", "string-type"),
        ({"items": [{"id": "1234", "quantity": "1"}]}, "#/items/0/quantity", "int-type"),
        ({"items": [{"id": "1234", "quantity": 1.5}]}, "#/items/0/quantity", "int-type"),
        ({"items": [{"id": "1234", "quantity": True}]}, "#/items/0/quantity", "int-type"),
        ({"items": [{"id": "1234", "quantity": 0}]}, "#/items/0/quantity", "greater-than-equal"),
        ({"items": [{"id": "1234"}]}, "#/items/0", "missing"),
        ({"items": [{"id": "1234", "quantity": 1, "price": "0"}]}, "#/items/0/price", "extra-forbidden"),
        ({"reason": "11"}, "#/reason", "int-type"),
        ({"refund": "money"}, "#/refund", "model-attributes-type"),
        ({"delivery": {"option": "teleport"}}, "#/delivery/option", "literal-error"),
        (
            {"delivery": {"option": "pickup", "pickup_date": "soon"}},
            "#/delivery/pickup_date",
            "value-error",
        ),
        ({"parcels": 0}, "#/parcels", "greater-than-equal"),
        ({"from_name": "Somebody Else"}, "#/from_name", "extra-forbidden"),
        ({"outgoing_parcel": 1}, "#/outgoing_parcel", "extra-forbidden"),
    ],
)
async def test_body_is_strictly_typed(bff: Bff, changes: dict[str, Any], pointer: str, code: str) -> None:
    """No member is converted, guessed or ignored; what comes from the session cannot be sent."""
    someone = await shopper(bff.http, fresh("LABEL"))
    response = await someone.create(someone.body(**changes))
    assert (response.status_code, found(response)) == (422, [(pointer, code)])


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"delivery": {"option": "pickup", "pickup_date": "soon"}}, "Input should be a date like 2026-05-31."),
        ({"refund": "money"}, "Input should be an object."),
    ],
)
async def test_faults_are_told_in_terms_of_json(bff: Bff, changes: dict[str, Any], detail: str) -> None:
    """The sentence of a fault names what the member should be in the words of JSON, not of the validator."""
    someone = await shopper(bff.http, fresh("LABEL"))
    response = await someone.create(someone.body(**changes))
    assert [each["detail"] for each in response.json()["errors"]] == [detail]


@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param({"service_point": OF_DHL, "carrier": "postnl"}, id="of another carrier"),
        pytest.param({"service_point": OF_ANOTHER_SHOPS_CARRIER}, id="of a carrier the shop does not have"),
        pytest.param({"service_point": NEVER_WAS}, id="gone"),
    ],
)
async def test_unavailable_service_point(bff: Bff, sandbox: SandboxProcess, delivery: dict[str, Any]) -> None:
    """A point that is gone or of another carrier is refused before anything is sent; units and key are free again."""
    order, same_key = fresh("LABEL"), key()
    someone = await shopper(bff.http, order)
    response = await someone.create(someone.body(delivery={"option": "drop_off_point"} | delivery), same_key)
    assert told(response) == (409, "service-point-unavailable")
    assert await sandbox.ledger(kind="incoming", order=order) == []
    assert (await someone.get("/v1/session")).json()["items"][0]["remaining"] == 1
    assert (await someone.create(idempotency_key=same_key)).status_code == 202


async def test_after_its_content_has_gone(bff: Bff, valkey: Valkey) -> None:
    """A return without its content still holds its units, stands where it was told, and answers its own key."""
    someone, same_key = await shopper(bff.http, fresh("LABEL")), key()
    made = await someone.create(idempotency_key=same_key)
    async for name in valkey.client.scan_iter(f"p:*:r:{made.json()['id']}"):
        await valkey.client.delete(name)
    rival = await someone.create()
    assert told(rival) == (409, "units-claimed")
    found = await someone.get(rival.headers["location"])
    assert (found.status_code, found.json()["id"]) == (200, made.json()["id"])
    repeated = await someone.create(idempotency_key=same_key)
    assert (repeated.status_code, repeated.json()) == (202, found.json())
    assert (found.json()["items"], found.json()["drop_off"], found.json()["parcels"]) == ([], None, [])


@pytest.mark.parametrize("prefix", ["LABEL", "SLOW"])
async def test_a_crowd_with_one_key(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """Repeated clicks cause one POST upstream, and each gets the same return or is told to ask again."""
    order, used = fresh(prefix), key()
    someone = await shopper(bff.http, order)
    answers = await asyncio.gather(*(someone.create(idempotency_key=used) for _ in range(CROWD)))
    accepted = {each.content for each in answers if each.status_code == 202}
    waiting = [each for each in answers if each.status_code != 202]
    assert len(accepted) == 1
    assert {(*told(each), each.headers["retry-after"]) for each in waiting} <= {(409, "return-in-progress", "1")}
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1
    assert (await someone.create(idempotency_key=used)).content in accepted


async def test_a_return_that_is_being_created(valkey: Valkey) -> None:
    """While the upstream takes its time, other tabs see the return and are told to ask again in a second."""
    async with running_sandbox() as frozen, running_bff(valkey.url, frozen) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        frozen.process.send(signal.SIGSTOP)
        creating = asyncio.create_task(someone.create(someone.body("pickup")))

        async def listed() -> list[dict[str, Any]]:
            return list((await someone.get("/v1/session")).json()["returns"])

        async def is_listed() -> bool:
            return bool(await listed())

        try:
            await eventually(is_listed, 10)
            [begun] = await listed()
            shown = await someone.get(f"/v1/returns/{begun['id']}")
        finally:
            frozen.process.send(signal.SIGCONT)
        assert (begun["state"], begun["retry_after"]) == ("creating", 1)
        assert (shown.json(), shown.headers["retry-after"]) == (begun, "1")
        assert (await creating).json()["id"] == begun["id"]


async def test_a_race_for_the_last_unit(bff: Bff, sandbox: SandboxProcess) -> None:
    """Two sessions want the last unit at once: one gets it, the other learns the location of that return once sent."""
    order = fresh("SLOW")
    racers = await asyncio.gather(shopper(bff.http, order), shopper(bff.http, order))
    answers = await asyncio.gather(*(each.create() for each in racers))
    won, lost = sorted(answers, key=lambda each: each.status_code)
    assert won.status_code == 202
    assert told(lost) == (409, "units-claimed")
    assert lost.headers.get("location") in {None, won.headers["location"]}
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1
    assert (await racers[0].create()).headers["location"] == won.headers["location"]


async def test_many_returns_of_one_session(bff: Bff, sandbox: SandboxProcess) -> None:
    """However many returns one session asks for, each with a key of its own: no more labels than units."""
    order = fresh("LABEL")
    someone = await shopper(bff.http, order)
    answers = [each for _ in range(10) for each in await asyncio.gather(*(someone.create() for _ in range(20)))]
    assert [told(each)[1] for each in answers if each.status_code != 202] == 199 * ["units-claimed"]
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def remaining(someone: Shopper) -> int:
    """How many units of the first item are free."""
    screen: dict[str, Any] = (await someone.get("/v1/session")).json()
    return int(screen["items"][0]["remaining"])


async def test_upstream_gone_before_creation(valkey: Valkey) -> None:
    """A creation that provably never reached the upstream leaves the units free for the next try."""
    async with running_sandbox() as mortal, running_bff(valkey.url, mortal) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        await mortal.process.stop()
        tries = [await someone.create(someone.body("pickup")) for _ in range(2)]
        assert [told(each) for each in tries] == [(503, "upstream-unavailable")] * 2
        assert all("retry-after" in each.headers for each in tries)
        assert await remaining(someone) == 1


async def test_what_a_confirmation_page_shows(bff: Bff) -> None:
    """A return names its prices, refund, fee and store as the first screen did, in its first answer and later."""
    someone = await shopper(bff.http, fresh("STORE"))
    body = someone.body("in_store")
    created = await someone.create(body)
    offered = {item["id"]: item for item in someone.screen["items"]}
    stores = {store["id"]: store for store in someone.screen["options"]["stores"]}
    for answer in (created.json(), (await someone.get(created.headers["location"])).json()):
        assert [item["unit_price"] for item in answer["items"]] == [
            offered[item["id"]]["unit_price"] for item in body["items"]
        ]
        assert answer["store"] == stores[body["delivery"]["store"]]
        assert answer["refund_type"] == body["refund"]["type"]
        assert answer["fee"] == someone.screen["options"]["fee"]


async def test_a_return_that_goes_to_no_store_names_none(bff: Bff) -> None:
    """A delivery by parcel names no store."""
    someone = await shopper(bff.http, fresh("LABEL"))
    assert (await someone.create()).json()["store"] is None
