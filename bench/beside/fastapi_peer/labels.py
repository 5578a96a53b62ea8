"""Labels that clients wait for: one task polls each, and an event wakes all who wait."""

import asyncio

import httpx

POLL_SECONDS = 1.0


class Labels:
    """Polls the upstream for labels."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._ready: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ready(self, brand: str, token: str) -> None:
        """Returns once the label is there."""
        event = self._ready.get(token)
        if event is None:
            event = self._ready[token] = asyncio.Event()
            task = asyncio.create_task(self._poll(brand, token, event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await event.wait()

    async def _poll(self, brand: str, token: str, event: asyncio.Event) -> None:
        path = f"/brand/{brand}/return-portal/label/polling"
        while (await self._http.get(path, params={"token": token})).status_code != httpx.codes.OK:  # noqa: ASYNC110  polls
            await asyncio.sleep(POLL_SECONDS)
        event.set()
        del self._ready[token]
