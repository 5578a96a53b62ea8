"""The service with a fault in its lifespan, `python -m tests.support.faulty`; the variable FAULT names it."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from app.main import create_app
from app.server import Server
from app.settings import load_settings
from app.telemetry.log_output import configure_logging

Fault = Callable[[], AbstractAsyncContextManager[None]]


async def _raises() -> None:
    raise RuntimeError


@asynccontextmanager
async def forgotten_coroutine() -> AsyncIterator[None]:
    """A coroutine that is never awaited."""
    _raises()  # type: ignore[unused-coroutine]  # the fault
    yield


@asynccontextmanager
async def failing_task() -> AsyncIterator[None]:
    """A background task that raises and that is never awaited."""
    asyncio.create_task(_raises())  # type: ignore[unused-awaitable]  # noqa: RUF006  the fault
    yield


@asynccontextmanager
async def deprecation() -> AsyncIterator[None]:
    """A call of something deprecated."""
    warnings.warn("use something else", DeprecationWarning, stacklevel=1)
    yield


@asynccontextmanager
async def failing_shutdown() -> AsyncIterator[None]:
    """An error when everything is closed."""
    yield
    raise RuntimeError


FAULTS: dict[str, Fault] = {
    each.__name__: each for each in (forgotten_coroutine, failing_task, deprecation, failing_shutdown)
}


def put_into_lifespan(app: FastAPI, fault: Fault) -> None:
    """Gives the app this fault in addition to what it does at its start and end."""
    sound = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with fault(), sound(app):
            yield

    app.router.lifespan_context = lifespan


if __name__ == "__main__":
    configure_logging()
    settings = load_settings()
    app = create_app(settings)
    put_into_lifespan(app, FAULTS[os.environ["FAULT"]])
    Server(app, settings).run()
