"""Service points near a place: places close to each other share a search; distances are from the exact place."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from pydantic import TypeAdapter

from app.domain import ServicePoint, ServicePointQuery
from app.errors import BadUpstream, UpstreamUnauthorized
from app.redis.derived_values import DerivedValues
from app.redis.shared_cache import Cached, FleetCache
from app.upstream import Upstream

GRID_DEGREES = 0.01
GRID_METRES = 800
"""More than the distance of any place from the grid point that it is rounded to."""
RADIUS_CLASSES_METRES = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000)
EARTH_METRES = 6_371_000
KEPT_OF_A_CARRIER = 200
"""More than an answer has, because the points nearest to the grid point are not those nearest to the shopper."""
LIGHT_KILOGRAMS = 15
"""Lighter parcels share a search, because the upstream's answer does not depend on the weight up to here."""
PARSED_SEARCHES = 64
"""How many searches stay parsed in memory."""

_POINTS: TypeAdapter[list[ServicePoint]] = TypeAdapter(list[ServicePoint])


class Place(NamedTuple):
    """A point on the map, in degrees."""

    latitude: float
    longitude: float


class Search(NamedTuple):
    """A search: carriers by code, radius in metres, weight in kilograms."""

    brand: str
    country: str
    place: Place
    radius: int
    carriers: tuple[str, ...]
    weight: float | None = None


class Nearby(NamedTuple):
    """Points with their distance from the place asked for, nearest first."""

    points: list[ServicePoint]
    stale: bool
    asked_at: float
    """When the upstream was asked, in seconds on the store's clock."""
    now: float
    """The store's clock."""


class ServicePoints:
    """Searches that the fleet shares by brand, country, rounded place and weight; no key names the caller."""

    def __init__(self, cache: FleetCache, sendcloud: Upstream, freshness: float) -> None:
        self._cache = cache
        self._sendcloud = sendcloud
        self._freshness = freshness
        self._parsed: DerivedValues[str, list[ServicePoint]] = DerivedValues(PARSED_SEARCHES)

    async def near(self, search: Search, token: str, parcel_key: str) -> Nearby:
        """The points of these carriers or of an unknown one within the radius; the parcel's token and room pay for it.

        Raises:
            BadUpstream: the country is not known, and the upstream searches in one country.
        """
        if not search.carriers:
            return Nearby([], stale=False, asked_at=0.0, now=0.0)
        if not search.country:
            raise BadUpstream("no country to search in")
        # A rounded place can be shared and gives no address away; a wider radius keeps every point in the answer.
        centre = Place(*(round(round(degrees / GRID_DEGREES) * GRID_DEGREES, 2) for degrees in search.place))
        reach = next(metres for metres in RADIUS_CLASSES_METRES if metres >= search.radius)
        query = ServicePointQuery(
            country=search.country,
            latitude=centre.latitude,
            longitude=centre.longitude,
            radius=min(reach + GRID_METRES, RADIUS_CLASSES_METRES[-1]),
            weight=search.weight and max(LIGHT_KILOGRAMS, math.ceil(search.weight)),
        )
        key = f"near|{search.brand}|{search.country}|{centre.latitude},{centre.longitude}|{reach}|{query.weight or ''}"
        cached = await self._shared(key, partial(self._asked, search.brand, token, query, centre), parcel_key)
        # A point whose carrier is not known may be one of theirs.
        carriers = {"", *map(str.lower, search.carriers)}
        wanted = [point for point in self._points(key, cached.value) if point.carrier.lower() in carriers]
        return Nearby(measured(wanted, search.place, search.radius), cached.stale, cached.asked_at, cached.now)

    def _points(self, key: str, kept: bytes) -> list[ServicePoint]:
        return self._parsed.get(key, kept, lambda: _POINTS.validate_json(kept))

    async def _asked(self, brand: str, token: str, query: ServicePointQuery, centre: Place) -> bytes:
        """The points of all carriers, the nearest of each."""
        found = await self._sendcloud.service_points(brand, token, query)
        return await asyncio.to_thread(lambda: _POINTS.dump_json(nearest_of_each_carrier(found, centre)))

    async def _shared(self, key: str, ask: Callable[[], Awaitable[bytes]], parcel_key: str) -> Cached:
        """The answer of one upstream call shared by all; a refused token ends only its own session."""
        while True:
            asked = False

            async def fetch() -> bytes:
                nonlocal asked
                asked = True
                return await ask()

            try:
                return await self._cache.get(key, fetch, self._freshness, parcel_key, parse=partial(self._points, key))
            except UpstreamUnauthorized:
                if asked:
                    raise


def nearest_of_each_carrier(points: Iterable[ServicePoint], place: Place) -> list[ServicePoint]:
    """The points of each carrier nearest to this place, as many as are kept."""
    seen = Counter[str]()
    found = []
    for point in measured(points, place):
        seen[point.carrier] += 1
        if seen[point.carrier] <= KEPT_OF_A_CARRIER:
            found.append(point)
    return found


def measured(points: Iterable[ServicePoint], place: Place, radius: float = math.inf) -> list[ServicePoint]:
    """The points within so many metres, nearest first, with their distance; points without a place are left out."""
    found = [
        (metres, point)
        for point in points
        if point.latitude is not None
        and point.longitude is not None
        and (metres := distance(place, Place(point.latitude, point.longitude))) <= radius
    ]
    found.sort(key=itemgetter(0))
    return [point.model_copy(update={"distance": metres}) for metres, point in found]


def distance(one: Place, other: Place) -> float:
    """Metres along the great circle."""
    (latitude, longitude), (to_latitude, to_longitude) = map(math.radians, one), map(math.radians, other)
    half_chord = (
        math.sin((to_latitude - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(to_latitude) * math.sin((to_longitude - longitude) / 2) ** 2
    )
    return 2 * EARTH_METRES * math.asin(math.sqrt(min(1.0, max(0.0, half_chord))))
