"""What becomes of an event of the upstream."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from app.errors import ClaimLost, FindingRefused, StoreUnavailable
from app.events.event import EventType
from app.made_returns import MOVING, ParcelMoved, ReturnMade
from app.models.fields import utc_datetime
from app.models.returns import ParcelTracking, ReturnParcel, ReturnState
from app.redis.encryption import Keyring
from app.redis.store import Change, Store
from app.returns.claims import UNKNOWN_FREED_AFTER
from app.returns.findings import Finding, Report, record_finding
from app.returns.orders import ParcelReturn, returns_of_order
from app.returns.store.deliveries import Delivery, delivered_key, kept_until, key_of_parcel
from app.returns.store.index import Index
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import Returns
from app.shops import Shop, UpstreamEventsEntry
from app.telemetry.logs import log
from app.upstream import Upstream

CLOCKS_APART_SECONDS = 60
"""How far the upstream's clock may be from the store's."""
AHEAD_SECONDS = 600
"""How far ahead of the store's clock a parcel's status may be; a later one would hide all true ones after it."""
BY = "sendcloud"
"""Who found it, in the log."""


class Outcome(StrEnum):
    """What became of an event."""

    SETTLED = "settled"
    """A return whose outcome was unknown exists, or one whose parcels were all cancelled is over."""
    MOVED = "moved"
    """A parcel has a newer status."""
    NOTED = "noted"
    """The delivery of a parcel, from which the shop's window counts."""
    KNOWN = "known"
    """Nothing in it was new."""
    LEFT_TO_PEOPLE = "left_to_people"
    """It is not certain that the event is about a return of unknown outcome, or it is about one found never made."""
    IGNORED = "ignored"
    """It is not about a return that was made here or a delivery that counts, or of a moment that is far off."""


@dataclass(frozen=True)
class UpstreamEvents:
    """Takes what the upstream tells; any of it may come again."""

    index: Index
    returns: Returns
    sendcloud: Upstream
    store: Store
    keyring: Keyring

    async def take(self, shop: Shop, entry: UpstreamEventsEntry, headers: Mapping[str, str], body: bytes) -> Outcome:
        """What became of an event about a return or a delivery of this shop.

        Raises:
            SignatureInvalid: no key of the shop signed it.
            StoreUnavailable: it has to come again, because the store is away or a creation that fits is under way.
        """
        keys = [each.get_secret_value() for each in entry.signature_keys]
        event = self.sendcloud.signed_event(keys, headers, body)
        if event is None:
            return Outcome.IGNORED
        of_order = await returns_of_order(self.index, self.returns, shop.name, event.order_number)
        if isinstance(event, ReturnMade):
            return await self._made(of_order, event)
        outcome = await self._moved(of_order, event, cancellation_frees=entry.cancellation_frees)
        is_delivered = outcome is Outcome.IGNORED and event.status == "delivered"
        return await self._delivered(shop, event) if is_delivered else outcome

    async def _made(self, of_order: list[ParcelReturn], event: ReturnMade) -> Outcome:
        unknown = _in_state(ReturnState.OUTCOME_UNKNOWN, of_order)
        if any(each.found.record.sendcloud_return_id == event.sendcloud_return_id for each in of_order):
            return Outcome.KNOWN
        if _in_state(ReturnState.CREATING, of_order):
            # The event may be about that one, whose answer is on its way or lost.
            raise StoreUnavailable("a creation of the order is under way", retry_after=CLOCKS_APART_SECONDS)
        fitting = [each for each in of_order if await self._may_be_about(each, event)]
        if len(fitting) != 1:
            return _left({each.found.record.id for each in unknown + fitting})
        return await self._made_of(fitting[0], event)

    async def _made_of(self, only: ParcelReturn, event: ReturnMade) -> Outcome:
        """What becomes of the event if it can be about this return alone."""
        record = only.found.record
        if record.state not in {ReturnState.OUTCOME_UNKNOWN, ReturnState.FAILED}:
            return Outcome.KNOWN
        if not record.items:
            # It may have been of any.
            return _left({record.id})
        report = Report(Finding.ACCEPTED, BY, event.sendcloud_return_id)
        return await self._settle(only.parcel_key, record.id, report)

    async def _may_be_about(self, each: ParcelReturn, event: ReturnMade) -> bool:
        """Whether it fits a return without a number; one that failed counts if people said so, who may be wrong."""
        record = each.found.record
        if record.sendcloud_return_id is not None or not _fits(record, event):
            return False
        is_failed = record.state is ReturnState.FAILED
        return not is_failed or bool(await self.returns.findings(each.parcel_key, [record.id]))

    async def _moved(self, of_order: list[ParcelReturn], event: ParcelMoved, *, cancellation_frees: bool) -> Outcome:
        for each in of_order:
            is_known = event.parcel_id in {parcel.id for parcel in each.found.record.parcels}
            if is_known and event.at <= each.found.now + AHEAD_SECONDS:
                return await self._follow(each, event, cancellation_frees=cancellation_frees)
        return Outcome.IGNORED

    async def _delivered(self, shop: Shop, event: ParcelMoved) -> Outcome:
        if shop.policy.window is None:
            return Outcome.IGNORED
        now = await self.store.now()
        left = kept_until(event.at, shop.policy.window) - now
        if event.at > now + AHEAD_SECONDS or left <= 0:
            return Outcome.IGNORED
        name = delivered_key(key_of_parcel(self.keyring, shop.name, event.parcel_id))
        # The first one stays: the change is made only where there is none.
        first = Change(name, 0, Delivery(at=event.at).model_dump_json().encode(), ceil(left))
        noted = await self.store.commit(secrets.token_urlsafe(12), [first], durable=True)
        return Outcome.NOTED if noted else Outcome.KNOWN

    async def _follow(self, known: ParcelReturn, event: ParcelMoved, *, cancellation_frees: bool) -> Outcome:
        parcel_key, before = known
        after = await self._track(parcel_key, before.record.id, event)
        if after is None:
            return Outcome.KNOWN
        if event.status in MOVING and after.record.announcement_failed:
            # Released meanwhile: then people know better.
            with suppress(ClaimLost):
                await self.returns.restore(parcel_key, before.record.id, _alive_after_all)
        if cancellation_frees and _is_cancelled(after.record):
            return await self._settle(parcel_key, before.record.id, Report(Finding.CANCELLED, BY))
        return Outcome.MOVED if after.record.revision > before.record.revision else Outcome.KNOWN

    async def _track(self, parcel_key: str, return_id: str, event: ParcelMoved) -> VersionedReturn | None:
        def tracked(found: VersionedReturn) -> ReturnRecord:
            # An erased return gets no tracking number again.
            told = event if found.record.items else event.model_copy(update={"tracking_number": None})
            parcels = tuple(_tracked(each, told) for each in found.record.parcels)
            # Also if it is told late, after a newer status.
            moved = {"has_moved": found.record.is_on_its_way or event.status in MOVING}
            is_news = parcels != found.record.parcels
            return found.changed(parcels=parcels, **moved) if is_news else found.record.model_copy(update=moved)

        return await self.returns.rewrite(parcel_key, return_id, tracked, EventType.STATUS_CHANGED)

    async def _settle(self, parcel_key: str, return_id: str, report: Report) -> Outcome:
        try:
            await record_finding(self.returns, parcel_key, return_id, report)
        except FindingRefused:
            return _left({return_id})
        return Outcome.SETTLED


