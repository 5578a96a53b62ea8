"""A real service with a window in its policy: it counts from the delivery that the upstream told, and from no other."""

import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.redis.encryption import Keyring
from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess, customer_of
from tests.support.shopper import Shopper, key, look_up, shopper, told
from tests.support.shops import reloaded
from tests.support.webhooks import KEY, Integration, parcel_status_changed, signature

DAY, DAYS = 86_400, 14
SECRET = bytes(range(32))
TOLD = f'upstream_events = {{ signature_keys = ["{KEY}"] }}\n'
WITHOUT = f"[shops.demo]\n{TOLD}[shops.guide]\n{TOLD}"
WITH = f"{WITHOUT}policy = {{ window = {DAYS} }}\n[shops.demo.policy]\nwindow = {DAYS}\n"
DELIVERED, EN_ROUTE = 11, 91
OVER = [("#/items/0/id", "window-over")]


@pytest.fixture(scope="module", name="file")
def shops_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of this module's service."""
    path = tmp_path_factory.mktemp("shops") / "shops.toml"
    path.write_text(WITH)
    return path


@pytest_asyncio.fixture(scope="module", name="service")
async def a_service(store: Valkey, sandbox: SandboxProcess, file: Path) -> AsyncIterator[Bff]:
    """A service for two shops that take items back for two weeks."""
    secret_key = base64.b64encode(SECRET).decode()
    options = {"shops": file, "secret_key": secret_key, "poll_interval": 0.1}
    async with running_bff(store.url, sandbox, brands="", covered=True, **options) as bff:
        yield bff


@dataclass
class Parcel:
    """A parcel that went out, its owner, and how the upstream tells of it."""

    someone: Shopper
    order: str
    number: int
    sendcloud: Integration

    async def told(self, at: float, status: int = DELIVERED) -> str:
        """What became of the webhook about this status of the parcel."""
        webhook = parcel_status_changed(self.order, self.number, status, at)
        return str((await self.sendcloud.tells(webhook)).json()["outcome"])

    async def deadlines(self) -> set[str | None]:
        """The deadlines of the items that the shop takes back, as the open session shows them."""
        items = (await self.someone.get("/v1/session")).json()["items"]
        return {each.get("deadline") for each in items if each["why_not"] in {None, "window-over"}}


@pytest_asyncio.fixture(name="parcel")
async def a_parcel(service: Bff, sandbox: SandboxProcess) -> Parcel:
    """The parcel of a fresh order, whose owner has an open session."""
    order = fresh("ITEMS")
    async with httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False) as panel:
        number = (await customer_of(panel, order)).lookup["data"]["parcel"]["id"]
    return Parcel(await shopper(service.http, order), order, number, Integration(service.http))


