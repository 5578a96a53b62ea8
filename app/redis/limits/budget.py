"""The budget of upstream calls, shared by the fleet: every call waits here for its turn."""

import asyncio
import contextlib
import functools
import math
import random
from collections import deque
from collections.abc import Mapping
from typing import Literal

from app.errors import BffError, StoreUnavailable, UpstreamUnavailable
from app.redis.store import Limit, Store
from app.telemetry.metrics import TURNS

AT_ONCE = 32
"""Turns granted together. With more, the last call would leave noticeably later than the store counted it."""
SHARE = 3
"""One in this many of the smallest limit are granted together, so that other replicas get turns in between."""
JITTER_SECONDS = 0.05
AHEAD_SECONDS = 0.02
"""How long a turn can be taken that came before its call; after that, the call would be far from its count."""
LOST_SHARE = 0.1
LOST_RESERVE = 4.0
"""Of the turns asked for ahead, one for every ten calls may be lost, with four in reserve: all replicas miss them."""
MINUTE_SECONDS = 60
SECOND_SECONDS = 1.1
"""A call arrives later than it was counted, on a busy machine by up to a tenth; no second may see too many."""

Method = Literal["GET", "POST"]

# Kept, because a look-up by labels costs as much as the rest.
_waits = functools.cache(TURNS.labels)


class Budget:
    """Calls a minute for reads and for writes, and calls a second for both, counted by the store for all replicas.

    The quantities are `BFF_UPSTREAM_READS`, `BFF_UPSTREAM_WRITES` and `BFF_UPSTREAM_BURST`.
    """

    def __init__(self, store: Store, *, reads: int, writes: int, burst: int) -> None:
        self._store = store
        self._second = Limit(burst, SECOND_SECONDS)
        self._minutes: dict[Method, Limit] = {
            "GET": Limit(reads, MINUTE_SECONDS),
            "POST": Limit(writes, MINUTE_SECONDS),
        }
        self._lines: dict[str, Line] = {}

    async def turn(self, call_class: str, method: Method, max_wait: float) -> None:
        """Returns when a call of this class may be made, within `max_wait` seconds.

        Raises:
            UpstreamUnavailable: its turn would come later than that.
            StoreUnavailable: the store cannot tell.
        """
        now = asyncio.get_running_loop().time
        started = now()
        outcome = "unknown"
        try:
            await self._line(call_class, method).turn(started + max_wait)
            outcome = "granted"
        except UpstreamUnavailable:
            outcome = "refused"
            raise
        finally:
            _waits(method, outcome).observe(now() - started)

    def ask_ahead(self, call_class: str, method: Method, calls: int) -> None:
        """Asks for the turns of calls that may follow at once; a turn that no call of this class takes is lost."""
        self._line(call_class, method).ask_ahead(calls)

    async def pause(self, call_class: str, seconds: float) -> None:
        """Keeps every replica from calls of this class for that long, if the store can note it."""
        with contextlib.suppress(StoreUnavailable):
            await self._store.pause(_name(call_class), seconds)

    def _line(self, call_class: str, method: Method) -> "Line":
        """The line of a class, with the limit that can pause it alone and those it shares with other classes."""
        if call_class not in self._lines:
            minute = self._minutes[method]
            limits = {_name(call_class): minute, _name(method): minute, _name("burst"): self._second}
            self._lines[call_class] = Line(self._store, limits)
        return self._lines[call_class]


