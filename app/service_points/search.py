"""Service points near a place: searched once for everybody around, measured from the exact place."""

import math
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import NamedTuple

from pydantic import TypeAdapter

from app.domain import ServicePoint, ServicePointQuery
from app.errors import UpstreamUnauthorized
from app.redis.shared_cache import Cached, FleetCache
from app.upstream import Upstream

GRID_DEGREES = 0.01
GRID_METRES = 800
"""More than any place is away from the grid point it is rounded to."""
RADIUS_CLASSES_METRES = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000)
EARTH_METRES = 6_371_000

_POINTS: TypeAdapter[list[ServicePoint]] = TypeAdapter(list[ServicePoint])


class Place(NamedTuple):
    """A point on the map, in degrees."""

    latitude: float
    longitude: float


class Search(NamedTuple):
    """What is searched for; carriers by code, radius in metres."""

    brand: str
    country: str
    place: Place
    radius: int
    carriers: tuple[str, ...]


class Nearby(NamedTuple):
    """Points with their distance from the place asked for, nearest first."""

    points: list[ServicePoint]
    stale: bool
    now: float
    """Seconds on the store's clock."""


class ServicePoints:
    """Searches that the fleet shares by brand, carriers, country and rounded place; never by who asks."""

    def __init__(self, cache: FleetCache, sendcloud: Upstream, freshness: float) -> None:
        self._cache = cache
        self._sendcloud = sendcloud
        self._freshness = freshness

    async def near(self, search: Search, token: str, scope: str) -> Nearby:
        """The points of these carriers within the radius; token and room of the parcel are spent on what is new."""
        if not search.carriers:
            return Nearby([], stale=False, now=0.0)
        # Rounded, the search can be shared and tells nobody's address; a little wider, it still holds every point.
        centre = Place(*(round(round(degrees / GRID_DEGREES) * GRID_DEGREES, 2) for degrees in search.place))
        reach = next(metres for metres in RADIUS_CLASSES_METRES if metres >= search.radius)
        query = ServicePointQuery(
            country=search.country,
            latitude=centre.latitude,
            longitude=centre.longitude,
            radius=min(reach + GRID_METRES, RADIUS_CLASSES_METRES[-1]),
            carriers=tuple(sorted(search.carriers)),
        )

        key = f"service-points|{search.brand}|{search.country}|{centre.latitude},{centre.longitude}|{reach}|"
        cached = await self._shared(
            key + ",".join(query.carriers), partial(self._sendcloud.service_points, search.brand, token, query), scope
        )
        found = measured(_POINTS.validate_json(cached.value), search.place)
        return Nearby([point for point in found if (point.distance or 0) <= search.radius], cached.stale, cached.now)

    async def _shared(self, key: str, ask: Callable[[], Awaitable[list[ServicePoint]]], scope: str) -> Cached:
        """The answer of one upstream call for all; a token that was refused costs its own session alone."""
        while True:
            asked = False

            async def fetch() -> bytes:
                nonlocal asked
                asked = True
                return _POINTS.dump_json(await ask())

            try:
                return await self._cache.get(key, fetch, self._freshness, scope)
            except UpstreamUnauthorized:
                if asked:
                    raise


def measured(points: Iterable[ServicePoint], place: Place) -> list[ServicePoint]:
    """The points with their distance from this place, nearest first; those without coordinates are left out."""
    found = [
        point.model_copy(update={"distance": distance(place, Place(point.latitude, point.longitude))})
        for point in points
        if point.latitude is not None and point.longitude is not None
    ]
    return sorted(found, key=lambda point: point.distance or 0)


def distance(one: Place, other: Place) -> float:
    """Metres along the great circle."""
    (latitude, longitude), (to_latitude, to_longitude) = map(math.radians, one), map(math.radians, other)
    half_chord = (
        math.sin((to_latitude - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(to_latitude) * math.sin((to_longitude - longitude) / 2) ** 2
    )
    return 2 * EARTH_METRES * math.asin(math.sqrt(min(1.0, max(0.0, half_chord))))
