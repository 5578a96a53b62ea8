"""Bulkheads: how many calls of each class run at once, and how long they may take."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import NamedTuple, Self

from typing_extensions import override

from app.errors import UpstreamUnavailable
from app.sendcloud.protocol import Call

WAIT_FOR_A_SLOT = 1.0
"""Seconds. A burst is over by then; a call that would wait longer is refused."""
_CONNECT = 1.0
"""Seconds for TCP, and again for TLS."""
SLOTS = 64
MOST_SLOTS = 512
"""A hung upstream holds so many connections of a class."""
SLOW_SECONDS = 4
"""As long as answers take no longer, the budget and not the slots decides how many calls are made."""


class Deadlines(NamedTuple):
    """How long a call may take, in seconds, with its waits for a slot and a turn and its second try."""

    lookup: float = 8
    create: float = 20
    poll: float = 5
    service_points: float = 5
    label_gap: float = 5
    """The longest silence before the first byte of a document and between its bytes."""
    label_total: float = 30
    upload: float = 60


class Within(float):
    """A timeout in seconds that shrinks to the time left until `deadline`, a moment on the event loop's clock.

    httpcore hands the same number to every wait for bytes, and anyio makes a moment of it by `now + timeout`. Answering
    that sum ends a trickle of bytes in time as well.
    """

    deadline: float

    def __new__(cls, seconds: float, deadline: float) -> Self:
        """A timeout of `seconds` that never outlasts the deadline."""
        timeout = super().__new__(cls, seconds)
        timeout.deadline = deadline
        return timeout

    @override
    def __radd__(self, now: float) -> float:
        return min(now + float(self), self.deadline)


@dataclass(eq=False)
class Bulkhead:
    """The limits of one class of calls: seconds in all, seconds of silence, and slots.

    As a context it is a slot, and gives the deadline of the call in it; it raises `UpstreamUnavailable` if it is full.
    """

    name: str
    total: float
    gap: float = inf
    slots: int = SLOTS
    running: int = 0
    """Calls in the bulkhead now."""

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.slots)

    async def __aenter__(self) -> float:
        deadline = asyncio.get_running_loop().time() + self.total
        if self._slots.locked():
            await self._wait()
        else:
            # Nothing is waited for, so that no timer is needed.
            await self._slots.acquire()
        self.running += 1
        return deadline

    async def __aexit__(self, *_: object) -> None:
        self.running -= 1
        self._slots.release()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(WAIT_FOR_A_SLOT):
                await self._slots.acquire()
        except TimeoutError:
            raise UpstreamUnavailable("too many calls of this class at once", retry_after=1) from None

    def timeouts(self, deadline: float) -> dict[str, float]:
        """The four timeouts of httpx, none of which outlasts the deadline."""
        silence = Within(min(self.gap, self.total), deadline)
        return {"connect": Within(_CONNECT, deadline), "pool": WAIT_FOR_A_SLOT, "read": silence, "write": silence}


def slots_for(calls_a_minute: int) -> int:
    """The slots of each class under a budget of so many calls."""
    return max(SLOTS, min(MOST_SLOTS, calls_a_minute * SLOW_SECONDS // 60))


def bulkheads(deadlines: Deadlines, slots: int = SLOTS) -> Mapping[Call, Bulkhead]:
    """The bulkhead of each call, with so many slots."""
    bulkhead = partial(Bulkhead, slots=slots)
    lookup = bulkhead("lookup", deadlines.lookup)
    document = bulkhead("document", deadlines.label_total, deadlines.label_gap)
    service_points = bulkhead("service_points", deadlines.service_points)
    return {
        Call.SETTINGS: lookup,
        Call.OUTGOING: lookup,
        Call.UPLOADS: bulkhead("upload", deadlines.upload),
        Call.INCOMING: bulkhead("create", deadlines.create),
        Call.POLLING: bulkhead("poll", deadlines.poll),
        Call.DOWNLOAD: document,
        Call.CUSTOMS: document,
        Call.SERVICE_POINTS: service_points,
        Call.SERVICE_POINT: service_points,
        Call.SERVICE_POINT_CARRIERS: service_points,
        Call.AVAILABILITY: service_points,
    }
