"""The policy of upstream calls: breaker, slot and turn for every call, and a second try for reads."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from app.errors import BadUpstream, BffError, ReturnOutcomeUnknown, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.sendcloud.policy.brand_breakers import BrandBreakers
from app.sendcloud.policy.breaker import State
from app.sendcloud.policy.bulkheads import SLOTS, Bulkhead, Deadlines, bulkheads
from app.sendcloud.policy.busy_signals import BusySignals
from app.sendcloud.protocol import Call, Method, Request

T = TypeVar("T")

PATIENCE = 1.5
"""The longest wait for a turn, in seconds; never more than half of the time that the deadline leaves."""
LONGEST_PAUSE = 20
"""The longest pause of a whole class, in seconds, so that one mistaken 429 does not stop every shop."""
RETRY_PAUSE = (0.05, 0.25)
"""Seconds between two tries, from and to."""
RETRY_SHARE = 0.2
RETRY_RESERVE = 10.0
"""One second try for every five calls, ten saved at most: an outage adds a fifth to the calls, not as many again."""
OK = 200
CLIENT_ERRORS = range(400, 500)
TOO_MANY_REQUESTS = 429
FAULTS = range(500, 600)


class Quota(Protocol):
    """How often the upstream may be called; reads and writes have quotas of their own."""

    async def turn(self, call_class: str, method: Method, max_wait: float) -> None:
        """Returns when a call of this class may be made, within `max_wait` seconds.

        Raises:
            UpstreamUnavailable: its turn would come later than that; nothing was used up.
            StoreUnavailable: the store cannot tell.
        """

    async def pause(self, call_class: str, seconds: float) -> None:
        """Keeps every replica from calls of this class for that long, as the upstream asks."""


class Observer(Protocol):
    """Counts tries of upstream calls."""

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
    """A whole answer that cannot be used, as one odd order may get every time."""
    ABANDONED = "abandoned"
    """Given up for reasons of our own, so that it says nothing about the upstream."""
    NOT_TRIED = "not_tried"
    """The breaker was open."""


_OK = {Outcome.LATE: False, Outcome.FAILED: False, Outcome.ABANDONED: None}
"""What an outcome means to the breaker; every answer, even a refusal, shows that the upstream works."""


@dataclass
class Attempt:
    """One try under way; its caller sets the status as soon as the answer is known."""

    status: int | None = None
    started: float | None = None
    """Moment on the event loop's clock; None while it waits for its turn."""

    def outcome(self, error: BffError) -> Outcome:
        """The outcome that this error stands for."""
        if self.started is None:
            return Outcome.ABANDONED
        if self.status in CLIENT_ERRORS:
            return Outcome.BUSY if self.status == TOO_MANY_REQUESTS else Outcome.REFUSED
        if UpstreamTimeout in {type(error), type(error.__cause__)}:
            return Outcome.LATE
        if self._is_nonsense(error):
            return Outcome.NONSENSE
        return Outcome.FAILED if isinstance(error, UpstreamError | ReturnOutcomeUnknown) else Outcome.ABANDONED

    def _is_nonsense(self, error: BffError) -> bool:
        return self.status == OK and isinstance(error, BadUpstream) and not error.transient


