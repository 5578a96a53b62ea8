"""The public view of a return."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from app.models.fields import utc_datetime
from app.models.returns import Action, Label, Return, ReturnState
from app.redis.derived_values import DerivedValues
from app.returns.claims import location_of
from app.returns.store.records import VersionedReturn
from app.service_points.view import ServicePointViews, ShowPoint, minute, service_point

KEPT_BODIES = 512
KEPT_BYTES = 8 * 1024 * 1024
"""How many views stay as JSON in memory, and their bytes together; as many stay as events."""
LINE_SEPARATORS = (("\u2028".encode(), rb"\u2028"), ("\u2029".encode(), rb"\u2029"))
"""To many a client they end a line, as to JavaScript's `$` and Python's `splitlines`; in JSON they can be escaped."""

LabelState = Literal["pending", "ready", "not_needed", "unavailable"]
_LABEL_STATES: Mapping[ReturnState, LabelState] = MappingProxyType(
    {
        ReturnState.CREATING: "pending",
        ReturnState.OUTCOME_UNKNOWN: "unavailable",
        ReturnState.LABEL_PENDING: "pending",
        ReturnState.AWAITING_PAYMENT: "pending",
        ReturnState.LABEL_READY: "ready",
        ReturnState.NO_LABEL_NEEDED: "not_needed",
        ReturnState.ACCEPTED: "unavailable",
        ReturnState.LABEL_LOST: "unavailable",
        ReturnState.FAILED: "unavailable",
    }
)


def public(found: VersionedReturn, show_point: ShowPoint = service_point) -> Return:
    """The public view of the return; `show_point` makes that of its service point."""
    record, location = found.record, location_of(found.record.id)
    label = _label(found)
    return Return(
        id=record.id,
        state=record.state,
        revision=record.revision,
        created_at=utc_datetime(record.created_at),
        updated_at=utc_datetime(record.updated_at),
        items=record.items,
        delivery=record.delivery,
        sendcloud_return_id=record.sendcloud_return_id,
        parcels=list(record.parcels),
        payment_url=record.payment_url,
        label=label,
        customs_declaration=f"{location}/customs-declaration" if record.customs_path else None,
        drop_off=record.drop_off and show_point(record.drop_off, found.now, record.created_at),
        store=record.store,
        refund_type=record.refund_type,
        fee=record.fee,
        retry_after=found.retry_after,
        actions=[_download_label(found, is_ready=label.href is not None)],
    )


class ReturnBodies:
    """Public views of returns as JSON, each built once for all requests until it changes."""

    def __init__(self, points: ServicePointViews) -> None:
        self._points = points
        self._bodies: DerivedValues[str, bytes] = DerivedValues(KEPT_BODIES, KEPT_BYTES)
        self._events: DerivedValues[str, bytes] = DerivedValues(KEPT_BODIES, KEPT_BYTES)

    def of(self, found: VersionedReturn) -> bytes:
        """The body of this return."""
        seen = found.record, found.retry_after, minute(found.now)
        return self._bodies.get(
            found.record.id, seen, lambda: public(found, self._points.of).model_dump_json().encode(), len
        )

    def event_of(self, found: VersionedReturn) -> bytes:
        """The body as a `return` event (WHATWG HTML section 9.2), whose `id` is the revision."""
        body = self.of(found)
        return self._events.get(found.record.id, body, lambda: _event(found.record.revision, body), len)


def _event(revision: int, body: bytes) -> bytes:
    for separator, escaped in LINE_SEPARATORS:
        body = body.replace(separator, escaped)
    return b"id: %d\nevent: return\ndata: %b\n\n" % (revision, body)


def _label(found: VersionedReturn) -> Label:
    record, state = found.record, _LABEL_STATES[found.record.state]
    # Without a token, only the summary of a return is left.
    if state == "ready" and record.download_token is None:
        state = "unavailable"
    return Label(
        state=state,
        href=_label_href(found) if state == "ready" else None,
        expires_at=record.label_expires_at and utc_datetime(record.label_expires_at),
        delayed=record.delayed,
    )


def _download_label(found: VersionedReturn, *, is_ready: bool) -> Action:
    why_not = None if is_ready else "no-label" if found.retry_after is None else "label-not-ready"
    return Action(name="download_label", method="GET", href=_label_href(found), allowed=is_ready, why_not=why_not)


def _label_href(found: VersionedReturn) -> str:
    return location_of(found.record.id) + "/label"
