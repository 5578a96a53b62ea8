"""Portal settings: fetched from the upstream and kept in Redis for a minute."""

from decimal import Decimal

import httpx
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel

from bench.beside.fastapi_peer.settings import Reason, Settings, UpstreamPortal, UpstreamStore

KEPT_SECONDS = 60
router = APIRouter()


class Refund(BaseModel):
    """A way to be paid back."""

    code: str
    label: str
    message_required: bool


class Brand(BaseModel):
    """The brand for a front end."""

    domain: str
    name: str
    color: str | None
    secondary_color: str | None
    website: str | None
    logo: str | None
    support_url: str | None
    return_policy_url: str | None
    hide_powered_by: bool


class Portal(BaseModel):
    """The portal for a front end."""

    brand: Brand
    languages: list[str]
    helper_text: str | None
    reasons: list[Reason]
    refund_options: list[Refund]
    delivery_options: list[str]
    fee: Decimal | None
    stores: list[UpstreamStore]


async def settings_of(request: Request, brand: str) -> Settings:
    """The settings of this brand, a minute old at the most."""
    redis = request.app.state.redis
    http: httpx.AsyncClient = request.app.state.http
    if kept := await redis.get(f"portal:{brand}"):
        return Settings.model_validate_json(kept)
    answer = await http.get(f"/brand/{brand}/return-portal")
    if answer.status_code != httpx.codes.OK:
        raise HTTPException(502)
    await redis.set(f"portal:{brand}", answer.content, ex=KEPT_SECONDS)
    return Settings.model_validate(answer.json())


def brand_of(source: UpstreamPortal) -> Brand:
    """The brand for a front end."""
    same = source.brand.model_dump(exclude={"screen_logo"})
    logo = (source.brand.screen_logo or {}).get("url")
    return Brand(**same, logo=logo, support_url=source.support_url, return_policy_url=source.return_policy_url)


def refunds_of(source: UpstreamPortal) -> list[Refund]:
    """The ways to be paid back."""
    return [
        Refund(code=each.code, label=each.label, message_required=each.require_message)
        for each in source.refund_options
    ]


@router.get("/v1/brands/{brand}/portal")
async def portal(brand: str, request: Request, response: Response) -> Portal:
    """What a front end needs before it knows who asks."""
    settings = await settings_of(request, brand)
    response.headers["cache-control"] = f"public, max-age={KEPT_SECONDS}"
    source = settings.portal
    return Portal(
        brand=brand_of(source),
        languages=source.languages,
        helper_text=(source.layout or {}).get("helper_text") or None,
        reasons=source.reasons,
        refund_options=refunds_of(source),
        delivery_options=source.delivery_options,
        fee=source.return_fee,
        stores=settings.return_locations,
    )
