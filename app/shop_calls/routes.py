"""The routes of a shop's own systems."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.errors import FindingRefused, PartnerKeyUnknown, ReturnNotFound, StoreUnavailable, TooManyLookups
from app.http.answers.openapi import JSON_BODY, body_examples, responses
from app.http.callers.credentials import json_body
from app.http.exchange import exchange_of
from app.models.examples import RESOLUTIONS
from app.models.returns import ReturnId
from app.models.shop_calls import ParcelUnits, Resolution, ShopReturn
from app.services import service
from app.sessions.dependencies import CallingShopDep
from app.shop_calls.calls import ShopCalls
from app.shop_calls.view import shop_return

router = APIRouter(tags=["shop"])

OF_A_RETURN = (PartnerKeyUnknown, TooManyLookups, ReturnNotFound, StoreUnavailable)
"""The problems that any of these calls may answer."""


ShopCallsDep = Annotated[ShopCalls, Depends(service(ShopCalls))]


@router.get("/v1/shops/{brand}/returns/{return_id}", operation_id="getShopReturn", responses=responses(*OF_A_RETURN))
async def get_shop_return(return_id: ReturnId, brand: CallingShopDep, calls: ShopCallsDep) -> ShopReturn:
    """A return of the shop as it is stored."""
    return shop_return((await calls.find(brand, return_id)).found)


@router.get(
    "/v1/shops/{brand}/returns/{return_id}/units", operation_id="getParcelUnits", responses=responses(*OF_A_RETURN)
)
async def get_parcel_units(return_id: ReturnId, brand: CallingShopDep, calls: ShopCallsDep) -> ParcelUnits:
    """Which returns hold units of the parcel that this return belongs to."""
    return await calls.units(brand, return_id)


@router.post(
    "/v1/shops/{brand}/returns/{return_id}/resolve",
    operation_id="resolveReturn",
    dependencies=[Depends(json_body)],
    openapi_extra=body_examples(RESOLUTIONS),
    responses=responses(*OF_A_RETURN, *JSON_BODY, FindingRefused),
)
async def resolve_return(
    return_id: ReturnId, brand: CallingShopDep, body: Resolution, calls: ShopCallsDep, request: Request
) -> ShopReturn:
    """Records what became of a return that the shop looked up in the panel; repeating the call changes nothing."""
    by = exchange_of(request.scope).partner or brand
    return shop_return(await calls.resolve(brand, return_id, body, by=by))
