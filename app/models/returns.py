"""A return and what belongs to it."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from app.domain import DeliveryOptionCode
from app.made_returns import TrackingStatus
from app.models.fields import Answer, Id, OpenEnum, ProblemError, WhyNotText, open_to_more
from app.models.service_points import ServicePoint
from app.models.shop import Money, Store

ReturnId = Annotated[str, Field(description="The `id` of the return.", examples=["rtn_3vQ1m0bJ9dJxPq4l2Zk7sA"])]


class Action(Answer):
    """A call, and whether it can be made now."""

    name: str
    """The action."""
    method: Literal["GET", "POST", "DELETE"]
    """The method of the call."""
    href: str
    """Its path on this service."""
    allowed: bool
    """Whether the call can be made now."""
    why_not: str | None = None
    """Why it cannot: a problem code, `nothing-left-to-return`, `nothing-returnable`, or a later word."""
    why_not_text: WhyNotText | None = None
    """The same in words; null for a return, whose `state` says it."""


class ReturnState(OpenEnum):
    """The state of a return. More states may come: treat an unknown one like `label_pending`."""

    CREATING = "creating"
    OUTCOME_UNKNOWN = "outcome_unknown"
    LABEL_PENDING = "label_pending"
    AWAITING_PAYMENT = "awaiting_payment"
    LABEL_READY = "label_ready"
    NO_LABEL_NEEDED = "no_label_needed"
    ACCEPTED = "accepted"
    LABEL_LOST = "label_lost"
    FAILED = "failed"


FINAL_STATES = frozenset(ReturnState) - {
    ReturnState.CREATING,
    ReturnState.OUTCOME_UNKNOWN,
    ReturnState.LABEL_PENDING,
    ReturnState.AWAITING_PAYMENT,
}
"""States after which no news is expected; a late poll may still find a label that counted as lost."""


class ReturnItem(Answer):
    """Units of one item on their way back."""

    id: str
    """The `id` of the item in the session."""
    name: str
    """The item's name at the shop."""
    quantity: int
    """Number of units that come back."""
    reason: Id | None
    """The `id` of the reason."""
    comment: str | None
    """The shopper's comment."""
    unit_price: Money | None = None
    """The price of one unit when the return was made; null where it is not known."""


class ReturnDelivery(Answer):
    """How the parcel travels back, as it was chosen."""

    option: DeliveryOptionCode
    """The way that was chosen."""
    service_point: Id | None
    """The `id` of the service point that was chosen."""
    carrier: str | None
    """The code of the carrier that was chosen."""
    store: Id | None
    """The `id` of the store that was chosen."""
    pickup_date: date | None
    """The day that the shopper asked for."""


class ParcelTracking(Answer):
    """Where a parcel of the return is, as the shipping service told it last."""

    status: Annotated[TrackingStatus, open_to_more]
    """`delivered`: it is back. More words may come: treat an unknown one like `other`."""
    carrier: str | None
    """The code of the carrier."""
    number: str | None
    """The carrier's tracking number."""
    updated_at: datetime
    """When the status changed."""


class ReturnParcel(Answer):
    """One parcel of the return."""

    id: Id
    """The shipping service's number."""
    tracking_number: str | None
    """Comes with the label."""
    tracking: ParcelTracking | None = None
    """Where it is; null where the shipping service has not told."""


class Label(Answer):
    """The document to print or to show."""

    state: Annotated[Literal["pending", "ready", "not_needed", "unavailable"], open_to_more]
    """Whether there is one. More words may come: treat an unknown one like `pending`."""
    href: str | None
    """Its path on this service, while it can be fetched."""
    expires_at: datetime | None
    """Until when it can be fetched, where that is known."""
    delayed: bool = False
    """Whether the label takes longer than usual, because the shipping service does not tell its state."""


class Return(Answer):
    """A return, and the calls that can be made for it."""

    id: Annotated[str, Field(examples=["rtn_3vQ1m0bJ9dJxPq4l2Zk7sA"])]
    """Names the return, in every session of its parcel."""
    state: ReturnState
    """The state of the return."""
    revision: int
    """Grows with each change that the shopper can see."""
    created_at: datetime
    """When it was asked for."""
    updated_at: datetime
    """When it changed last."""
    items: list[ReturnItem]
    """The items that come back."""
    delivery: ReturnDelivery
    """How the parcel travels back."""
    sendcloud_return_id: Id | None
    """The shipping service's number of the return."""
    parcels: list[ReturnParcel]
    """The parcels in which it travels."""
    payment_url: str | None
    """The page on which the shopper has to pay before a label is made."""
    label: Label
    """The document to print or to show."""
    customs_declaration: str | None
    """Its path on this service, where there is one."""
    drop_off: ServicePoint | None
    """The service point that was chosen, as it was then."""
    store: Store | None = None
    """The store that was chosen, as it was then."""
    refund_type: str | None = None
    """The `code` of the refund that was chosen; null where none was, or where it is not known."""
    fee: Money | None = None
    """The price of the return as the shop stated it then; null where it is not known."""
    retry_after: int | None
    """Seconds until there can be news; null if there will be none."""
    actions: list[Action]
    """The calls that can be made for the return, with reasons for those that cannot."""


class Upload(Answer):
    """A stored picture."""

    file: str
    """Handle of the picture, for `photos` of a return."""
    name: str
    """The form field that it came in."""


class Uploads(Answer):
    """The stored pictures; each is forgotten after 48 hours unless a return names it."""

    uploads: list[Upload]
    """In the order in which they came."""


class Preview(Answer):
    """The check of a body: everything that a creation would be refused for."""

    valid: bool
    """Whether nothing known keeps it from being created."""
    problems: list[ProblemError]
    """Everything that would prevent the creation."""
    fee: Money | None
    """The price of the return for the shopper."""
    missing: list[str]
    """JSON Pointers to the members that are not there yet: those that are needed, and those that may be."""
