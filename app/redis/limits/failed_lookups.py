"""A growing delay for an order whose lookups fail.

Its transitions are pure functions; docs/limits.md has the table.
"""

import math
import secrets
import unicodedata
from contextlib import suppress
from typing import Literal, NamedTuple

from app.domain import RedactedModel
from app.errors import StoreUnavailable, TooManyFailedLookups
from app.redis.encryption import Keyring, parsing
from app.redis.store import Change, Store, Versioned
from app.telemetry.metrics import LOOKUPS_REFUSED

MINUTE = 60
DELAYS = tuple(MINUTE * minutes for minutes in (0, 0, 0, 1, 4, 16, 64, 256, 480))
"""Seconds to wait after 0, 1, 2, … failures; the last one holds for every further failure."""
FORGOTTEN_SECONDS = 24 * 3600
"""After the last failure. If failures were forgotten within hours, more than ten could happen in 24 hours."""
RACES = 50
"""How often a lost compare-and-set of an order's failures is repeated."""


class Failures(RedactedModel):
    """Lookups of one order that failed or are under way; `last` is when the newest began (store's clock, seconds)."""

    format: Literal[1] = 1
    count: int = 0
    last: float = 0.0


class Attempt(NamedTuple):
    """A lookup under way: when it began (seconds on the store's clock), what it overwrote, and what it left."""

    key: str
    at: float
    last_before: float
    counted: Failures
    revision: int


def delay(failures: Failures, now: float) -> float:
    """Seconds until the next lookup of this order may begin."""
    seconds = DELAYS[min(failures.count, len(DELAYS) - 1)]
    return max(0.0, failures.last + seconds - now) if seconds else 0.0


def begun(failures: Failures, now: float) -> Failures:
    """The failures and one attempt, which counts as failed until it is taken back; old failures are forgotten."""
    count = failures.count if now - failures.last < FORGOTTEN_SECONDS else 0
    return Failures(count=count + 1, last=now)


def taken_back(failures: Failures, attempt: Attempt) -> Failures:
    """The failures without this attempt, which did not fail; the delay runs again from the failure before it."""
    # If more are counted than it left, a later one of the same millisecond is among them, whose time this is.
    is_newest = failures.last == attempt.at and failures.count <= attempt.counted.count
    return Failures(count=max(0, failures.count - 1), last=attempt.last_before if is_newest else failures.last)


def plain(identifier: str) -> str:
    """An order or tracking number reduced to its letters and digits, so that its spellings count as one.

    Which spellings the upstream takes for the same number is not documented. More of them are equal here than there,
    because a guesser must not get another attempt by a blank, a dash, an accent or a capital.
    """
    folded = unicodedata.normalize("NFKD", identifier).casefold()
    return "".join(filter(str.isalnum, folded)) or identifier


class OrderLimit:
    """Failed lookups by order number, counted for all callers; an order that does not exist is treated alike."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    async def attempt(self, brand: str, identifier: str) -> Attempt:
        """The right to look this number up once, counted as failed until it is taken back.

        Raises:
            TooManyFailedLookups: the order has to wait; `retry_after` says how long.
            StoreUnavailable: the store cannot tell.
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
            counted = begun(failures, now)
            if await self._store.commit(operation, [_change(key, kept.revision, counted, now)]):
                return Attempt(key, now, failures.last, counted, kept.revision + 1)
        raise StoreUnavailable("lost every race for the failures", retry_after=1)

    async def take_back(self, attempt: Attempt) -> None:
        """Counts the attempt as not failed; if the store does not answer, it stays counted until it is forgotten."""
        operation = secrets.token_urlsafe(9)
        now, revision, failures = attempt.at, attempt.revision, attempt.counted
        with suppress(StoreUnavailable):
            for _ in range(RACES):
                change = _change(attempt.key, revision, taken_back(failures, attempt), now)
                if await self._store.commit(operation, [change]):
                    return
                now, (kept,) = await self._store.read(attempt.key)
                revision, failures = kept.revision, _loaded(kept)


def _loaded(kept: Versioned) -> Failures:
    with parsing():
        return Failures.model_validate_json(kept.value) if kept.revision else Failures()


def _change(key: str, revision: int, failures: Failures, now: float) -> Change:
    # At least a second, so that a commit sent twice finds its own trace.
    ttl = max(1, math.ceil(failures.last + FORGOTTEN_SECONDS - now))
    return Change(key, revision, failures.model_dump_json().encode(), ttl)
