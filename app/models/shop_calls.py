"""What a shop's own systems are told about a return and about the units of its parcel."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.models.fields import Answer, Code, Id, Request, Visible, open_to_more
from app.models.returns import ReturnDelivery, ReturnItem, ReturnParcel, ReturnState
from app.models.shop import Money

Outcome = Literal["accepted", "never-made", "cancelled"]


class Resolution(Request):
    """The outcome of a return, as the shop found it in the shipping service's panel."""

    outcome: Outcome
    """`accepted`: the return is there; `never-made`: it is not; `cancelled`: it was there and is cancelled now."""
    panel_checked: bool = False
    """Whether the panel shows no such return; needed for `never-made`."""


class ShopReturn(Answer):
    """A return as its shop sees it."""

    id: Annotated[str, Field(examples=["rtn_3vQ1m0bJ9dJxPq4l2Zk7sA"])]
    """Names the return."""
    state: ReturnState
    """The state of the return."""
    revision: int
    """Grows with each change that the shopper can see."""
    created_at: datetime
    """When it was asked for."""
    updated_at: datetime
    """When it changed last."""
    items: list[ReturnItem]
    """The items that come back; empty once the content of the return is gone."""
    delivery: ReturnDelivery
    """How the parcel travels back."""
    sendcloud_return_id: Id | None
    """The shipping service's number of the return; null where it is not known."""
    parcels: list[ReturnParcel]
    """The parcels in which it travels."""
    refund_type: str | None
    """The `code` of the refund that was chosen; null where none was, or where it is not known."""
    fee: Money | None
    """The price of the return as the shop stated it then; null where it is not known."""


class OrderOfShop(Request):
    """An order of the shop."""

    order_number: Annotated[str, Field(min_length=1, max_length=100, pattern=Visible, examples=["LABEL-0001"]), Code]
    """The shop's number of the order."""


class ShopReturns(Answer):
    """The returns of an order."""

    returns: list[ShopReturn]
    """The oldest first."""


class ErasedOrder(Answer):
    """What was erased of an order."""

    erased: list[str]
    """The `id` of each return of which nothing personal is left."""
    still_open: list[str]
    """The `id` of each return whose state is not final, and of which nothing was erased."""


class Holder(Answer):
    """The claim of one return on units of its parcel."""

    return_id: str
    """The `id` of the return."""
    phase: Annotated[Literal["intent", "sent", "outcome_unknown", "done", "failed"], open_to_more]
    """The phase of the claim."""
    holds_units: bool
    """Whether the units cannot be returned by another return."""
    lease_until: datetime
    """Until when its creation can be under way; units of an unknown outcome can be freed 15 minutes later."""
    finding: Annotated[Outcome, open_to_more] | None
    """The outcome that a person or a system of the shop recorded; null where none was."""


class ParcelUnits(Answer):
    """Which returns of a parcel hold its units."""

    holders: list[Holder]
    """Every return that has a claim on units of the parcel, the oldest first."""


class UpstreamEventTaken(Answer):
    """What became of an event of the shipping service."""

    outcome: Annotated[Literal["settled", "moved", "noted", "known", "left_to_people", "ignored"], open_to_more]
    """`settled`: a return's outcome is known now; `moved`: a parcel's status; `noted`: a delivery, from which the
    shop's window counts; `known`: nothing in it was new; `left_to_people`: the log names returns that a person has to
    look at; `ignored`: it is about nothing of ours."""
