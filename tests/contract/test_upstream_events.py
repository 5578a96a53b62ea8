"""Sendcloud's webhooks about an order with several returns, on a real Valkey."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from app.domain import Selection, Units
from app.errors import StoreUnavailable
from app.events.outbox import Outbox
from app.models.returns import ReturnItem, ReturnState
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring
from app.redis.store import Store
from app.returns.claims import Event
from app.returns.create import created_record
from app.returns.erasure import erase
from app.returns.findings import Finding, Report, record_finding
from app.returns.labels.polling import Schedule
from app.returns.store.attempts import Attempt, Attempts
from app.returns.store.keys import first_seen_key
from app.returns.store.returns import ParcelLayout
from app.sendcloud import translation
from app.sendcloud.client import Sendcloud
from app.sendcloud.earlier_records import service_point_of_schema_1 as clean
from app.sendcloud.transport.httpx_transport import HttpxTransport
from app.shops import UpstreamEventsEntry
from app.upstream_events.events import UpstreamEvents
from tests.support.processes import Valkey
from tests.support.release import QUARTER_OF_AN_HOUR, let_pass
from tests.support.samples import forms, return_record
from tests.support.shops import shops
from tests.support.unlimited import unlimited
from tests.support.webhooks import KEY, parcel_status_changed, return_created, signature

ENTRY = UpstreamEventsEntry(signature_keys=(SecretStr(KEY),), cancellation_frees=True)
CANCELLED = 2000
SCHEDULE = Schedule(interval=1, lease=5, budget=5, label_ttl=600)
SHOP = replace(shops().of("my-shop"), name="my-shop")


def upstream() -> Sendcloud:
    """An upstream that is not asked anything."""
    silent = HttpxTransport(httpx.MockTransport(lambda _: httpx.Response(500)))
    return Sendcloud("https://p.example", "https://s.example", reads=silent, creates=silent, guards=unlimited())


@dataclass
class Shelf:
    """An order of three shirts, and its returns."""

    attempts: Attempts
    store: Store
    keyring: Keyring
    parcel_key: str = field(default_factory=lambda: secrets.token_hex(8))
    order: str = field(default_factory=lambda: secrets.token_hex(8))

    async def posted(self, **changes: object) -> Attempt:
        """A return of one shirt whose POST is under way; `changes` are members of its record."""
        ordered, one = Units({"shirt": 3}, {"shirt": 3}), Units({"shirt": 1}, {"shirt": 1})
        shirt = ReturnItem(id="shirt", name="Shirt", quantity=1, reason=1, comment=None)
        record = return_record(items=[shirt], **changes)
        attempt = await self.attempts.claim(
            self.parcel_key, secrets.token_hex(8), forms("body"), record, Selection(one, ordered, self.order)
        )
        await self.attempts.first_byte(attempt)
        return attempt

    async def lost(self) -> Attempt:
        """A return of one shirt whose outcome is unknown."""
        attempt = await self.posted()
        await self.attempts.settle(attempt, Event.LOST, lambda found: found.became(ReturnState.OUTCOME_UNKNOWN))
        return attempt

    async def told(self, number: int = 4711) -> str:
        """What becomes of the webhook about a return of one shirt."""
        return await self.hears(return_created(self.order, [{"description": "Shirt", "quantity": 1}], id=number))

    async def hears(self, webhook: dict[str, Any]) -> str:
        """What becomes of this webhook, in a shop whose units the cancellation of parcels frees."""
        body = json.dumps(webhook).encode()
        signed = {name.lower(): value for name, value in signature(body).items()}
        events = UpstreamEvents(self.attempts.index, self.attempts.returns, upstream(), self.store, self.keyring)
        return await events.take(SHOP, ENTRY, signed, body)

    async def state(self, attempt: Attempt) -> ReturnState:
        """The state of this return."""
        return (await self.attempts.returns.get(self.parcel_key, attempt.return_id)).record.state


@pytest_asyncio.fixture(name="shelf")
async def order_of_three_shirts(valkey: Valkey) -> AsyncIterator[Shelf]:
    """An order of this test alone."""
    store, keyring = Store(topology(valkey.url)), Keyring([b"k" * 32])
    layout = ParcelLayout(keyring, return_ttl=600, claim_ttl=1200, lease=60, clean=clean)
    yield Shelf(Attempts(store, layout, Outbox(store, keyring, shops()).commit), store, keyring)
    await store.aclose()


async def test_two_returns_that_fit(shelf: Shelf) -> None:
    """Where two returns of unknown outcome fit, a webhook settles neither, because it may be about the other one."""
    attempts = [await shelf.lost() for _ in range(2)]
    assert await shelf.told() == "left_to_people"
    assert [await shelf.state(each) for each in attempts] == [ReturnState.OUTCOME_UNKNOWN] * 2


async def test_a_webhook_of_a_return_that_was_found_never_made(shelf: Shelf, valkey: Valkey) -> None:
    """A webhook that fits a return which was found never made is left to people: its units may be returned again."""
    lost = await shelf.lost()
    await let_pass(valkey.client, lost.return_id, 60 + QUARTER_OF_AN_HOUR)
    await record_finding(shelf.attempts.returns, shelf.parcel_key, lost.return_id, Report(Finding.NEVER_MADE, "shop"))
    assert await shelf.told() == "left_to_people"
    assert await shelf.hears(return_created(shelf.order, [{"description": "Hat", "quantity": 1}])) == "ignored"
    assert await shelf.state(lost) is ReturnState.FAILED


@pytest.mark.parametrize("is_erased", [False, True])
@pytest.mark.parametrize(
    ("finding", "alone", "outcome"),
    [(Finding.ACCEPTED, ReturnState.ACCEPTED, "known"), (Finding.CANCELLED, ReturnState.FAILED, "left_to_people")],
)
async def test_a_webhook_of_a_return_that_people_found(
    shelf: Shelf, valkey: Valkey, finding: Finding, alone: ReturnState, outcome: str, *, is_erased: bool
) -> None:
    """A webhook may be about a return that people found, which has no number: it settles no other one that fits."""
    found = await shelf.lost()
    await let_pass(valkey.client, found.return_id, 60 + QUARTER_OF_AN_HOUR)
    await record_finding(shelf.attempts.returns, shelf.parcel_key, found.return_id, Report(finding, "shop"))
    if is_erased:
        await erase(shelf.attempts.returns, shelf.parcel_key, found.return_id)
    assert (await shelf.told(), await shelf.state(found)) == (outcome, alone)
    lost = await shelf.lost()
    assert await shelf.told() == "left_to_people"
    assert await shelf.state(lost) is ReturnState.OUTCOME_UNKNOWN


async def test_a_webhook_of_a_return_whose_content_has_gone(shelf: Shelf, valkey: Valkey) -> None:
    """A return of unknown outcome whose items are no longer known is settled by people alone."""
    lost = await shelf.lost()
    await valkey.client.delete(f"p:{{{shelf.parcel_key}}}:r:{lost.return_id}")
    assert await shelf.told() == "left_to_people"
    assert await shelf.state(lost) is ReturnState.OUTCOME_UNKNOWN


async def test_a_webhook_beside_a_return_whose_content_has_gone(shelf: Shelf, valkey: Valkey) -> None:
    """A webhook may be about a return whose items are no longer known: it settles no other one that fits."""
    gone, lost = await shelf.lost(), await shelf.lost()
    await valkey.client.delete(f"p:{{{shelf.parcel_key}}}:r:{gone.return_id}")
    assert await shelf.told() == "left_to_people"
    assert await shelf.state(lost) is ReturnState.OUTCOME_UNKNOWN


async def test_a_webhook_before_the_answer(shelf: Shelf) -> None:
    """While a return of the order is being created, a webhook may be about that one: it has to come again."""
    lost, _ = await shelf.lost(), await shelf.posted()
    with pytest.raises(StoreUnavailable):
        await shelf.told()
    assert await shelf.state(lost) is ReturnState.OUTCOME_UNKNOWN


async def test_a_webhook_before_the_answer_is_lost(shelf: Shelf) -> None:
    """A webhook that is faster than the end of its own creation comes again, and settles it once its answer is lost."""
    posted = await shelf.posted()
    with pytest.raises(StoreUnavailable):
        await shelf.told()
    await shelf.attempts.settle(posted, Event.LOST, lambda found: found.became(ReturnState.OUTCOME_UNKNOWN))
    assert await shelf.told() == "settled"


async def test_a_webhook_of_a_known_return(shelf: Shelf) -> None:
    """A webhook about a return that is known by its number does not settle another one of the same items."""
    known = await shelf.posted()
    await shelf.attempts.settle(
        known, Event.ACCEPTED, lambda found: found.became(ReturnState.ACCEPTED, sendcloud_return_id=4711)
    )
    lost = await shelf.lost()
    assert await shelf.told(4711) == "known"
    assert await shelf.state(lost) is ReturnState.OUTCOME_UNKNOWN
    assert await shelf.told(4712) == "settled"
    assert await shelf.state(lost) is ReturnState.ACCEPTED


async def failed(shelf: Shelf, parcels: list[object], announced: int = 1) -> Attempt:
    """A return of these parcels whose announcement failed."""
    said = json.dumps({"return": 4711, "incoming_parcels": parcels}).encode()
    accepted = partial(created_record, SCHEDULE, translation.accepted("https://p.example", "", "my-shop", said))
    posted = await shelf.posted(parcels_announced=announced)
    found = await shelf.attempts.settle(posted, Event.ACCEPTED, accepted)
    assert found
    record = found.record.model_copy(update={"poller_token": "poller"})
    polled = await shelf.attempts.returns.update(shelf.parcel_key, found, record)
    await shelf.attempts.returns.announcement_failed(shelf.parcel_key, polled)
    return posted


async def test_a_parcel_of_a_failure_moves_whose_first_numbers_are_not_known(shelf: Shelf, valkey: Valkey) -> None:
    """A failed return of which a parcel moves is back, also where an earlier build left no first number of units."""
    posted = await failed(shelf, [12])
    await valkey.client.delete(first_seen_key(shelf.parcel_key))
    assert await shelf.hears(parcel_status_changed(shelf.order, 12, 91, time.time())) == "moved"
    assert await shelf.state(posted) is ReturnState.LABEL_PENDING


@pytest.mark.parametrize(("parcels", "announced"), [([12], 2), ([12, "12a"], 1)])
async def test_a_parcel_that_is_not_known_holds_the_units_of_an_erased_return(
    shelf: Shelf, parcels: list[object], announced: int
) -> None:
    """A failed return that was erased, and is back, frees no units while a parcel of it is not known."""
    posted, returns = await failed(shelf, parcels, announced), shelf.attempts.returns
    await erase(returns, shelf.parcel_key, posted.return_id)
    ordered = Units({"shirt": 3}, {"shirt": 3})
    await returns.restore(
        shelf.parcel_key, posted.return_id, lambda found: found.became(ReturnState.LABEL_PENDING), ordered
    )
    await shelf.hears(parcel_status_changed(shelf.order, 12, CANCELLED, time.time()))
    assert await shelf.state(posted) is ReturnState.LABEL_PENDING


async def test_a_parcel_of_an_erased_failure_moves(shelf: Shelf) -> None:
    """An erased return whose announcement had failed is back once a parcel of it is on its way, without its number."""
    posted = await failed(shelf, [12])
    await erase(shelf.attempts.returns, shelf.parcel_key, posted.return_id)
    assert await shelf.hears(parcel_status_changed(shelf.order, 12, 91, time.time())) == "moved"
    assert await shelf.state(posted) is ReturnState.LABEL_PENDING
    (parcel,) = (await shelf.attempts.returns.get(shelf.parcel_key, posted.return_id)).record.parcels
    assert parcel.tracking
    assert (parcel.tracking.status, parcel.tracking.number, parcel.tracking_number) == ("in_transit", None, None)


@pytest.mark.parametrize(
    ("announced", "parcels", "state"),
    [
        (1, [12], ReturnState.FAILED),
        (1, [12, "12a"], ReturnState.ACCEPTED),
        (1, [12, None], ReturnState.ACCEPTED),
        (2, [12], ReturnState.ACCEPTED),
    ],
)
async def test_a_parcel_that_is_not_known_holds_its_units(
    shelf: Shelf, announced: int, parcels: list[object], state: ReturnState
) -> None:
    """The cancellation of the known parcels frees no units if another was announced, or was named unreadably."""
    said = json.dumps({"return": 4711, "incoming_parcels": parcels}).encode()
    accepted = partial(created_record, SCHEDULE, translation.accepted("https://p.example", "", "my-shop", said))
    posted = await shelf.posted(parcels_announced=announced)
    await shelf.attempts.settle(posted, Event.ACCEPTED, accepted)
    await shelf.hears(parcel_status_changed(shelf.order, 12, CANCELLED, time.time()))
    assert await shelf.state(posted) is state
