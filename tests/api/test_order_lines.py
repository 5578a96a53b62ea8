"""Orders as shops really send them: lines without ids, lines that share one, quantities that count down."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import httpx
import pytest_asyncio

from tests.support import scripted_upstream
from tests.support.processes import running_bff, running_valkey
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.shopper import key, told

SMALL = {"id": "", "name": "Shirt S", "price": "19.95", "quantity": 1, "returnable": True}
LARGE = {"id": "", "name": "Shirt L", "price": "24.793388429752067", "quantity": 2, "returnable": True}


class Stage(NamedTuple):
    """A service on a scripted upstream, and parcels that no other test asked for."""

    http: httpx.AsyncClient
    upstream: ScriptedUpstream
    parcels: Iterator[int]

    async def look_up(self, parcel: int, *products: dict[str, object]) -> "Session":
        """A new session for this parcel, whose order has these products now."""
        self.upstream.say(outgoing=scripted_upstream.outgoing({"id": parcel}, products=list(products)))
        wanted = {"identifier": f"A-{parcel}", "postal_code": "5611 AA", "token_delivery": "body"}
        answer = await self.http.post("/v1/brands/demo/sessions", json=wanted)
        assert answer.status_code == 201, answer.text
        return Session(self, answer.json())

    def sent(self) -> list[dict[str, Any]]:
        """The products of the last creation that arrived."""
        products: list[dict[str, Any]] = json.loads(self.upstream.requests_for("incoming")[-1].body)["products"]
        return products


class Session(NamedTuple):
    """A shopper's first screen."""

    stage: Stage
    screen: dict[str, Any]

    def item(self, name: str) -> dict[str, Any]:
        """The item of this name."""
        found: dict[str, Any] = next(each for each in self.screen["items"] if each["name"] == name)
        return found

    async def give_back(self, name: str, quantity: int = 1) -> httpx.Response:
        """The answer to a return of so many units of this item in a store."""
        body = {
            "items": [{"id": self.item(name)["id"], "quantity": quantity, "reason": 11}],
            "refund": {"type": "money"},
            "delivery": {"option": "in_store", "store": self.screen["options"]["stores"][0]["id"]},
        }
        headers = {"Authorization": f"Bearer {self.screen['session_token']}", "Idempotency-Key": key()}
        return await self.stage.http.post("/v1/returns", json=body, headers=headers)


@pytest_asyncio.fixture(scope="module", name="stage")
async def _stage(sandbox: SandboxProcess) -> AsyncIterator[Stage]:
    # A store of its own: settings are kept by brand.
    async with running_valkey() as valkey, scripted_upstream.scripted_upstream() as upstream:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        async with running_bff(valkey.url, sandbox, **urls) as bff:
            yield Stage(bff.http, upstream, itertools.count(500_000))


async def test_lines_without_ids_come_back_as_chosen(stage: Stage) -> None:
    """Of lines whose product ids are empty the chosen one is returned, with its own name, price and product id."""
    shopper = await stage.look_up(next(stage.parcels), SMALL, LARGE)
    assert shopper.item("Shirt L")["unit_price"]["amount"] == "24.79"
    assert (await shopper.give_back("Shirt L")).status_code == 202
    (sent,) = stage.sent()
    assert (sent["product_id"], sent["description"], sent["value"]) == ("", "Shirt L", 24.79)


async def test_a_returned_unit_leaves_the_other_lines_alone(stage: Stage) -> None:
    """A unit that came back is taken from its own line in every later session, in any order of the lines."""
    parcel = next(stage.parcels)
    first = await stage.look_up(parcel, SMALL, LARGE)
    assert (await first.give_back("Shirt L")).status_code == 202
    later = await stage.look_up(parcel, LARGE, SMALL)
    assert [later.item(name)["remaining"] for name in ("Shirt S", "Shirt L")] == [1, 1]
    assert [later.item(name)["id"] for name in ("Shirt S", "Shirt L")] == [
        first.item(name)["id"] for name in ("Shirt S", "Shirt L")
    ]
    assert told(await later.give_back("Shirt L", 2)) == (409, "units-claimed")
    assert (await later.give_back("Shirt S")).status_code == 202


async def test_a_gift_of_the_same_product_is_a_line_of_its_own(stage: Stage) -> None:
    """Of a paid and a free line with one id the paid one comes back at its price, and no more units than it has."""
    paid = SMALL | {"id": "1234", "name": "Shirt"}
    shopper = await stage.look_up(
        next(stage.parcels), paid, paid | {"price": "0.00", "name": "Gift", "returnable": False}
    )
    assert [item["product_id"] for item in shopper.screen["items"]] == ["1234", "1234"]
    assert told(await shopper.give_back("Shirt", 2)) == (422, "invalid-request")
    assert told(await shopper.give_back("Gift")) == (422, "invalid-request")
    assert (await shopper.give_back("Shirt")).status_code == 202
    assert [(each["product_id"], each["value"]) for each in stage.sent()] == [("1234", 19.95)]


async def test_a_quantity_that_counts_down_is_not_counted_twice(stage: Stage) -> None:
    """After a return of one of three units an upstream that names two from then on leaves two, not one."""
    parcel, three = next(stage.parcels), SMALL | {"id": "77", "quantity": 3}
    assert (await (await stage.look_up(parcel, three)).give_back("Shirt S")).status_code == 202
    assert (await stage.look_up(parcel, three)).item("Shirt S")["remaining"] == 2
    counted = await stage.look_up(parcel, three | {"quantity": 2})
    assert counted.item("Shirt S")["remaining"] == 2
    assert (await counted.give_back("Shirt S", 2)).status_code == 202
    assert (await stage.look_up(parcel, three | {"quantity": 0})).item("Shirt S")["remaining"] == 0


async def test_one_odd_line_costs_no_other(stage: Stage) -> None:
    """An order opens with lines that cannot be read whole; they are shown, and the good ones come back."""
    odd = [
        SMALL | {"name": "No price", "price": None},
        SMALL | {"name": "Comma", "price": "29,95"},
        SMALL | {"name": "Half", "quantity": 1.5},
        SMALL | {"name": "Unknown", "returnable": None},
    ]
    shopper = await stage.look_up(next(stage.parcels), *odd, LARGE)
    assert shopper.item("No price")["unit_price"] is None
    assert shopper.item("Comma")["unit_price"]["amount"] == "29.95"
    assert [shopper.item(name)["why_not"] for name in ("Half", "Unknown")] == ["incomplete", "incomplete"]
    assert (await shopper.give_back("Shirt L", 2)).status_code == 202
