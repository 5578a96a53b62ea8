"""Label watching: one poll of the upstream serves all waiting callers, on every replica."""

import asyncio
import contextlib
from collections.abc import Coroutine
from types import TracebackType
from typing import Self

from app.errors import ReturnNotFound, StoreUnavailable
from app.http.answers.deferred import Leaving
from app.models.returns import FINAL_STATES, ReturnState
from app.redis.store import Store
from app.returns.labels.polling import Polling
from app.returns.store.records import VersionedReturn
from app.returns.store.returns import Returns
from app.telemetry.logs import log

RETRY_SECONDS = 1.0
"""Pause after an error, and while another replica polls."""
TAKEN_OVER_SECONDS = 5.0
"""How long a label is watched by a replica that finds it due."""
WOKEN_AT_ONCE = 50
"""Waiters woken in one turn of the event loop, so that thousands of them do not hold up other requests."""


class Watch:
    """One return that callers on this replica wait for; `found` is the newest version known here.

    `with watch:` counts a waiter.
    """

    def __init__(self, parcel_key: str, found: VersionedReturn) -> None:
        self.parcel_key = parcel_key
        self.found = found
        self.waiting = 0
        self.nudge = asyncio.Event()
        """Set to read now: the return changed, or the last waiter left."""
        self.nudge.set()
        self._asleep: set[asyncio.Timeout] = set()
        self._waking: set[asyncio.Timeout] = set()
        self._ended = False

    def __enter__(self) -> Self:
        self.waiting += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.waiting -= 1
        if not self.waiting:
            self.nudge.set()

    def tell(self, found: VersionedReturn) -> None:
        """Wakes all waiters if the shopper can see a difference."""
        if found.record.revision > self.found.record.revision:
            self.found = found
            self._wake()

    def end(self) -> None:
        """Wakes all waiters for the last time."""
        self._ended = True
        self._wake()

    async def newer_than(self, revision: int, until: float | None, leaving: Leaving) -> VersionedReturn | None:
        """The return once it has a later revision; None once no more will come, or once the caller left.

        Raises:
            TimeoutError: the loop's clock says `until` (seconds).
        """
        while self.found.record.revision <= revision:
            if self._ended or await self._left(until, leaving):
                return None
        return self.found

    async def _left(self, until: float | None, leaving: Leaving) -> bool:
        """Whether the caller left; False if it was woken. Both waits share one task, because thousands may wait."""
        alarm = asyncio.timeout_at(until)
        self._asleep.add(alarm)
        try:
            async with alarm:
                await leaving()
                return True
        except TimeoutError:
            if alarm in self._asleep:
                raise
            return False
        finally:
            self._asleep.discard(alarm)
            self._waking.discard(alarm)

    def _wake(self) -> None:
        self._waking |= self._asleep
        self._asleep.clear()
        self._wake_some()

    def _wake_some(self) -> None:
        for alarm in [self._waking.pop() for _ in range(min(WOKEN_AT_ONCE, len(self._waking)))]:
            # It may expire in this very turn of the loop.
            if not alarm.expired():
                alarm.reschedule(0)
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)


