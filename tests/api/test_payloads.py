"""What a front end sends reaches the upstream as the upstream wants it: the strict sandbox takes every form of it."""

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.sandbox.brands import all_brands
from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.samples import INCOMING_PARCEL
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import ScriptedUpstream, outgoing, scripted_upstream
from tests.support.shopper import Shopper, shopper

OFFERED = [(brand.domain, option) for brand in all_brands().values() for option in brand.delivery_options]
FIRST_DAY, LAST_DAY = ((datetime.now(UTC) + timedelta(days=days)).date().isoformat() for days in (1, 29))
CUSTOMS = {
    "invoice_number": "INV-2026-17",
    "export_type": "commercial_b2c",
    "invoice_date": "2026-05-31",
    "freight_costs": "4.95",
    "insurance_costs": "0.5",
    "other_costs": "0",
    "discount_granted": "10.00",
    "general_notes": "Returned unused",
}
GOODS = {"hs_code": "61091000", "origin_country": "PT", "weight": "0.250"}
CONTACT = {
    "name": "Robin Ünsal",
    "company_name": "Ünsal & Zoon B.V.",
    "street": "Nieuwe Kerkstraat",
    "house_number": "4-II",
    "address_2": "Achterhuis",
    "postal_code": "1018 EA",
    "city": "Amsterdam",
    "email": "robin+returns@customer.example",
    "phone": "+31 20 555 01 23",
}


async def accepted(someone: Shopper, sandbox: SandboxProcess, body: dict[str, Any]) -> dict[str, Any]:
    """What the sandbox remembers of the return that this body made."""
    response = await someone.create(body)
    assert response.status_code == 202, response.text
    [entry] = await sandbox.ledger(kind="incoming", order=someone.screen["parcel"]["order_number"])
    assert (entry["created"], entry["return_id"]) == (True, response.json()["sendcloud_return_id"])
    arrived: dict[str, Any] = entry["body"]
    return arrived


@pytest.mark.parametrize(("brand", "option"), OFFERED)
async def test_every_way_back_of_every_brand(bff: Bff, sandbox: SandboxProcess, brand: str, option: str) -> None:
    """Each return method that a shop offers is accepted with the members that its first screen names as needed."""
    someone = await shopper(bff.http, fresh("LABEL"), brand=brand)
    arrived = await accepted(someone, sandbox, someone.body(option))
    assert arrived == {
        "delivery_option": option,
        "collo_count": 1,
        "service_point": someone.screen["drop_off"]["nearest"]["id"] if option == "drop_off_point" else None,
        "products": [
            {
                "product_id": someone.screen["items"][0]["id"],
                "quantity": 1,
                "return_reason": someone.screen["options"]["reasons"][0]["id"],
            }
        ],
    }


@pytest.mark.parametrize(
    "delivery",
    [
        {"option": "pickup"},
        {"option": "pickup", "pickup_date": FIRST_DAY},
        {"option": "pickup", "carrier": "dhl"},
        {"option": "pickup", "carrier": "ups", "pickup_date": LAST_DAY},
        {"option": "drop_off_point", "service_point": 20000001, "carrier": "postnl"},
        {"option": "drop_off_labelless", "carrier": "postnl"},
        {"option": "drop_off_labelless", "service_point": 20000001},
        {"option": "in_store", "store": 8},
    ],
)
async def test_what_a_way_back_accepts(bff: Bff, sandbox: SandboxProcess, delivery: dict[str, Any]) -> None:
    """Dates, carriers, points and stores that a return method can use are accepted as well."""
    someone = await shopper(bff.http, fresh("LABEL"))
    arrived = await accepted(someone, sandbox, someone.body(delivery=delivery))
    assert arrived["delivery_option"] == delivery["option"]
    assert arrived["service_point"] == delivery.get("service_point")


@pytest.mark.parametrize("parcels", [1, 2, 3])
async def test_several_colli(bff: Bff, sandbox: SandboxProcess, parcels: int) -> None:
    """As many parcels go back as the shopper says, up to those that went out, and each has a number of its own."""
    someone = await shopper(bff.http, fresh("COLLI"))
    assert someone.screen["parcel"]["max_parcels"] == 3
    arrived = await accepted(someone, sandbox, someone.body("pickup", parcels=parcels))
    [made] = (await someone.get("/v1/session")).json()["returns"]
    assert arrived["collo_count"] == len({parcel["id"] for parcel in made["parcels"]}) == parcels


