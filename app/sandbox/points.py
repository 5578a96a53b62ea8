"""The service points of the sandbox: 30 of our own, and the vendor guide's example for the brand `guide`."""

import json
import math
from collections.abc import Iterator
from functools import cache

from app.sandbox.answers import Refused
from app.sandbox.brands import DATA, Brand, Json, load, metres


def points_of(brand: Brand) -> list[Json]:
    """Every service point of the carriers this brand enabled, in no particular order (none is documented)."""
    if not brand.has_service_points:
        return []
    if count := brand.settings.get("crowded"):
        return list(_crowd(brand, count))
    # Its own example is added last, so that the nearest points of other orders stay.
    known = [_guide_example(), *load("service_points")["points"]] if brand.domain == "guide" else _own_points()
    return [point for point in known if point["carrier"] in brand.carrier_codes()]


def point_with(brand: Brand, number: int) -> Json:
    """One service point; `Refused` (404) where the brand has none of this id."""
    for point in points_of(brand):
        if point["id"] == number:
            return point
    raise Refused(404, "not_found", "The requested resource could not be found")


def is_available(point: Json) -> bool:
    """Whether the point takes parcels now (S3)."""
    return point["id"] not in load("service_points")["unavailable"]


def measured(point: Json, latitude: float, longitude: float) -> Json:
    """The point with its distance from this place in whole metres."""
    away = metres(latitude, longitude, float(point["latitude"]), float(point["longitude"]))
    return {**point, "distance": away}


def nearest(brand: Brand, customer: Json, *, labelless: bool) -> Json | None:
    """The usable point nearest to this customer in the same country; the labelless mark is our own choice."""
    usable = _usable(brand, customer["country"]["iso_2"], labelless=labelless)
    around = [measured(point, customer["latitude"], customer["longitude"]) for point in usable]
    return min(around, key=lambda point: point["distance"], default=None)


def _usable(brand: Brand, country: str, *, labelless: bool) -> Iterator[Json]:
    for point in points_of(brand):
        marked = point["extra_data"].get("labelless", False)
        if point["country"] == country and point["is_active"] and is_available(point) and marked >= labelless:
            yield point


def _crowd(brand: Brand, count: int) -> Iterator[Json]:
    """So many points around the brand's customer, 100 m apart, of each carrier in turn."""
    customer, sample, carriers = brand.settings["customer"], _own_points()[0], brand.carrier_codes()
    across = math.isqrt(count)
    for number in range(count):
        row, column = divmod(number, across)
        yield sample | {
            "id": 30_000_000 + number,
            "code": f"CROWD{number:04}",
            "name": f"Paketshop {number + 1}",
            "city": customer["city"],
            "country": customer["country"]["iso_2"],
            "carrier": carriers[number % len(carriers)],
            "latitude": f"{customer['latitude'] + (row - across // 2) * 0.0009:.6f}",
            "longitude": f"{customer['longitude'] + (column - across // 2) * 0.0015:.6f}",
        }


def _own_points() -> list[Json]:
    return list(load("service_points")["points"])


@cache
def _guide_example() -> Json:
    example: Json = json.loads((DATA.parent / "guide_service_point.json").read_text("utf-8"))
    return example
