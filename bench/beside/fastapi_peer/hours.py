"""Opening hours of a service point: read, and compared with the clock on its wall."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel

WEEK = 7 * 24 * 60
HOURS = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d - (?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)")


class Hours(BaseModel):
    """One opening interval; weekday 1 is Monday."""

    weekday: int
    opens: str
    closes: str


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