@pytest_asyncio.fixture(name="set_file")
async def a_way_to_change_the_file(service: Bff, file: Path) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Gives the running service another file, until the test is over."""
    yield partial(reloaded, service, file)
    await reloaded(service, file, WITH)


def moment(seconds: float) -> str:
    """A moment as answers say it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def faults(problems: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Pointer and code of each."""
    return [(each["pointer"], each["code"]) for each in problems]


async def previewed(someone: Shopper, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Pointer and code of what the preview finds wrong."""
    return faults(
        (await someone.http.post("/v1/returns/preview", json=body, headers=someone.headers)).json()["problems"]
    )


@pytest.mark.parametrize("ago", [0, DAY, (DAYS + 1) * DAY - 60])
async def test_until_the_deadline_items_come_back(parcel: Parcel, ago: float) -> None:
    """A delivery within the window shows the deadline of each item that comes back, and refuses none."""
    someone, at = parcel.someone, round(time.time() - ago)
    assert await parcel.deadlines() == {None}
    assert await parcel.told(at) == "noted"
    assert await parcel.deadlines() == {moment(at + (DAYS + 1) * DAY)}
    items = (await someone.get("/v1/session")).json()["items"]
    assert {each.get("deadline") for each in items if each["why_not"] == "not-returnable"} == {None}
    assert await previewed(someone, someone.body()) == []
    assert (await someone.create()).status_code == 202


async def test_after_the_deadline_three_places_agree(
    service: Bff, sandbox: SandboxProcess, parcel: Parcel, set_file: Callable[[str], Awaitable[None]]
) -> None:
    """What the first screen says is over, preview and creation refuse; nothing goes upstream, no key is used.

    The session began before the delivery was known, and the key works once the shop has no window any more.
    """
    someone, at = parcel.someone, round(time.time()) - (DAYS + 1) * DAY - 60
    body, same = someone.body(), key()
    assert await parcel.told(at) == "noted"
    for screen in ((await someone.get("/v1/session")).json(), (await look_up(service.http, parcel.order)).json()):
        shown = next(item for item in screen["items"] if item["id"] == body["items"][0]["id"])
        assert (shown["returnable"], shown["why_not"], shown["remaining"]) == (False, "window-over", 0)
        assert (shown["deadline"], shown["why_not_text"]["title"]) == (moment(at + 15 * DAY), "Return period over")
        creation = next(action for action in screen["actions"] if action["name"] == "create_return")
        assert (creation["allowed"], creation["why_not"]) == (False, "nothing-returnable")
    assert await previewed(someone, body) == OVER
    refused = await someone.create(body, same)
    assert (refused.status_code, faults(refused.json()["errors"])) == (422, OVER)
    assert await sandbox.ledger(kind="incoming", order=parcel.order) == []
    await set_file(WITHOUT)
    assert await parcel.deadlines() == {None}
    assert await previewed(someone, body) == []
    assert (await someone.create(body, same)).status_code == 202


async def test_a_made_return_is_answered_after_the_deadline(sandbox: SandboxProcess, parcel: Parcel) -> None:
    """The repetition of a creation that came in time gets the first answer after the deadline; another one does not."""
    someone, same = parcel.someone, key()
    body = someone.body()
    first = await someone.create(body, same)
    assert await parcel.told(time.time() - 20 * DAY) == "noted"
    again = await someone.create(body, same)
    assert (again.status_code, again.json(), again.headers["location"]) == (
        202,
        first.json(),
        first.headers["location"],
    )
    assert told(await someone.create(body)) == (422, "invalid-request")
    assert len(await sandbox.ledger(kind="incoming", order=parcel.order)) == 1


async def test_the_first_delivery_counts(parcel: Parcel) -> None:
    """A repetition, a replay and a second delivery, earlier or later, do not move the deadline."""
    at = round(time.time()) - DAY
    outcomes = [await parcel.told(moment) for moment in (at, at, at + 3600, at - 20 * DAY, at)]
    assert outcomes == ["noted", *["known"] * 4]
    assert await parcel.deadlines() == {moment(at + (DAYS + 1) * DAY)}


@pytest.mark.parametrize("odd", [{"order_number": None}, {"order_number": []}, {"carrier": None, "tracking_number": 7}])
async def test_a_delivery_needs_only_its_parcel(parcel: Parcel, odd: dict[str, Any]) -> None:
    """A delivery counts by the number of its parcel, though its other members cannot be read."""
    webhook = parcel_status_changed(parcel.order, parcel.number, DELIVERED, time.time())
    webhook["parcel"] |= odd
    assert (await parcel.sendcloud.tells(webhook)).json()["outcome"] == "noted"
    assert None not in await parcel.deadlines()


async def test_other_words_of_the_upstream_are_no_delivery(service: Bff, parcel: Parcel) -> None:
    """A parcel on its way, a delivery of the far future or past, and a forged one leave the deadline unknown."""
    now = time.time()
    for at, status in ((now, EN_ROUTE), (now + 3600, DELIVERED), (1, DELIVERED), (now - 195 * DAY, DELIVERED)):
        assert await parcel.told(at, status) == "ignored"
    forged = parcel_status_changed(parcel.order, parcel.number, DELIVERED, now - 20 * DAY)
    assert told(await parcel.sendcloud.tells(forged, **signature(b"{}"))) == (403, "signature-invalid")
    assert (
        await Parcel(parcel.someone, parcel.order, parcel.number, Integration(service.http, "guide")).told(now)
        == "noted"
    )
    assert await parcel.deadlines() == {None}
    assert await previewed(parcel.someone, parcel.someone.body()) == []


async def test_the_way_back_is_no_delivery(service: Bff) -> None:
    """The delivery of a return's own parcel is its status, and begins no window."""
    someone = await shopper(service.http, order := fresh("INSTANT"))
    settled = await someone.settled((await someone.create()).headers["location"])
    back = Parcel(someone, order, settled["parcels"][0]["id"], Integration(service.http))
    assert await back.told(time.time()) == "moved"
    assert await back.deadlines() == {None}


async def test_a_shop_without_a_window_keeps_no_delivery(
    store: Valkey, parcel: Parcel, set_file: Callable[[str], Awaitable[None]]
) -> None:
    """Without a window a delivery is ignored and not kept, so that a window that comes later does not count from it."""
    await set_file(WITHOUT)
    assert await parcel.told(time.time() - 20 * DAY) == "ignored"
    assert await store.client.exists(kept_under(parcel)) == 0
    await set_file(WITH)
    assert await parcel.deadlines() == {None}


def kept_under(parcel: Parcel) -> str:
    """The key under which every build keeps the delivery of this parcel."""
    return f"p:{{{Keyring([SECRET]).name('parcel', 'demo', f'id:{parcel.number}')}}}:delivered"


async def test_what_is_kept_of_a_delivery(store: Valkey, parcel: Parcel) -> None:
    """The moment is kept with its form's number until half a year after the window; another form is no absence."""
    assert await parcel.told(at := round(time.time()) - DAY) == "noted"
    name = kept_under(parcel)
    assert await store.client.hget(name, "v") == b'{"format":1,"at":%d.0}' % at
    assert abs(await store.client.ttl(name) - (DAYS + 180 - 1) * DAY) < 60
    await store.client.hset(name, "v", '{"format":2}')
    assert told(await parcel.someone.get("/v1/session")) == (503, "temporarily-unavailable")
