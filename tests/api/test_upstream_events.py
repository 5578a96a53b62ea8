"""Sendcloud's webhooks: what they settle and move, and that nothing else changes anything."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, shopper, told
from tests.support.webhooks import ENTRIES, FREEING, KEY, Integration, parcel_status_changed, return_created, signature

DELIVERED, CANCELLED, EN_ROUTE, DELAYED = 11, 2000, 91, 4
ODD = [
    b"",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 50_000,
    b'{"action": "return_created"}',
    b'{"action": "return_created", "timestamp": 1e999, "data": {"id": 1, "order_number": "1", "items": []}}',
    b'{"action": "return_created", "timestamp": 1, "data": {"id": 1, "order_number": "\\ud800", "items": [null]}}',
    b'{"action": "return_created", "timestamp": 1, "data": {"id": 1, "order_number": "\\u0000", "items": []}}',
    b'{"action": "parcel_status_changed", "timestamp": 99999999999, "parcel": {"id": 1, "status": {"id": 11}}}',
    b'{"action": "integration_deleted", "timestamp": 1525271885993, "integration": {"id": 1}}',
]


@pytest_asyncio.fixture(scope="module", name="bff")
async def shops_that_are_told(
    store: Valkey, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bff]:
    """A service for two shops whose integration sends webhooks, and one whose integration sends none."""
    (file := tmp_path_factory.mktemp("shops") / "shops.toml").write_text(ENTRIES)
    soon = {"create_deadline": 2, "create_lease": 4, "poll_interval": 0.05}
    async with running_bff(store.url, sandbox, brands="", shops=file, covered=True, **soon) as process:
        yield process


@pytest.fixture(name="sendcloud")
def integration(bff: Bff) -> Integration:
    """The integration of the shop `demo`."""
    return Integration(bff.http)


@pytest_asyncio.fixture(autouse=True)
async def forgotten(store: Valkey) -> None:
    """The tests before lost no creation."""
    await store.forget_lost_creations()


async def lost(bff: Bff) -> tuple[Shopper, str, dict[str, Any]]:
    """A shopper whose creation got no answer, the path of the return, and the webhook about it.

    Five in a row would open the breaker of the brand: fewer tests of this file need one.
    """
    someone = await shopper(bff.http, order := fresh("CREATE500"))
    path = (await someone.create()).headers["location"]
    items = (await someone.get(path)).json()["items"]
    told_items = [{"description": each["name"], "quantity": each["quantity"], "sku": "S"} for each in items]
    return someone, path, return_created(order, told_items)


async def labelled(bff: Bff, brand: str = "demo") -> tuple[Shopper, str, str, int]:
    """A shopper whose label is ready, their order, the path of the return, and the id of its parcel."""
    someone = await shopper(bff.http, order := fresh("INSTANT"), brand=brand)
    path = (await someone.create()).headers["location"]
    settled = await someone.settled(path)
    return someone, order, path, settled["parcels"][0]["id"]


async def test_a_lost_return_is_found(bff: Bff, sendcloud: Integration) -> None:
    """A return whose outcome is unknown is accepted once its webhook comes, with its number; a replay is known."""
    someone, path, webhook = await lost(bff)
    outcomes = [(await sendcloud.tells(webhook)).json()["outcome"] for _ in range(3)]
    assert outcomes == ["settled", "known", "known"]
    seen = (await someone.get(path)).json()
    assert (seen["state"], seen["sendcloud_return_id"]) == ("accepted", 4711)
    assert told(await someone.create()) == (409, "units-claimed")


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"data": {"items": []}}, "left_to_people"),
    ({"data": {"items": [{"description": "Another item", "quantity": 1}]}}, "left_to_people"),
    ({"data": {"items": [{"quantity": 1}]}}, "left_to_people"),
    ({"timestamp": 1_000_000_000}, "left_to_people"),
    ({"timestamp": 4_000_000_000_000}, "left_to_people"),
]


async def test_a_webhook_that_does_not_fit_settles_nothing(bff: Bff, sendcloud: Integration) -> None:
    """A webhook with other items, with items that cannot be read, or of another time leaves the outcome unknown."""
    someone, path, webhook = await lost(bff)
    for change, outcome in MISFITS:
        changed = webhook | change | {"data": webhook["data"] | change.get("data", {})}
        assert (await sendcloud.tells(changed)).json() == {"outcome": outcome}, change
    assert (await someone.get(path)).json()["state"] == "outcome_unknown"


async def test_a_return_of_another_order_is_ignored(bff: Bff, sendcloud: Integration) -> None:
    """A webhook of an order that has no unknown return, or of another shop, changes nothing."""
    someone, path, webhook = await lost(bff)
    assert (await Integration(bff.http, FREEING).tells(webhook)).json()["outcome"] == "ignored"
    elsewhere = webhook | {"data": webhook["data"] | {"order_number": fresh("LABEL")}}
    assert (await sendcloud.tells(elsewhere)).json()["outcome"] == "ignored"
    assert (await someone.get(path)).json()["state"] == "outcome_unknown"


async def test_a_forged_webhook_changes_nothing(bff: Bff, sendcloud: Integration) -> None:
    """Without the signature of its very body a webhook is refused, whoever signed another one."""
    someone, path, webhook = await lost(bff)
    for headers in ({"X": "1"}, {"Sendcloud-Signature": ""}, {"Sendcloud-Signature": "0" * 64}, signature(b"{}")):
        assert told(await sendcloud.tells(webhook, **headers)) == (403, "signature-invalid")
    assert told(await sendcloud.sends(b"{}", signature(b"{}", KEY + "x"))) == (403, "signature-invalid")
    assert (await someone.get(path)).json()["state"] == "outcome_unknown"


@pytest.mark.parametrize("brand", ["mode-paris", "nowhere"])
async def test_a_shop_without_a_key_has_no_such_path(bff: Bff, brand: str) -> None:
    """Where the shop's entry has no signature key, or there is no shop, the path does not exist."""
    assert told(await Integration(bff.http, brand).tells({})) == (404, "not-found")


