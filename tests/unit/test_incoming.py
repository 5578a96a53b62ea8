"""Return checks: the bodies that are refused, and the upstream bodies that are sent."""

import json
from datetime import date
from typing import Any

import pytest

from app.domain import Order, ServicePoint, ShopSettings
from app.models.requests import NewReturn
from app.returns.checks.checked_return import CheckedReturn
from app.returns.checks.fingerprints import lines
from app.returns.checks.return_methods import pickup_window
from app.sendcloud import schemas, translation
from tests.support.samples import AT_NOON, INCOMING_PARCEL, NOON, body, order, product, service_point, shop_settings

SHIRT = {"id": "shirt", "quantity": 1}
CUSTOMS = {"invoice_number": "R-1"}
PHOTO = {"file": "up_1", "item": "shirt"}
FILES = {"up_1": "2026/picture-1.png", "up_2": "2026/picture-2.png"}
POINT = {"option": "drop_off_point", "service_point": 20000001}


def found(choice: NewReturn, data: Order | None = None, settings: ShopSettings | None = None) -> list[tuple[str, str]]:
    """Pointer and code of everything that is wrong, in no order."""
    problems = CheckedReturn(choice, data or order(), settings or shop_settings(), AT_NOON, FILES).problems
    return sorted((problem.pointer, problem.code) for problem in problems)


def sent(choice: NewReturn, parcel: dict[str, object] | None = None, point_carrier: str = "postnl") -> dict[str, Any]:
    """The upstream's body as JSON, without absent members."""
    point = service_point(carrier=point_carrier) if choice.delivery.service_point else None
    document: dict[str, Any] = json.loads(told(choice, order(parcel or {}), point).model_dump_json(exclude_none=True))
    return document


def checked(choice: NewReturn, data: Order | None = None) -> CheckedReturn:
    """The choice, checked for the sample order and shop."""
    return CheckedReturn(choice, data or order(), shop_settings(), AT_NOON, FILES)


def told(choice: NewReturn, given: Order | None = None, point: ServicePoint | None = None) -> schemas.NewReturn:
    """What the upstream is told of a choice."""
    return translation.new_return(checked(choice, given).request(133700001, point))


@pytest.mark.parametrize(
    "delivery",
    [
        POINT,
        POINT | {"carrier": "postnl"},
        {"option": "drop_off_labelless"},
        {"option": "drop_off_labelless", "service_point": 20000002, "carrier": "dhl"},
        {"option": "in_store", "store": 7},
        {"option": "pickup"},
        {"option": "pickup", "carrier": "dhl", "pickup_date": "2026-07-07"},
        POINT | {"store": None, "pickup_date": None},
    ],
)
def test_sound_delivery(delivery: dict[str, object]) -> None:
    """Every return method that the shop offers passes with what it needs and with what it can use."""
    assert found(body(delivery=delivery)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"items": [SHIRT | {"id": "shoe"}]}, ("#/items/0/id", "unknown-item")),
        ({"items": [SHIRT, {"id": "card", "quantity": 1}]}, ("#/items/1/id", "not-returnable")),
        ({"items": [SHIRT | {"quantity": 3}]}, ("#/items/0/quantity", "too-many")),
        ({"reason": 99}, ("#/reason", "unknown-reason")),
        ({"items": [SHIRT | {"reason": 99}]}, ("#/items/0/reason", "unknown-reason")),
        ({"reason": None}, ("#/items/0", "missing")),
        ({"reason": None, "items": [SHIRT | {"reason": 11}, SHIRT]}, ("#/items/1", "missing")),
        ({"refund": {"type": "gold"}}, ("#/refund/type", "not-offered")),
        ({"refund": {"type": "exchange"}}, ("#/refund", "missing")),
        ({"refund": {"type": "exchange", "message": ""}}, ("#/refund", "missing")),
        ({"refund": {"type": "exchange", "message": " \n\t"}}, ("#/refund", "missing")),
        ({"delivery": {"option": "drop_off_point"}}, ("#/delivery", "missing")),
        ({"delivery": {"option": "in_store"}}, ("#/delivery", "missing")),
        ({"delivery": {"option": "in_store", "store": 8}}, ("#/delivery/store", "not-offered")),
        ({"delivery": POINT | {"carrier": "ups"}}, ("#/delivery/carrier", "not-offered")),
        ({"delivery": POINT | {"store": 7}}, ("#/delivery/store", "not-applicable")),
        ({"delivery": POINT | {"pickup_date": "2026-07-07"}}, ("#/delivery/pickup_date", "not-applicable")),
        ({"delivery": {"option": "pickup", "service_point": 1}}, ("#/delivery/service_point", "not-applicable")),
        (
            {"delivery": {"option": "in_store", "store": 7, "carrier": "dhl"}},
            ("#/delivery/carrier", "not-applicable"),
        ),
        ({"parcels": 3}, ("#/parcels", "too-many")),
        ({"photos": [PHOTO | {"file": "up_9"}]}, ("#/photos/0/file", "unknown-upload")),
        ({"photos": [PHOTO, PHOTO | {"item": "card"}]}, ("#/photos/1/item", "unknown-item")),
    ],
)
def test_problem(changes: dict[str, object], expected: tuple[str, str]) -> None:
    """Each fault is reported once, where it is, by its code."""
    assert found(body(**changes)) == [expected]


