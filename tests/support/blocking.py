"""The service whose event loop SIGUSR1 blocks for good, and SIGUSR2 for `SECONDS`.

For good means inside a regular expression that keeps the interpreter lock.
"""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.main import create_app
from app.server import Server
from app.settings import load_settings
from app.telemetry.log_output import configure_logging

SECONDS = 30.0
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
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, time.sleep, SECONDS)
            yield

    app.router.lifespan_context = lifespan
    Server(app, settings).run()


if __name__ == "__main__":
    main()
