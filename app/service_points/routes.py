"""The routes of service points: a search, and one point as it is now."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from app.errors import FieldProblem, InvalidRequest, ServicePointNotFound, TooManyCalls
from app.http.answers.openapi import SESSION, UPSTREAM, links, responses
from app.http.hot_route import HotRoute
from app.models.fields import cleaned_code
from app.models.service_points import FreshServicePoint, ServicePoint, ServicePoints
from app.redis.limits.rate_limits import ParcelLimit
from app.service_points import search as searches
from app.service_points.search import Nearby, Place, Search
from app.service_points.view import ServicePointViews, ShowPoint
from app.services import service, service_of
from app.sessions.dependencies import SessionDep, SessionIdDep, live_session_beside
from app.sessions.session import Session
from app.upstream import Upstream

router = APIRouter(tags=["service points"])
hot = APIRouter(tags=["service points"], route_class=HotRoute)

Latitude = Annotated[
    float | None,
    Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees, with longitude; the parcel's by default."),
]
Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees, with latitude.")]


@dataclass(frozen=True)
class ServicePointServices:
    """The objects that the routes need."""

    sendcloud: Upstream
    points: searches.ServicePoints
    point_views: ServicePointViews
    parcel_limit: ParcelLimit
    ask_ahead: Callable[[int], None]
    """Asks for the turns of so many calls for service points, as `Budget.ask_ahead` does."""

    def counted(self, parcel_key: str) -> Coroutine[None, None, float]:
        """Counts the two calls for a point, as `ParcelLimit.spend` does; their turns are asked for beside it."""
        self.ask_ahead(2)
        return self.parcel_limit.spend(parcel_key, 2)


async def asked_search(
    session: SessionDep,
    latitude: Latitude = None,
    longitude: Longitude = None,
    radius: Annotated[int, Query(ge=100, le=50_000, description="Metres.")] = 5_000,
    carrier: Annotated[
        str | None, Query(max_length=60, description="One of the parcel's carriers."), BeforeValidator(cleaned_code)
    ] = None,
) -> Search:
    """The search that the query asks for, around the parcel's address unless it names a place.

    Raises:
        InvalidRequest: one coordinate without the other, or no place at all.
    """
    order, home = session.order, session.order.coordinates
    if latitude is not None and longitude is not None:
        place = Place(latitude, longitude)
    elif home is not None and latitude is None and longitude is None:
        place = Place(home.latitude, home.longitude)
    else:
        missing = "latitude" if latitude is None else "longitude"
        raise InvalidRequest(errors=[FieldProblem("#/query", "missing", f"{missing} is missing.")])
    wanted = order.carrier_named(carrier)
    carriers = tuple(each.code for each in order.carriers if wanted in {"", each.code})
    return Search(session.brand, order.address.country, place, radius, carriers, order.weight)


class Filter(NamedTuple):
    """Which of the points found are wanted."""

    labelless: bool
    open_now: bool
    limit: int

    def picks(self, found: Nearby, session: Session, show_point: ShowPoint) -> list[ServicePoint]:
        """The wanted points. Of points that need no label, the upstream names only the nearest one."""
        known = session.order.labelless_service_point
        wanted = (point for point in found.points if not self.labelless or (known and point.id == known.id))
        shown = (show_point(point, found.now, found.asked_at) for point in wanted)
        # A point whose hours are not known may be open.
        return list(islice((point for point in shown if not self.open_now or point.open_now is not False), self.limit))


async def asked_filter(
    *,
    labelless: Annotated[bool, Query(description="Only points known to take parcels without a label.")] = False,
    open_now: Annotated[bool, Query(description="Without the points known to be closed.")] = False,
    limit: Annotated[int, Query(ge=1, le=100, description="How many points at most.")] = 50,
) -> Filter:
    """The filters in the query."""
    return Filter(labelless, open_now, limit)


@router.get(
    "/v1/service-points",
    operation_id="findServicePoints",
    response_model=ServicePoints,
    responses={
        200: {"links": links("getServicePoint", service_point_id="$response.body#/service_points/0/id")},
        **responses(*SESSION, InvalidRequest, TooManyCalls, *UPSTREAM),
    },
)
async def find_service_points(
    session: SessionDep,
    services: Annotated[ServicePointServices, Depends(service(ServicePointServices))],
    search: Annotated[Search, Depends(asked_search)],
    wanted: Annotated[Filter, Depends(asked_filter)],
) -> Response:
    """Points of the parcel's carriers, nearest first, with opening hours in their own time zone."""
    await services.parcel_limit.spend(session.parcel_key)
    found = await services.points.near(search, session.service_points_token, session.parcel_key)
    answer = ServicePoints(service_points=wanted.picks(found, session, services.point_views.of), stale=found.stale)
    return Response(answer.model_dump_json(), media_type="application/json")


@hot.get(
    "/v1/service-points/{service_point_id}",
    operation_id="getServicePoint",
    response_model=FreshServicePoint,
    responses=responses(*SESSION, ServicePointNotFound, InvalidRequest, TooManyCalls, *UPSTREAM),
)
async def get_service_point(
    service_point_id: Annotated[
        int,
        Field(ge=1, le=2**53, description="The `id` of the service point.", json_schema_extra={"format": "int64"}),
    ],
    request: Request,
    session_id: SessionIdDep,
) -> Response:
    """One point as it is now, and whether it takes parcels."""
    services = service_of(request, ServicePointServices)
    session, now = await live_session_beside(request, session_id, services.counted)
    token = session.service_points_token
    point, available = await asyncio.gather(
        services.sendcloud.service_point(session.brand, token, service_point_id),
        services.sendcloud.service_point_available(session.brand, token, service_point_id),
    )
    body = services.point_views.fresh(point, now, available=available)
    return Response(body, media_type="application/json")
