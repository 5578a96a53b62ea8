"""Loops that run beside the requests, for as long as the service does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from app.telemetry.logs import log, origin

RESTART_SECONDS = 1.0

Loop = Callable[[], Coroutine[None, None, None]]


@asynccontextmanager
async def meanwhile(loop: Loop) -> AsyncIterator[None]:
    """Runs the loop within the context. One that ends with an error is logged and begins again a second later."""
    task = asyncio.create_task(_kept_up(loop))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _kept_up(loop: Loop) -> None:
    while True:
        try:
            return await loop()
        except Exception as error:  # noqa: BLE001  an error of any kind must not end what the service needs
            # Neither its text nor its traceback: either may quote personal data.
            log.error("loop failed", loop=loop.__qualname__, error=type(error).__name__, at=origin(error))
            await asyncio.sleep(RESTART_SECONDS)