@pytest.mark.parametrize("body", ODD)
async def test_an_odd_webhook_is_ignored(sendcloud: Integration, body: bytes) -> None:
    """A signed body that says nothing that can be read is taken and changes nothing."""
    answer = await sendcloud.sends(body, signature(body))
    assert (answer.status_code, answer.json()) == (200, {"outcome": "ignored"})


async def test_a_long_webhook_is_not_read(sendcloud: Integration) -> None:
    """A body beyond what any call takes is refused before its signature is looked at."""
    assert told(await sendcloud.sends(b" " * 70_000, {})) == (413, "body-too-large")


async def test_a_parcel_moves(bff: Bff, sendcloud: Integration) -> None:
    """A parcel's newer status shows in its return, whose state stays; an older one and a replay change nothing."""
    someone, order, path, parcel = await labelled(bff)
    now = round(time.time())
    steps = [(EN_ROUTE, now, "moved"), (DELIVERED, now + 5, "moved"), (DELIVERED, now + 5, "known")]
    for status, at, outcome in [*steps, (EN_ROUTE, now + 1, "known")]:
        answer = await sendcloud.tells(parcel_status_changed(order, parcel, status, at))
        assert answer.json() == {"outcome": outcome}
    seen = (await someone.get(path)).json()
    tracking = seen["parcels"][0]["tracking"]
    assert (seen["state"], seen["label"]["state"]) == ("label_ready", "ready")
    assert (tracking["status"], tracking["carrier"], tracking["number"]) == ("delivered", "postnl", "3SABC")
    assert "Sam Jansen" not in str(tracking)


async def test_a_status_of_the_far_future_hides_no_later_one(bff: Bff, sendcloud: Integration) -> None:
    """A status whose moment is an hour ahead is ignored, and the true one that comes then is taken."""
    someone, order, path, parcel = await labelled(bff)
    now = round(time.time())
    for status, at, outcome in ((CANCELLED, now + 3600, "ignored"), (DELIVERED, now + 60, "moved")):
        answer = await sendcloud.tells(parcel_status_changed(order, parcel, status, at))
        assert answer.json() == {"outcome": outcome}
    assert (await someone.get(path)).json()["parcels"][0]["tracking"]["status"] == "delivered"


async def test_a_parcel_of_no_return_is_ignored(bff: Bff, sendcloud: Integration) -> None:
    """A webhook about the parcel that went out, or about one of another order, changes nothing."""
    _, order, _, parcel = await labelled(bff)
    for webhook in (
        parcel_status_changed(order, parcel + 10**9, DELIVERED, time.time()),
        parcel_status_changed(fresh("LABEL"), parcel, DELIVERED, time.time()),
    ):
        assert (await sendcloud.tells(webhook)).json() == {"outcome": "ignored"}


@pytest.mark.parametrize(("brand", "frees"), [("demo", False), (FREEING, True)])
async def test_cancelled_parcels_free_units_where_the_shop_says_so(bff: Bff, brand: str, *, frees: bool) -> None:
    """Units come free with the cancellation of all parcels in a shop that switched it on, and in no other."""
    someone, order, path, parcel = await labelled(bff, brand)
    sendcloud, webhook = Integration(bff.http, brand), parcel_status_changed(order, parcel, CANCELLED, time.time())
    outcomes = [(await sendcloud.tells(webhook)).json()["outcome"] for _ in range(2)]
    assert outcomes == (["settled", "known"] if frees else ["moved", "known"])
    assert (await someone.get(path)).json()["state"] == ("failed" if frees else "label_ready")
    assert (await someone.create()).status_code == (202 if frees else 409)


@pytest.mark.parametrize(
    "before",
    [
        [(EN_ROUTE, 1, "moved")],
        [(DELIVERED, 1, "moved")],
        [(EN_ROUTE, 1, "moved"), (DELAYED, 2, "moved")],
        [(DELAYED, 2, "moved"), (EN_ROUTE, 1, "known")],
    ],
)
async def test_the_cancellation_of_a_parcel_that_moved_frees_nothing(
    bff: Bff, before: list[tuple[int, int, str]]
) -> None:
    """A parcel that was in transit or delivered comes back whatever is told of it later: its units stay held."""
    someone, order, path, parcel = await labelled(bff, FREEING)
    began = time.time() - 9
    for status, seconds, outcome in [*before, (CANCELLED, 3, "moved")]:
        webhook = parcel_status_changed(order, parcel, status, began + seconds)
        assert (await Integration(bff.http, FREEING).tells(webhook)).json() == {"outcome": outcome}
    assert (await someone.get(path)).json()["state"] == "label_ready"
    assert told(await someone.create()) == (409, "units-claimed")


async def test_one_cancelled_parcel_of_several_frees_nothing(bff: Bff) -> None:
    """As long as one of several parcels of a return is not cancelled, its units stay held."""
    someone = await shopper(bff.http, order := fresh("COLLI"), brand=FREEING)
    path = (await someone.create(someone.body(parcels=2))).headers["location"]
    ids = [each["id"] for each in (await someone.settled(path))["parcels"]]
    sendcloud, now = Integration(bff.http, FREEING), time.time()
    webhooks = [parcel_status_changed(order, each, CANCELLED, now) for each in ids]
    assert [(await sendcloud.tells(each)).json()["outcome"] for each in webhooks] == ["moved", "settled"]
