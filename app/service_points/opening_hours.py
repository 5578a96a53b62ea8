"""Whether a service point is open: its time zone, its hours, and the moments at which that changes."""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from prometheus_client import Counter

from app.models import OpeningHours
from app.telemetry.metrics import REGISTRY

DROPPED = Counter("bff_opening_hours_dropped", "Opening hours that could not be read.", registry=REGISTRY)
MAX_DEGREES = 25.0
# In minutes. Hours that change at all do so within two weeks, even if the one hour that differs is skipped once.
_DAY = 24 * 60
_HORIZON = 15 * _DAY
_WEEKDAYS = {str(day): day + 1 for day in range(7)}
_INTERVAL = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9]) - ((?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)")
_COORDINATE = re.compile(r"([+-])(\d{2,3})(\d{2})(?:\d{2})?(?=[+-]|$)")


class City(NamedTuple):
    """A place whose time zone is known, in WGS 84 degrees."""

    latitude: float
    longitude: float
    zone: str


class Opening(NamedTuple):
    """Whether a point is open and until when; `closes_at` None while open: it never closes."""

    open_now: bool
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
# Left out, or Málaga would be in the zone of Ceuta: these keep the time of the country around them.
_SAME_CLOCK = frozenset({"Africa/Ceuta", "Europe/Busingen"})
# Here the nearest city shows more than one in ten people the wrong time (ADR 9): no answer is better.
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
    """Degrees of arc, as on a plane around the city: enough to tell zones apart; infinite or NaN stays so."""
    east = (longitude - city.longitude + 180) % 360 - 180
    return math.hypot(latitude - city.latitude, east * math.cos(math.radians(city.latitude)))


def intervals(times: Mapping[str, Sequence[str]]) -> list[OpeningHours]:
    """Opening hours by ISO weekday and time; upstream counts from "0" = Monday (another client's reading).

    An interval that closes earlier than it opens ends on the next day: that is our reading, upstream says nothing.
    What is no interval, or an empty one, is left out and counted.
    """
    found = [hours for day, values in times.items() for value in values if (hours := _interval(day, value))]
    DROPPED.inc(sum(map(len, times.values())) - len(found))
    return sorted(found, key=lambda hours: (hours.weekday, hours.opens, hours.closes))


def _interval(day: str, value: str) -> OpeningHours | None:
    match = _INTERVAL.fullmatch(value)
    if day not in _WEEKDAYS or match is None or match[1] == match[2]:
        return None
    return OpeningHours(weekday=_WEEKDAYS[day], opens=match[1], closes=match[2])


def opening(hours: Sequence[OpeningHours], zone: ZoneInfo, now: datetime) -> Opening:
    """Whether the point is open at `now` (aware), and the moment at which that changes, in the zone, to the minute.

    The clock on the point's wall decides, and nothing else: it is open in each minute in which that clock shows
    opening hours. So hours that the clock skips in spring are not there, and hours that it shows twice in autumn
    count twice. Intervals that touch or overlap are one. Never open: both moments are None.
    """
    start = now.astimezone(UTC).replace(second=0, microsecond=0)
    stretches = sorted(_stretches(hours, zone, start))
    if not stretches:
        return Opening(open_now=False, closes_at=None, next_open_at=None)
    opens, closes = stretches[0]
    if opens > 0:
        return Opening(open_now=False, closes_at=None, next_open_at=_local(start, opens, zone))
    for also_opens, also_closes in stretches:
        if also_opens <= closes:
            closes = max(closes, also_closes)
    return Opening(
        open_now=True, closes_at=_local(start, closes, zone) if closes < _HORIZON else None, next_open_at=None
    )


def _stretches(hours: Sequence[OpeningHours], zone: ZoneInfo, start: datetime) -> Iterator[tuple[int, int]]:
    """When the point is open up to the horizon, cut where the clock changes; minutes from the start, in no order."""
    week = [_in_week(each) for each in hours]
    for since, until in pairwise(sorted({0, _clock_change(zone, start), _HORIZON})):
        wall = _local(start, since, zone)
        monday = since - wall.weekday() * _DAY - wall.hour * 60 - wall.minute
        # From last week, whose Sunday may end today, to the week of the horizon.
        for midnight in range(monday - 7 * _DAY, until, 7 * _DAY):
            for opens, closes in week:
                first, last = max(midnight + opens, since), min(midnight + closes, until)
                if first < last:
                    yield first, last


def _in_week(hours: OpeningHours) -> tuple[int, int]:
    """Opening and closing in minutes since Monday 00:00; an interval that passes midnight closes on the next day."""
    opens, closes = (int(at[:2]) * 60 + int(at[3:]) for at in (hours.opens, hours.closes))
    midnight = (hours.weekday - 1) * _DAY
    return midnight + opens, midnight + closes + (_DAY if closes < opens else 0)


def _clock_change(zone: ZoneInfo, start: datetime) -> int:
    """Minutes to the first UTC offset that is another, at most the horizon; clocks do not change twice so soon."""
    before = start.astimezone(zone).utcoffset()
    minutes = range(_HORIZON)
    return bisect_left(minutes, True, key=lambda minute: _local(start, minute, zone).utcoffset() != before)


def _local(start: datetime, minutes: int, zone: ZoneInfo) -> datetime:
    return (start + timedelta(minutes=minutes)).astimezone(zone)
