"""Who asks: sessions in Redis as plain JSON, under a random token."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Header, HTTPException, Request, status
from pydantic import BaseModel

from bench.beside.fastapi_peer.lookup import Lookup
from bench.beside.fastapi_peer.portal import settings_of
from bench.beside.fastapi_peer.screen import Screen, drawn

LIFETIME = timedelta(hours=1)
router = APIRouter()


class Outgoing(BaseModel):
    """What most routes need of the lookup's answer."""

    service_points_token: str


class Session(BaseModel):
    """What a shopper proved a right to."""

    brand: str
    parcel: str
    outgoing: Outgoing


class FullSession(BaseModel):
    """The same with all that the lookup told."""

    brand: str
    parcel: str
    expires_at: datetime
    outgoing: Lookup


class Wanted(BaseModel):
    """A shopper's proof."""

    identifier: str
    postal_code: str


async def current_session(request: Request, authorization: Annotated[str, Header()] = "") -> Session:
    """The session of the bearer token, for routes that need little of it."""
    return Session.model_validate_json(await _kept(request, authorization))


async def full_session(request: Request, authorization: Annotated[str, Header()] = "") -> FullSession:
    """The same for routes that need all of it."""
    return FullSession.model_validate_json(await _kept(request, authorization))


async def _kept(request: Request, authorization: str) -> bytes:
    kept: bytes | None = await request.app.state.redis.get(f"session:{authorization.removeprefix('Bearer ')}")
    if kept is None:
        raise HTTPException(401)
    return kept


SessionDep = Annotated[Session, Depends(current_session)]
FullSessionDep = Annotated[FullSession, Depends(full_session)]


@router.post("/v1/brands/{brand}/sessions", status_code=status.HTTP_201_CREATED)
async def begin(brand: str, wanted: Wanted, request: Request) -> Screen:
    """Looks the order up, keeps what is told, and answers what the first screen is drawn from."""
    http: httpx.AsyncClient = request.app.state.http
    answer = await http.get(f"/brand/{brand}/return-portal/outgoing", params=wanted.model_dump())
    if answer.status_code != httpx.codes.OK:
        raise HTTPException(502)
    lookup = Lookup.model_validate(answer.json())
    settings = await settings_of(request, brand)
    token, expires_at = secrets.token_urlsafe(32), datetime.now(UTC) + LIFETIME
    session = FullSession(brand=brand, parcel=str(lookup.data.parcel.id), expires_at=expires_at, outgoing=lookup)
    await request.app.state.redis.set(f"session:{token}", session.model_dump_json(), ex=LIFETIME)
    return drawn(token, expires_at, settings, lookup.data)
