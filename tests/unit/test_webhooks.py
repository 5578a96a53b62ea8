"""Sendcloud's webhooks without a service: the vendor's example of a signature, and what a webhook says."""

import json

import pytest

from app.made_returns import ParcelMoved, ReturnMade
from app.sendcloud import webhooks
from tests.support.webhooks import parcel_status_changed, return_created

EXAMPLE = "1eed4b3d41f4653ac64fd56f1bf1cbfd349e4482cbc11dff7134bd93e5da4b0a"
"""The signature of `{"key": "value"}` with `secretkey`, as the vendor's page on webhooks states it."""


def test_the_vendors_example() -> None:
    """The signature that the vendor states for its example is right for that body, and for no other."""
    headers = {"sendcloud-signature": EXAMPLE}
    assert webhooks.is_signed("secretkey", headers, b'{"key": "value"}')
    assert not webhooks.is_signed("secretkey", headers, b'{"key":"value"}')
    assert not webhooks.is_signed("secret", headers, b'{"key": "value"}')
    assert not webhooks.is_signed("secretkey", {}, b'{"key": "value"}')


@pytest.mark.parametrize("unit", [1, 1000])
def test_a_moment_in_seconds_or_milliseconds(unit: int) -> None:
    """A timestamp means the same moment in seconds and in milliseconds, both of which the vendor shows."""
    webhook = parcel_status_changed("#1001", 12, 11, 0) | {"timestamp": 1_796_000_000 * unit}
    said = webhooks.event(json.dumps(webhook).encode())
    assert isinstance(said, ParcelMoved)
    assert said.at == 1_796_000_000


def test_a_status_that_is_not_known() -> None:
    """A status number that is not known here says nothing more than that the parcel has another status."""
    said = webhooks.event(json.dumps(parcel_status_changed("#1001", 12, 424242, 1)).encode())
    assert isinstance(said, ParcelMoved)
    assert said.status == "other"


@pytest.mark.parametrize("odd", [None, 7, {"description": None, "quantity": 1}, {"description": "Hat", "quantity": 0}])
def test_a_return_with_an_unreadable_item_fits_none(odd: object) -> None:
    """A return of which an item cannot be read is told without items, so that people look at it."""
    webhook = return_created("#1001", [{"description": "Shirt", "quantity": 1}])
    webhook["data"]["items"].append(odd)
    said = webhooks.event(json.dumps(webhook).encode())
    assert isinstance(said, ReturnMade)
    assert (said.order_number, said.units) == ("#1001", {})


def test_lines_of_one_name_are_counted_together() -> None:
    """Units of several lines with one name are one number, as the lines of a return are compared."""
    items = [{"description": "Shirt", "quantity": 1}, {"description": " Shirt ", "quantity": 2}]
    said = webhooks.event(json.dumps(return_created("#1001", items)).encode())
    assert isinstance(said, ReturnMade)
    assert said.units == {"Shirt": 3}
