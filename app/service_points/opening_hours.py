"""Whether a service point is open: its time zone, its hours, and the moments at which that changes."""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.models.service_points import OpeningHours
from app.service_points.stated_hours import WeekHours

MAX_DEGREES = 25.0
_DAY = 24 * 60
"""In minutes, and so is the next one."""
_WEEK = 7 * _DAY
FARTHEST_WEST, FARTHEST_EAST = ZoneInfo("Etc/GMT+12"), ZoneInfo("Etc/GMT-14")
_COORDINATE = re.compile(r"([+-])(\d{2,3})(\d{2})(?:\d{2})?(?=[+-]|$)")


class City(NamedTuple):
    """A place whose time zone is known, in WGS 84 degrees."""

    latitude: float
    longitude: float
    zone: str


class Opening(NamedTuple):
    """Whether a point is open, and when that changes; None if that is not known or does not happen this week."""

    open_now: bool | None
    closes_at: datetime | None
    next_open_at: datetime | None


# The tz database names one city a zone; where zones are wide, the nearest of those is often across the border (ADR 9).
_MORE_CITIES = {
    "US": [
        City(35.1, -90.0, "America/Chicago"),
        City(38.6, -90.2, "America/Chicago"),
        City(37.7, -97.3, "America/Chicago"),
        City(35.5, -97.5, "America/Chicago"),
        City(38.8, -104.8, "America/Denver"),
        City(46.2, -119.2, "America/Los_Angeles"),
        City(39.5, -119.8, "America/Los_Angeles"),
        City(41.1, -85.1, "America/Indiana/Indianapolis"),
    ],
    "CA": [
        City(48.4, -71.1, "America/Toronto"),
        City(49.7, -112.8, "America/Edmonton"),
        City(49.2, -122.0, "America/Vancouver"),
    ],
    "BR": [City(-22.3, -49.1, "America/Sao_Paulo"), City(-18.9, -48.3, "America/Sao_Paulo")],
    "UA": [City(47.9, 33.4, "Europe/Kyiv")],
}
# Left out, because they keep the time of the country around them: Málaga would be in the zone of Ceuta.
_SAME_CLOCK = frozenset({"Africa/Ceuta", "Europe/Busingen"})
# Here the nearest city has the wrong time for more than one in ten people (ADR 9), so no zone is given.
_UNSURE = frozenset({"CD", "RU"})


def _cities() -> Mapping[str, Sequence[City]]:
    found = defaultdict(list, {country: [*cities] for country, cities in _MORE_CITIES.items()})
    for line in files("tzdata").joinpath("zoneinfo/zone.tab").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        country, place, zone = line.split("\t")[:3]
        latitude, longitude = _degrees(place)
        if zone not in _SAME_CLOCK:
            found[country].append(City(latitude, longitude, zone))
    return {country: cities for country, cities in found.items() if country not in _UNSURE}


def _degrees(place: str) -> Iterator[float]:
    """Latitude and longitude of ISO 6709 `±DDMM[SS]±DDDMM[SS]`, to the minute."""
    for sign, degrees, minutes in _COORDINATE.findall(place):
        yield float(f"{sign}1") * (int(degrees) + int(minutes) / 60)


_CITIES = _cities()


def time_zone(country: str, latitude: float | None, longitude: float | None) -> ZoneInfo | None:
    """The zone of the nearest city of the country (ISO 3166-1 alpha-2) whose zone is known.

    None where that would be a guess: an unknown country, a place farther than `MAX_DEGREES` from all its cities,
    no place in a country of several zones.
    """
    cities = _CITIES.get(country.upper(), ())
    if latitude is None or longitude is None:
        zones = {city.zone for city in cities}
        return ZoneInfo(zones.pop()) if len(zones) == 1 else None
    nearest = min(((_distance(city, latitude, longitude), city.zone) for city in cities), default=(math.inf, ""))
    return ZoneInfo(nearest[1]) if nearest[0] <= MAX_DEGREES else None


def _distance(city: City, latitude: float, longitude: float) -> float:
    """Degrees of arc on a plane around the city, exact enough to tell zones apart; infinite and NaN stay."""
    east = (longitude - city.longitude + 180) % 360 - 180
    return math.hypot(latitude - city.latitude, east * math.cos(math.radians(city.latitude)))


