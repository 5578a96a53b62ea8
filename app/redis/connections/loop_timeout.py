"""A timeout that a stall of the event loop hardly shortens."""

import asyncio
from types import TracebackType

TICKS = 5
"""How many timers have to pass."""


class LoopTimeout:
    """Raises TimeoutError after so many seconds in which the event loop ran; a stall of the loop hardly counts.

    A loop that comes back from a stall runs its timers before it reads its sockets: a plain timeout would give up on
    a reply that has arrived long ago. Here several timers in a row must pass, and a stall uses up one at most.
    """

    def __init__(self, seconds: float) -> None:
        self._tick_seconds = seconds / TICKS
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._tick(TICKS)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _tick(self, left: int) -> None:
        if left:
            self._timer = self._loop.call_later(self._tick_seconds, self._tick, left - 1)
        else:
            self._limit.reschedule(self._loop.time())