class CallPolicy:
    """The policy of one class of calls: its bulkhead, its breakers, its second tries."""

    def __init__(self, bulkhead: Bulkhead, quota: Quota, observer: Observer) -> None:
        self.bulkhead = bulkhead
        self._quota = quota
        self._observer = observer
        self._breakers = BrandBreakers()
        self._busy = BusySignals()
        self._retries = RETRY_RESERVE

    @property
    def state(self) -> State:
        """The state of the breaker."""
        return self._breakers.state(_now())

    @property
    def open_brands(self) -> int:
        """How many brands have a breaker that is not closed."""
        return self._breakers.open_brands(_now())

    def slot(self, brand: str) -> AbstractAsyncContextManager[float]:
        """A place in the bulkhead; yields the deadline of everything done in it.

        Raises:
            UpstreamUnavailable: the breaker is open, or the bulkhead is full.
        """
        # Before the bulkhead, because that may be full of calls that hang.
        self.check(brand)
        return self.bulkhead

    async def tried(self, request: Request[object], deadline: float, ask: Callable[[Attempt], Awaitable[T]]) -> T:
        """The result of `ask`, which is called once, when its turn has come.

        Raises:
            UpstreamUnavailable: the breaker is open, the upstream wants to be asked later, or the quota has no room; no
                byte has left.
        """
        self.check(request.brand, request.failure_key)
        begun = self._breakers.begin(request.brand)
        attempt, outcome, connected = Attempt(), Outcome.ABANDONED, True
        try:
            await self._quota.turn(self.bulkhead.name, request.method, min(PATIENCE, (deadline - _now()) / 2))
            attempt.started = _now()
            result = await ask(attempt)
        except BffError as error:
            outcome = attempt.outcome(error)
            connected = attempt.status is not None or not isinstance(error, UpstreamUnavailable)
            if outcome is Outcome.BUSY:
                await self._pause(request, error.retry_after or 0)
            raise
        else:
            # A 500 to a poll is an answer, but several of them are an outage.
            outcome = Outcome.FAILED if attempt.status in FAULTS else Outcome.ANSWERED
            return result
        finally:
            now = _now()
            key, ok = hash(request.failure_key), _OK.get(outcome, True)
            self._breakers.end(begun, now, (key, request.brand if connected else key), ok=ok)
            if attempt.started is not None:
                self._observer.called(self.bulkhead.name, outcome, now - attempt.started)

    async def repeated(self, brand: str, deadline: float, ask: Callable[[], Awaitable[T]]) -> T:
        """The result of `ask`, which is called once more after a failure that may pass. Never use it for a creation."""
        self._retries = min(RETRY_RESERVE, self._retries + RETRY_SHARE)
        try:
            return await ask()
        except UpstreamError as error:
            pause = random.uniform(*RETRY_PAUSE)  # noqa: S311  spreads load, guards nothing
            again_at = _now() + pause
            if not error.transient or again_at >= deadline or self._breakers.wait(brand, again_at) or self._retries < 1:
                raise
        self._retries -= 1
        self._observer.retried(self.bulkhead.name)
        await asyncio.sleep(pause)
        return await ask()

    async def _pause(self, request: Request[object], seconds: float) -> None:
        """Makes no such calls for as long as a 429 asks; on every replica, if it concerns the whole class."""
        self._busy.note(request.brand, request.failure_key, _now(), seconds)
        if self._busy.is_general(_now(), self._breakers.brands):
            await self._quota.pause(self.bulkhead.name, min(seconds, LONGEST_PAUSE))

    def check(self, brand: str, failure_key: str | None = None) -> None:
        """Returns if such a call may be made now, as far as is known here; with a key, a call of this subject.

        Raises:
            UpstreamUnavailable: the breaker is open, or the upstream wants to be asked later.
        """
        now = _now()
        wait = self._breakers.wait(brand, now)
        if failure_key is not None and not wait:
            wait = self._busy.wait(brand, failure_key, now)
        if wait:
            self._observer.called(self.bulkhead.name, Outcome.NOT_TRIED, 0)
            raise UpstreamUnavailable(f"no {self.bulkhead.name} calls for a while", retry_after=math.ceil(wait))


def guards(deadlines: Deadlines, quota: Quota, observer: Observer, slots: int = SLOTS) -> Mapping[Call, CallPolicy]:
    """The policy of each call; calls of one class share theirs, and so many slots."""
    by_call = bulkheads(deadlines, slots)
    shared = {bulkhead: CallPolicy(bulkhead, quota, observer) for bulkhead in dict.fromkeys(by_call.values())}
    return {call: shared[bulkhead] for call, bulkhead in by_call.items()}


def _now() -> float:
    # The event loop's clock, without asking for the loop, which is a system call each time.
    return time.monotonic()
