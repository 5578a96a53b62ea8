"""A shopper's session: the order, and the upstream's tokens for it."""

from pydantic import Field

from app.domain import Order, RedactedModel

SCHEMA = 2
"""The schema of sessions. The release before reads only `outgoing`, which the next one need not write."""


class Session(RedactedModel):
    """The order that a shopper has proved a right to, and its tokens; written once and never changed."""

    schema_number: int = SCHEMA
    brand: str
    parcel_key: str = Field(alias="scope")
    """Names the parcel in Redis without revealing it."""
    languages: list[str]
    """The shopper's languages, best first."""
    expires_at: float
    """Seconds since the epoch, on the store's clock."""
    opened_at: float | None = None
    """The same clock, just before the upstream was asked for the order; earlier releases did not store it."""
    order: Order
    access_token: str
    service_points_token: str