@pytest.mark.parametrize(("brand", "option"), [("demo", "pickup"), ("demo", "in_store"), ("mode-paris", "in_store")])
@pytest.mark.parametrize("customs", [{"invoice_number": "1"}, CUSTOMS])
async def test_international(
    bff: Bff, sandbox: SandboxProcess, brand: str, option: str, customs: dict[str, Any]
) -> None:
    """A return across a customs border is taken with the least and with the most that customs may want to know."""
    someone = await shopper(bff.http, fresh("INTL"), brand=brand)
    items = [item | GOODS for item in someone.body(option)["items"]]
    assert await accepted(someone, sandbox, someone.body(option, items=items, customs=customs))


@pytest.mark.parametrize("export_type", ["private", "commercial_b2c", "commercial_b2b"])
async def test_export_types(bff: Bff, sandbox: SandboxProcess, export_type: str) -> None:
    """Private and commercial exports are accepted."""
    someone = await shopper(bff.http, fresh("INTL"))
    customs = {"invoice_number": "1", "export_type": export_type}
    assert await accepted(someone, sandbox, someone.body("pickup", customs=customs))


@pytest.mark.parametrize("contact", [CONTACT, *({name: value} for name, value in CONTACT.items())], ids="+".join)
async def test_contact_corrections(bff: Bff, sandbox: SandboxProcess, contact: dict[str, str]) -> None:
    """Each part of the address can be corrected, alone or with all the others."""
    someone = await shopper(bff.http, fresh("LABEL"))
    assert await accepted(someone, sandbox, someone.body("pickup", contact=contact))


@pytest.mark.parametrize("refund", [{"type": "money"}, {"type": "credit"}, {"type": "exchange", "message": "Size L"}])
async def test_refunds(bff: Bff, sandbox: SandboxProcess, refund: dict[str, str]) -> None:
    """Every refund that the shop offers is taken, with its message where it needs one."""
    someone = await shopper(bff.http, fresh("LABEL"))
    assert await accepted(someone, sandbox, someone.body("pickup", refund=refund, message="Thank you"))


async def test_reasons_of_their_own(bff: Bff, sandbox: SandboxProcess) -> None:
    """Every item arrives with its own reason, and one without leaves it to the whole return's."""
    someone = await shopper(bff.http, fresh("ITEMS"))
    first, second, third, _ = (item["id"] for item in someone.screen["items"])
    items = [
        {"id": first, "quantity": 1, "reason": 22, "comment": "Sleeves too long"},
        {"id": second, "quantity": 3, "reason": 21},
        {"id": third, "quantity": 2, "comment": "Nicht bestellt: danke! ☂"},
    ]
    arrived = await accepted(someone, sandbox, someone.body("pickup", items=items, reason=7))
    assert arrived["products"] == [
        {"product_id": first, "quantity": 1, "return_reason": 22},
        {"product_id": second, "quantity": 3, "return_reason": 21},
        {"product_id": third, "quantity": 2},
    ]


@pytest.mark.parametrize(
    ("changes", "quantities"),
    [({}, [2]), ({"reason": 22}, [1, 1]), ({"comment": "torn"}, [1, 1])],
)
async def test_the_same_item_twice(
    bff: Bff, sandbox: SandboxProcess, changes: dict[str, Any], quantities: list[int]
) -> None:
    """Equal lines of one item arrive as one, those that differ in reason or comment as two; either counts its units."""
    someone = await shopper(bff.http, fresh("ITEMS"))
    line = {"id": someone.screen["items"][1]["id"], "quantity": 1, "reason": 11}
    arrived = await accepted(someone, sandbox, someone.body("pickup", items=[line, line | changes]))
    assert [product["quantity"] for product in arrived["products"]] == quantities
    assert (await someone.get("/v1/session")).json()["items"][1]["remaining"] == 1


