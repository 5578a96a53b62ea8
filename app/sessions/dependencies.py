"""Dependencies of the handlers: the session, and proof that the caller may look a parcel up.

Every dependency is a coroutine, even if it waits for nothing: FastAPI would run a plain function in a thread.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Path, Request

from app.errors import (
    PartnerKeyUnknown,
    SessionExpired,
    SessionRequired,
    TooManyLookups,
)
from app.http.answers.deferred import Leaving
from app.http.callers.client_address import address_of, is_forwarded_by_a_stranger, partner_of
from app.http.callers.credentials import check_origin, presented, session_cookie
from app.http.callers.session_id import SessionId
from app.http.exchange import exchange_of
from app.http.problem_types.texts import language_for
from app.redis.encryption import Keyring
from app.redis.limits.rate_limits import CallerLimit
from app.services import ShopsDep, service_of
from app.sessions.session import Session
from app.sessions.store import SessionStore
from app.settings import Settings
from app.shops import Shop, Shops
from app.telemetry.logs import log
from app.telemetry.metrics import FORWARDED_UNTRUSTED

T = TypeVar("T")


async def required_session_id(request: Request) -> SessionId:
    """The session id that a call needs; an unsafe call with the cookie must also come from an allowed page."""
    session_id = await presented(request)
    if session_id is None:
        raise SessionRequired
    if request.method != "GET" and session_cookie(request) is not None:
        check_origin(request, service_of(request, Shops).origins)
    return session_id


SessionIdDep = Annotated[SessionId, Depends(required_session_id)]


async def ending_session_id(request: Request) -> SessionId | None:
    """The session id to end; None if no session has the presented id."""
    try:
        return await required_session_id(request)
    except SessionExpired:
        return None


EndingDep = Annotated[SessionId | None, Depends(ending_session_id)]


def language_of(request: Request) -> str:
    """The one of our languages that suits the caller best."""
    return language_for(exchange_of(request.scope).accept_language)


# One dependency for everything that a call with a session needs, because each one costs FastAPI more than its work.
async def live_session(request: Request) -> Session:
    """The session of the caller.

    Raises:
        SessionExpired: the session does not exist.
    """
    return await _live(request, await required_session_id(request))


SessionDep = Annotated[Session, Depends(live_session)]


async def live_session_beside(
    request: Request, session_id: SessionId, ask: Callable[[str], Coroutine[None, None, T]]
) -> tuple[Session, T]:
    """The session of the caller, and what `ask` gives for its parcel key, asked for together if the session was seen.

    `ask` may ask only the store, because the session may be over; then its answer or error is dropped.

    Raises:
        SessionExpired: the session does not exist.
    """
    seen = service_of(request, SessionStore).seen(session_id)
    if seen is None:
        session = await _live(request, session_id)
        return session, await ask(session.parcel_key)
    # Not `gather`, which would cost each call a second task.
    beside = asyncio.create_task(ask(seen.parcel_key))
    try:
        session = await _live(request, session_id)
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            beside.cancel()
        await _ended(beside)
        raise
    if session.parcel_key == seen.parcel_key:
        return session, await beside
    await _ended(beside)
    return session, await ask(session.parcel_key)


async def _ended(dropped: asyncio.Task[T]) -> None:
    # It may be in the middle of a durable step, and asyncio must not tell the log how it ended.
    await asyncio.gather(dropped, return_exceptions=True)


async def _live(request: Request, session_id: SessionId) -> Session:
    session = await service_of(request, SessionStore).get(session_id)
    if request.method != "GET" and session_cookie(request) is not None:
        # The check so far lets any shop's page pass; now the session's shop is known.
        check_origin(request, service_of(request, Shops).of(session.brand).origins)
    exchange = exchange_of(request.scope)
    exchange.session_id, exchange.brand = session_id, session.brand
    exchange.journey = service_of(request, Keyring).journey(session_id.key)
    return session


SESSION_CHECK_SECONDS = 15.0
"""How often a waiting request checks that its session still exists."""


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
    """Returns if the session of this request may still exist after a wait.

    Raises:
        SessionExpired: the session ended meanwhile.
    """
    if not await _goes_on(request):
        raise SessionExpired("it ended while the request waited")


async def _goes_on(request: Request) -> bool:
    session_id = exchange_of(request.scope).session_id
    return session_id is not None and await service_of(request, SessionStore).may_go_on(session_id, None)


async def end_session(request: Request) -> None:
    """Ends the session of this request, if it has one, because the upstream refuses its tokens."""
    session_id = exchange_of(request.scope).session_id
    if session_id:
        await service_of(request, SessionStore).delete(session_id)


PartnerKeyDep = Annotated[
    str | None, Header(alias="X-Partner-Key", description="A partner's key: its lookups count by partner.")
]


async def count_lookup(request: Request, shop: Shop, partner_key: str | None) -> None:
    """Returns if the caller may look up once more; the answer's headers tell how many lookups remain.

    Not a dependency, because those run before the body is checked, and a malformed body must cost nothing.

    Raises:
        TooManyLookups: the caller has used up its lookups.
        PartnerKeyUnknown: the lookup counts to the address, so that keys cannot be guessed fast.
    """
    partner = None if partner_key is None else partner_of(partner_key, shop.partners)
    await _spend_lookup(request, shop, partner)
    if partner_key is not None and partner is None:
        raise PartnerKeyUnknown


async def calling_shop(
    brand: Annotated[str, Path(max_length=63, description="The domain that names the shop.", examples=["demo"])],
    request: Request,
    shops: ShopsDep,
    x_partner_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> str:
    """The brand of the path, one of whose systems makes this call; the log line of the request names that system.

    A shop that is closed keeps its calls.

    Raises:
        PartnerKeyUnknown: it counts as a lookup of the address, so that keys cannot be guessed fast.
        TooManyLookups: the address has used up its lookups.
    """
    shop = shops.of(brand)
    caller = None if x_partner_key is None else partner_of(x_partner_key, shop.shop_keys)
    if caller is None:
        await _spend_lookup(request, shop, None)
        raise PartnerKeyUnknown
    exchange = exchange_of(request.scope)
    exchange.brand, exchange.partner = shop.name, caller
    return brand


CallingShopDep = Annotated[str, Depends(calling_shop)]


async def _spend_lookup(request: Request, shop: Shop, partner: str | None) -> None:
    settings, peer = service_of(request, Settings), request.client.host if request.client else None
    exchange = exchange_of(request.scope)
    exchange.partner = partner
    forwarded = request.headers.getlist("x-forwarded-for")
    address = address_of(peer, forwarded, settings.trusted_proxies)
    if is_forwarded_by_a_stranger(peer, forwarded, settings.trusted_proxies):
        FORWARDED_UNTRUSTED.inc()
        log.warning("forwarding header of an untrusted peer", setting="BFF_TRUSTED_PROXIES")
    quota = await service_of(request, CallerLimit).spend(shop, partner=partner, address=address)
    exchange.answer_headers = quota.headers
    if quota.retry_after is not None:
        raise TooManyLookups(retry_after=quota.retry_after)