def _in_state(state: ReturnState, returns: list[ParcelReturn]) -> list[ParcelReturn]:
    return [each for each in returns if each.found.record.state is state]


def _left(return_ids: set[str]) -> Outcome:
    """Leaves the event to people if it may be about any of these returns."""
    if not return_ids:
        return Outcome.IGNORED
    log.warning("upstream event left to people", return_ids=sorted(return_ids))
    return Outcome.LEFT_TO_PEOPLE


def _fits(record: ReturnRecord, event: ReturnMade) -> bool:
    """Whether the event can be about this return: the same units by name, made while its creation can have arrived.

    An erased return names none, and may have been of any.
    """
    units: dict[str, int] = {}
    for item in record.items:
        units[item.name] = units.get(item.name, 0) + item.quantity
    is_then = -CLOCKS_APART_SECONDS <= event.at - record.created_at <= UNKNOWN_FREED_AFTER
    return bool(event.units) and units in ({}, event.units) and is_then


def _tracked(parcel: ReturnParcel, event: ParcelMoved) -> ReturnParcel:
    """The parcel with the status of the event, unless it is of another parcel or no newer."""
    at = utc_datetime(event.at)
    if parcel.id != event.parcel_id or (parcel.tracking and parcel.tracking.updated_at >= at):
        return parcel
    number = event.tracking_number or parcel.tracking_number
    tracking = ParcelTracking(status=event.status, carrier=event.carrier, number=number, updated_at=at)
    return parcel.model_copy(update={"tracking": tracking})


def _alive_after_all(found: VersionedReturn) -> ReturnRecord:
    """The record of a return whose announcement failed, and of which a parcel is on its way."""
    if not found.record.announcement_failed:
        raise ClaimLost("the return was released meanwhile")
    return found.became(ReturnState.LABEL_PENDING, next_poll_at=found.now, failing_since=None)


def _is_cancelled(record: ReturnRecord) -> bool:
    """Whether all parcels of the return are cancelled for good, none of which ever moved, and it is not over yet."""
    statuses = {parcel.tracking and parcel.tracking.status for parcel in record.parcels}
    are_all_known = len(record.parcels) >= record.parcels_announced and not record.has_unnamed_parcels
    is_over = record.state is ReturnState.FAILED
    return statuses == {"cancelled"} and are_all_known and not (record.has_moved or is_over)
