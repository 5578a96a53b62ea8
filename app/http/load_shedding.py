"""The load of this replica: requests worked on, lateness of the event loop, and whether it is about to stop."""

import asyncio
import time
from collections import deque

from app.telemetry.metrics import STALLED

TICK_SECONDS = 0.1
PASSES = 200
"""Turns of the event loop in which requests are shed after a stall; uvloop accepts one connection in each turn."""
ASKING_SHARE = 4
"""One in this many places is for requests that may ask the upstream; the others stay free when it hangs."""
REMEMBERED_TICKS = 100
"""Ten seconds, about the interval at which metrics are fetched."""


class Load:
    """The load of one replica, which works on `bound` requests at once and whose event loop may be `late` (seconds).

    Requests that only wait (for news, for the rest of their body, for their reader) do not count: thousands of them
    are normal.
    """

    def __init__(self, bound: int, late: float) -> None:
        self._bound = bound
        self._asking_bound = max(1, bound // ASKING_SHARE)
        self._late = late
        self._is_late = False
        self._expected = float("inf")
        self._lags = deque([0.0], maxlen=REMEMBERED_TICKS)
        self.in_flight = 0
        """Requests worked on now."""
        self.asking = 0
        """Those among them that may ask the upstream."""
        self.draining = False
        """Whether the replica is about to stop, so that others should take the requests."""

    @property
    def lag(self) -> float:
        """The greatest lateness of the event loop within the last ten seconds (seconds)."""
        return max(self._lags)

    def excess(self, *, asks: bool = False) -> str:
        """Why one more request must be shed: "bound", "lag" or "asking" (it may ask the upstream); "" if not at all."""
        if self.in_flight >= self._bound:
            return "bound"
        if asks and self.asking >= self._asking_bound:
            return "asking"
        return "lag" if self._is_late or time.monotonic() - self._expected > self._late else ""

    async def watch(self) -> None:
        """Measures the event loop until cancelled."""
        while True:
            self._expected = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            lag = time.monotonic() - self._expected
            self._expected = float("inf")
            self._lags.append(lag)
            if lag > self._late:
                STALLED.inc(lag)
                await self._shed_what_came_meanwhile()

    async def _shed_what_came_meanwhile(self) -> None:
        self._is_late = True
        for _ in range(PASSES):
            await asyncio.sleep(0)
        self._is_late = False


class InFlightSlot:
    """One request's place among those worked on."""

    def __init__(self, load: Load, *, asks: bool = False) -> None:
        self._load = load
        self._asks = asks
        self._is_new = True
        self._is_taken = False

    def take(self) -> None:
        """Counts the request as worked on, unless it has left before."""
        if self._is_new:
            self._is_new, self._is_taken = False, True
            self._load.in_flight += 1
            self._load.asking += self._asks

    def leave(self) -> None:
        """Counts the request no longer; it cannot come back."""
        self._load.in_flight -= self._is_taken
        self._load.asking -= self._is_taken and self._asks
        self._is_new = self._is_taken = False
