"""Delivery: each replica takes letters that are due and posts them, some at a time for each shop."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

from app.domain import Contact
from app.errors import StoreUnavailable
from app.events.endpoint import Posted, Poster
from app.events.event import EventType, Letter, return_id_of, type_of
from app.events.outbox import Outbox
from app.events.queue import Taken
from app.redis.encryption import Keyring, RecordUnreadable
from app.shops import EventsEntry, Shops
from app.telemetry.brands import BrandCounter
from app.telemetry.logs import log
from app.telemetry.metrics import EVENT_SECONDS, EVENTS, EVENTS_ALERTED

AT_ONCE = 8
"""Posts of one shop under way on a replica; one while its endpoint fails."""
WELL_AT_ONCE, FAILING_AT_ONCE = 128, 32
"""Posts of all shops under way on a replica. Endpoints that fail have places of their own, so that they slow no other
one, however many they are."""
LOOK_SECONDS = 0.5
"""Between two looks at some of the shops; a shop of which this replica has news is looked at at once."""
LOOKED_AT = 200
"""Shops in such a look: with thousands of them, the store has to do other things, too."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 8 * 3600.0
JITTER = 0.2
UNREADABLE_PAUSE_SECONDS = 3600.0
"""Until a letter that none of our keys opens is tried again: the key may come back."""
GIVEN_UP_SECONDS = 3 * 86400.0
"""How old an event is when its letter is given up."""


class ToldReturns(NamedTuple):
    """What delivery asks of the returns that events tell of, by the keys of their parcels and their ids."""

    contact: Callable[[str, str], Awaitable[Contact | None]]
    """Whom the shop can write to about the return; None if that is not kept, or not any more."""
    look_for_news: Callable[[str, str], Awaitable[bool]]
    """Brings the return up to date; whether to look again, because it is created still or its label still due."""


