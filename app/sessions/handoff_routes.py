"""The routes of handoffs: continue a session on another device."""

from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.errors import (
    FieldProblem,
    HandoffNotFound,
    InvalidRequest,
    OriginNotAllowed,
    TooManyHandoffs,
)
from app.http.answers.openapi import JSON_BODY, NEW_SESSION, SESSION, body_examples, headers, responses
from app.http.callers.credentials import ReplacedDep, json_body, page_origins
from app.models.examples import NEW_HANDOFFS, REDEEMED_HANDOFFS
from app.models.fields import utc_datetime
from app.models.requests import NewHandoff, RedeemedHandoff
from app.models.session import Handoff, SessionAnswer
from app.services import ShopsDep, service
from app.sessions.dependencies import SessionDep, language_of
from app.sessions.lookup import Lookups
from app.sessions.start import check_page, session_started

LookupsDep = Annotated[Lookups, Depends(service(Lookups))]
router = APIRouter(tags=["session"])


@router.post(
    "/v1/session/handoff",
    operation_id="createHandoff",
    status_code=201,
    dependencies=[Depends(json_body)],
    openapi_extra=body_examples(NEW_HANDOFFS),
    responses=responses(*SESSION, OriginNotAllowed, *JSON_BODY, TooManyHandoffs),
)
async def create_handoff(
    request: Request, wanted: NewHandoff, session: SessionDep, shops: ShopsDep, lookups: LookupsDep
) -> Handoff:
    """A single-use link and QR code, good for 15 minutes; the session itself goes on."""
    origins = page_origins(request, shops.of(session.brand).origins)
    if wanted.page and not any(f"{wanted.page}/".startswith(f"{origin}/") for origin in origins):
        raise InvalidRequest(errors=[FieldProblem("#/page", "page-not-allowed", "Its origin is not allowed.")])
    copy, expires_at = await lookups.hand_off(session)
    link = f"{wanted.page}#handoff={copy.token}" if wanted.page else None
    picture = segno.make_qr(link).svg_data_uri(scale=4) if link else None
    return Handoff(token=copy.token, link=link, qr_code=picture, expires_at=utc_datetime(expires_at))


@router.post(
    "/v1/handoffs",
    operation_id="redeemHandoff",
    status_code=201,
    response_model=SessionAnswer,
    dependencies=[Depends(json_body)],
    openapi_extra=body_examples(REDEEMED_HANDOFFS),
    responses={
        201: {"headers": headers("Set-Cookie", "Vary")},
        **responses(OriginNotAllowed, HandoffNotFound, *NEW_SESSION),
    },
)
async def redeem_handoff(
    request: Request, wanted: RedeemedHandoff, old: ReplacedDep, shops: ShopsDep, lookups: LookupsDep
) -> Response:
    """Starts a session of its own on this device; the token is used up."""
    check_page(request, wanted, shops.origins)
    return await session_started(
        await lookups.redeem(wanted.token, language_of(request)), wanted, old, lookups.sessions
    )
