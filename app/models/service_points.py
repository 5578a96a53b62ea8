"""Service points."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.models.fields import Answer, Id


class OpeningHours(Answer):
    """One opening interval in the point's own time zone."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    """1 is Monday."""
    opens: Annotated[str, Field(examples=["09:00"])]
    """When it opens on that day."""
    closes: Annotated[str, Field(examples=["17:30"])]
    """When it closes; earlier than `opens` where that is on the next day."""


class ServicePoint(Answer):
    """A place where the shopper can hand the parcel in."""

    id: Id
    """Names the point in a return."""
    code: str
    """The carrier's own name for the point."""
    name: str
    """The name of the place."""
    carrier: str
    """The code of its carrier."""
    street: str
    """Without the house number."""
    house_number: str
    """With its addition."""
    postal_code: str
    """As the country writes it."""
    city: str
    """The town."""
    country: str
    """ISO 3166-1 alpha-2."""
    latitude: float | None
    """Degrees (WGS 84)."""
    longitude: float | None
    """Degrees (WGS 84)."""
    distance: int | None
    """Metres from the place that was searched."""
    kind: str | None
    """The kind of place, in the carrier's words."""
    phone: str | None
    """Its telephone number."""
    open_tomorrow: bool
    """Whether it is known to open tomorrow."""
    open_upcoming_week: bool
    """Whether it is known to open in the next seven days."""
    time_zone: str | None
    """IANA name; null where it is not known, and then `open_now` is not known either."""
    opening_hours: list[OpeningHours]
    """Hours of the current week, holidays included; closed on weekdays neither here nor in `unknown_weekdays`."""
    unknown_weekdays: list[int] = Field(default=[])
    """Weekdays whose hours are not known; 1 is Monday."""
    open_now: bool | None
    """Null where that is not known."""
    closes_at: datetime | None
    """When it closes, while it is open and known to close this week."""
    next_open_at: datetime | None
    """When it opens, while it is closed and known to open this week."""


class ServicePoints(Answer):
    """Points near a place."""

    service_points: list[ServicePoint]
    """The nearest first."""
    stale: bool
    """Whether the points are older than they should be, because the shipping service fails."""


class FreshServicePoint(ServicePoint):
    """A point as it is now, and whether it takes parcels."""

    available: bool
    """Whether it takes parcels now."""