class Line:
    """The calls of one class that wait on this replica; one task asks the store for all of them."""

    def __init__(self, store: Store, limits: Mapping[str, Limit]) -> None:
        self._store = store
        self._limits = limits
        self._at_once = min(AT_ONCE, max(1, min(limit.quantity for limit in limits.values()) // SHARE))
        self._waiting: deque[tuple[float, asyncio.Future[float]]] = deque()
        """Deadlines (seconds on the event loop's clock) and turns; first come, first served."""
        self._ahead: deque[asyncio.Future[float]] = deque()
        self._may_lose = LOST_RESERVE
        self._rests_until = 0.0
        self._dealing: asyncio.Task[None] | None = None

    async def turn(self, deadline: float) -> None:
        """Returns when it is the caller's turn.

        Raises:
            UpstreamUnavailable: its turn does not come before the deadline.
            StoreUnavailable: the store cannot tell.
        """
        while self._ahead:
            turn = self._ahead.popleft()
            if not _is_lost(turn):
                with contextlib.suppress(UpstreamUnavailable):
                    await _come(turn, deadline)
                    self._may_lose += 1
                    break
        else:
            await _come(self._asked(deadline), deadline)
        self._may_lose = min(LOST_RESERVE, self._may_lose + LOST_SHARE)

    def ask_ahead(self, calls: int) -> None:
        """Asks for so many turns, which the next callers take.

        Does nothing while some are being asked for or left, or once too many were lost.
        """
        if self._may_lose >= calls and self._dealing is None and all(map(_is_lost, self._ahead)):
            # Those that are taken come back.
            self._may_lose -= calls
            deadline = asyncio.get_running_loop().time() + AHEAD_SECONDS
            self._ahead = deque(self._asked(deadline) for _ in range(calls))
            for turn in self._ahead:
                # If no call takes it, asyncio must not tell the log that it was refused.
                turn.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _asked(self, deadline: float) -> asyncio.Future[float]:
        """A turn that is done when it comes, with that moment; it fails as `turn` does."""
        loop = asyncio.get_running_loop()
        if deadline < self._rests_until:
            raise _no_room(self._rests_until - loop.time())
        turn = loop.create_future()
        self._waiting.append((deadline, turn))
        if self._dealing is None:
            self._dealing = loop.create_task(self._deal())
        return turn

    async def _deal(self) -> None:
        """Grants turns as long as any call waits."""
        try:
            while self._still_waiting():
                allowance = await self._store.spend_some(min(self._at_once, len(self._waiting)), self._limits)
                for _ in range(allowance.granted):
                    self._serve()
                if allowance.wait:
                    await self._rest(allowance.wait)
        except BffError as error:
            self._refuse(error, math.inf)
        finally:
            # Calls are left only after an unforeseen error or the cancellation of this task.
            self._refuse(StoreUnavailable("no turns are granted any more", retry_after=1), math.inf)
            self._waiting.clear()
            self._rests_until = 0.0
            self._dealing = None

    def _still_waiting(self) -> bool:
        self._waiting = deque(each for each in self._waiting if not each[1].done())
        return bool(self._waiting)

    def _serve(self) -> None:
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(asyncio.get_running_loop().time())
                return

    async def _rest(self, seconds: float) -> None:
        """Waits until there may be room again; calls that cannot wait that long are refused at once."""
        now = asyncio.get_running_loop().time()
        pause = seconds + random.uniform(0, JITTER_SECONDS)  # noqa: S311  spreads load, guards nothing
        self._rests_until = now + pause
        self._refuse(_no_room(seconds), self._rests_until)
        if self._still_waiting():
            await asyncio.sleep(pause)
        self._rests_until = 0.0

    def _refuse(self, error: BffError, before: float) -> None:
        for deadline, turn in self._waiting:
            if deadline < before and not turn.done():
                turn.set_exception(error)


def _is_lost(turn: asyncio.Future[float]) -> bool:
    """Whether a turn failed before its call, or came so long ago that the call would be far from its count."""
    if not turn.done():
        return False
    return turn.exception() is not None or turn.result() < asyncio.get_running_loop().time() - AHEAD_SECONDS


async def _come(turn: asyncio.Future[float], deadline: float) -> None:
    """Returns when the turn comes. Raises what it fails with, and `UpstreamUnavailable` at the deadline."""
    # Not a timeout as a context, which takes longer than all else here.
    timer = asyncio.get_running_loop().call_at(deadline, _expire, turn)
    try:
        await turn
    finally:
        timer.cancel()


def _expire(turn: asyncio.Future[float]) -> None:
    if not turn.done():
        turn.set_exception(UpstreamUnavailable("too many wait for their turn", retry_after=1))


def _no_room(seconds: float) -> UpstreamUnavailable:
    return UpstreamUnavailable("no room in the budget", retry_after=max(1, math.ceil(seconds)))


def _name(counted: str) -> str:
    return f"q:{{upstream}}:{counted}"
