"""The production entry: `python -m app`."""

import asyncio
import faulthandler
import gc
import signal
import socket
import sys
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from app.http.plain_http import PlainHttpProtocol
from app.main import create_app, reload_shops, start_draining
from app.settings import Settings, SettingsError, load_settings
from app.telemetry.logs import configure_logging, log

KEEP_ALIVE_SECONDS = 75
"""Longer than a gateway keeps its side, so that it never writes into a connection that we have just closed."""
GRACE_SECONDS = 50
"""For requests under way at shutdown; longer than the longest upstream deadline."""


TICKS = 10
"""Of the server's loop, one each tenth of a second, between two signs of life to the watchdog."""


class Server(uvicorn.Server):
    """Stops in two steps: first it goes on serving while callers are sent elsewhere, then it finishes the rest."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._drain_seconds = settings.drain
        self._watchdog_seconds = settings.watchdog
        self._told = False
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                http=PlainHttpProtocol,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    @override
    def run(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn raises Ctrl-C again once it has stopped, and tells only the log why it cannot start.
        try:
            super().run(sockets)
        except SystemExit:
            sys.exit("return-portal-bff: cannot " + ("start" if self.lifespan.should_exit else "listen"))
        except KeyboardInterrupt:
            return

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload_shops, self._app)

    @override
    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS == 0:
            # Its thread needs no interpreter lock, so it ends the process even while a regular expression holds it.
            faulthandler.dump_traceback_later(self._watchdog_seconds, exit=True)
        return await super().on_tick(counter)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        faulthandler.cancel_dump_traceback_later()
        await super().shutdown(sockets)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(self._stop, sig, frame)

    def _stop(self, sig: int, frame: FrameType | None) -> None:
        # A second signal, or one from the keyboard, skips the drain.
        patient = sig == signal.SIGTERM and self.started and not self._told
        self._told = True
        start_draining(self._app)
        exit_now = partial(super().handle_exit, sig, frame)
        asyncio.get_running_loop().call_later(self._drain_seconds if patient else 0, exit_now)


def main() -> None:
    """Serves until it is told to stop; refuses to start on unusable settings."""
    configure_logging()
    # It would end a process that is not ready for it yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        settings = load_settings()
        app = create_app(settings)
    except SettingsError as error:
        sys.exit("\n".join(f"return-portal-bff: {line}" for line in str(error).splitlines()))
    log.info("starting", **settings.shown())
    server = Server(app, settings)
    # The objects made so far stay; a collection that visits them holds up all requests for a tenth of a second.
    gc.freeze()
    server.run()


if __name__ == "__main__":
    main()
