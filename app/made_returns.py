"""Returns that exist at the upstream, as it tells of them: accepted, with a label or without one, moved on."""

from typing import Literal

from app.domain import RedactedModel

TrackingStatus = Literal["announced", "in_transit", "problem", "delivered", "cancelled", "other"]
"""Where a parcel is on its way back."""
MOVING: frozenset[TrackingStatus] = frozenset({"in_transit", "delivered"})
"""The parcel exists."""


class ReturnMade(RedactedModel):
    """The upstream's word that a return was made, here or elsewhere."""

    sendcloud_return_id: int
    order_number: str
    units: dict[str, int]
    """How many units of each item, by its name."""
    at: float
    """Seconds since the epoch on the upstream's clock."""


class ParcelMoved(RedactedModel):
    """The upstream's word about a parcel, outgoing or incoming."""

    parcel_id: int
    order_number: str
    status: TrackingStatus
    carrier: str | None
    """Its code."""
    tracking_number: str | None
    at: float
    """When the status changed: seconds since the epoch on the upstream's clock."""


UpstreamEvent = ReturnMade | ParcelMoved


class AcceptedReturn(RedactedModel):
    """A return that exists now. `payment_url` is https or None; it is for the shopper and never fetched."""

    return_id: int | None
    """None for a number that not every JSON reader can hold."""
    incoming_parcels: tuple[int | None, ...]
    """None for one whose id cannot be read."""
    poller_token: str | None
    """None: nothing is polled, because upstream named no URL for it or one that is not ours."""
    poller_expires_at: int | None = None
    """Unix seconds, as the token itself says; None where it does not."""
    poller_is_foreign: bool = False
    """Whether upstream named a poller URL that is not of its own portal."""
    payment_url: str | None


class LabelPending(RedactedModel):
    """Not ready, or waiting for payment: the upstream says the same to both."""


class LabelledParcel(RedactedModel):
    """A parcel of the return and its tracking number, None where that is not known."""

    id: int
    tracking_number: str | None


class LabelReady(RedactedModel):
    """The label can be downloaded. `customs_path` is relative to the panel base, None if there is no acceptable one."""

    download_token: str
    parcels: tuple[LabelledParcel, ...]
    """Empty where the answer names none."""
    unnamed_parcels: int = 0
    """How many more the answer names by ids that cannot be read."""
    customs_path: str | None


class LabelFailed(RedactedModel):
    """The announcement failed; by status alone it cannot be told from a fault of the server."""


LabelStatus = LabelPending | LabelReady | LabelFailed
