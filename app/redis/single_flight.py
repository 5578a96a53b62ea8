"""Single flight: callers that ask for the same key at the same time share one piece of work."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work by key; a caller that asks while it is under way shares its outcome, errors included."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def share(self, key: Hashable, work: Callable[[], Coroutine[None, None, T]]) -> T:
        """The outcome of the work under way for this key, which is started if there is none."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(work())
            task.add_done_callback(lambda ended: self._forget(key, ended))
        # A cancelled caller must not cancel the work that others wait for. `shield` would cost twice as much for each
        # of the thousands who may share.
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task.add_done_callback(lambda _: _end(over))
        await over
        return task.result()

    def _forget(self, key: Hashable, ended: asyncio.Task[T]) -> None:
        del self._running[key]
        # If every caller has left, no one asks how it ended, and asyncio must not tell the log.
        _ = ended.cancelled() or ended.exception()

    async def aclose(self) -> None:
        """Waits for the work under way."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)


def _end(wait: asyncio.Future[None]) -> None:
    # One whose caller has left is cancelled.
    if not wait.done():
        wait.set_result(None)
