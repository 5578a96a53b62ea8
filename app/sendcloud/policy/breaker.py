"""A circuit breaker: a state machine without I/O and without a clock of its own."""

from collections import Counter, deque
from collections.abc import Hashable
from enum import IntEnum

FAILURES_IN_A_ROW = 5
WINDOW_SECONDS = 10.0
LEAST_CALLS = 20
"""How many calls the window needs before the share of failures counts."""
FAILED_SHARE = 0.5
FAILURES_OF_ONE_KEY = 2
"""The most failures counted by key: a call and its second try. More of them concern its object, not the upstream."""
OPEN_SECONDS = 5.0
PROBE_SECONDS = 1.0
"""Retry-After while the probe is under way."""


class State(IntEnum):
    """Closed: calls go through. Half-open: one call may probe. Open: no call goes through."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Opens after too many failures, lets one probe through some seconds later, closes when that succeeds.

    Every moment is a number of seconds on one monotonic clock.
    """

    def __init__(self) -> None:
        self._generation = 0
        self._open_until: float | None = None
        self._probing = False
        self._failed_probe: Hashable = None
        self._failed_in_a_row: Counter[Hashable] = Counter()
        self._recent: deque[tuple[float, Hashable]] = deque()

    def state(self, now: float) -> State:
        """The state at this moment."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def wait(self, now: float) -> float:
        """Seconds until a call makes sense; 0 means now."""
        if self._open_until is None:
            return 0
        if now < self._open_until:
            return self._open_until - now
        return PROBE_SECONDS if self._probing else 0

    def begin(self) -> int:
        """Notes the start of a call; pass the returned generation to `end`."""
        self._probing = self._open_until is not None
        return self._generation

    def end(self, generation: int, now: float, failure_key: Hashable, *, ok: bool | None) -> None:
        """Notes how the call ended; None means that it says nothing about the upstream.

        Failures with one `failure_key` concern one object.
        """
        # Calls that began before the breaker opened or closed no longer count.
        if generation != self._generation:
            return
        failed = None if ok else failure_key
        if ok is None or (not ok and failed == self._failed_probe):
            self._probing = False
        elif self._open_until is None:
            self._count(now, failed)
        else:
            self._turn(None if ok else now + OPEN_SECONDS)
            self._failed_probe = failed

    def _count(self, now: float, failed: Hashable) -> None:
        self._recent.append((now, failed))
        while self._recent[0][0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        if failed is None:
            self._failed_in_a_row.clear()
            return
        self._failed_in_a_row[failed] += 1
        failures = Counter(each for _, each in self._recent if each is not None)
        calls = len(self._recent) - failures.total() + _counted(failures)
        many = calls >= LEAST_CALLS and _counted(failures) >= FAILED_SHARE * calls
        if many or _counted(self._failed_in_a_row) >= FAILURES_IN_A_ROW:
            self._turn(now + OPEN_SECONDS)

    def _turn(self, open_until: float | None) -> None:
        self._open_until = open_until
        self._generation += 1
        self._probing = False
        self._failed_in_a_row.clear()
        self._recent.clear()


def _counted(failures: Counter[Hashable]) -> int:
    return sum(min(each, FAILURES_OF_ONE_KEY) for each in failures.values())