def test_satisfied_needs() -> None:
    """A message where the refund needs one, reasons per item instead of one for all, all colli and photos are fine."""
    refund = {"type": "exchange", "message": "Size L please"}
    photos = [PHOTO, PHOTO, PHOTO | {"file": "up_2"}]
    assert found(body(refund=refund, reason=None, items=[SHIRT | {"reason": 22}], parcels=2, photos=photos)) == []


def test_photos_of_nobody() -> None:
    """Without uploads, any photo is unknown."""
    problems = CheckedReturn(body(photos=[PHOTO]), order(), shop_settings(), AT_NOON).problems
    assert [problem.pointer for problem in problems] == ["#/photos/0/file"]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"delivery": {"option": "drop_off_point"}}, "#/delivery/service_point"),
        ({"delivery": {"option": "in_store"}}, "#/delivery/store"),
        ({"refund": {"type": "exchange"}}, "#/refund/message"),
        ({"reason": None, "items": [SHIRT | {"reason": 11}, SHIRT]}, "#/items/1/reason"),
    ],
)
def test_missing_member(changes: dict[str, object], missing: str) -> None:
    """A missing member is named by its own pointer beside that of its parent."""
    (problem,) = checked(body(**changes)).problems
    assert (problem.missing, problem.code) == (missing, "missing")
    assert missing.startswith(problem.pointer + "/")


def test_other_problems_miss_nothing() -> None:
    """A member that is there and wrong is not missing."""
    problems = checked(body(reason=99, parcels=3)).problems
    assert [problem.missing for problem in problems] == ["", ""]


@pytest.mark.parametrize(
    ("items", "left", "expected"),
    [
        ([SHIRT], {"shirt": 2}, []),
        ([SHIRT], {"shirt": 1}, []),
        ([SHIRT], {"shirt": 0}, ["#/items/0/quantity"]),
        ([SHIRT, SHIRT], {"shirt": 1}, ["#/items/0/quantity", "#/items/1/quantity"]),
        ([SHIRT | {"quantity": 3}], {"shirt": 0}, []),
        ([{"id": "shoe", "quantity": 1}], {"shirt": 2}, []),
    ],
)
def test_held_units(items: list[object], left: dict[str, int], expected: list[str]) -> None:
    """Items of which other returns leave too few are named; more than were ordered is another problem."""
    problems = checked(body(items=items)).units_held(left)
    assert [(problem.pointer, problem.code) for problem in problems] == [(each, "units-claimed") for each in expected]


