"""What real shops, people and carriers send, played by the sandbox: each journey goes as far as it can."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.pdf import pages
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, key, look_up, shopper, told

TESTED = [
    "NOIDS",
    "SAMEIDS",
    "ODDLINE",
    "SHRINK",
    "NOEMAIL",
    "RECORDED",
    "PAYFAILED",
    "APPROVAL",
    "WINDOW",
    "LABELGONE",
    "NONUMBER",
    "PDFPREFIX",
]
"""Prefixes whose journeys are here; tests/api/test_magic_orders.py has the others."""
ELSEWHERE = "https://panel.public.example"


@pytest_asyncio.fixture(scope="module", name="bff")
async def _hurried_bff(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that looks at labels ten times as often."""
    async with running_bff(valkey.url, sandbox, poll_interval=0.1, covered=True) as process:
        yield process


async def preview(someone: Shopper, body: dict[str, Any]) -> dict[str, Any]:
    """What the preview says."""
    response = await someone.http.post("/v1/returns/preview", json=body, headers=someone.headers)
    said: dict[str, Any] = response.json()
    return said


async def labelled(someone: Shopper, **changes: Any) -> tuple[str, dict[str, Any]]:
    """Where the label of a new return is, and the return once it is settled."""
    created = await someone.create(someone.body("pickup", **changes))
    assert created.status_code == 202, created.text
    location = created.headers["location"]
    settled = await someone.settled(location)
    return f"{location}/label", settled


