"""A timeout that a stall of our own event loop cannot use up, and a circuit breaker for one server."""

import asyncio
from types import TracebackType

from app.errors import StoreUnavailable

TICKS = 5
PROBE_SECONDS = 0.3
"""Between two probes of a server that did not answer; longer than a probe takes."""
RETRY_AFTER_SECONDS = 5
"""By then a replica has taken its master's place (docs/operations.md), so that one repetition of a call succeeds."""


class Patience:
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


class Circuit:
    """Whether to ask a server at all: after a miss, one call probes it now and then and the others fail at once."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server did not answer the last time."""
        return self._reason is not None

    def check(self, now: float) -> None:
        """Returns if it may be asked (`now` in seconds of any steady clock).

        Raises:
            StoreUnavailable: it may not be asked now; the text names the last miss.
        """
        if self._reason is not None and now < self._probe_at:
            raise StoreUnavailable(self._reason, retry_after=RETRY_AFTER_SECONDS)

    def asked(self, now: float) -> None:
        """Notes that the server is being asked; while the circuit is open, that is the only probe for a while."""
        self._probe_at = now + PROBE_SECONDS

    def answered(self) -> None:
        """Notes that the server answered, which closes the circuit."""
        self._reason = None

    def missed(self, reason: str, now: float) -> None:
        """Notes that the server did not answer, and why, which opens the circuit."""
        self._reason, self._probe_at = reason, now + PROBE_SECONDS
