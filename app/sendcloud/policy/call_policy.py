"""What every call passes on its way: a slot, the breaker of its class, its turn; reads get a second try."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from app.errors import BadUpstream, BffError, ReturnOutcomeUnknown, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.sendcloud.policy.brand_breakers import BrandBreakers
from app.sendcloud.policy.breaker import State
from app.sendcloud.policy.bulkheads import Bulkhead, Deadlines, bulkheads
from app.sendcloud.policy.busy_signals import BusySignals
from app.sendcloud.protocol import Call, Method, Request

T = TypeVar("T")

PATIENCE = 1.5
"""Seconds a call waits for its turn at most; never more than half of what its deadline leaves."""
LONGEST_PAUSE = 20
"""Seconds that a whole class pauses at most, whatever a 429 asks for: a wrong one must not silence every shop."""
RETRY_PAUSE = (0.05, 0.25)
"""Seconds between two tries, from and to."""
RETRY_SHARE = 0.2
RETRY_RESERVE = 10.0
"""A second try for every five calls, saved up to ten: trouble brings a fifth more calls, not twice as many."""
PASSING_STATUSES = frozenset({502, 503, 504})
OK = 200
TOO_MANY_REQUESTS = 429
REFUSALS = range(400, 500)
FAULTS = range(500, 600)


class Quota(Protocol):
    """How often the upstream may be called; reads and writes have quotas of their own."""

    async def turn(self, call_class: str, method: Method, patience: float) -> None:
        """Returns when a call of this class may be made, within `patience` seconds.

        Raises:
            UpstreamUnavailable: not that soon; nothing was used up.
            StoreUnavailable: nobody knows.
        """

    async def pause(self, call_class: str, seconds: float) -> None:
        """Lets no replica make calls of this class for that long, as the upstream wishes."""


class Observer(Protocol):
    """Who wants to know how calls go."""

    def called(self, lane: str, outcome: str, seconds: float) -> None:
        """One try ended, after so many seconds with the upstream."""

    def retried(self, lane: str) -> None:
        """A call gets its second try."""


class Outcome(StrEnum):
    """How one try ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    BUSY = "busy"
    LATE = "late"
    FAILED = "failed"
    NONSENSE = "nonsense"
    """A whole answer that says nothing we can use, as one odd order may get again and again."""
    ABANDONED = "abandoned"
    """We gave it up for reasons of our own: nothing is known about the upstream."""
    NOT_TRIED = "not_tried"
    """The breaker was open."""


_OK = {Outcome.LATE: False, Outcome.FAILED: False, Outcome.ABANDONED: None}
"""What the breaker makes of an outcome; every answer, a refusal too, shows that the upstream lives."""


@dataclass
class Attempt:
    """One try under way; whoever makes it fills in the status as soon as the answer is known."""

    status: int | None = None
    started: float | None = None
    """Moment on the event loop's clock; None while it waits for its turn."""

    def outcome(self, error: BffError) -> Outcome:
        """What this error means for the upstream."""
        if self.started is None:
            return Outcome.ABANDONED
        if self.status == TOO_MANY_REQUESTS:
            return Outcome.BUSY
        if self.status in REFUSALS:
            return Outcome.REFUSED
        if UpstreamTimeout in {type(error), type(error.__cause__)}:
            return Outcome.LATE
        if self.status == OK and isinstance(error, BadUpstream) and not error.passing:
            return Outcome.NONSENSE
        return Outcome.FAILED if isinstance(error, UpstreamError | ReturnOutcomeUnknown) else Outcome.ABANDONED


