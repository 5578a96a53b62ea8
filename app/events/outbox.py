"""The outbox: letters that are written in the same commit as the change that they tell of."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress

from app.errors import StoreUnavailable
from app.events.event import Event, Letter, ParcelEvents
from app.events.queue import LETTER_KEPT_SECONDS, Name, Queue, Taken
from app.redis.encryption import Keyring, parsing
from app.redis.store import ANY, Change, Store
from app.shops import Shops
from app.telemetry.logs import log

COMMIT_SECONDS = 60.0
"""Much longer than a commit takes: a letter that is not there so long after it was queued was never written."""
RETRY_SECONDS = 1.0
CLOSE_SECONDS = 5.0


class Outbox:
    """Commits changes of returns together with the letters about them; shops without an endpoint get none."""

    def __init__(self, store: Store, keyring: Keyring, shops: Shops) -> None:
        self.queue = Queue(store)
        self.written: asyncio.Queue[str] = asyncio.Queue()
        """Brands of which this replica has written letters."""
        self._store = store
        self._keyring = keyring
        self._shops = shops
        self._queuing: set[asyncio.Task[None]] = set()

    async def commit(
        self, events: ParcelEvents, operation: str, changes: Sequence[Change], news: str, *, durable: bool = False
    ) -> bool:
        """Whether all changes were made, as `Store.commit` has it, with letters about these events among them."""
        parcel_key = events.parcel_key
        told = [each for each in events.events if self._is_told(each)]
        letters = [self._change(parcel_key, each) for each in told]
        # Before the commit, so that a letter is found even if this process dies right after it.
        for each in told:
            await self._announce(parcel_key, each, COMMIT_SECONDS)
        if events.expected and self._is_told(events.expected.event):
            await self._announce(parcel_key, *events.expected)
        is_done = await self._store.commit(operation, [*changes, *letters], news, durable=durable)
        if is_done and told:
            self._start(self._until_due(parcel_key, told))
        return is_done

    async def news(self, until: float) -> set[str]:
        """Brands of which this replica has written letters since the last call; none if that moment comes first.

        `until` is on the event loop's clock.
        """
        brands = set[str]()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                brands.add(await self.written.get())
        while not self.written.empty():
            brands.add(self.written.get_nowait())
        return brands

    async def read(self, name: Name) -> Letter | None:
        """The letter; None if it was delivered or never written.

        Raises:
            RecordUnreadable: none of our keys opens it, or it has another form.
        """
        _, (kept,) = await self._store.read(_letter_key(name))
        if not kept.revision:
            return None
        with parsing():
            return Letter.model_validate_json(self._keyring.unseal(kept.value, name.parcel_key, _context(name)))

    async def delivered(self, taken: Taken) -> None:
        """Deletes a letter, and then its place in the queue."""
        await self._store.delete(_letter_key(taken.name))
        await self.queue.drop(taken)

    async def bury(self, taken: Taken) -> None:
        """Gives a letter up, and keeps it for the shop."""
        await self._store.prolong([_letter_key(taken.name)], LETTER_KEPT_SECONDS)
        await self.queue.bury(taken)

    async def aclose(self) -> None:
        """Waits a few seconds for letters that are not due yet; the rest become due within a minute."""
        if self._queuing:
            await asyncio.wait(self._queuing, timeout=CLOSE_SECONDS)
        for task in self._queuing:
            task.cancel()
        await asyncio.gather(*self._queuing, return_exceptions=True)

    def _change(self, parcel_key: str, event: Event) -> Change:
        name, letter = Name(parcel_key, event.id), Letter(at=event.at, body=event.body())
        sealed = self._keyring.seal(letter.model_dump_json().encode(), parcel_key, _context(name))
        return Change(_letter_key(name), ANY, sealed, LETTER_KEPT_SECONDS)

    def _is_told(self, event: Event) -> bool:
        return self._shops.of(event.data.brand).events is not None

    async def _announce(self, parcel_key: str, event: Event, seconds: float) -> None:
        try:
            await self.queue.add(event.data.brand, Name(parcel_key, event.id), seconds, durable=False)
        except StoreUnavailable as error:
            # In a Cluster another server has the queue. It must not hold up the outcome of a return, which is why this
            # write waits for no replica: the letter is queued durably after the commit, and lost only if this process
            # dies before that server is back.
            log.warning("event not queued", error=type(error).__name__)

    async def _until_due(self, parcel_key: str, events: Sequence[Event]) -> None:
        for each in events:
            await self._make_due(each.data.brand, Name(parcel_key, each.id))
            self.written.put_nowait(each.data.brand)

    async def _make_due(self, brand: str, name: Name) -> None:
        while True:
            try:
                return await self.queue.add(brand, name, 0)
            except StoreUnavailable:
                await asyncio.sleep(RETRY_SECONDS)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._queuing.add(task)
        task.add_done_callback(self._queuing.discard)


def _letter_key(name: Name) -> str:
    return f"p:{{{name.parcel_key}}}:event:{name.event_id}"


def _context(name: Name) -> str:
    return f"event|{name.event_id}|1"
