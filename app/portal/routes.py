"""The route of a shop's return settings, which needs no session."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from app.errors import BrandNotFound, InvalidRequest, StoreUnavailable
from app.http.problems import UPSTREAM, responses
from app.models import Language, Portal
from app.portal import view
from app.portal.languages import accepted_languages
from app.services import BrandDep, ServicesDep

router = APIRouter(tags=["portal"])

MAX_AGE_SECONDS = 60
"""Short, because this age adds to that of our own cache."""


@router.get(
    "/v1/brands/{brand}/portal",
    operation_id="getPortal",
    response_model=Portal,
    responses={
        304: {"description": "What `If-None-Match` names is what stands."},
        **responses(BrandNotFound, InvalidRequest, StoreUnavailable, *UPSTREAM),
    },
)
async def get_portal(
    brand: BrandDep,
    services: ServicesDep,
    language: Annotated[Language, Query(description="Beats Accept-Language.")] = None,
    accept_language: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The shop's colours, texts, reasons, refunds and ways back, in a language it speaks."""
    wanted = [language] if language else accepted_languages(accept_language)
    portal = await services.portals.get(brand, wanted)
    body = view.portal(portal.settings, portal.language, stale=portal.stale).model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}, stale-while-revalidate=240, stale-if-error=86400",
        "Vary": "Accept-Language",
    } | ({"Content-Language": portal.language} if portal.language else {})
    if etag in if_none_match or if_none_match.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
