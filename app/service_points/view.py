"""A service point as the public sees it at a given moment."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from app.domain import ServicePoint
from app.models import fields, service_points
from app.redis.derived_values import DerivedValues
from app.service_points.opening_hours import UNKNOWN, Opening, WeekHours, opening, week_hours
from app.service_points.time_zones import in_one_week, time_zone

KEPT_POINTS = 1024

ShowPoint = Callable[[ServicePoint, float, float | None], service_points.ServicePoint]
"""From a point, this moment and the moment when upstream described it (seconds since the epoch) to its view."""

_NOT_KNOWN = Opening(open_now=None, closes_at=None, next_open_at=None)


def service_point(point: ServicePoint, now: float, asked_at: float | None) -> service_points.ServicePoint:
    """A service point at this moment (seconds since the epoch), as the upstream described it when it was asked.

    Upstream states the hours of the current week, holidays included, so the hours of any other week are not known.
    """
    zone = time_zone(point.country, point.latitude, point.longitude)
    week = _week(point, zone, now, asked_at)
    opens = opening(week, zone, fields.utc_datetime(now)) if zone else _NOT_KNOWN
    return service_points.ServicePoint(
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
        opening_hours=week.hours,
        unknown_weekdays=sorted(week.unknown),
        open_now=opens.open_now,
        closes_at=opens.closes_at,
        next_open_at=opens.next_open_at,
    )


class ServicePointViews:
    """Points as `service_point` shows them, built once for all who ask within a minute."""

    def __init__(self) -> None:
        self._points: DerivedValues[int, service_points.ServicePoint] = DerivedValues(KEPT_POINTS)
        self._fresh: DerivedValues[int, bytes] = DerivedValues(KEPT_POINTS)

    def of(self, point: ServicePoint, now: float, asked_at: float | None) -> service_points.ServicePoint:
        """The view of this point."""
        parts = point, minute(now), asked_at and minute(asked_at)
        return self._points.get(point.id, parts, lambda: service_point(point, now, asked_at))

    def fresh(self, point: ServicePoint, now: float, *, available: bool) -> bytes:
        """The view of a point that has just been asked for, as JSON."""
        view = self.of(point, now, now)

        def made() -> bytes:
            answer = service_points.FreshServicePoint(**dict(view), available=available)
            return answer.model_dump_json().encode()

        return self._fresh.get(point.id, (view, available), made)


def _week(point: ServicePoint, zone: ZoneInfo | None, now: float, asked_at: float | None) -> WeekHours:
    """The hours of the week of `now`; days without hours count as closed unless no day has any."""
    if asked_at is None or not in_one_week(fields.utc_datetime(asked_at), fields.utc_datetime(now), zone):
        return UNKNOWN
    week = week_hours(point.opening_times or {})
    never_opens = point.open_upcoming_week is False and not point.open_tomorrow
    return week if week.hours or never_opens else UNKNOWN


def minute(seconds: float) -> int:
    """The minute of this moment; within a minute, no point opens or closes (`opening_hours.opening`)."""
    return int(seconds // 60)
