"""Service points as the upstream describes them, and as a front end gets them."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from bench.beside.fastapi_peer.hours import Hours, intervals, opening, unknown_weekdays

ZONES = {"NL": "Europe/Amsterdam", "BE": "Europe/Brussels", "DE": "Europe/Berlin", "FR": "Europe/Paris"}


class UpstreamPoint(BaseModel):
    """S2 as it comes."""

    id: int
    code: str = ""
    name: str
    street: str = ""
    house_number: str = ""
    postal_code: str = ""
    city: str = ""
    country: str
    phone: str = ""
    carrier: str
    latitude: float | None = None
    longitude: float | None = None
    formatted_opening_times: dict[str, list[str]] = {}
    open_tomorrow: bool | None = None
    open_upcoming_week: bool | None = None
    distance: float | None = None
    general_shop_type: str | None = None


class Place(BaseModel):
    """A service point for a front end."""

    id: int
    code: str
    name: str
    carrier: str
    street: str
    house_number: str
    postal_code: str
    city: str
    country: str
    latitude: float | None
    longitude: float | None
    distance: int | None
    kind: str | None
    phone: str | None
    open_tomorrow: bool
    open_upcoming_week: bool
    time_zone: str | None
    opening_hours: list[Hours]
    unknown_weekdays: list[int]
    open_now: bool | None
    closes_at: datetime | None
    next_open_at: datetime | None


class Point(Place):
    """The same, and whether it takes parcels."""

    available: bool


class Points(BaseModel):
    """The points around a shopper."""

    service_points: list[Place]


def enriched(point: UpstreamPoint, *, available: bool) -> Point:
    """The point with its hours, whether it is open now and takes parcels."""
    return Point(**_described(point), available=available)


def placed(point: UpstreamPoint) -> Place:
    """The point with its hours, and whether it is open now."""
    return Place(**_described(point))


def _described(point: UpstreamPoint) -> dict[str, Any]:
    zone = ZONES.get(point.country)
    hours = intervals(point.formatted_opening_times)
    open_now, closes_at, next_open_at = opening(hours, ZoneInfo(zone)) if zone else (None, None, None)
    same = point.model_dump(
        include=set(Place.model_fields) - {"distance", "phone", "open_tomorrow", "open_upcoming_week"}
    )
    return same | {
        "distance": None if point.distance is None else round(point.distance),
        "kind": point.general_shop_type,
        "phone": point.phone or None,
        "open_tomorrow": bool(point.open_tomorrow),
        "open_upcoming_week": bool(point.open_upcoming_week),
        "time_zone": zone,
        "opening_hours": hours,
        "unknown_weekdays": unknown_weekdays(point.formatted_opening_times),
        "open_now": open_now,
        "closes_at": closes_at,
        "next_open_at": next_open_at,
    }
