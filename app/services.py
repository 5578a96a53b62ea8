"""The objects of one process, and the dependencies by which handlers ask for them.

Every dependency is a coroutine, even if it waits for nothing: FastAPI would run a plain function in a thread.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Path, Request

from app.errors import BrandNotFound
from app.http.exchange import exchange_of
from app.http.load import Load
from app.http.recent_answers import RecentAnswers
from app.redis.encryption import Keyring
from app.redis.limits.rate_limits import CallerLimit, ParcelLimit, PerParcelLimit
from app.redis.marker import Markers
from app.redis.store import Store
from app.settings import Settings
from app.shops import Shops
from app.upstream import Upstream

if TYPE_CHECKING:
    from app.portal.cache import PortalCache
    from app.returns.create import Creation
    from app.returns.labels.watching import Labels
    from app.returns.view import ReturnBodies
    from app.service_points.search import ServicePoints
    from app.service_points.view import ServicePointViews
    from app.sessions.lookup import Flows
    from app.sessions.store import SessionStore

UPLOADS_AT_ONCE = 4
UPLOADS_OF_ONE_PARCEL = 1


@dataclass(frozen=True)
class Services:
    """The objects of one process, made once by the lifespan."""

    settings: Settings
    shops: Shops
    load: Load
    store: Store
    markers: Markers
    sendcloud: Upstream
    portals: "PortalCache"
    sessions: "SessionStore"
    keyring: Keyring
    points: "ServicePoints"
    point_views: "ServicePointViews"
    return_bodies: "ReturnBodies"
    labels: "Labels"
    flows: "Flows"
    creation: "Creation"
    caller_limit: CallerLimit
    parcel_limit: ParcelLimit
    waits_of_parcels: PerParcelLimit
    portal_answers: RecentAnswers = field(default_factory=RecentAnswers)
    upload_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UPLOADS_AT_ONCE))
    """Each upload holds up to 100 MB of the temporary directory."""
    uploads_of_parcels: PerParcelLimit = field(default_factory=lambda: PerParcelLimit(UPLOADS_OF_ONE_PARCEL))


def services_of(request: Request) -> Services:
    """The services of this process, for routes that are called so often that a dependency would cost too much."""
    return cast("Services", request.app.state.services)


async def services(request: Request) -> Services:
    """The services of this process."""
    return services_of(request)


ServicesDep = Annotated[Services, Depends(services)]


async def served_brand(
    brand: Annotated[str, Path(max_length=63, description="The domain that names the shop.", examples=["demo"])],
    services: ServicesDep,
    request: Request,
) -> str:
    """The brand of the path.

    Raises:
        BrandNotFound: the brand is not served here.
    """
    if not services.shops.of(brand).is_open:
        raise BrandNotFound("not one of ours")
    exchange_of(request.scope).brand = brand
    return brand


BrandDep = Annotated[str, Depends(served_brand)]
