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
            task.add_done_callback(lambda _: self._running.pop(key))
        # A cancelled caller must not cancel the work that others wait for.
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Waits for the work under way."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
