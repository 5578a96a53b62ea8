"""The route to which a shop has the upstream send its events."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.errors import InvalidRequest, RouteNotFound, SignatureInvalid
from app.http.answers.openapi import STORE, responses
from app.http.exchange import exchange_of
from app.models.shop_calls import UpstreamEventTaken
from app.services import ShopsDep, service
from app.telemetry.metrics import UPSTREAM_EVENTS
from app.upstream_events.events import UpstreamEvents

router = APIRouter(tags=["shop"])

BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


@router.post(
    "/v1/brands/{brand}/upstream-events",
    operation_id="takeUpstreamEvent",
    openapi_extra={"requestBody": BODY},
    responses=responses(RouteNotFound, InvalidRequest, SignatureInvalid, *STORE),
)
async def take_upstream_event(
    brand: Annotated[str, Path(max_length=63, description="The domain that names the shop.", examples=["demo"])],
    request: Request,
    shops: ShopsDep,
    events: Annotated[UpstreamEvents, Depends(service(UpstreamEvents))],
) -> UpstreamEventTaken:
    """For the shipping service: takes one of its events about a parcel; repeating the call changes nothing."""
    shop = shops.of(brand)
    if shop.upstream_events is None:
        raise RouteNotFound
    exchange_of(request.scope).brand = shop.name
    outcome = await events.take(shop, shop.upstream_events, request.headers, await request.body())
    UPSTREAM_EVENTS.labels(outcome).inc()
    return UpstreamEventTaken(outcome=outcome.value)
