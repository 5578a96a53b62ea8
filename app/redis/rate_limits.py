"""How often one may ask: a quota for each caller and each parcel, a delay for each order number that fails to be found.

The transitions of the delay are pure functions; docs/limits.md has the table.
"""

import math
import secrets
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple

from app.domain import RedactedModel
from app.errors import StoreUnavailable, TooManyCalls, TooManyFailedLookups
from app.redis.encryption import Keyring, parsing
from app.redis.store import Change, Limit, Store, Versioned
from app.telemetry.metrics import LOOKUPS_REFUSED

WINDOW_SECONDS = 60
MINUTE = 60
BUSY_SECONDS = 5
"""Until something of the same parcel that was under way may have ended."""
DELAYS = tuple(MINUTE * minutes for minutes in (0, 0, 0, 1, 4, 16, 64, 256, 480))
"""Seconds to wait after so many failures; the last one stands for all more."""
FORGOTTEN_SECONDS = 24 * 3600
"""After the last failure; after a few hours already, more than ten attempts could fail within 24 hours."""
RACES = 50
"""How often a lost race for an order's failures is run again."""


class Failures(RedactedModel):
    """Lookups of one order that failed or are under way, and when the last one began (seconds on the store's clock)."""

    format: Literal[1] = 1
    count: int = 0
    last: float = 0.0


class Attempt(NamedTuple):
    """A lookup under way: when it began (seconds on the store's clock), and what it overwrote."""

    key: str
    at: float
    last_before: float


class Quota(NamedTuple):
    """What is left to a caller as header fields; `retry_after` (seconds) means that this time was one too many."""

    headers: Mapping[str, str]
    retry_after: int | None


def delay(failures: Failures, now: float) -> float:
    """Seconds until the next lookup of this order may begin."""
    seconds = DELAYS[min(failures.count, len(DELAYS) - 1)]
    return max(0.0, failures.last + seconds - now) if seconds else 0.0


def begun(failures: Failures, now: float) -> Failures:
    """The failures with an attempt that counts as failed until it is taken back; those of long ago are forgotten."""
    count = failures.count if now - failures.last < FORGOTTEN_SECONDS else 0
    return Failures(count=count + 1, last=now)


def taken_back(failures: Failures, attempt: Attempt) -> Failures:
    """The failures without this attempt, which did not fail; those before it still count from when they happened."""
    last = attempt.last_before if failures.last == attempt.at else failures.last
    return Failures(count=max(0, failures.count - 1), last=last)


def plain(identifier: str) -> str:
    """What remains of an order or tracking number in whatever spelling.

    Which spellings the upstream takes for the same number is not documented, so that more of them are one here than
    there: a guess must not become another one by a blank, a dash, an accent or a capital.
    """
    folded = unicodedata.normalize("NFKD", identifier).casefold()
    return "".join(filter(str.isalnum, folded)) or identifier


class CallerLimit:
    """Lookups a minute by caller, counted for the whole fleet."""

    def __init__(self, store: Store, keyring: Keyring, per_address: int, per_partner: int) -> None:
        self._store = store
        self._keyring = keyring
        self._per_address = per_address
        self._per_partner = per_partner

    async def spend(self, *, partner: str | None, address: str) -> Quota:
        """Counts one lookup to the partner, or to the address where there is none.

        Raises:
            StoreUnavailable: nobody can tell whether it would be one too many.
        """
        limit, quantity = ("partner", self._per_partner) if partner else ("caller", self._per_address)
        key = f"q:{{caller:{self._keyring.name(limit, partner or address)}}}"
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
    """Upstream calls a minute by parcel: what all shoppers share, none of them may use up."""

    def __init__(self, store: Store, per_parcel: int) -> None:
        self._store = store
        self._limit = Limit(per_parcel, WINDOW_SECONDS)

    async def spend(self, scope: str, calls: int = 1) -> float:
        """Counts so many calls to the parcel; tells when (seconds on the store's clock).

        Raises:
            TooManyCalls: not now; it says when.
            StoreUnavailable: nobody can tell.
        """
        allowance = await self._store.spend(f"q:{{parcel:{scope}}}", calls, self._limit)
        if not allowance.granted:
            raise TooManyCalls(retry_after=math.ceil(allowance.wait))
        return allowance.at


class PerParcelLimit:
    """What one parcel may have under way at this replica, where places are few and slow callers hold them."""

    def __init__(self, per_parcel: int) -> None:
        self._per_parcel = per_parcel
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, scope: str) -> Iterator[None]:
        """One of the parcel's places. Raises `TooManyCalls` if all are taken."""
        if self._taken[scope] >= self._per_parcel:
            raise TooManyCalls(retry_after=BUSY_SECONDS)
        self._taken[scope] += 1
        try:
            yield
        finally:
            self._taken -= Counter([scope])


class OrderLimit:
    """Failed lookups by order number, whoever makes them; it cannot be told from outside whether an order exists."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    async def attempt(self, brand: str, identifier: str) -> Attempt:
        """The right to look this number up once, counted as failed until it is taken back.

        Raises:
            TooManyFailedLookups: not now; it says when.
            StoreUnavailable: nobody can tell.
        """
        key = f"q:{{order:{self._keyring.name('order', brand, plain(identifier))}}}"
        operation = secrets.token_urlsafe(9)
        for _ in range(RACES):
            now, (kept,) = await self._store.read(key)
            failures = _loaded(kept)
            seconds = delay(failures, now)
            if seconds:
                LOOKUPS_REFUSED.labels("order").inc()
                raise TooManyFailedLookups(retry_after=math.ceil(seconds))
            if await self._store.commit(operation, [_change(key, kept, begun(failures, now), now)]):
                return Attempt(key, now, failures.last)
        raise StoreUnavailable("lost every race for the failures", retry_after=1)

    async def take_back(self, attempt: Attempt) -> None:
        """Counts the attempt as not failed; if the store does not take it now, it stays counted until it fades."""
        operation = secrets.token_urlsafe(9)
        with suppress(StoreUnavailable):
            for _ in range(RACES):
                now, (kept,) = await self._store.read(attempt.key)
                change = _change(attempt.key, kept, taken_back(_loaded(kept), attempt), now)
                if await self._store.commit(operation, [change]):
                    return


def _loaded(kept: Versioned) -> Failures:
    with parsing():
        return Failures.model_validate_json(kept.value) if kept.revision else Failures()


def _change(key: str, kept: Versioned, failures: Failures, now: float) -> Change:
    # At least a second, so that a commit sent twice finds its own trace.
    ttl = max(1, math.ceil(failures.last + FORGOTTEN_SECONDS - now))
    return Change(key, kept.revision, failures.model_dump_json().encode(), ttl)
