"""Service points as the upstream describes them, and as a front end gets them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel

WEEK = 7 * 24 * 60
HOURS = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d - (?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)")
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


class Hours(BaseModel):
    """One opening interval; weekday 1 is Monday."""

    weekday: int
    opens: str
    closes: str


class Point(BaseModel):
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
    available: bool


def enriched(point: UpstreamPoint, *, available: bool) -> Point:
    """The point with its hours, and whether it is open now."""
    zone = ZONES.get(point.country)
    hours = intervals(point.formatted_opening_times)
    open_now, closes_at, next_open_at = opening(hours, ZoneInfo(zone)) if zone else (None, None, None)
    same = point.model_dump(
        include=set(Point.model_fields) - {"distance", "phone", "open_tomorrow", "open_upcoming_week"}
    )
    return Point(
        **same,
        distance=None if point.distance is None else round(point.distance),
        kind=point.general_shop_type,
        phone=point.phone or None,
        open_tomorrow=bool(point.open_tomorrow),
        open_upcoming_week=bool(point.open_upcoming_week),
        time_zone=zone,
        opening_hours=hours,
        unknown_weekdays=unknown_weekdays(point.formatted_opening_times),
        open_now=open_now,
        closes_at=closes_at,
        next_open_at=next_open_at,
        available=available,
    )


def intervals(times: dict[str, list[str]]) -> list[Hours]:
    """The hours that can be read, in order."""
    found = [
        Hours(weekday=int(day) + 1, opens=value[:5], closes=value[-5:])
        for day, values in times.items()
        for value in values
        if HOURS.fullmatch(value)
    ]
    return sorted(found, key=lambda each: (each.weekday, each.opens))


def unknown_weekdays(times: dict[str, list[str]]) -> list[int]:
    """The weekdays that are missing, or have hours that cannot be read."""
    found = (times.get(str(day)) for day in range(7))
    return [day for day, values in enumerate(found, 1) if values is None or not all(map(HOURS.fullmatch, values))]


def opening(hours: list[Hours], zone: ZoneInfo) -> tuple[bool, datetime | None, datetime | None]:
    """Whether it is open now, when it closes, when it opens."""
    wall = datetime.now(zone).replace(second=0, microsecond=0)
    minute = wall.weekday() * 1440 + wall.hour * 60 + wall.minute
    stretches = []
    for each in hours:
        opens, closes = ((each.weekday - 1) * 1440 + _minutes(at) for at in (each.opens, each.closes))
        if closes < opens:
            closes += 1440
        stretches += [(opens + shift - minute, closes + shift - minute) for shift in (-WEEK, 0, WEEK)]
    upcoming = sorted(each for each in stretches if each[1] > 0)
    if not upcoming:
        return False, None, None
    opens, closes = upcoming[0]
    if opens > 0:
        return False, None, _later(wall, opens, zone)
    for also_opens, also_closes in upcoming:
        if also_opens <= closes:
            closes = max(closes, also_closes)
    return True, _later(wall, closes, zone) if closes < WEEK else None, None


def _minutes(at: str) -> int:
    return int(at[:2]) * 60 + int(at[3:])


def _later(wall: datetime, minutes: int, zone: ZoneInfo) -> datetime:
    return (wall.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(zone)