@pytest_asyncio.fixture(scope="module", name="upstream")
async def _upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", name="heard_by")
async def _heard_by(valkey: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AsyncIterator[Bff]:
    urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
    async with running_bff(valkey.url, sandbox, brands="my-shop", **urls) as bff:
        yield bff


async def heard(bff: Bff, upstream: ScriptedUpstream, option: str = "pickup", **changes: Any) -> dict[str, Any]:
    """The whole body as it arrived, of which the sandbox remembers a part; each time another parcel comes back."""
    upstream.say(outgoing=outgoing({"id": secrets.randbelow(10**9)}))
    wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
    screen = (await bff.http.post("/v1/brands/my-shop/sessions", json=wanted)).json()
    someone = Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
    created = await someone.create(someone.body(option, **changes))
    assert created.status_code == 202, created.text
    body: dict[str, Any] = json.loads(upstream.requests_for("incoming")[-1].body)
    return body


async def test_comments_arrive_word_for_word(heard_by: Bff, upstream: ScriptedUpstream) -> None:
    """Comments of items and messages of the whole arrive as they were typed, in the members they belong to."""
    items = [{"id": "shirt", "quantity": 2, "reason": 22, "comment": 'Zu groß: "XL"\n☂ <b>'}]
    body = await heard(heard_by, upstream, items=items, message="Tot ziens!", refund={"type": "money", "message": "OK"})
    assert body["products"] == [
        {
            "product_id": "shirt",
            "quantity": 2,
            "description": "Blue shirt M",
            "value": 29.95,
            "return_reason": 22,
            "return_message": 'Zu groß: "XL"\n☂ <b>',
        }
    ]
    assert (body["message"], body["refund"]) == ("Tot ziens!", {"refund_type": {"code": "money"}, "message": "OK"})


async def test_the_address_is_filled_in_whole(heard_by: Bff, upstream: ScriptedUpstream) -> None:
    """The front end sends no address, and the upstream gets the whole one that the first screen masks."""
    assert (await heard(heard_by, upstream))["incoming_parcel"] == INCOMING_PARCEL


@pytest.mark.parametrize("corrected", CONTACT)
async def test_a_correction_changes_nothing_else(heard_by: Bff, upstream: ScriptedUpstream, corrected: str) -> None:
    """A corrected part of the address arrives in its member, and every other member as upstream knew it."""
    names = {"street": "address_1", "phone": "telephone"}
    before = (await heard(heard_by, upstream))["incoming_parcel"]
    after = (await heard(heard_by, upstream, contact={corrected: CONTACT[corrected]}))["incoming_parcel"]
    assert after == before | {f"from_{names.get(corrected, corrected)}": CONTACT[corrected]}


async def test_customs_information_arrives_whole(heard_by: Bff, upstream: ScriptedUpstream) -> None:
    """Everything stated for customs arrives under the upstream's names, and nothing that was not stated."""
    items = [{"id": "shirt", "quantity": 1, "reason": 11} | GOODS]
    body = await heard(heard_by, upstream, items=items, customs=CUSTOMS)
    stated = {name: value for name, value in CUSTOMS.items() if name != "invoice_number"}
    assert body["customs_information"] == stated | {"customs_invoice_nr": "INV-2026-17"}
    assert {name: body["products"][0][name] for name in GOODS} == GOODS
    assert "customs_information" not in await heard(heard_by, upstream)


@pytest.mark.parametrize("date", [FIRST_DAY, LAST_DAY])
async def test_a_pickup_is_booked_as_one(heard_by: Bff, upstream: ScriptedUpstream, date: str) -> None:
    """A pickup arrives with its first mile, the chosen carrier and the date; without a choice neither is made up."""
    chosen = {"option": "pickup", "carrier": "dhl", "pickup_date": date}
    body = await heard(heard_by, upstream, delivery=chosen)
    assert body["selected_functionalities"] == {"first_mile": "pickup"}
    assert (body["selected_carrier_code"], body["pickup_date"]) == ("dhl", date)
    assert not {"selected_carrier_code", "pickup_date", "service_point"} & {*await heard(heard_by, upstream)}


async def test_in_store_names_no_first_mile(heard_by: Bff, upstream: ScriptedUpstream) -> None:
    """The chosen store is ours to remember: upstream has no known member for it and is sent none."""
    body = await heard(heard_by, upstream, "in_store")
    assert body["delivery_option"] == "in_store"
    assert not {"selected_functionalities", "service_point", "store", "selected_carrier_code"} & body.keys()
