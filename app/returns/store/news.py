"""The news of a return that its shop is told."""

from collections.abc import Mapping
from types import MappingProxyType

from app.events.event import Event, EventData, EventItem, EventType
from app.models.returns import ReturnState
from app.returns.store.records import ReturnRecord

_CREATED_AS = frozenset(
    {
        ReturnState.LABEL_PENDING,
        ReturnState.AWAITING_PAYMENT,
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


def news(before: ReturnRecord, after: ReturnRecord, found_out: EventType | None = None) -> list[Event]:
    """The events of a change from one record to the next; a finding (`found_out`) is an event of its own."""
    if after.state is before.state:
        return []
    if found_out:
        return [_event(found_out, after)]
    reached = _REACHED.get(after.state)
    is_created = before.state in _NOT_CREATED and after.state in _CREATED_AS
    types = [EventType.CREATED] * is_created + [reached] * (reached is not None)
    return [_event(each, after) for each in types if each]


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
