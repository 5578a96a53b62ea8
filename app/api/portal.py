"""Call 1: a shop's return settings, for anybody."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from app import enrichment
from app.api.problems import responses
from app.dependencies import BrandDep, ServicesDep
from app.errors import BadUpstream, BrandNotFound, InvalidRequest, StoreUnavailable, UpstreamTimeout
from app.models import Language, Portal

router = APIRouter(tags=["portal"])


@router.get(
    "/v1/brands/{brand}/portal",
    operation_id="getPortal",
    response_model=Portal,
    responses=responses(BrandNotFound, InvalidRequest, BadUpstream, StoreUnavailable, UpstreamTimeout),
)
async def get_portal(
    brand: BrandDep,
    services: ServicesDep,
    language: Annotated[Language | None, Query(description="Beats Accept-Language.")] = None,
    accept_language: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The shop's colours, texts, reasons, refunds and ways back, in a language it speaks."""
    wanted = [language] if language else enrichment.accepted_languages(accept_language)
    settings, spoken = await services.portals.get(brand, wanted)
    body = enrichment.portal(settings, spoken).model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={services.settings.portal_freshness:.0f}",
        "Vary": "Accept-Language",
    } | ({"Content-Language": spoken} if spoken else {})
    if etag in if_none_match or if_none_match.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
