"""One piece of work for all who ask for the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work by key; who asks while it is under way shares its outcome, errors included."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def share(self, key: Hashable, work: Callable[[], Coroutine[None, None, T]]) -> T:
        """What the work under way for this key brings; it is begun if there is none."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(work())
            task.add_done_callback(lambda _: self._running.pop(key))
        # A caller that is cancelled must not take the outcome of the others along.
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Waits for what is under way."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
