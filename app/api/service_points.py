"""Call 4: where the parcel can be handed in."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app import enrichment
from app.api.problems import responses
from app.dependencies import ServicesDep, SessionDep
from app.errors import BadUpstream, FieldProblem, InvalidRequest, SessionExpired, StoreUnavailable, UpstreamTimeout
from app.models import ServicePoints
from app.sendcloud.schemas import ServicePointQuery

router = APIRouter(tags=["service points"])


class Place(NamedTuple):
    """A point on the map in degrees; both or none."""

    latitude: float | None
    longitude: float | None


def asked_place(
    latitude: Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)] = None,
    longitude: Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)] = None,
) -> Place:
    """The place in the query.

    Raises:
        InvalidRequest: one coordinate without the other.
    """
    if (latitude is None) != (longitude is None):
        missing = "latitude" if latitude is None else "longitude"
        raise InvalidRequest(errors=[FieldProblem("#/query", "missing", f"{missing} is missing.")])
    return Place(latitude, longitude)


@router.get(
    "/v1/service-points",
    operation_id="findServicePoints",
    response_model=ServicePoints,
    responses=responses(SessionExpired, InvalidRequest, BadUpstream, StoreUnavailable, UpstreamTimeout),
)
async def find_service_points(
    session: SessionDep,
    services: ServicesDep,
    place: Annotated[Place, Depends(asked_place)],
    radius: Annotated[int, Query(ge=100, le=50_000, description="Metres.")] = 5_000,
    carrier: Annotated[str | None, Query(max_length=60, description="One of the parcel's carriers.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    """Points of the parcel's carriers around a place, by default around the address the parcel went to."""
    data = session.outgoing.data
    home = data.parcel.to_coordinates
    carriers = tuple(each.code for each in data.carriers if carrier in {None, each.code})
    query = ServicePointQuery(
        country=data.parcel.country.iso_2,
        latitude=place.latitude if place.latitude is not None or home is None else home.latitude,
        longitude=place.longitude if place.longitude is not None or home is None else home.longitude,
        radius=radius,
        carriers=carriers,
    )
    # Without a carrier in the query the upstream answers the points of all, and none of this parcel's fits here.
    token = session.outgoing.service_points_token
    found = await services.sendcloud.service_points(token, query) if carriers else []
    answer = ServicePoints(service_points=enrichment.service_points(found)[:limit], stale=False)
    return Response(answer.model_dump_json(), media_type="application/json")