def in_one_week(one: datetime, other: datetime, zone: ZoneInfo | None) -> bool:
    """Whether both moments (aware) are in one week of the zone, from Monday on; without a zone, wherever it may be."""
    earlier, later = sorted((one, other))
    return _iso_week(earlier.astimezone(zone or FARTHEST_WEST)) == _iso_week(later.astimezone(zone or FARTHEST_EAST))


def _iso_week(local: datetime) -> tuple[int, int]:
    return local.isocalendar()[:2]


def opening(week: WeekHours, zone: ZoneInfo, now: datetime) -> Opening:
    """Whether the point is open at `now` (aware), and the moment at which that changes, in the zone, to the minute.

    The hours are those of the week of `now`, and nothing is said about what comes after its Sunday. The clock on the
    point's wall decides, and nothing else: it is open in each minute in which that clock shows opening hours. So hours
    that the clock skips in spring are not there, and hours that it shows twice in autumn count twice. Intervals that
    touch or overlap are one. What depends on an unknown day is None.
    """
    start = now.astimezone(UTC).replace(second=0, microsecond=0)
    end = _minutes_left(zone, start)
    opens = sorted(_stretches(map(_in_week, week.hours), zone, start, end))
    unknown = sorted(_stretches(_unknown(week), zone, start, end))
    if not opens or opens[0][0] > 0:
        return _closed(opens, unknown, partial(_local, start, zone=zone))
    closes = 0
    for since, until in opens:
        if since <= closes:
            closes = max(closes, until)
    told = closes < end and not any(since <= closes < until for since, until in unknown)
    return Opening(open_now=True, closes_at=_local(start, closes, zone) if told else None, next_open_at=None)


def _closed(
    opens: Sequence[tuple[int, int]], unknown: Sequence[tuple[int, int]], local: Callable[[int], datetime]
) -> Opening:
    """A point that is not open now, as far as that is known."""
    unknown_from = unknown[0][0] if unknown else math.inf
    opens_at = local(opens[0][0]) if opens and opens[0][0] <= unknown_from else None
    return Opening(open_now=None if unknown_from == 0 else False, closes_at=None, next_open_at=opens_at)


def _unknown(week: WeekHours) -> Iterator[tuple[int, int]]:
    """The stretches of the week whose hours are not known, in minutes since Monday 00:00."""
    for weekday in week.unknown:
        yield (weekday - 1) * _DAY, weekday * _DAY
    # Where hours of Sunday end on Monday, those of the last Sunday may have, too; they belong to another week.
    for _, closes in map(_in_week, week.hours):
        if closes > _WEEK:
            yield 0, closes - _WEEK


def _stretches(week: Iterable[tuple[int, int]], zone: ZoneInfo, start: datetime, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of the week that are not over, in minutes from the start; cut at `end` and where clocks change."""
    spans = [*week]
    for since, until in pairwise(sorted({0, _clock_change(zone, start, end), end})):
        wall = _local(start, since, zone)
        monday = since - wall.weekday() * _DAY - wall.hour * 60 - wall.minute
        for opens, closes in spans:
            first, last = max(monday + opens, since), min(monday + closes, until)
            if first < last:
                yield first, last


def _in_week(hours: OpeningHours) -> tuple[int, int]:
    """Opening and closing in minutes since Monday 00:00; an interval that passes midnight closes on the next day."""
    opens, closes = (int(at[:2]) * 60 + int(at[3:]) for at in (hours.opens, hours.closes))
    midnight = (hours.weekday - 1) * _DAY
    return midnight + opens, midnight + closes + (_DAY if closes < opens else 0)


def _minutes_left(zone: ZoneInfo, start: datetime) -> int:
    """Minutes to the end of Sunday."""
    local = start.astimezone(zone)
    monday = datetime.combine(local.date() + timedelta(days=7 - local.weekday()), time(), zone)
    return int((monday - start) / timedelta(minutes=1))


def _clock_change(zone: ZoneInfo, start: datetime, end: int) -> int:
    """Minutes to the next change of the UTC offset, at most to the end; clocks do not change twice in a week."""
    before = start.astimezone(zone).utcoffset()
    return bisect_left(range(end), True, key=lambda minute: _local(start, minute, zone).utcoffset() != before)


def _local(start: datetime, minutes: int, zone: ZoneInfo) -> datetime:
    return (start + timedelta(minutes=minutes)).astimezone(zone)