class CallPolicy:
    """What one class of calls shares: its bulkhead, its breaker, its second tries."""

    def __init__(self, bulkhead: Bulkhead, quota: Quota, observer: Observer) -> None:
        self.bulkhead = bulkhead
        self._quota = quota
        self._observer = observer
        self._breakers = BrandBreakers()
        self._busy = BusySignals()
        self._retries = RETRY_RESERVE

    @property
    def state(self) -> State:
        """Where the breaker stands."""
        return self._breakers.state(_now())

    @property
    def open_brands(self) -> int:
        """For how many brands the breaker is not closed."""
        return self._breakers.open_brands(_now())

    def slot(self, brand: str) -> AbstractAsyncContextManager[float]:
        """A place in the bulkhead, as the deadline of all that happens in it.

        Raises:
            UpstreamUnavailable: the breaker is open, or the bulkhead is full.
        """
        # Before the bulkhead: it may be full of calls that hang, and nobody has to wait for those.
        self._check(brand)
        return self.bulkhead.slot()

    @asynccontextmanager
    async def attempt(self, request: Request[object], deadline: float) -> AsyncIterator[Attempt]:
        """One try, begun when its turn has come.

        Raises:
            UpstreamUnavailable: the breaker is open, the upstream wants to be asked later, or the quota has no room; no
                byte has left.
        """
        self._check(request.brand, request)
        begun = self._breakers.begin(request.brand)
        attempt, outcome, connected = Attempt(), Outcome.ABANDONED, True
        try:
            await self._quota.turn(self.bulkhead.name, request.method, min(PATIENCE, (deadline - _now()) / 2))
            attempt.started = _now()
            yield attempt
            # A poll's 500 is an answer, and several of them are an outage.
            outcome = Outcome.FAILED if attempt.status in FAULTS else Outcome.ANSWERED
        except BffError as error:
            outcome = attempt.outcome(error)
            connected = attempt.status is not None or not isinstance(error, UpstreamUnavailable)
            if outcome is Outcome.BUSY:
                await self._pause(request, error.retry_after or 0)
            if isinstance(error, UpstreamError):
                error.passing |= attempt.status in PASSING_STATUSES
            raise
        finally:
            key, ok = hash(request.failure_key), _OK.get(outcome, True)
            self._breakers.end(begun, _now(), (key, request.brand if connected else key), ok=ok)
            if attempt.started is not None:
                self._observer.called(self.bulkhead.name, outcome, _now() - attempt.started)

    async def repeated(self, brand: str, deadline: float, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` brings, called once more after a failure that may pass. Not for what must not happen twice."""
        self._retries = min(RETRY_RESERVE, self._retries + RETRY_SHARE)
        pause = random.uniform(*RETRY_PAUSE)  # noqa: S311  spreads load, guards nothing
        try:
            return await ask()
        except UpstreamError as error:
            again_at = _now() + pause
            if not error.passing or again_at >= deadline or self._breakers.wait(brand, again_at) or self._retries < 1:
                raise
        self._retries -= 1
        self._observer.retried(self.bulkhead.name)
        await asyncio.sleep(pause)
        return await ask()

    async def _pause(self, request: Request[object], seconds: float) -> None:
        """Leaves the upstream alone as long as a 429 asks, on every replica where it is about the whole class."""
        self._busy.note(request.brand, request.failure_key, _now(), seconds)
        if self._busy.is_general(_now(), self._breakers.brands):
            await self._quota.pause(self.bulkhead.name, min(seconds, LONGEST_PAUSE))

    def _check(self, brand: str, request: Request[object] | None = None) -> None:
        wait = self._breakers.wait(brand, _now())
        if request and not wait:
            wait = self._busy.wait(brand, request.failure_key, _now())
        if wait:
            self._observer.called(self.bulkhead.name, Outcome.NOT_TRIED, 0)
            raise UpstreamUnavailable(f"no {self.bulkhead.name} calls for a while", retry_after=math.ceil(wait))


def guards(deadlines: Deadlines, quota: Quota, observer: Observer) -> Mapping[Call, CallPolicy]:
    """The guard of each call; calls of one class share theirs."""
    by_call = bulkheads(deadlines)
    shared = {bulkhead: CallPolicy(bulkhead, quota, observer) for bulkhead in dict.fromkeys(by_call.values())}
    return {call: shared[bulkhead] for call, bulkhead in by_call.items()}


def _now() -> float:
    return asyncio.get_running_loop().time()