@pytest.mark.parametrize(
    ("country", "customs", "expected"),
    [
        ({"iso_2": "NL", "name": "Netherlands"}, None, []),
        ({"iso_2": "MC", "name": "Monaco"}, None, []),
        ({"iso_2": "GB", "name": "United Kingdom"}, None, ["#/customs"]),
        ({"iso_2": "CH", "name": "Switzerland"}, None, ["#/customs"]),
        ({"iso_2": "CH", "name": "Switzerland"}, CUSTOMS, []),
    ],
)
def test_customs_hint(country: dict[str, str], customs: object, expected: list[str]) -> None:
    """From beyond the customs union the customs details are pointed at, unless they are there."""
    data = order({"country": country})
    assert checked(body(customs=customs), data).hints() == expected


def test_no_customs_hint_at_home() -> None:
    """A parcel that comes back to a shop of its own country meets no customs."""
    there = shop_settings()
    home = there.model_copy(update={"stores": [there.stores[0].model_copy(update={"country": "Switzerland"})]})
    data = order({"country": {"iso_2": "CH", "name": "Switzerland"}})
    assert CheckedReturn(body(), data, home, AT_NOON).hints() == []


@pytest.mark.parametrize(
    ("option", "settings", "data"),
    [
        ("pickup", shop_settings(delivery_options=["in_store"]), order()),
        ("in_store", shop_settings(stores=False), order()),
        ("drop_off_point", shop_settings(), order(carriers=[])),
        ("pickup", shop_settings(), order(carriers=[])),
        ("drop_off_labelless", shop_settings(), order(labelless_service_point=None)),
    ],
)
def test_impossible_delivery(option: str, settings: ShopSettings, data: Order) -> None:
    """A return method that the shop or the parcel cannot take is reported alone: its details do not matter then."""
    choice = body(delivery={"option": option, "carrier": "ups", "store": 99})
    assert found(choice, data, settings) == [("#/delivery/option", "not-offered")]


def test_all_problems_at_once() -> None:
    """A body with many faults is answered with all of them."""
    choice = body(
        items=[
            {"id": "shoe", "quantity": 1},
            {"id": "card", "quantity": 1, "reason": 99},
            {"id": "shirt", "quantity": 9},
        ],
        reason=None,
        refund={"type": "gold"},
        delivery={"option": "in_store", "carrier": "ups"},
        parcels=100,
    )
    assert found(choice) == [
        ("#/delivery", "missing"),
        ("#/delivery/carrier", "not-applicable"),
        ("#/delivery/carrier", "not-offered"),
        ("#/items/0", "missing"),
        ("#/items/0/id", "unknown-item"),
        ("#/items/1/id", "not-returnable"),
        ("#/items/1/reason", "unknown-reason"),
        ("#/items/2", "missing"),
        ("#/items/2/quantity", "too-many"),
        ("#/parcels", "too-many"),
        ("#/refund/type", "not-offered"),
    ]


@pytest.mark.parametrize(
    ("place", "country", "earliest"),
    [
        ({"latitude": 51.44, "longitude": 5.47}, "NL", "2026-07-06"),
        (None, "NL", "2026-07-06"),
        ({"latitude": -36.8, "longitude": 174.8}, "NZ", "2026-07-06"),
        ({"latitude": 21.3, "longitude": -157.9}, "US", "2026-07-05"),
        (None, "US", "2026-07-05"),
        ({"latitude": 0, "longitude": 0}, "XX", "2026-07-05"),
    ],
)
def test_days_of_a_pickup(place: dict[str, float] | None, country: str, earliest: str) -> None:
    """The first day is the one on the shopper's calendar; where that is not known, the one farthest west."""
    data = order({"to_coordinates": place, "country": {"iso_2": country}})
    nine_hours_ago = NOON - 9 * 3600
    assert pickup_window(data, nine_hours_ago).earliest == date.fromisoformat(earliest)


