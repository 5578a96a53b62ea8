"""Delivery: each replica takes letters that are due and posts them, some at a time for each shop."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from http import HTTPStatus

from app.errors import StoreUnavailable
from app.events.endpoint import Poster
from app.events.event import Letter
from app.events.outbox import Outbox
from app.events.queue import Taken
from app.redis.encryption import Keyring
from app.shops import EventsEntry, Shops
from app.telemetry.logs import log
from app.telemetry.metrics import EVENT_SECONDS, EVENTS

AT_ONCE = 8
"""Posts of one shop under way on a replica, so that a slow endpoint slows no other one."""
LOOK_SECONDS = 0.5
"""Between two looks at the queue, unless there is reason for one at once."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 8 * 3600.0
JITTER = 0.2
GIVEN_UP_SECONDS = 3 * 86400.0
"""How old an event is when its letter is given up."""


class Delivery:
    """Delivers letters at least once; a letter is tried by one replica at a time."""

    def __init__(self, shops: Shops, outbox: Outbox, keyring: Keyring, poster: Poster) -> None:
        self._shops = shops
        self._outbox = outbox
        self._keyring = keyring
        self._poster = poster
        self._posting: Counter[str] = Counter()
        """Posts under way, by brand."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Looks at the queue until cancelled."""
        while True:
            self._outbox.written.clear()
            try:
                await self._look()
            except StoreUnavailable as error:
                log.warning("no events taken", error=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._outbox.written.wait()

    async def aclose(self) -> None:
        """Finishes the posts that are under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._poster.aclose()

    async def _look(self) -> None:
        room = {brand: AT_ONCE - self._posting[brand] for brand in self._shops.told}
        room = {brand: count for brand, count in room.items() if count}
        for taken in await self._outbox.queue.take(room) if room else ():
            self._posting[taken.brand] += 1
            task = asyncio.create_task(self._handle(taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _handle(self, taken: Taken) -> None:
        try:
            # A letter of which the store cannot tell now is due again when its lease ends.
            with suppress(StoreUnavailable):
                letter = await self._outbox.read(taken.name)
                if letter:
                    await self._deliver(taken, letter)
                else:
                    await self._outbox.queue.drop(taken)
        finally:
            self._posting[taken.brand] -= 1
            # There may be more letters than there was room.
            self._outbox.written.set()

    async def _deliver(self, taken: Taken, letter: Letter) -> None:
        endpoint = self._shops.told.get(taken.brand)
        if endpoint is None:
            # The shop's table went a moment ago.
            return
        if taken.switched_off == self._name(endpoint):
            await self._bury(taken, "switched_off")
            return
        status = await self._poster.post(endpoint, taken.name.event_id, letter.body)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            EVENTS.labels(taken.brand, "delivered").inc()
            EVENT_SECONDS.observe(max(0, taken.now - letter.at))
            await self._outbox.delivered(taken)
        elif status == HTTPStatus.GONE:
            await self._outbox.queue.switch_off(taken.brand, self._name(endpoint))
            await self._bury(taken, "switched_off")
        elif taken.now - letter.at >= GIVEN_UP_SECONDS:
            await self._bury(taken, "given_up")
        else:
            EVENTS.labels(taken.brand, "failed").inc()
            log.info("event not delivered", event_id=taken.name.event_id, brand=taken.brand, status=status)
            await self._outbox.queue.postpone(taken, pause(taken.now - letter.at))

    async def _bury(self, taken: Taken, outcome: str) -> None:
        EVENTS.labels(taken.brand, outcome).inc()
        log.error("event given up", event_id=taken.name.event_id, brand=taken.brand, outcome=outcome)
        await self._outbox.bury(taken)

    def _name(self, endpoint: EventsEntry) -> str:
        return self._keyring.name("endpoint", endpoint.url)


def pause(age: float) -> float:
    """Seconds until the next try of an event that is so old: about its age, so that pauses double, within bounds."""
    jittered = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  spreads load, guards nothing
    return min(max(age, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS) * jittered
