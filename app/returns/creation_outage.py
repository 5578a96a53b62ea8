"""Lets creations leave one at a time while their answers get lost, for each brand and across the whole fleet."""

import math
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass

from pydantic import ValidationError

from app.domain import RedactedModel
from app.errors import ReturnOutcomeUnknown, ReturnRefused, StoreUnavailable, UpstreamUnavailable
from app.redis.store import Change, Store, Versioned
from app.upstream import Upstream

LOST_IN_A_ROW = 5
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
"""Seconds without creations; each one that is lost after a pause doubles it."""
REMEMBERED_SECONDS = 3600


class Outage(RedactedModel):
    """How many creations of a brand were lost in a row, and until when none may leave (seconds, store's clock)."""

    lost: int = 0
    pause: float = 0.0
    until: float = 0.0

    @property
    def is_one(self) -> bool:
        """Whether so many were lost that every further creation risks locking a shopper's units."""
        return self.lost >= LOST_IN_A_ROW

    def after_loss(self, now: float, *, alone: bool) -> "Outage":
        """The outage after one more lost creation; only one that was tried `alone` lengthens the pause."""
        if self.is_one and not alone:
            return self
        pause = min(LONGEST_PAUSE, 2 * self.pause or FIRST_PAUSE) if self.lost + 1 >= LOST_IN_A_ROW else 0.0
        return Outage(lost=self.lost + 1, pause=pause, until=now + pause)


@dataclass(frozen=True)
class CreationOutages:
    """The outages of creation by brand, as the whole fleet sees them."""

    store: Store
    sendcloud: Upstream
    lease: float
    """Seconds after which a creation that was let through alone counts as dead."""

    @asynccontextmanager
    async def passing(self, brand: str) -> AsyncIterator[None]:
        """Lets a creation through and takes note of how it ends; in an outage one alone, after a harmless call.

        Raises:
            UpstreamUnavailable: none may leave now; nothing was done, and no key is used.
        """
        outage = await self._after_pause(brand)
        async with self._alone(brand) if outage.is_one else nullcontext():
            try:
                yield
            except ReturnOutcomeUnknown:
                await self._lost(brand, alone=outage.is_one)
                raise
            except ReturnRefused:
                await self._answered(brand, outage)
                raise
            await self._answered(brand, outage)

    @asynccontextmanager
    async def _alone(self, brand: str) -> AsyncIterator[None]:
        owner = secrets.token_urlsafe(12)
        if not await self.store.acquire(_probe(brand), owner, self.lease):
            raise UpstreamUnavailable("another creation is tried first", retry_after=math.ceil(FIRST_PAUSE))
        try:
            # Another one may have been tried and lost since we looked.
            await self._after_pause(brand)
            await self.sendcloud.portal_settings(brand)
            yield
        finally:
            # The answer of the creation stands, whatever the store says now.
            with suppress(StoreUnavailable):
                await self.store.release(_probe(brand), owner)

    async def _after_pause(self, brand: str) -> Outage:
        now, kept = await self._read(brand)
        outage = _loaded(kept)
        if now < outage.until:
            raise UpstreamUnavailable("creations get no answer", retry_after=math.ceil(outage.until - now))
        return outage

    async def _read(self, brand: str) -> tuple[float, Versioned]:
        now, (kept,) = await self.store.read(_key(brand))
        return now, kept

    async def _lost(self, brand: str, *, alone: bool) -> None:
        # A loss that is not noted only lets another creation through.
        with suppress(StoreUnavailable):
            stored = False
            while not stored:
                now, kept = await self._read(brand)
                value = _loaded(kept).after_loss(now, alone=alone).model_dump_json().encode()
                change = Change(_key(brand), kept.revision, value, REMEMBERED_SECONDS)
                stored = await self.store.commit(secrets.token_urlsafe(9), [change])

    async def _answered(self, brand: str, outage: Outage) -> None:
        if outage.lost:
            with suppress(StoreUnavailable):
                await self.store.delete(_key(brand))


def _loaded(kept: Versioned) -> Outage:
    try:
        return Outage.model_validate_json(kept.value) if kept.revision else Outage()
    except ValidationError:
        # A later build wrote it; not knowing it only lets another creation through.
        return Outage()


def _key(brand: str) -> str:
    return f"n:{{create:{brand}}}"


def _probe(brand: str) -> str:
    return f"{_key(brand)}:probe"
