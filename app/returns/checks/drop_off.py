"""The service point where a shopper chose to hand the parcel in."""

from dataclasses import dataclass

from app.domain import ServicePoint
from app.errors import ServicePointNotFound, ServicePointUnavailable, UpstreamError
from app.models import service_points
from app.models.requests import NewDelivery
from app.redis.limits.rate_limits import ParcelLimit
from app.service_points.search import Place, Search, ServicePoints
from app.service_points.view import service_point
from app.sessions.session import Session
from app.upstream import Upstream

ALTERNATIVES = 3
ALTERNATIVES_WITHIN_METRES = 10_000


@dataclass(frozen=True)
class DropOff:
    """Fetches the chosen service point, and alternatives if it is gone."""

    sendcloud: Upstream
    points: ServicePoints
    parcel_limit: ParcelLimit

    async def fetch(self, session: Session, delivery: NewDelivery) -> ServicePoint | None:
        """The chosen point as it is now; None if none was chosen.

        Raises:
            ServicePointUnavailable: it is gone or of another carrier; `alternatives` are near the shopper.
        """
        if delivery.service_point is None:
            return None
        await self.parcel_limit.spend(session.parcel_key)
        try:
            point = await self.sendcloud.service_point(
                session.brand, session.service_points_token, delivery.service_point
            )
        except ServicePointNotFound:
            point = None
        order = session.order
        offered = tuple(carrier.code for carrier in order.carriers)
        wanted = (order.carrier_named(delivery.carrier),) if delivery.carrier else offered
        # A point whose carrier is not known may be one of theirs; the upstream decides.
        if point is None or order.carrier_named(point.carrier) not in {"", *wanted}:
            alternatives = await self._find_alternatives(session, wanted)
            raise ServicePointUnavailable("gone, or of another carrier", alternatives=alternatives)
        return point

    async def _find_alternatives(
        self, session: Session, carriers: tuple[str, ...]
    ) -> list[service_points.ServicePoint]:
        order = session.order
        if order.coordinates is None:
            return []
        place = Place(order.coordinates.latitude, order.coordinates.longitude)
        search = Search(session.brand, order.address.country, place, ALTERNATIVES_WITHIN_METRES, carriers, order.weight)
        try:
            found = await self.points.near(search, session.service_points_token, session.parcel_key)
        except UpstreamError:
            # The point is gone, even if the search fails.
            return []
        return [service_point(point, found.now, found.asked_at) for point in found.points[:ALTERNATIVES]]
