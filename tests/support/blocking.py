"""The service whose event loop SIGUSR1 blocks for good, inside a regular expression that keeps the interpreter lock."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.main import create_app
from app.server import Server
from app.settings import load_settings
from app.telemetry.logs import configure_logging

ENDLESS = re.compile("(a+)+b")


def main() -> None:
    """Serves until it is blocked."""
    configure_logging()
    settings = load_settings()
    app = create_app(settings)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with inner(app):
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, ENDLESS.match, "a" * 60)
            yield

    app.router.lifespan_context = lifespan
    Server(app, settings).run()


if __name__ == "__main__":
    main()
