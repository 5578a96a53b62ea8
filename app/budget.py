"""The fleet's share of the upstream's quota: every call waits here for its turn."""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from app.errors import StoreUnavailable, UpstreamUnavailable
from app.observability import TURNS
from app.store import Limit, Store

JITTER_SECONDS = 0.05
MINUTE_SECONDS = 60
_BURST = "q:{upstream:burst}"

Method = Literal["GET", "POST"]


class Budget:
    """Calls a minute for reads and for writes, and calls a second for both, counted by the store for all replicas."""

    def __init__(self, store: Store, *, reads: int, writes: int, burst: int) -> None:
        self._store = store
        self._minutes = {"GET": Limit(reads, MINUTE_SECONDS), "POST": Limit(writes, MINUTE_SECONDS)}
        self._second = Limit(burst, 1)
        # One of each kind asks the store at a time, the others stand behind it: no herd, and first come, first served.
        self._queues = {"GET": asyncio.Lock(), "POST": asyncio.Lock()}

    async def turn(self, method: Method, patience: float) -> None:
        """Returns when this call may be made, within `patience` seconds.

        Raises:
            UpstreamUnavailable: not that soon.
            StoreUnavailable: nobody knows.
        """
        now = asyncio.get_running_loop().time
        started = now()
        outcome = "unknown"
        try:
            async with self._queue(method, patience):
                await self._spend(method, started + patience)
            outcome = "granted"
        except UpstreamUnavailable:
            outcome = "refused"
            raise
        finally:
            TURNS.labels(method, outcome).observe(now() - started)

    async def pause(self, method: Method, seconds: float) -> None:
        """Lets no replica make calls of this kind for that long, if the store takes it."""
        with contextlib.suppress(StoreUnavailable):
            await self._store.pause(_minute(method), seconds)

    @asynccontextmanager
    async def _queue(self, method: Method, patience: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(patience):
                await self._queues[method].acquire()
        except TimeoutError:
            raise UpstreamUnavailable("too many wait for their turn", retry_after=1) from None
        try:
            yield
        finally:
            self._queues[method].release()

    async def _spend(self, method: Method, deadline: float) -> None:
        # A pause is for one kind, the second is for both: two keys, so two questions.
        await self._granted(_minute(method), self._minutes[method], deadline)
        try:
            await self._granted(_BURST, self._second, deadline)
        except UpstreamUnavailable:
            await self._store.spend(_minute(method), -1, self._minutes[method])
            raise

    async def _granted(self, key: str, limit: Limit, deadline: float) -> None:
        while not (allowance := await self._store.spend(key, 1, limit)).granted:
            pause = allowance.wait + random.uniform(0, JITTER_SECONDS)  # noqa: S311  spreads load, guards nothing
            if asyncio.get_running_loop().time() + pause > deadline:
                raise UpstreamUnavailable(f"no room in {key}", retry_after=max(1, math.ceil(allowance.wait)))
            await asyncio.sleep(pause)


def _minute(method: Method) -> str:
    return f"q:{{upstream:{method}}}"
