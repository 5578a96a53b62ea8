"""Returns as Redis keeps them, a return as it was read, and the news of a change that its shop is told."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Self

from app.domain import Contact, Moment, RedactedModel, ServicePoint, Units
from app.events.event import Event, EventData, EventItem, EventType
from app.made_returns import MOVING
from app.models.returns import Return, ReturnDelivery, ReturnItem, ReturnParcel, ReturnState
from app.models.shop import Money, Store
from app.returns.claims import Claim, Phase

RETURN_ID = re.compile(r"rtn_[A-Za-z0-9_-]{22}")

_NEW_STATES = frozenset({ReturnState.ACCEPTED, ReturnState.LABEL_LOST})
"""States that the release before this one cannot read."""
_CREATED_AS = frozenset(
    {
        ReturnState.LABEL_PENDING,
        ReturnState.AWAITING_PAYMENT,
        ReturnState.LABEL_READY,
        ReturnState.NO_LABEL_NEEDED,
        ReturnState.ACCEPTED,
    }
)
_NOT_CREATED = frozenset({ReturnState.CREATING, ReturnState.OUTCOME_UNKNOWN, ReturnState.FAILED})
_REACHED: Mapping[ReturnState, EventType] = MappingProxyType(
    {
        ReturnState.AWAITING_PAYMENT: EventType.AWAITING_PAYMENT,
        ReturnState.LABEL_READY: EventType.LABEL_READY,
        ReturnState.FAILED: EventType.FAILED,
        ReturnState.OUTCOME_UNKNOWN: EventType.OUTCOME_UNKNOWN,
    }
)

SCHEMA = 2
"""The schema that records are written in. Earlier releases wrote 1; they read 2, too, and write it back as 1."""

CleanPoint = Callable[[ServicePoint], ServicePoint]
"""Cleans the texts of a point, which schema 1 kept as the upstream wrote them."""


class Newer(RedactedModel):
    """The true values of members for which the release before has to see older values."""

    state: ReturnState
    next_poll_at: float | None
    first_answer: Return | None


class ReturnRecord(RedactedModel):
    """A return as Redis keeps it, sealed, with its upstream tokens."""

    schema_number: int = 1
    id: str
    brand: str
    state: ReturnState = ReturnState.CREATING
    revision: int = 1
    """Counts the changes that the shopper can see."""
    created_at: float
    updated_at: float
    items: list[ReturnItem]
    delivery: ReturnDelivery
    drop_off: ServicePoint | None
    """The chosen point as the upstream described it then."""
    store: Store | None = None
    """The chosen store as the shop described it then."""
    refund_type: str | None = None
    fee: Money | None = None
    """The price of the return then."""
    contact: Contact | None = None
    """Kept for the shop's events alone, and only where it asked for it."""
    sendcloud_return_id: int | None = None
    parcels_announced: int = 1
    """How many parcels the shopper sends."""
    parcels: tuple[ReturnParcel, ...] = ()
    has_unnamed_parcels: bool = False
    """Whether upstream named further parcels in a way that cannot be read."""
    has_moved: bool = False
    """Whether upstream has told that a parcel is in transit or delivered, whatever its status is now."""
    payment_url: str | None = None
    poller_token: str | None = None
    poller_expires_at: int | None = None
    """Unix seconds; None where the token does not say."""
    download_token: str | None = None
    customs_path: str | None = None
    label_expires_at: float | None = None
    polls: int = 0
    failing_since: float | None = None
    """Since when every poll has been answered 500; None if none is. All moments are seconds on the store's clock."""
    refused_since: float | None = None
    """Since when every poll has been refused."""
    delayed: bool = False
    """Whether the shopper is told that the label takes longer than usual."""
    next_poll_at: float | None = None
    """Seconds on the store's clock; None when there is nothing to poll."""
    first_answer: Return | None = None
    """The answer of the creating request, for every repetition of it."""
    newer: Newer | None = None
    """Present only in the store."""

    def summary(self) -> Self:
        """The part that outlives the content: the state and the upstream's number, nothing personal."""
        return type(self)(
            **self.model_dump(include={"id", "brand", "state", "revision", "created_at", "updated_at"}),
            items=[],
            delivery=ReturnDelivery(
                option=self.delivery.option, service_point=None, carrier=None, store=None, pickup_date=None
            ),
            drop_off=None,
            sendcloud_return_id=self.sendcloud_return_id,
        )

    def erased(self) -> Self:
        """The record without anything personal; a failed return keeps what shows whether it is alive after all."""
        if not self.announcement_failed:
            return self.summary()
        kept = self.model_dump(
            include={"poller_token", "poller_expires_at", "parcels_announced", "has_unnamed_parcels", "has_moved"}
        )
        return self.summary().model_copy(update=kept | {"parcels": tuple(map(_unnumbered, self.parcels))})

    @property
    def was_accepted(self) -> bool:
        """Whether the upstream's answer has arrived here; an erasure leaves of it the upstream's number.

        That number alone may have come with an event of the upstream, which does not bring the label.
        """
        return self.first_answer is not None or (not self.items and self.sendcloud_return_id is not None)

    @property
    def is_on_its_way(self) -> bool:
        """Whether upstream has told that a parcel moves or moved, so that the return exists whatever else it says."""
        return self.has_moved or any(each.tracking and each.tracking.status in MOVING for each in self.parcels)

    @property
    def announcement_failed(self) -> bool:
        """Whether the upstream took the return and said later that its announcement failed."""
        return self.state is ReturnState.FAILED and self.poller_token is not None

    def dumped(self) -> bytes:
        """The record as JSON. The release before sees a new state as a pending label that is never polled."""
        answer = self.first_answer
        if _NEW_STATES.isdisjoint({self.state, answer and answer.state}):
            return self.model_dump_json().encode()
        older = {
            "state": _older(self.state),
            "next_poll_at": None if self.state in _NEW_STATES else self.next_poll_at,
            "first_answer": answer and answer.model_copy(update={"state": _older(answer.state)}),
            "newer": Newer(state=self.state, next_poll_at=self.next_poll_at, first_answer=answer),
        }
        return self.model_copy(update=older).model_dump_json().encode()

    @classmethod
    def loaded(cls, stored: bytes, clean: CleanPoint) -> "ReturnRecord":
        """The record from JSON that this release or the one before wrote."""
        record = cls.model_validate_json(stored)
        newer = {**dict(record.newer), "newer": None} if record.newer else {}
        if record.schema_number < SCHEMA and record.drop_off:
            newer["drop_off"] = clean(record.drop_off)
        return record.model_copy(update=newer)


