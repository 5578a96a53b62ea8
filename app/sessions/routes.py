"""The routes of sessions: look a parcel up, resume, end."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.errors import (
    BrandNotFound,
    NotReturnableNow,
    OriginNotAllowed,
    ParcelNotFound,
    PartnerKeyUnknown,
    SessionRequired,
    TooManyFailedLookups,
    TooManyLookups,
    TwoCredentials,
)
from app.http.answers.openapi import (
    NEW_SESSION,
    QUOTA,
    SESSION,
    STORE,
    UPSTREAM,
    body_examples,
    headers,
    links,
    responses,
)
from app.http.callers.credentials import COOKIE, ReplacedDep, json_body, session_cookie
from app.http.hot_route import HotRoute
from app.models.examples import NEW_SESSIONS
from app.models.requests import NewSession
from app.models.session import SessionAnswer
from app.services import BrandDep, ShopsDep, service, service_of
from app.sessions.dependencies import EndingDep, PartnerKeyDep, SessionDep, count_lookup, language_of
from app.sessions.lookup import Lookups
from app.sessions.start import BY_LANGUAGE, check_page, session_started
from app.sessions.store import SessionStore

router = APIRouter(tags=["session"])
hot = APIRouter(tags=["session"], route_class=HotRoute)


@router.post(
    "/v1/brands/{brand}/sessions",
    operation_id="createSession",
    status_code=201,
    response_model=SessionAnswer,
    dependencies=[Depends(json_body)],
    openapi_extra=body_examples(NEW_SESSIONS),
    responses={
        201: {"headers": headers("Set-Cookie", "Vary", *QUOTA)},
        **responses(
            OriginNotAllowed,
            PartnerKeyUnknown,
            BrandNotFound,
            ParcelNotFound,
            NotReturnableNow,
            TooManyLookups,
            TooManyFailedLookups,
            *NEW_SESSION,
        ),
    },
)
async def create_session(
    request: Request,
    brand: BrandDep,
    wanted: NewSession,
    old: ReplacedDep,
    shops: ShopsDep,
    lookups: Annotated[Lookups, Depends(service(Lookups))],
    x_partner_key: PartnerKeyDep = None,
) -> Response:
    """Looks the parcel up and starts a session: a `__Host-` cookie, or a `session_token` in the body if asked for."""
    shop = shops.of(brand)
    check_page(request, wanted, shop.origins)
    await count_lookup(request, shop, x_partner_key)
    return await session_started(
        await lookups.look_up(brand, wanted, language_of(request)), wanted, old, lookups.sessions
    )


@hot.get(
    "/v1/session",
    operation_id="getSession",
    response_model=SessionAnswer,
    responses={
        200: {"headers": headers("Vary"), "links": links("getReturn", return_id="$response.body#/returns/0/id")},
        **responses(*SESSION, *UPSTREAM),
    },
)
async def get_session(request: Request, session: SessionDep) -> Response:
    """Everything the first screen needs, again."""
    lookups = service_of(request, Lookups)
    portal = await lookups.portals.get(session.brand, session.languages)
    screen = await lookups.first_screen(session, portal.settings, language_of(request))
    return Response(screen.body, headers=BY_LANGUAGE, media_type="application/json")


@router.delete(
    "/v1/session",
    operation_id="deleteSession",
    status_code=204,
    responses={
        204: {"headers": headers("Set-Cookie")},
        **responses(SessionRequired, TwoCredentials, OriginNotAllowed, *STORE),
    },
)
async def delete_session(request: Request, session_id: EndingDep) -> Response:
    """Forgets the tokens and the personal data at once; returns, and the units that they hold, stay."""
    if session_id:
        await service_of(request, SessionStore).delete(session_id)
    response = Response(status_code=204)
    if session_cookie(request) is not None:
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response