@pytest.mark.parametrize(
    ("day", "sound"),
    [("2026-07-05", False), ("2026-07-06", True), ("2026-08-05", True), ("2026-08-06", False), ("9999-12-31", False)],
)
def test_a_pickup_outside_the_window(day: str, sound: bool) -> None:  # noqa: FBT001
    """A courier cannot be asked for on a day before the first or after the last one that the first screen names."""
    choice = body(delivery={"option": "pickup", "pickup_date": day})
    assert found(choice) == ([] if sound else [("#/delivery/pickup_date", "invalid")])


def test_order_of_problems() -> None:
    """Members that a return method has no use for are reported in the order of their names, in every process."""
    delivery = {"option": "in_store", "store": 7, "service_point": 1, "pickup_date": "2026-07-07", "carrier": "dhl"}
    problems = checked(body(delivery=delivery)).problems
    assert [problem.pointer for problem in problems] == [
        "#/delivery/carrier",
        "#/delivery/pickup_date",
        "#/delivery/service_point",
    ]


def test_problems_quote_nothing() -> None:
    """The text of a problem holds nothing that the caller sent."""
    choice = body(
        items=[{"id": "qqq", "quantity": 1, "reason": 987654}],
        refund={"type": "qqq"},
        delivery=POINT | {"carrier": "qqq"},
    )
    problems = checked(choice).problems
    shown = " ".join(f"{problem.code} {problem.detail}" for problem in problems)
    assert len(problems) == 4
    assert "qqq" not in shown
    assert "987654" not in shown


def test_same_item_twice_counts_together() -> None:
    """Two lines of one item are measured by their sum, and both are reported."""
    choice = body(items=[SHIRT | {"quantity": 2}, SHIRT])
    assert checked(choice).units == {"shirt": 3}
    assert found(choice) == [("#/items/0/quantity", "too-many"), ("#/items/1/quantity", "too-many")]


@pytest.mark.parametrize(("quantity", "expected"), [(2, []), (3, [("#/items/0/quantity", "too-many")])])
def test_item_on_two_order_lines(quantity: int, expected: list[tuple[str, str]]) -> None:
    """An item that was ordered on two lines can come back from both."""
    data = order(products=[product(quantity=1), product(quantity=1)])
    assert data.units.lines == {"shirt": 2}
    assert found(body(items=[SHIRT | {"quantity": quantity}]), data) == expected


def test_same_item_twice_is_summed() -> None:
    """Equal lines are sent as one; lines that differ in anything but quantity stay apart, in the order they came."""
    items = [
        SHIRT,
        SHIRT | {"reason": 22},
        SHIRT | {"quantity": 2},
        SHIRT | {"comment": "torn"},
        SHIRT | {"comment": "torn"},
        SHIRT | {"weight": "0.3"},
    ]
    summed = [(each.quantity, each.reason, each.comment, each.weight) for each in lines(body(items=items))]
    assert summed == [(3, None, None, None), (1, 22, None, None), (2, None, "torn", None), (1, None, None, "0.3")]


