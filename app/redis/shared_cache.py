"""Upstream answers cached for the fleet: one call at a time per key, renewed ahead, served stale on failures."""

import asyncio
import contextlib
import secrets
import struct
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pydantic import ValidationError

from app.errors import BffError, UpstreamError, UpstreamTimeout, UpstreamUnauthorized
from app.redis.single_flight import SingleFlight
from app.redis.store import Change, Limit, Store

STALE_SECONDS = 24 * 3600
"""How long an answer is served while the upstream fails."""
ROOM_OF_ONE_PARCEL = Limit(2 * 1024 * 1024, STALE_SECONDS)
"""Bytes kept because of one parcel's searches; without a bound, any shopper could fill the store with searches."""
PAUSE_SECONDS = 0.02
_TIME = struct.Struct(">d")

Fetch = Callable[[], Awaitable[bytes]]
Parse = Callable[[bytes], object]
"""Raises ValidationError for any other value, which another build may have kept."""


class Cached(NamedTuple):
    """An upstream answer; a stale one is older than its freshness allows, because the upstream fails."""

    value: bytes
    stale: bool
    asked_at: float
    """When the upstream was asked, in seconds on the store's clock."""
    now: float
    """The store's clock."""


@dataclass(frozen=True)
class _Kept:
    value: bytes
    asked_at: float
    revision: int
    now: float
    is_usable: bool = True
    """Whether anything is kept, and can be read."""

    @property
    def age(self) -> float:
        return self.now - self.asked_at

    def younger_than(self, seconds: float) -> bool:
        """Whether a usable value is kept that is younger than this."""
        return self.is_usable and self.age < seconds

    def served(self, *, stale: bool) -> Cached:
        """The kept value as an answer."""
        return Cached(self.value, stale, self.asked_at, self.now)


class FleetCache:
    """Answers by key in Redis. Keys and values hold nothing personal."""

    def __init__(self, store: Store, *, max_wait: float) -> None:
        self._store = store
        self._max_wait = max_wait
        self._flights: SingleFlight[Cached] = SingleFlight()
        self._renewing: set[asyncio.Task[None]] = set()

    async def get(
        self, key: str, fetch: Fetch, freshness: float, parcel_key: str | None = None, *, parse: Parse = bytes
    ) -> Cached:
        """The answer, at most `freshness` seconds old unless the upstream fails.

        From half that age on it is renewed in the background while the old one is served, so that a busy key never
        waits. With `parcel_key`, the answer is kept only while that parcel has room. One that `parse` refuses counts
        as not kept.

        Raises:
            UpstreamError, NotFound: as `fetch` does, where nothing is kept.
            StoreUnavailable: before any upstream call, because it could not be counted.
        """
        return await self._flights.share(key, partial(self._get, key, fetch, freshness, parcel_key, parse))

    async def aclose(self) -> None:
        """Waits for the calls under way."""
        await self._flights.aclose()
        await asyncio.gather(*self._renewing, return_exceptions=True)

    async def _get(self, key: str, fetch: Fetch, freshness: float, parcel_key: str | None, parse: Parse) -> Cached:
        deadline = asyncio.get_running_loop().time() + self._max_wait
        while asyncio.get_running_loop().time() < deadline:
            kept = await self._kept(key, parse)
            if kept.younger_than(freshness / 2):
                return kept.served(stale=False)
            owner = secrets.token_urlsafe(9)
            if await self._store.acquire(_lock(key), owner, self._max_wait):
                seen, kept = kept, await self._kept(key, parse)
                if kept.revision != seen.revision:
                    # Another replica renewed it between our read and our lock.
                    await self._store.release(_lock(key), owner)
                    continue
                renewal = self._renewed(key, owner, kept, fetch, parcel_key)
                if not kept.younger_than(freshness):
                    return await renewal
                self._renew_behind(renewal)
            if kept.is_usable:
                return kept.served(stale=kept.age >= freshness)
            await asyncio.sleep(PAUSE_SECONDS)
        raise UpstreamTimeout("another replica has been asking for too long")

    async def _renewed(self, key: str, owner: str, kept: _Kept, fetch: Fetch, parcel_key: str | None) -> Cached:
        started = asyncio.get_running_loop().time()
        try:
            value = await fetch()
        except BffError as error:
            # A refused token concerns its session alone, and an absent brand is an answer: neither is bridged.
            failed = isinstance(error, UpstreamError) and not isinstance(error, UpstreamUnauthorized)
            if failed and kept.is_usable:
                # The lock stays until it runs out, so that callers do not wait for the next failure.
                return kept.served(stale=True)
            await self._store.release(_lock(key), owner)
            raise
        now = kept.now + asyncio.get_running_loop().time() - started
        if parcel_key is None or await self._has_room(parcel_key, len(value)):
            written = _TIME.pack(kept.now) + value
            await self._store.commit(owner, [Change(_name(key), kept.revision, written, STALE_SECONDS)])
        await self._store.release(_lock(key), owner)
        return Cached(value, stale=False, asked_at=kept.now, now=now)

    async def _has_room(self, parcel_key: str, size: int) -> bool:
        allowance = await self._store.spend(f"q:{{searched:{parcel_key}}}", size, ROOM_OF_ONE_PARCEL)
        return bool(allowance.granted)

    def _renew_behind(self, renewal: Coroutine[None, None, Cached]) -> None:
        async def quietly() -> None:
            with contextlib.suppress(BffError):
                await renewal

        task = asyncio.create_task(quietly())
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    async def _kept(self, key: str, parse: Parse) -> _Kept:
        now, (read,) = await self._store.read(_name(key))
        value = read.value[_TIME.size :]
        try:
            (asked_at,) = _TIME.unpack_from(read.value)
            parse(value)
        except (struct.error, ValidationError):
            return _Kept(b"", now, read.revision, now, is_usable=False)
        return _Kept(value, asked_at, read.revision, now)


def _name(key: str) -> str:
    return f"c:{{{key}}}"


def _lock(key: str) -> str:
    return f"c:{{{key}}}:lock"
