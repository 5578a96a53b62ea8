"""The time zone of a place, by the nearest city whose zone is known."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

MAX_DEGREES = 25.0
FARTHEST_WEST, FARTHEST_EAST = ZoneInfo("Etc/GMT+12"), ZoneInfo("Etc/GMT-14")
_COORDINATE = re.compile(r"([+-])(\d{2,3})(\d{2})(?:\d{2})?(?=[+-]|$)")


class City(NamedTuple):
    """A place whose time zone is known, in WGS 84 degrees."""

    latitude: float
    longitude: float
    zone: str


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
