"""Bodies that ask for the same have the same fingerprint, in the form of this release and in that of the one before."""

from typing import Any

import pytest

from app.models.requests import NewReturn, NewReturnItem
from app.returns.checks.fingerprints import CURRENT, FIRST, fingerprints
from app.returns.store.keys import KeyRecord
from tests.support.samples import body

POINT = {"option": "drop_off_point", "service_point": 20000001}
SHIRT = {"id": "shirt", "quantity": 1}
PHOTO = {"file": "up_AX3k0c1cXw", "item": "shirt"}
EVERYTHING: dict[str, Any] = {
    "items": [
        {
            "id": "hemd-ß",
            "quantity": 2,
            "reason": 22,
            "comment": 'zu "klein"\n\u2028 😀',
            "hs_code": "610910",
            "origin_country": "PT",
            "weight": "0.25",
        },
        SHIRT | {"reason": 11},
        SHIRT | {"reason": 11},
    ],
    "reason": 11,
    "message": "Grüße",
    "refund": {"type": "exchange", "message": "size L"},
    "delivery": {"option": "pickup", "carrier": "dhl", "pickup_date": "2026-12-01"},
    "parcels": 2,
    "contact": {
        "name": "Sam",
        "company_name": "Jansen",
        "street": "Kerkstraat",
        "house_number": "12",
        "address_2": "II",
        "postal_code": "5611 AA",
        "city": "Eindhoven",
        "email": "sam@example.com",
        "phone": "+31600000000",
    },
    "customs": {
        "invoice_number": "F-1",
        "export_type": "commercial_b2c",
        "invoice_date": "2026-11-01",
        "freight_costs": "4.95",
        "insurance_costs": "1",
        "other_costs": "0.10",
        "discount_granted": "2.00",
        "general_notes": "none",
    },
    "photos": [PHOTO | {"description": "a hole"}],
}


class LaterItem(NewReturnItem):
    """An item of a release that knows one member more."""

    serial: str | None = None


class LaterReturn(NewReturn):
    """A body of a release that knows one member more."""

    items: list[LaterItem]  # type: ignore[assignment]  # what a release would change in place
    gift: str | None = None


@pytest.mark.parametrize(
    ("changes", "first", "current"),
    [
        (
            {},
            "bf236f16cb7305301d3405ac0a5d040731bd49fc33555c336cc1d7255e638eb7",
            "7ec0033f031a6a86d8ccfeb94c968369b2b2a6662e4d04b7c086484f8f87b5f6",
        ),
        (
            EVERYTHING,
            "6490da2c282242b31ec31e3b10acc0e907c816065b1957a1a03f45006f6a8f27",
            "cc8b79309c45b678bf003d81600571cef82d944c167cd1128d20acd1f4b1be8c",
        ),
    ],
)
def test_fingerprints_stay(changes: dict[str, Any], first: str, current: str) -> None:
    """A body has the fingerprints it always had: a stored key would otherwise not know its own retry."""
    assert fingerprints(body(**changes)) == {FIRST: first, CURRENT: current}


@pytest.mark.parametrize("changes", [{}, EVERYTHING])
def test_a_release_with_more_members(changes: dict[str, Any]) -> None:
    """A release that adds optional members gives a body without them the fingerprints of today."""
    today = body(**changes)
    later = LaterReturn.model_validate_json(today.model_dump_json(exclude_unset=True))
    assert fingerprints(later) == fingerprints(today)


@pytest.mark.parametrize("more", [{"gift": "yes"}, {"items": [SHIRT | {"serial": "1"}]}])
def test_a_new_member_counts_where_it_is_set(more: dict[str, Any]) -> None:
    """A body that uses a new member is another body, in both forms."""
    plain = body().model_dump(exclude_unset=True)
    before, after = fingerprints(LaterReturn(**plain)), fingerprints(LaterReturn(**plain | more))
    assert [before[version] == after[version] for version in (FIRST, CURRENT)] == [False, False]


@pytest.mark.parametrize("empty", [{"contact": {}}, {"photos": []}])
def test_nothing_in_an_object_is_no_object(empty: dict[str, Any]) -> None:
    """An object or list that says nothing counts as absent in the current form."""
    assert fingerprints(body(**empty))[CURRENT] == fingerprints(body())[CURRENT]


@pytest.mark.parametrize(
    ("kept", "same"),
    [
        (KeyRecord(fingerprint="one", return_id="rtn_1"), True),
        (KeyRecord(fingerprint="other", return_id="rtn_1"), False),
        (KeyRecord(fingerprint="other", versioned=(CURRENT, "two"), return_id="rtn_1"), True),
        (KeyRecord(fingerprint="one", versioned=(CURRENT, "other"), return_id="rtn_1"), False),
        (KeyRecord(fingerprint="one", versioned=(CURRENT + 1, "?"), return_id="rtn_1"), True),
        (KeyRecord(fingerprint="other", versioned=(CURRENT + 1, "?"), return_id="rtn_1"), False),
    ],
)
def test_compared_under_the_stored_version(kept: KeyRecord, same: bool) -> None:  # noqa: FBT001  a column of the table
    """A key compares in the form it was stored with, and in the first one if a later release stored it."""
    assert kept.is_of({FIRST: "one", CURRENT: "two"}) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"parcels": 1, "message": None, "customs": None}),
        ({}, {"items": [SHIRT | {"comment": None}]}),
        ({"items": [SHIRT, {"id": "hat", "quantity": 1}]}, {"items": [{"id": "hat", "quantity": 1}, SHIRT]}),
        ({"items": [SHIRT, SHIRT]}, {"items": [SHIRT | {"quantity": 2}]}),
        ({}, {"contact": None, "photos": None}),
        ({"delivery": POINT}, {"delivery": {"service_point": 20000001, "carrier": None, "option": "drop_off_point"}}),
    ],
)
def test_equal_fingerprints(one: dict[str, object], other: dict[str, object]) -> None:
    """Bodies that ask for the same have the same fingerprint."""
    assert fingerprints(body(**one)) == fingerprints(body(**other))


@pytest.mark.parametrize(
    "changes",
    [
        {"items": [SHIRT | {"quantity": 2}]},
        {"items": [SHIRT | {"reason": 11}]},
        {"items": [SHIRT | {"comment": "torn"}]},
        {"reason": 22},
        {"message": "hello"},
        {"refund": {"type": "exchange"}},
        {"refund": {"type": "money", "message": ""}},
        {"delivery": POINT | {"service_point": 20000002}},
        {"delivery": {"option": "in_store", "store": 7}},
        {"parcels": 2},
        {"customs": {"invoice_number": "1"}},
        {"items": [SHIRT | {"weight": "0.3"}]},
        {"contact": {"city": "Utrecht"}},
        {"photos": [PHOTO]},
    ],
)
def test_different_fingerprints(changes: dict[str, object]) -> None:
    """Any difference in what is asked for makes another fingerprint."""
    assert fingerprints(body(**changes)) != fingerprints(body())
