"""What handlers ask for in their signatures: the session, and proof that the caller may look a parcel up.

All are coroutines, those that wait for nothing too: FastAPI would send a plain function to a thread.
"""

import asyncio
import contextlib
from typing import Annotated

from fastapi import Depends, Header, Request

from app.errors import (
    PartnerKeyUnknown,
    SessionExpired,
    SessionRequired,
    TooManyLookups,
)
from app.http.client_address import address_of, is_forwarded_by_a_stranger, partner_of
from app.http.credentials import check_origin, presented, session_cookie
from app.http.deferred import Leaving
from app.http.exchange import exchange_of
from app.http.session_id import SessionId
from app.services import Services, services_of
from app.sessions.store import Session
from app.telemetry.logs import log
from app.telemetry.metrics import FORWARDED_UNTRUSTED


async def required_session_id(request: Request) -> SessionId:
    """The session id a call needs; an unsafe call with the cookie also needs a page of ours behind it."""
    session_id = await presented(request)
    if session_id is None:
        raise SessionRequired
    if request.method != "GET" and session_cookie(request) is not None:
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
    exchange = exchange_of(request.scope)
    exchange.session_id, exchange.brand = session_id, session.brand
    exchange.journey = services_of(request).keyring.name("journey", session_id.key)
    return session


SessionDep = Annotated[Session, Depends(live_session)]


SESSION_CHECK_SECONDS = 15.0
"""How often a request that waits asks whether its session is still there."""


def leaving_or_logged_out(request: Request, leaving: Leaving) -> Leaving:
    """Waits until the caller leaves or the session of this request ends."""

    async def left() -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SESSION_CHECK_SECONDS):
                    await leaving()
                    return
            if not await _goes_on(request):
                return

    return left


async def check_session(request: Request) -> None:
    """Returns if the session of this request may still be there after a wait.

    Raises:
        SessionExpired: it ended meanwhile.
    """
    if not await _goes_on(request):
        raise SessionExpired("it ended while the request waited")


async def _goes_on(request: Request) -> bool:
    session_id = exchange_of(request.scope).session_id
    return session_id is not None and await services_of(request).sessions.may_go_on(session_id, None)


async def end_session(request: Request) -> None:
    """Ends the session of this request, if it has one: the upstream refuses its tokens."""
    session_id = exchange_of(request.scope).session_id
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
    exchange = exchange_of(request.scope)
    exchange.partner = partner
    forwarded = request.headers.getlist("x-forwarded-for")
    address = address_of(peer, forwarded, settings.trusted_proxies)
    if is_forwarded_by_a_stranger(peer, forwarded, settings.trusted_proxies):
        FORWARDED_UNTRUSTED.inc()
        log.warning("forwarding header of an untrusted peer", setting="BFF_TRUSTED_PROXIES")
    quota = await services.caller_limit.spend(partner=partner, address=address)
    exchange.answer_headers = quota.headers
    if quota.retry_after is not None:
        raise TooManyLookups(retry_after=quota.retry_after)
    if partner_key is not None and partner is None:
        raise PartnerKeyUnknown
