"""Looking a parcel up, handing a session off, and the first screen."""

import asyncio
import math
from dataclasses import dataclass, field

from app.domain import OpenedOrder, Order, ShopSettings
from app.errors import (
    BadUpstream,
    BffError,
    HandoffNotFound,
    NotReturnableNow,
    ParcelNotFound,
    SessionExpired,
    TooManyHandoffs,
    UpstreamRejected,
)
from app.http.callers.session_id import SessionId
from app.models.requests import NewSession
from app.portal.cache import PortalCache
from app.redis.derived_values import DerivedValues
from app.redis.encryption import Keyring
from app.redis.limits.failed_lookups import Attempt, OrderLimit
from app.redis.store import Limit, Store
from app.returns.store.deliveries import key_of_parcel
from app.returns.store.records import ParcelReturns
from app.returns.store.returns import Returns
from app.service_points.view import minute
from app.sessions import view
from app.sessions.session import Session
from app.sessions.store import SessionStore
from app.sessions.view import Screen, Started
from app.telemetry.metrics import SHARED_PARCELS
from app.upstream import Upstream

HANDOFF_SECONDS = 15 * 60
SHARED_KEPT_SECONDS = 24 * 3600
SCREENS = 1024
SCREENS_BYTES = 16 * 1024 * 1024
"""How many first screens stay built in memory, and their bytes of JSON together."""
HANDOFFS = 10
"""The most handoffs of one parcel within that time."""