class Labels:
    """The labels of returns: polled when due, by one replica at a time, for all who wait."""

    def __init__(self, store: Store, returns: Returns, polling: Polling) -> None:
        self._store = store
        self.returns = returns
        self.polling = polling
        self._watches: dict[str, Watch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def watched(self) -> int:
        """How many returns this replica watches."""
        return len(self._watches)

    @property
    def waiting(self) -> int:
        """How many waiters the watched returns have, including our own background watches."""
        return sum(watch.waiting for watch in self._watches.values())

    async def current(self, parcel_key: str, found: VersionedReturn) -> VersionedReturn:
        """This return, after a poll if one is due and no other replica is polling."""
        return await self.polling.look(parcel_key, found.record.id) if found.due_in == 0 else found

    async def awaited(
        self, parcel_key: str, found: VersionedReturn, seconds: float, leaving: Leaving
    ) -> VersionedReturn:
        """The return as soon as the shopper can see a difference, or its present version after so many seconds."""
        until = asyncio.get_running_loop().time() + seconds
        with self.watching(parcel_key, found) as watch, contextlib.suppress(TimeoutError):
            return await watch.newer_than(found.record.revision, until, leaving) or found
        return await self.returns.get(parcel_key, found.record.id)

    async def settled(
        self, parcel_key: str, found: VersionedReturn, seconds: float, leaving: Leaving
    ) -> VersionedReturn:
        """The return as soon as its state is final, or its present version after so many seconds."""
        until = asyncio.get_running_loop().time() + seconds
        newest: VersionedReturn | None = found
        with self.watching(parcel_key, found) as watch, contextlib.suppress(TimeoutError):
            while newest and (found := newest).record.state not in FINAL_STATES:
                newest = await watch.newer_than(found.record.revision, until, leaving)
        return found

    def watching(self, parcel_key: str, found: VersionedReturn) -> Watch:
        """The watch of this return, which is started if there is none; enter it at once."""
        watch = self._watches.get(found.record.id)
        if watch is None:
            watch = self._watches[found.record.id] = Watch(parcel_key, found)
            self._start(self._watch(watch))
        # The caller has just read the return, and may have a newer version than the watch.
        watch.tell(found)
        return watch

    def watch_in_background(self, parcel_key: str, found: VersionedReturn) -> None:
        """Polls the label for a while even if no caller waits, so that most shoppers come back to a ready one."""
        self._start(self._in_background(parcel_key, found, self.polling.schedule.budget))

    async def look_for_news(self, parcel_key: str, return_id: str) -> bool:
        """Reads the return; whether to look again, because it is created still or its label may come within the budget.

        A label that is due is polled in the background, since the replica that watched it may have stopped. A return
        whose creating request died is settled as by `Returns.get`.
        """
        try:
            found = await self.returns.get(parcel_key, return_id)
        except ReturnNotFound:
            return False
        if found.record.state is ReturnState.CREATING:
            return True
        is_new = found.now < found.record.created_at + self.polling.schedule.budget
        if is_new and found.due_in == 0:
            self._start(self._in_background(parcel_key, found, TAKEN_OVER_SECONDS))
        return is_new and found.due_in is not None

    async def listen(self) -> None:
        """Passes on changes of any replica, until cancelled; after a broken connection, every watch reads again."""
        while True:
            try:
                async for return_id in self._store.listen():
                    for watch in [self._watches.get(return_id)] if return_id else list(self._watches.values()):
                        if watch:
                            watch.nudge.set()
            except StoreUnavailable as error:
                log.warning("not listening", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    def drain(self) -> None:
        """Ends every wait with the present version."""
        self._draining = True
        for watch in list(self._watches.values()):
            watch.nudge.set()
            watch.end()

    async def aclose(self) -> None:
        """Ends every watch; a poll under way is finished, not cancelled."""
        self.drain()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, watch: Watch) -> None:
        wait: float | None = 0.0
        try:
            # No `await` between the last test and the `finally`, so that no caller joins a watch that is about to end.
            while wait is not None and watch.waiting and not self._draining:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await watch.nudge.wait()
                wait = await self._look(watch) if watch.waiting else None
        finally:
            del self._watches[watch.found.record.id]
            watch.end()

    async def _look(self, watch: Watch) -> float | None:
        """Reads or polls once and wakes waiters; seconds until the next time, None if there is none."""
        parcel_key, return_id = watch.parcel_key, watch.found.record.id
        was_nudged = watch.nudge.is_set()
        watch.nudge.clear()
        try:
            if was_nudged or watch.found.due_in is None:
                found = await self.current(parcel_key, await self.returns.get(parcel_key, return_id))
            else:
                # A poll is due, and the return is read under its lease anyway.
                found = await self.polling.look(parcel_key, return_id)
        except ReturnNotFound:
            return None
        except Exception as error:  # noqa: BLE001  one bad record must not end the watch of those who wait
            log.warning("look failed", error=type(error).__name__)
            return RETRY_SECONDS
        watch.tell(found)
        if found.record.state in FINAL_STATES:
            return None
        return found.due_in or RETRY_SECONDS

    async def _in_background(self, parcel_key: str, found: VersionedReturn, seconds: float) -> None:
        await self.settled(parcel_key, found, seconds, asyncio.get_running_loop().create_future)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
