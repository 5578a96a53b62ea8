"""An event, in the words that the shop receives."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Self

from app.domain import Contact, RedactedModel


class EventType(StrEnum):
    """What happened to a return."""

    CREATED = "return.created"
    AWAITING_PAYMENT = "return.awaiting_payment"
    LABEL_READY = "return.label_ready"
    FAILED = "return.failed"
    OUTCOME_UNKNOWN = "return.outcome_unknown"
    SETTLED = "return.settled"
    CANCELLED = "return.cancelled"
    ERASED = "return.erased"
    STATUS_CHANGED = "return.status_changed"


class EventItem(RedactedModel):
    """Units of one item, as the shopper chose them; neither its name nor the shopper's comment."""

    id: str
    quantity: int
    reason: str | None


class EventData(RedactedModel):
    """The return as the event left it: nothing personal, whatever the shop asked for."""

    return_id: str
    brand: str
    state: str
    revision: int
    sendcloud_return_id: int | None
    items: list[EventItem]


class Event(NamedTuple):
    """Something that happened to a return."""

    type: EventType
    at: float
    """Seconds since the epoch on the store's clock."""
    data: EventData

    @property
    def id(self) -> str:
        """Names the event: the same in every commit that tries to store it, and in every delivery."""
        return f"{self.data.return_id}:{self.data.revision}:{self.type.removeprefix('return.')}"

    def body(self) -> str:
        """The event as JSON."""
        moment = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        content = {"type": self.type, "timestamp": moment, "data": self.data.model_dump(mode="json")}
        return _compact(content)


class Expected(NamedTuple):
    """An event that will have happened in so many seconds, unless the change that it follows is followed by another."""

    event: Event
    seconds: float


class ParcelEvents(NamedTuple):
    """Events about returns of one parcel."""

    parcel_key: str
    events: Sequence[Event]
    expected: Expected | None = None


def return_id_of(event_id: str) -> str:
    """The id of the return that this event tells of."""
    return event_id.partition(":")[0]


def type_of(event_id: str) -> str:
    """The type of this event."""
    return f"return.{event_id.rpartition(':')[2]}"


class Letter(RedactedModel):
    """An event as it waits in the store."""

    format: Literal[1] = 1
    at: float
    """When it happened: seconds since the epoch on the store's clock."""
    body: str

    def with_contact(self, contact: Contact | None) -> Self:
        """The letter as it is posted to a shop that asked for the contact; None where that is not kept any more."""
        content = json.loads(self.body)
        content["data"]["contact"] = contact and contact.model_dump()
        return self.model_copy(update={"body": _compact(content)})


def _compact(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)