@dataclass(frozen=True)
class Lookups:
    """Lookups, handoffs and first screens, with the objects that they need."""

    session_ttl: int
    store: Store
    keyring: Keyring
    sendcloud: Upstream
    portals: PortalCache
    sessions: SessionStore
    returns: Returns
    order_limit: OrderLimit
    screens: DerivedValues[str, Screen] = field(default_factory=lambda: DerivedValues(SCREENS, SCREENS_BYTES))

    async def look_up(self, brand: str, wanted: NewSession, language: str) -> Started:
        """A new session for the parcel, and its first screen, with `language` for what cannot be done.

        Parcel and settings are asked for side by side.

        Raises:
            ParcelNotFound: unknown order or wrong postal code.
            TooManyFailedLookups, StoreUnavailable: before any upstream call.
        """
        attempt = await self.order_limit.attempt(brand, wanted.identifier)
        started = asyncio.get_running_loop().time()
        opened, portal = await asyncio.gather(
            self._opened(attempt, brand, wanted),
            self.portals.get(brand, [wanted.language] if wanted.language else []),
        )
        # The upstream may have taken seconds, by which a session must not outlive its tokens.
        now = attempt.at + asyncio.get_running_loop().time() - started
        points_end = opened.service_points_expire_at
        # Without that token the order opens, so one that has ended already counts as none.
        has_points = points_end is None or points_end > now
        ends = [end for end in (opened.expires_at, points_end if has_points else None) if end is not None]
        session = Session(
            brand=brand,
            parcel_key=parcel_key_of(self.keyring, brand, opened.order, wanted.identifier),
            languages=[portal.language] if portal.language else [],
            expires_at=min([now + self.session_ttl, *ends]),
            opened_at=attempt.at,
            order=opened.order,
            access_token=opened.access_token,
            service_points_token=opened.service_points_token if has_points else "",
        )
        if session.expires_at <= now:
            raise BadUpstream("an access token that has expired already")
        screen, _ = await asyncio.gather(
            self.first_screen(session, portal.settings, language), self._count_shared(brand, opened.order.parcel_id)
        )
        return Started(await self.sessions.create(session, session.expires_at - now), screen)

    async def hand_off(self, session: Session) -> tuple[SessionId, float]:
        """A copy of the session that waits for another device, and when it expires (on the store's clock).

        Raises:
            TooManyHandoffs: the parcel has as many copies as it may.
        """
        # By parcel, because a handoff starts a session, which could hand off again, without end.
        allowance = await self.store.spend(f"q:{{handoffs:{session.parcel_key}}}", 1, Limit(HANDOFFS, HANDOFF_SECONDS))
        if not allowance.granted:
            raise TooManyHandoffs(retry_after=math.ceil(allowance.wait))
        now = await self.store.now()
        expires_at = min(now + HANDOFF_SECONDS, session.expires_at)
        return await self.sessions.create(session, expires_at - now, "rph"), expires_at

    async def redeem(self, token: str, language: str) -> Started:
        """A new session for the device that brings the token of a handoff, and its first screen.

        The token is used up last: a device that gets no screen can bring it again.

        Raises:
            HandoffNotFound: it was redeemed before, has expired, or was never made.
        """
        try:
            handoff_id = SessionId.parse(token, "rph")
            session = await self.sessions.get(handoff_id)
            portal = await self.portals.get(session.brand, session.languages)
            screen = await self.first_screen(session, portal.settings, language)
            session_id = await self.sessions.create(session, session.expires_at - await self.store.now())
            await self._use_up(handoff_id, session_id)
        except SessionExpired as error:
            raise HandoffNotFound("nothing waits behind this token") from error
        return Started(session_id, screen)

    async def _use_up(self, handoff_id: SessionId, session_id: SessionId) -> None:
        """Takes the handoff; if another device was faster, the new session is deleted again."""
        try:
            await self.sessions.take(handoff_id)
        except SessionExpired:
            await self.sessions.delete(session_id)
            raise

    async def first_screen(self, session: Session, settings: ShopSettings, language: str) -> Screen:
        """The first screen of this session, with words of ours in this language."""
        parcel = await self.returns.of_parcel(session.parcel_key, session.order.units)
        returns = [(found.record, found.retry_after) for found in parcel.returns]
        now, delivered_at = parcel.moment
        of_delivery = delivered_at, settings.policy.is_over(parcel.moment)
        seen = session, settings, returns, parcel.free, minute(now), of_delivery, language
        return self.screens.get(
            session.parcel_key,
            seen,
            lambda: _screen(session, settings, parcel, language),
            lambda screen: len(screen.body),
        )

    async def _opened(self, attempt: Attempt, brand: str, wanted: NewSession) -> OpenedOrder:
        """The order; only an attempt that the upstream refused stays counted."""
        try:
            opened = await self.sendcloud.open_order(brand, wanted.identifier, wanted.postal_code)
        except (ParcelNotFound, UpstreamRejected):
            raise
        except NotReturnableNow as error:
            # No error code of these refusals is confirmed, so each may be a wrong guess and counts.
            raise NotReturnableNow(str(error), location=self.sendcloud.hosted_portal(brand)) from error
        except BffError:
            await self.order_limit.take_back(attempt)
            raise
        await self.order_limit.take_back(attempt)
        return opened

    async def _count_shared(self, brand: str, parcel_id: int | None) -> None:
        """Counts a parcel that two brands name; it is not known whether brands of one account can share a parcel."""
        if parcel_id is not None:
            name = self.keyring.name("parcel of any brand", str(parcel_id))
            owner = self.keyring.name("brand", brand)
            if not await self.store.acquire(f"q:{{brand-of:{name}}}", owner, SHARED_KEPT_SECONDS):
                SHARED_PARCELS.inc()


def parcel_key_of(keyring: Keyring, brand: str, order: Order, identifier: str) -> str:
    """The key of this parcel: the name under which everything about it is kept."""
    if order.parcel_id is not None:
        return key_of_parcel(keyring, brand, order.parcel_id)
    # Never shared by two orders: an order without a number is named by the identifier that opened it.
    number = order.number or order.tracking_number or identifier
    return keyring.name("parcel", brand, f"order:{number.strip().casefold()}")


def _screen(session: Session, settings: ShopSettings, parcel: ParcelReturns, language: str) -> Screen:
    answer = view.first_screen(session, settings, parcel, language)
    return Screen(answer, answer.model_dump_json().encode())