def _unnumbered(parcel: ReturnParcel) -> ReturnParcel:
    """The parcel without its tracking number, which leads to an address."""
    tracking = parcel.tracking and parcel.tracking.model_copy(update={"number": None})
    return ReturnParcel(id=parcel.id, tracking_number=None, tracking=tracking)


def _older(state: ReturnState) -> ReturnState:
    return ReturnState.LABEL_PENDING if state in _NEW_STATES else state


@dataclass(frozen=True)
class VersionedReturn:
    """A return as read: its version, to be compared when it is changed, and the store's clock then (seconds)."""

    record: ReturnRecord
    version: int
    now: float

    def became(self, state: ReturnState, **news: object) -> ReturnRecord:
        """The record in another state, which makes a new revision; in its present state it stays as it is."""
        return self.record if state is self.record.state else self.changed(state=state, **news)

    def changed(self, **news: object) -> ReturnRecord:
        """The record with this news, which makes a new revision."""
        seen = {"revision": self.record.revision + 1, "updated_at": self.now}
        return self.record.model_copy(update=seen | news)

    @property
    def due_in(self) -> float | None:
        """Seconds until the next poll; None if there is none."""
        return None if self.record.next_poll_at is None else max(0.0, self.record.next_poll_at - self.now)

    @property
    def retry_after(self) -> int | None:
        """Whole seconds until there can be news, at least one; None if none is to come."""
        if self.record.state is ReturnState.CREATING:
            return 1
        return None if self.due_in is None else max(1, round(self.due_in))


class ParcelReturns(NamedTuple):
    """The returns of a parcel, oldest first; the units that they leave free; the moment on the store's clock."""

    returns: list[VersionedReturn]
    free: Units
    moment: Moment
    unlisted: Collection[str]
    """The ids of older failed returns, which are too many for a list."""


def is_orphan(record: ReturnRecord, claim: Claim | None) -> bool:
    """Whether the request that was creating this return is dead."""
    running = claim is not None and claim.phase in {Phase.INTENT, Phase.SENT}
    return record.state is ReturnState.CREATING and not running


def news(before: VersionedReturn, after: VersionedReturn | None, found_out: EventType | None = None) -> list[Event]:
    """The events of a change; one that was found out or made from outside is an event of its own (`found_out`)."""
    if after is None or after.record.revision == before.record.revision:
        return []
    return [_event(each, after.record) for each in ([found_out] if found_out else _types(before, after))]


def unanswered(found: VersionedReturn) -> ReturnRecord:
    """The record of a return whose creating request died; its owner may have stored the outcome meanwhile."""
    return found.became(ReturnState.OUTCOME_UNKNOWN) if found.record.state is ReturnState.CREATING else found.record


def expected(begun: ReturnRecord) -> Event:
    """The event of a creation whose request dies after its first byte left."""
    return _event(EventType.OUTCOME_UNKNOWN, VersionedReturn(begun, 0, 0).became(ReturnState.OUTCOME_UNKNOWN))


def _types(before: VersionedReturn, after: VersionedReturn) -> list[EventType]:
    state = after.record.state
    if state is before.record.state:
        return []
    is_created = before.record.state in _NOT_CREATED and state in _CREATED_AS
    reached = [_REACHED[state]] if state in _REACHED else []
    return [EventType.CREATED, *reached] if is_created else reached


def _event(kind: EventType, record: ReturnRecord) -> Event:
    data = EventData(
        return_id=record.id,
        brand=record.brand,
        state=record.state,
        revision=record.revision,
        sendcloud_return_id=record.sendcloud_return_id,
        items=[EventItem(id=item.id, quantity=item.quantity, reason=item.reason) for item in record.items],
    )
    return Event(kind, record.updated_at, data)