@pytest.mark.parametrize("prefix", ["NOIDS", "SAMEIDS"])
async def test_lines_without_usable_ids(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """Each line is returned as itself, under an id of ours, and leaves the other one free."""
    someone = await shopper(bff.http, order := fresh(prefix))
    first, second = someone.screen["items"]
    assert first["id"] != second["id"]
    assert first["product_id"] == second["product_id"]
    _, settled = await labelled(someone, items=[{"id": second["id"], "quantity": 1, "reason": 11}])
    assert [item["name"] for item in settled["items"]] == [second["name"]]
    again = await shopper(bff.http, order)
    assert [item["id"] for item in again.screen["items"]] == [first["id"], second["id"]]
    assert [item["remaining"] for item in again.screen["items"]] == [1, second["remaining"] - 1]
    assert (await again.create(again.body(items=[{"id": first["id"], "quantity": 1, "reason": 11}]))).status_code == 202
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 2


async def test_odd_lines(bff: Bff) -> None:
    """Odd lines are shown with their readable members, and a sound line beside them can be returned."""
    someone = await shopper(bff.http, fresh("ODDLINE"))
    incomplete, without_price, comma, sound = someone.screen["items"]
    assert (incomplete["returnable"], incomplete["why_not"]) == (False, "incomplete")
    assert (without_price["unit_price"], without_price["remaining"]) == (None, 1)
    assert comma["unit_price"]["amount"] == "29.95"
    items = [{"id": each["id"], "quantity": 1, "reason": 11} for each in (without_price, comma, sound)]
    assert (await labelled(someone, items=items))[1]["state"] == "label_ready"


async def test_an_upstream_that_counts_down(bff: Bff) -> None:
    """Units that the upstream no longer counts are not subtracted once more."""
    someone = await shopper(bff.http, order := fresh("SHRINK"))
    await labelled(someone)
    assert [item["remaining"] for item in (await shopper(bff.http, order)).screen["items"]] == [2]


async def test_an_unknown_email(bff: Bff) -> None:
    """Preview and creation ask for the e-mail, and with one the label is made."""
    someone = await shopper(bff.http, fresh("NOEMAIL"))
    body = someone.body("pickup")
    assert (await preview(someone, body))["missing"] == ["#/contact/email"]
    assert told(await someone.create(body)) == (422, "invalid-request")
    assert (await labelled(someone, contact={"email": "sam@customer.example"}))[1]["state"] == "label_ready"


async def test_what_was_recorded(bff: Bff, sandbox: SandboxProcess) -> None:
    """Lines without ids, no e-mail, no telephone and a shop without a website: the journey ends with a label."""
    someone = await shopper(bff.http, order := fresh("RECORDED"), brand="ohne-erstattung")
    assert someone.screen["brand"]["website"] is None
    assert [item["product_id"] for item in someone.screen["items"]] == ["", ""]
    second = someone.screen["items"][1]
    body = someone.body(items=[{"id": second["id"], "quantity": 1, "reason": 11}])
    assert (await preview(someone, body))["missing"] == ["#/contact/email", "#/contact/phone"]
    created = await someone.create(body | {"contact": {"email": "sam@customer.example"}})
    settled = await someone.settled(created.headers["location"])
    assert (settled["state"], [item["name"] for item in settled["items"]]) == ("label_ready", [second["name"]])
    assert (await someone.get(settled["label"]["href"])).content.startswith(b"%PDF-")
    [entry] = await sandbox.ledger(kind="incoming", order=order)
    assert [product["product_id"] for product in entry["body"]["products"]] == [""]


async def test_a_payment_that_fails(bff: Bff, sandbox: SandboxProcess) -> None:
    """A return that is never paid stays where it can be paid, holds its units, and nothing is polled."""
    someone = await shopper(bff.http, order := fresh("PAYFAILED"))
    created = await someone.create()
    assert (created.status_code, created.json()["state"]) == (202, "awaiting_payment")
    assert created.json()["payment_url"].startswith("https://payments.example/checkout/")
    await sandbox.pay(order)
    assert (await someone.get(created.headers["location"])).json()["state"] == "awaiting_payment"
    assert told(await someone.create()) == (409, "units-claimed")
    assert not await sandbox.ledger(kind="polling", order=order)


async def test_an_approval(bff: Bff, sandbox: SandboxProcess) -> None:
    """A return that the shop approves first is accepted: nothing is polled, and the shop sends the label."""
    someone = await shopper(bff.http, order := fresh("APPROVAL"))
    label, settled = await labelled(someone)
    assert (settled["state"], settled["label"]["state"]) == ("accepted", "unavailable")
    assert settled["sendcloud_return_id"]
    assert told(await someone.get(label)) == (409, "no-label")
    assert not await sandbox.ledger(kind="polling", order=order)


async def test_a_return_window_that_is_over(bff: Bff) -> None:
    """A refused lookup is told apart from an unknown order and leads to the hosted portal."""
    refused = await look_up(bff.http, fresh("WINDOW"))
    assert told(refused) == (409, "not-returnable-now")
    assert refused.headers["location"].startswith("https://demo.shipping-portal.com/rp/")


async def test_a_label_that_is_gone(bff: Bff) -> None:
    """A poller that is refused until its token is over leaves a return without a label, whose units stay held."""
    someone = await shopper(bff.http, fresh("LABELGONE"))
    location = (await someone.create()).headers["location"]
    assert (await someone.get(location)).json()["state"] == "label_pending"
    settled = await someone.settled(location)
    assert (settled["state"], settled["label"]["state"]) == ("label_lost", "unavailable")
    assert told(await someone.create()) == (409, "units-claimed")


async def test_a_label_without_a_number(bff: Bff) -> None:
    """A label that can be downloaded is ready, though its tracking number is not known."""
    someone = await shopper(bff.http, fresh("NONUMBER"))
    label, settled = await labelled(someone)
    assert (settled["state"], settled["parcels"][0]["tracking_number"]) == ("label_ready", None)
    assert (await someone.get(label)).content.startswith(b"%PDF-")


async def test_a_label_for_a_printer(bff: Bff) -> None:
    """A label behind printer codes is delivered without them."""
    someone = await shopper(bff.http, fresh("PDFPREFIX"))
    label, _ = await labelled(someone)
    for response in (await someone.get(label), await someone.get(label)):
        assert response.content.startswith(b"%PDF-")
        assert "Parcel 1 of 1" in "".join(pages(response.content))


async def test_a_shop_without_refunds(bff: Bff) -> None:
    """A shop that offers no refund is asked for a label without one."""
    someone = await shopper(bff.http, fresh("INSTANT"), brand="ohne-erstattung")
    assert someone.screen["options"]["refund_required"] is False
    created = await someone.create()
    assert (await someone.settled(created.headers["location"]))["state"] == "label_ready"


async def test_urls_under_another_host(valkey: Valkey) -> None:
    """An upstream that names its URLs by a public host is asked where it is, and the label is delivered."""
    public = {"upstream_public_url": f"{ELSEWHERE}/api/v2"}
    async with (
        running_sandbox(public_host=ELSEWHERE) as sandbox,
        running_bff(valkey.url, sandbox, poll_interval=0.1, **public) as bff,
    ):
        someone = await shopper(bff.http, fresh("INSTANT"))
        label, settled = await labelled(someone)
        assert settled["state"] == "label_ready"
        assert (await someone.get(label)).status_code == 200


async def test_a_token_in_a_header(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Where the token of the service points goes in a header, points are found, chosen and looked at as before."""
    async with running_bff(valkey.url, sandbox, service_points_token_in_header=True, points_freshness=0.001) as bff:
        someone = await shopper(bff.http, order := fresh("INSTANT"))
        found = (await someone.get("/v1/service-points?radius=900")).json()["service_points"]
        assert found
        assert (await someone.get(f"/v1/service-points/{found[0]['id']}")).json()["available"]
        created = await someone.create(someone.body("drop_off_point"))
        assert created.status_code == 202
        asked = {entry["kind"] for entry in await sandbox.ledger(order=order)}
        assert asked >= {"service_points", "service_point", "availability"}


async def test_the_limits_of_the_upstream(valkey: Valkey) -> None:
    """Thirty creations at once, twice as many as the upstream takes in a second, all end with one return each."""
    async with (
        running_sandbox(rate_limits=True) as sandbox,
        running_bff(valkey.url, sandbox, timed=True) as bff,
    ):
        crowd = [await shopper(bff.http, fresh("LABEL")) for _ in range(30)]
        await asyncio.gather(*map(_created, crowd))
        made = [entry["order"] for entry in await sandbox.ledger(kind="incoming") if entry["created"]]
        assert len(made) == len({*made}) == 30


async def _created(someone: Shopper) -> None:
    used = key()

    async def is_made() -> bool:
        answer = await someone.create(idempotency_key=used)
        return answer.status_code == 202

    await eventually(is_made, 30)
