"""The route of a shop's return settings, which needs no session."""

import hashlib
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from app.errors import BrandNotFound, InvalidRequest, RouteNotFound
from app.http.answers.openapi import STORE, UPSTREAM, headers, responses
from app.http.answers.recent_answers import RecentAnswers
from app.http.hot_route import HotRoute
from app.http.languages import accepted_languages
from app.models.fields import Language
from app.models.shop import Portal
from app.portal import view
from app.portal.cache import PortalCache
from app.services import served_brand, service_of
from app.settings import Settings
from app.shops import Shops

router = APIRouter(tags=["portal"])
hot = APIRouter(tags=["portal"], route_class=HotRoute)

MAX_AGE_SECONDS = 60
"""Short, because this age adds to that of our own cache."""
OF_A_BODY = ("content-length", "content-type")


@hot.get(
    "/v1/brands/{brand}/portal",
    operation_id="getPortal",
    response_model=Portal,
    responses={
        200: {"headers": headers("Cache-Control", "Content-Language", "ETag", "Vary")},
        304: {
            "description": "The copy that `If-None-Match` names is still current.",
            "headers": headers("Cache-Control", "Content-Language", "ETag", "Vary"),
        },
        **responses(BrandNotFound, InvalidRequest, *STORE, *UPSTREAM),
    },
)
async def get_portal(
    request: Request,
    brand: Annotated[str, Path(max_length=63, description="The domain that names the shop.", examples=["demo"])],
    language: Annotated[
        Language, Query(description="A BCP 47 tag, which counts before Accept-Language; any other text counts as none.")
    ] = None,
    accept_language: Annotated[str, Header(description="Languages that the shopper reads (RFC 9110).")] = "",
    if_none_match: Annotated[str, Header(description="The `ETag` of a kept answer.")] = "",
) -> Response:
    """The shop's colours, texts, reasons, refunds and return methods, in a language it speaks."""
    await served_brand(brand, service_of(request, Shops), request)

    async def made() -> Response:
        wanted = [language] if language else accepted_languages(accept_language)
        return await _portal(service_of(request, PortalCache), brand, wanted)

    answer = await service_of(request, RecentAnswers).get((brand, language, accept_language), made)
    if if_none_match and (answer.headers["etag"] in if_none_match or if_none_match.strip() == "*"):
        unchanged = {name: value for name, value in answer.headers.items() if name not in OF_A_BODY}
        return Response(status_code=304, headers=unchanged)
    return answer


@router.get("/rp/", include_in_schema=False)
async def follow_hosted_link(request: Request) -> Response:
    """A link to the upstream's own portal, on a host of ours, leads to the page with the order that it names."""
    settings = service_of(request, Settings)
    brand = settings.portal_hosts.get(request.headers.get("host", "").partition(":")[0].lower())
    if brand is None:
        raise RouteNotFound
    named = {name: request.query_params.get(name) for name in ("identifier", "postal_code")}
    query = urlencode({"brand": brand} | {name: value for name, value in named.items() if value})
    headers = {"Location": f"{settings.portal_page}?{query}", "Cache-Control": "no-store"}
    return Response(status_code=HTTPStatus.SEE_OTHER, headers=headers | {"Referrer-Policy": "no-referrer"})


async def _portal(portals: PortalCache, brand: str, languages: list[str]) -> Response:
    portal = await portals.get(brand, languages)
    body = view.portal(portal.settings, portal.language, stale=portal.stale).model_dump_json().encode()
    headers = {
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}, stale-while-revalidate=240, stale-if-error=86400",
        "Vary": "Accept-Language",
    } | ({"Content-Language": portal.language} if portal.language else {})
    return Response(body, headers=headers, media_type="application/json")