class Delivery:
    """Delivers letters at least once; a letter is tried by one replica at a time."""

    def __init__(self, shops: Shops, outbox: Outbox, keyring: Keyring, poster: Poster, returns: ToldReturns) -> None:
        self._shops = shops
        self._outbox = outbox
        self._keyring = keyring
        self._poster = poster
        self._tries = BrandCounter(EVENTS, EVENTS_ALERTED)
        self._returns = returns
        self._posting: Counter[str] = Counter()
        """Posts under way, by brand."""
        self._failing: set[str] = set()
        """Brands whose endpoint did not take the last post of this replica."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Looks at the queue until cancelled."""
        clock = asyncio.get_running_loop().time
        round_at = clock()
        while True:
            self._tries.name(self._shops.told)
            brands = await self._outbox.news(round_at)
            if clock() >= round_at:
                round_at = clock() + LOOK_SECONDS
                brands |= self._some()
            try:
                await self._look(brands & self._shops.told.keys())
            except StoreUnavailable as error:
                log.warning("no events taken", error=type(error).__name__)

    async def aclose(self) -> None:
        """Finishes the posts that are under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._poster.aclose()

    def _some(self) -> set[str]:
        """As many told shops as one look is for, by chance, so that each has its turn."""
        told = list(self._shops.told)
        return set(random.sample(told, min(LOOKED_AT, len(told))))

    async def _look(self, brands: Collection[str]) -> None:
        """Takes letters of these brands, apart for those whose endpoint fails."""
        well = {brand: AT_ONCE - self._posting[brand] for brand in brands if brand not in self._failing}
        failing = {brand: 1 - self._posting[brand] for brand in brands if brand in self._failing}
        posting_to_failing = sum(count for brand, count in self._posting.items() if brand in self._failing)
        await self._take(well, WELL_AT_ONCE - (self._posting.total() - posting_to_failing))
        await self._take(failing, FAILING_AT_ONCE - posting_to_failing)

    async def _take(self, room: Mapping[str, int], at_most: int) -> None:
        room = {brand: count for brand, count in room.items() if count > 0}
        for taken in await self._outbox.queue.take(room, at_most) if room and at_most > 0 else ():
            self._posting[taken.brand] += 1
            task = asyncio.create_task(self._handle(taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _handle(self, taken: Taken) -> None:
        try:
            # A letter of which the store cannot tell now is due again when its lease ends.
            with suppress(StoreUnavailable):
                await self._read_and_deliver(taken)
        finally:
            self._posting -= Counter([taken.brand])
            # There may be more letters than there was room.
            self._outbox.written.put_nowait(taken.brand)

    async def _read_and_deliver(self, taken: Taken) -> None:
        endpoint = self._shops.told.get(taken.brand)
        try:
            letter = await self._outbox.read(taken.name)
            if letter is None:
                await self._forget(taken)
                return
            if endpoint and endpoint.contact:
                # Read now, and in no letter, so that an erasure reaches the events that wait.
                letter = letter.with_contact(await self._returns.contact(*_return_of(taken)))
        except RecordUnreadable:
            self._tries.count(taken.brand, "unreadable")
            log.error("event unreadable", event_id=taken.name.event_id, brand=taken.brand)
            await self._outbox.queue.postpone(taken, UNREADABLE_PAUSE_SECONDS)
            return
        # The shop's table may have gone a moment ago.
        if endpoint:
            await self._deliver(taken, letter, endpoint)

    async def _forget(self, taken: Taken) -> None:
        """Drops a place without a letter, unless it is that of a creation which still runs or has no label yet.

        The replica that had them in hand may have stopped. If the creation's request died, its letter is written now,
        and the place is due again.
        """
        is_of_creation = type_of(taken.name.event_id) == EventType.OUTCOME_UNKNOWN
        if is_of_creation and await self._returns.look_for_news(*_return_of(taken)):
            await self._outbox.queue.postpone(taken, FIRST_PAUSE_SECONDS)
        else:
            await self._outbox.queue.drop(taken)

    async def _deliver(self, taken: Taken, letter: Letter, endpoint: EventsEntry) -> None:
        if taken.switched_off == self._name(endpoint):
            await self._bury(taken, "switched_off")
            return
        clock = asyncio.get_running_loop().time
        age, started = taken.now - letter.at, clock()
        posted = await self._poster.post(endpoint, taken.name.event_id, letter.body, taken.now)
        if posted.failure:
            self._failing.add(taken.brand)
            await self._failed(taken, endpoint, posted, age)
        else:
            self._failing.discard(taken.brand)
            self._tries.count(taken.brand, "delivered")
            EVENT_SECONDS.observe(max(0, age + clock() - started))
            await self._outbox.delivered(taken)

    async def _failed(self, taken: Taken, endpoint: EventsEntry, posted: Posted, age: float) -> None:
        if posted.status == HTTPStatus.GONE:
            await self._outbox.queue.switch_off(taken.brand, self._name(endpoint))
            await self._bury(taken, "switched_off")
        elif age >= GIVEN_UP_SECONDS:
            await self._bury(taken, "given_up")
        else:
            self._tries.count(taken.brand, str(posted.failure))
            log.info("event not delivered", event_id=taken.name.event_id, brand=taken.brand, **posted._asdict())
            await self._outbox.queue.postpone(taken, pause(age))

    async def _bury(self, taken: Taken, outcome: str) -> None:
        self._tries.count(taken.brand, outcome)
        log.error("event given up", event_id=taken.name.event_id, brand=taken.brand, outcome=outcome)
        await self._outbox.bury(taken)

    def _name(self, endpoint: EventsEntry) -> str:
        return self._keyring.name("endpoint", endpoint.url)


def _return_of(taken: Taken) -> tuple[str, str]:
    """The key of the parcel of the return that the letter tells of, and its id."""
    return taken.name.parcel_key, return_id_of(taken.name.event_id)


def pause(age: float) -> float:
    """Seconds until the next try of an event that is so old: about its age, so that pauses double, within bounds."""
    jittered = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  spreads load, guards nothing
    return min(max(age, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS) * jittered
