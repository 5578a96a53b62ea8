"""A service point as the public sees it at a given moment."""

from app import models
from app.domain import ServicePoint
from app.redis.derived_values import DerivedValues
from app.service_points.opening_hours import intervals, opening, time_zone

MAX_INTERVALS = 12
"""Opening intervals a day; no point has more."""
_POINTS: DerivedValues[int, models.ServicePoint] = DerivedValues(1024)


def service_point(point: ServicePoint, now: float) -> models.ServicePoint:
    """A drop-off point, open or not at this moment (seconds since the epoch)."""
    return _POINTS.get(point.id, (point, minute(now)), lambda: _service_point(point, now))


def _service_point(point: ServicePoint, now: float) -> models.ServicePoint:
    times = point.opening_times or {}
    hours = intervals({day: list(dict.fromkeys(values))[:MAX_INTERVALS] for day, values in times.items()})
    zone = time_zone(point.country, point.latitude, point.longitude)
    opens = opening(hours, zone, models.utc_datetime(now)) if zone else None
    return models.ServicePoint(
        id=point.id,
        code=point.code,
        name=point.name,
        carrier=point.carrier,
        street=point.street,
        house_number=point.house_number,
        postal_code=point.postal_code,
        city=point.city,
        country=point.country,
        latitude=point.latitude,
        longitude=point.longitude,
        distance=None if point.distance is None else round(point.distance),
        kind=point.kind,
        phone=point.phone or None,
        open_tomorrow=bool(point.open_tomorrow),
        open_upcoming_week=bool(point.open_upcoming_week),
        time_zone=zone.key if zone else None,
        opening_hours=hours,
        open_now=opens and opens.open_now,
        closes_at=opens and opens.closes_at,
        next_open_at=opens and opens.next_open_at,
    )


def minute(seconds: float) -> int:
    """The minute of this moment: within one, nobody opens or closes (`opening_hours.opening`)."""
    return int(seconds // 60)