def test_whole_body() -> None:
    """Sender, parcel and prices come from the lookup, the rest from the shopper; nothing else is sent."""
    assert sent(body(message="Thanks")) == {
        "reason": 11,
        "message": "Thanks",
        "outgoing_parcel": 133700001,
        "refund": {"refund_type": {"code": "money"}, "message": ""},
        "delivery_option": "drop_off_point",
        "products": [{"product_id": "shirt", "quantity": 1, "description": "Blue shirt M", "value": 29.95}],
        "incoming_parcel": INCOMING_PARCEL,
        "service_point": {"id": 20000001},
        "selected_functionalities": {"first_mile": "dropoff"},
        "selected_carrier_code": "postnl",
    }


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (
            POINT,
            {
                "service_point": {"id": 20000001},
                "selected_functionalities": {"first_mile": "dropoff"},
                "selected_carrier_code": "dhl",
            },
        ),
        (
            POINT | {"carrier": "postnl"},
            {
                "service_point": {"id": 20000001},
                "selected_functionalities": {"first_mile": "dropoff"},
                "selected_carrier_code": "postnl",
            },
        ),
        ({"option": "drop_off_labelless"}, {"selected_functionalities": {"first_mile": "dropoff"}}),
        ({"option": "in_store", "store": 7}, {}),
        ({"option": "pickup"}, {"selected_functionalities": {"first_mile": "pickup"}}),
        (
            {"option": "pickup", "carrier": "dhl", "pickup_date": "2026-07-07"},
            {
                "selected_functionalities": {"first_mile": "pickup"},
                "selected_carrier_code": "dhl",
                "pickup_date": "2026-07-07",
            },
        ),
    ],
)
def test_delivery_as_sent(delivery: dict[str, object], expected: dict[str, object]) -> None:
    """Each return method has its first mile, and the carrier chosen or else the one of the chosen point."""
    document = sent(body(delivery=delivery), point_carrier="dhl")
    names = ("service_point", "selected_functionalities", "selected_carrier_code", "pickup_date")
    assert document["delivery_option"] == delivery["option"]
    assert {name: document[name] for name in names if name in document} == expected


def test_value_is_a_number() -> None:
    """Prices, which upstream sends as text, go back as numbers (docs/upstream.md C14)."""
    products = order(products=[product(price="0.10"), product(id="hat", price=12)])
    choice = body(items=[SHIRT, {"id": "hat", "quantity": 1}])
    values = [line.value for line in told(choice, products).products]
    assert values == [0.1, 12.0]
    assert all(isinstance(value, float) for value in values)


def test_reason_and_comment_of_each_item() -> None:
    """Each item keeps its own reason and comment; the first of them is the reason of the whole if none is given."""
    items = [SHIRT | {"reason": 22, "comment": "Sleeves"}, SHIRT | {"reason": 11}]
    choice = told(body(reason=None, items=items), order())
    assert choice.reason == 22
    assert [(line.return_reason, line.return_message) for line in choice.products] == [(22, "Sleeves"), (11, None)]


def test_reason_of_the_whole_comes_first() -> None:
    """A reason for the whole return stands beside those of its items."""
    choice = told(body(reason=11, items=[SHIRT | {"reason": 22}]), order())
    assert (choice.reason, choice.products[0].return_reason) == (11, 22)


def test_several_colli() -> None:
    """As many colli are announced as the shopper sends back."""
    assert told(body(parcels=2), order()).incoming_parcel.collo_count == 2


@pytest.mark.parametrize(
    ("parcel", "street", "number"),
    [
        ({}, "Kerkstraat", "12"),
        ({"house_number": ""}, "Kerkstraat", "12"),
        ({"house_number": "12 bis"}, "Kerkstraat", "12 bis"),
        ({"address": "Kerkstraat", "address_divided": {"street": "", "house_number": "9"}}, "Kerkstraat", "12"),
        ({"address": "Kerkstraat", "address_divided": None}, "Kerkstraat", "12"),
        ({"address_divided": None}, "Kerkstraat", "12"),
        ({"address_divided": {"street": "", "house_number": ""}}, "Kerkstraat", "12"),
        ({"house_number": "", "address_divided": {"street": "", "house_number": "12"}}, "Kerkstraat", "12"),
        ({"address": "Kerkstraat 12 bis", "address_divided": None}, "Kerkstraat 12 bis", "12"),
        ({"address": "Kerkstraat 112", "address_divided": None}, "Kerkstraat 112", "12"),
        ({"address": "Kerkstraat  12", "address_divided": None}, "Kerkstraat", "12"),
        ({"address": "12", "address_divided": None}, "12", "12"),
        ({"address": "Weg .2", "house_number": "12", "address_divided": None}, "Weg .2", "12"),
        ({"address": "Weg 1+2", "house_number": "1+2", "address_divided": None}, "Weg", "1+2"),
        ({"address_divided": None, "house_number": ""}, "Kerkstraat 12", ""),
    ],
)
def test_street_and_number(parcel: dict[str, object], street: str, number: str) -> None:
    """The house number is sent once: street and number as upstream divides them, else the address without it."""
    sender = told(body(), order(parcel)).incoming_parcel
    assert (sender.from_address_1, sender.from_house_number) == (street, number)


