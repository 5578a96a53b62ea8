"""The routes of a shop's own systems."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.errors import (
    FindingRefused,
    InvalidRequest,
    PartnerKeyUnknown,
    ReturnNotFound,
    ReturnStillOpen,
    TooManyLookups,
)
from app.http.answers.openapi import JSON_BODY, STORE, body_examples, responses
from app.http.callers.credentials import json_body
from app.http.exchange import exchange_of
from app.models.examples import ORDERS_OF_SHOPS, RESOLUTIONS
from app.models.returns import ReturnId
from app.models.shop_calls import ErasedOrder, OrderOfShop, ParcelUnits, Resolution, ShopReturn, ShopReturns
from app.services import service
from app.sessions.dependencies import CallingShopDep
from app.shop_calls.calls import ShopCalls
from app.shop_calls.view import shop_return

router = APIRouter(tags=["shop"])

OF_AN_ORDER = (PartnerKeyUnknown, TooManyLookups, InvalidRequest, *STORE)
OF_A_RETURN = (*OF_AN_ORDER, ReturnNotFound)
"""The problems that any call about a return may answer."""

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
    return shop_return(await calls.resolve(brand, return_id, body, by=_caller(request)))


@router.post(
    "/v1/shops/{brand}/returns/{return_id}/erase",
    operation_id="eraseReturn",
    responses=responses(*OF_A_RETURN, ReturnStillOpen),
)
async def erase_return(return_id: ReturnId, brand: CallingShopDep, calls: ShopCallsDep, request: Request) -> ShopReturn:
    """Deletes everything personal of a return whose state is final; repeating the call changes nothing."""
    return shop_return(await calls.erase(brand, return_id, by=_caller(request)))


@router.post(
    "/v1/shops/{brand}/returns/search",
    operation_id="findReturnsOfOrder",
    dependencies=[Depends(json_body)],
    openapi_extra=body_examples(ORDERS_OF_SHOPS),
    responses=responses(*OF_AN_ORDER, *JSON_BODY),
)
async def find_returns_of_order(brand: CallingShopDep, body: OrderOfShop, calls: ShopCallsDep) -> ShopReturns:
    """The returns of an order by its number; a number with no returns has an empty list."""
    found = await calls.of_order(brand, body.order_number)
    return ShopReturns(returns=[shop_return(each.found) for each in found])


@router.post(
    "/v1/shops/{brand}/returns/erase",
    operation_id="eraseReturnsOfOrder",
    dependencies=[Depends(json_body)],
    openapi_extra=body_examples(ORDERS_OF_SHOPS),
    responses=responses(*OF_AN_ORDER, *JSON_BODY),
)
async def erase_returns_of_order(
    brand: CallingShopDep, body: OrderOfShop, calls: ShopCallsDep, request: Request
) -> ErasedOrder:
    """Deletes everything personal of each return of an order whose state is final, and names the others."""
    outcome = await calls.erase_order(brand, body.order_number, by=_caller(request))
    return ErasedOrder(
        erased=[return_id for return_id, erased in outcome.items() if erased],
        still_open=[return_id for return_id, erased in outcome.items() if not erased],
    )


def _caller(request: Request) -> str:
    """The system of the shop that makes this call."""
    return exchange_of(request.scope).partner or ""
