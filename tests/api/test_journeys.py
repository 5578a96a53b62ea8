"""Whole journeys on real sockets: BFF, Valkey and sandbox as processes."""

from typing import Any

import pytest

from tests.support.pdf import pages
from tests.support.processes import Bff, fresh
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, look_up, shopper


async def _label(someone: Shopper, path: str) -> bytes:
    response = await someone.get(f"{path}/label")
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"].startswith("attachment")
    return response.content


@pytest.mark.parametrize("delivery", ["cookie", "body"])
@pytest.mark.parametrize(
    ("prefix", "option", "changes", "labels"),
    [
        ("LABEL", "drop_off_point", {}, 1),
        ("COLLI", "drop_off_point", {"parcels": 3}, 3),
        ("LABELLESS", "drop_off_labelless", {}, 1),
    ],
)
async def test_a_return_ends_with_a_label_for_each_parcel(
    bff: Bff, delivery: str, prefix: str, option: str, changes: dict[str, Any], labels: int
) -> None:
    """From order number to PDF: the label's text shows the tracking number of every parcel of the return."""
    someone = await shopper(bff.http, fresh(prefix), delivery=delivery)
    created = await someone.create(someone.body(option, **changes))
    assert created.status_code == 202, created.text
    settled = await someone.settled(created.headers["location"])
    assert settled["state"] == "label_ready"
    texts = pages(await _label(someone, created.headers["location"]))
    assert len(settled["parcels"]) == len(texts) == labels
    for parcel, page in zip(settled["parcels"], texts, strict=True):
        assert parcel["tracking_number"] in page


@pytest.mark.parametrize("delivery", ["cookie", "body"])
async def test_a_return_in_store_needs_no_label(bff: Bff, sandbox: SandboxProcess, delivery: str) -> None:
    """A return in store is final at once, is never polled and has no label to fetch."""
    order = fresh("STORE")
    someone = await shopper(bff.http, order, delivery=delivery)
    created = await someone.create(someone.body("in_store"))
    settled = await someone.settled(created.headers["location"])
    assert settled["state"] == "no_label_needed"
    label = await someone.get(created.headers["location"] + "/label")
    assert (label.status_code, label.json()["code"]) == (409, "no-label")
    assert await sandbox.ledger(kind="polling", order=order) == []


async def test_cookie_mode_keeps_the_id_out_of_the_body(bff: Bff) -> None:
    """The session cookie is __Host-, Secure, HttpOnly, Strict and without a domain, and no body shows the id."""
    response = await look_up(bff.http, fresh("LABEL"), delivery="cookie")
    name_and_value, *attributes = response.headers["set-cookie"].split("; ")
    assert name_and_value.startswith("__Host-return_session=rps_")
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=strict"}
    assert response.json()["session_token"] is None