CONTACT = {
    "name": "Kim Smit",
    "company_name": "Smit BV",
    "street": "Markt",
    "house_number": "3b",
    "address_2": "2 hoog",
    "postal_code": "3511 AA",
    "city": "Utrecht",
    "email": "kim@example.org",
    "phone": "+31611111111",
}
SENDER = {"name": "from_name", "company_name": "from_company_name", "street": "from_address_1"} | {
    name: f"from_{name}" for name in ("house_number", "address_2", "postal_code", "city", "email")
}


@pytest.mark.parametrize("names", [[], *([name] for name in CONTACT), list(CONTACT)])
def test_corrected_sender(names: list[str]) -> None:
    """The shopper's corrections of the sender are sent and everything else stays; the country always does."""
    theirs = SENDER | {"phone": "from_telephone"}
    sender = sent(body(contact={name: CONTACT[name] for name in names}))["incoming_parcel"]
    assert sender == sent(body())["incoming_parcel"] | {theirs[name]: CONTACT[name] for name in names}


def test_photos_as_sent() -> None:
    """Photos go under the names that upstream gave their files."""
    photos = [PHOTO | {"description": "The hole"}, PHOTO | {"file": "up_2"}]
    assert sent(body(photos=photos))["images"] == [
        {"filename": "2026/picture-1.png", "product_id": "shirt", "description": "The hole"},
        {"filename": "2026/picture-2.png", "product_id": "shirt", "description": ""},
    ]


@pytest.mark.parametrize("photos", [None, []])
def test_no_photos(photos: list[object] | None) -> None:
    """Without photos, the upstream's body has no member for them."""
    assert "images" not in sent(body(photos=photos))


def test_tariff_of_an_item() -> None:
    """Tariff number, origin and weight of an item are sent with it, for customs."""
    details = {"hs_code": "61091000", "origin_country": "PT", "weight": "0.250"}
    products = sent(body(items=[SHIRT | details]))["products"]
    assert products == [{"product_id": "shirt", "quantity": 1, "description": "Blue shirt M", "value": 29.95} | details]


@pytest.mark.parametrize(
    ("customs", "expected"),
    [
        (CUSTOMS, {"customs_invoice_nr": "R-1", "export_type": "private"}),
        (
            CUSTOMS | {"export_type": "commercial_b2c", "invoice_date": date(2026, 11, 2)},
            {"customs_invoice_nr": "R-1", "export_type": "commercial_b2c", "invoice_date": "2026-11-02"},
        ),
        (
            CUSTOMS | {"freight_costs": "4.95", "insurance_costs": "0", "other_costs": "1.5", "general_notes": "Gift"},
            {
                "customs_invoice_nr": "R-1",
                "export_type": "private",
                "freight_costs": "4.95",
                "insurance_costs": "0",
                "other_costs": "1.5",
                "general_notes": "Gift",
            },
        ),
        (
            CUSTOMS | {"discount_granted": "10"},
            {"customs_invoice_nr": "R-1", "export_type": "private", "discount_granted": "10"},
        ),
    ],
)
def test_customs(customs: dict[str, object], expected: dict[str, object]) -> None:
    """Customs members are sent under upstream's names, and absent ones are not sent."""
    assert sent(body(customs=customs))["customs_information"] == expected
