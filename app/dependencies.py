"""What handlers ask for in their signatures: the services, the session, and proof that the caller may ask.

All are coroutines, those that wait for nothing too: FastAPI would send a plain function to a thread.
"""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Header, Path, Request

from app.cache import PortalCache
from app.callers import address_of, partner_of
from app.creation import Creation
from app.errors import (
    BrandNotFound,
    IdempotencyKeyInvalid,
    OriginNotAllowed,
    PartnerKeyUnknown,
    SessionExpired,
    SessionRequired,
    TooManyLookups,
    TwoCredentials,
    UnsupportedMediaType,
)
from app.flows import Flows
from app.labels import Labels
from app.limits import CallerLimit, ParcelLimit, ParcelPlaces
from app.load import Load
from app.points import ServicePoints
from app.sendcloud.client import Sendcloud
from app.sessions import Session, SessionId, SessionStore
from app.settings import Settings
from app.store import Store

COOKIE = "__Host-return_session"
UPLOADS_AT_ONCE = 4
UPLOADS_OF_ONE_PARCEL = 1
KEY = r'^(?:"([!-~]{16,255})"|([!#-~][!-~]{15,254}))$'


@dataclass(frozen=True)
class Services:
    """What one process works with; made once by the lifespan."""

    settings: Settings
    load: Load
    store: Store
    sendcloud: Sendcloud
    portals: PortalCache
    sessions: SessionStore
    points: ServicePoints
    labels: Labels
    flows: Flows
    creation: Creation
    caller_limit: CallerLimit
    parcel_limit: ParcelLimit
    upload_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UPLOADS_AT_ONCE))
    """Each holds up to 100 MB of the temporary directory."""
    uploads_of_parcels: ParcelPlaces = field(default_factory=lambda: ParcelPlaces(UPLOADS_OF_ONE_PARCEL))


def services_of(request: Request) -> Services:
    """The services of this process; for calls that are made so often that a dependency would be dear."""
    return cast("Services", request.app.state.services)


async def services(request: Request) -> Services:
    """The services of this process."""
    return services_of(request)


ServicesDep = Annotated[Services, Depends(services)]


async def served_brand(brand: Annotated[str, Path(max_length=63)], services: ServicesDep) -> str:
    """The brand of the path.

    Raises:
        BrandNotFound: it is not served here.
    """
    if brand not in services.settings.brands:
        raise BrandNotFound("not one of ours")
    return brand


BrandDep = Annotated[str, Depends(served_brand)]


async def presented(request: Request) -> SessionId | None:
    """The session id that came with the request, if any.

    Raises:
        TwoCredentials: cookie and bearer came together.
        SessionExpired: it is malformed.
    """
    cookie = request.cookies.get(COOKIE)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if cookie and scheme:
        raise TwoCredentials
    token = bearer.strip() if scheme.casefold() == "bearer" else cookie
    return SessionId.parse(token) if token else None


async def replaced(request: Request) -> SessionId | None:
    """The session that a new one takes the place of; one that is unusable is as good as none."""
    try:
        return await presented(request)
    except SessionExpired:
        return None


ReplacedDep = Annotated[SessionId | None, Depends(replaced)]


def check_origin(request: Request, allowed_origins: list[str]) -> None:
    """Returns if no page of another site is behind this request; a call with neither header comes from no browser.

    Raises:
        OriginNotAllowed: one may be.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Every browser of today sends one of the two with an unsafe request.
    if site is None and origin is None:
        return
    if site != "same-origin" and origin not in allowed_origins:
        raise OriginNotAllowed


def page_origins(request: Request, allowed_origins: list[str]) -> list[str]:
    """The origins of pages that may get a session: those listed, and ours where the browser says it is the page's."""
    origin = request.headers.get("origin")
    same_origin = request.headers.get("sec-fetch-site") == "same-origin"
    return [*allowed_origins, origin] if same_origin and origin else allowed_origins


async def required_session_id(request: Request) -> SessionId:
    """The session id a call needs; an unsafe call with the cookie also needs a page of ours behind it."""
    session_id = await presented(request)
    if session_id is None:
        raise SessionRequired
    if request.method != "GET" and COOKIE in request.cookies:
        check_origin(request, services_of(request).settings.allowed_origins)
    return session_id


SessionIdDep = Annotated[SessionId, Depends(required_session_id)]


async def ending_session_id(request: Request) -> SessionId | None:
    """The session id to end, None if what was presented is of no session."""
    try:
        return await required_session_id(request)
    except SessionExpired:
        return None


EndingDep = Annotated[SessionId | None, Depends(ending_session_id)]


# Each dependency costs FastAPI more than what it does: one for all that a call with a session needs.
async def live_session(request: Request) -> Session:
    """The session of the caller.

    Raises:
        SessionExpired: it is absent.
    """
    session_id = await required_session_id(request)
    session = await services_of(request).sessions.get(session_id)
    request.state.session_id = session_id
    return session


SessionDep = Annotated[Session, Depends(live_session)]


async def end_session(request: Request) -> None:
    """Ends the session of this request, if it has one: the upstream refuses its tokens."""
    session_id: SessionId | None = getattr(request.state, "session_id", None)
    if session_id:
        await services_of(request).sessions.delete(session_id)


PartnerKeyDep = Annotated[
    str | None, Header(alias="X-Partner-Key", description="A partner's key: its lookups count by partner.")
]


async def count_lookup(request: Request, partner_key: str | None, services: Services) -> None:
    """Returns if whoever asks may look up once more; from here on the answer tells what remains.

    No dependency, because those run before the body is checked: what is malformed costs nothing.

    Raises:
        TooManyLookups: not now.
        PartnerKeyUnknown: it counts to the address, so that keys cannot be guessed fast.
    """
    settings, peer = services.settings, request.client.host if request.client else None
    partner = None if partner_key is None else partner_of(partner_key, settings.partners)
    address = address_of(peer, request.headers.getlist("x-forwarded-for"), settings.trusted_proxies)
    quota = await services.caller_limit.spend(partner=partner, address=address)
    request.state.answer_headers = quota.headers
    if quota.retry_after is not None:
        raise TooManyLookups(retry_after=quota.retry_after)
    if partner_key is not None and partner is None:
        raise PartnerKeyUnknown


async def json_body(request: Request) -> None:
    """Returns if the body is declared to be JSON, which no form of another site can do unasked."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if media_type != "application/json":
        raise UnsupportedMediaType


async def idempotency_key(idempotency_key: Annotated[str, Header(include_in_schema=False)] = "") -> str:
    """The client's key for this creation, without its quotes.

    Raises:
        IdempotencyKeyInvalid: missing or malformed.
    """
    match = re.fullmatch(KEY, idempotency_key)
    if match is None:
        raise IdempotencyKeyInvalid
    return match[1] or match[2]


IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "description": "16 to 255 visible ASCII characters, quoted or not; kept 24 hours for this parcel.",
    "schema": {"type": "string", "pattern": KEY},
}
"""Its description; that it is missing is a problem of its own, which FastAPI's own check would not tell."""
IdempotencyKeyDep = Annotated[str, Depends(idempotency_key)]
