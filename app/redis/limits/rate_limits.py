"""Rate limits: a quota for each caller and each parcel."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from app.errors import TooManyCalls
from app.redis.encryption import Keyring
from app.redis.store import Limit, Store
from app.shops import Shop
from app.telemetry.metrics import LOOKUPS_REFUSED

WINDOW_SECONDS = 60
BUSY_SECONDS = 5
"""Retry-After while another request of the same parcel is under way."""


class Quota(NamedTuple):
    """A caller's remaining quota as header fields; `retry_after` (seconds) means that this lookup exceeds it."""

    headers: Mapping[str, str]
    retry_after: int | None


class CallerLimit:
    """Lookups a minute by caller, counted for the whole fleet."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    async def spend(self, shop: Shop, *, partner: str | None, address: str) -> Quota:
        """Counts one lookup to the partner, or to the address where there is none; apart for each shop of the file.

        Raises:
            StoreUnavailable: the store cannot tell whether it exceeds the quota.
        """
        limit, quantity = ("partner", shop.partner_lookup_limit) if partner else ("caller", shop.lookup_limit)
        counted = (limit, partner or address, *([shop.name] if shop.name else []))
        key = f"q:{{caller:{self._keyring.name(*counted)}}}"
        allowance = await self._store.spend(key, 1, Limit(quantity, WINDOW_SECONDS))
        if not allowance.granted:
            LOOKUPS_REFUSED.labels(limit).inc()
        wait = None if allowance.granted else math.ceil(allowance.wait)
        # draft-ietf-httpapi-ratelimit-headers-10
        headers = {
            "RateLimit-Policy": f'"lookups";q={quantity};w={WINDOW_SECONDS}',
            "RateLimit": f'"lookups";r={allowance.remaining};t={wait or WINDOW_SECONDS}',
        }
        return Quota(headers, wait)


class ParcelLimit:
    """Upstream calls a minute by parcel, so that no shopper uses up the budget that all share."""

    def __init__(self, store: Store, per_parcel: int) -> None:
        self._store = store
        self._limit = Limit(per_parcel, WINDOW_SECONDS)

    async def spend(self, parcel_key: str, calls: int = 1) -> float:
        """Counts this many calls to the parcel, and returns when (seconds on the store's clock).

        Raises:
            TooManyCalls: the parcel has used up its calls; `retry_after` says when there are more.
            StoreUnavailable: the store cannot tell.
        """
        allowance = await self._store.spend(f"q:{{parcel:{parcel_key}}}", calls, self._limit)
        if not allowance.granted:
            raise TooManyCalls(retry_after=math.ceil(allowance.wait))
        return allowance.at


class PerParcelLimit:
    """How many requests of one parcel may be under way at this replica, where places are few and calls are slow."""

    def __init__(self, per_parcel: int) -> None:
        self._per_parcel = per_parcel
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, parcel_key: str) -> Iterator[None]:
        """One of the parcel's places. Raises `TooManyCalls` if all are taken."""
        if self._taken[parcel_key] >= self._per_parcel:
            raise TooManyCalls(retry_after=BUSY_SECONDS)
        self._taken[parcel_key] += 1
        try:
            yield
        finally:
            self._taken[parcel_key] -= 1
            if not self._taken[parcel_key]:
                del self._taken[parcel_key]
