"""The server that runs the service: it drains before it stops, and a watchdog ends it if its loop stalls."""

import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
import socket
import sys
from types import FrameType
from typing import TYPE_CHECKING, TextIO

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from app.http.load_shedding import Load
from app.http.plain_http import PlainHttpProtocol
from app.returns.labels.watching import Labels
from app.settings import Settings
from app.shops import Shops

if TYPE_CHECKING:
    from app.services import Services

KEEP_ALIVE_SECONDS = 75
"""Longer than a gateway keeps its side, so that it never writes into a connection that we have just closed."""
GRACE_SECONDS = 50
"""For requests under way at shutdown; longer than the longest upstream deadline."""


TICK_SECONDS = 1.0
"""Between two signs of life to the watchdog."""
TICKS = 10
"""How many ticks of uvicorn, which looks ten times a second whether it should stop, one of ours stands for."""


class Server(uvicorn.Server):
    """Stops in two steps: first it goes on serving while callers are sent elsewhere, then it finishes the rest."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._drain_seconds = settings.drain
        self._watchdog_seconds = settings.watchdog
        self._told = False
        self._stopped = asyncio.Event()
        self._traces = _unread_stderr()
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
        # uvicorn tells only the log why it cannot start.
        try:
            super().run(sockets)
        except SystemExit:
            address = f"{self.config.host}:{self.config.port}"
            listen = f"listen on {address}: taken, not permitted, or no address of this machine"
            sys.exit("return-portal-bff: cannot " + ("start" if self.lifespan.should_exit else listen))

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What stands now stays; looking through it again and again would take a part of every request's time.
        gc.freeze()
        signal.signal(signal.SIGHUP, self._reload)

    @override
    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter += TICKS
            # Its thread needs no interpreter lock, so it ends the process even while a regular expression holds it.
            faulthandler.dump_traceback_later(self._watchdog_seconds, exit=True, file=self._traces)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._stopped.wait()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        faulthandler.cancel_dump_traceback_later()
        # Soon no loop will handle the signal, and by default it would end the process.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        await super().shutdown(sockets)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(self._stop, sig)

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(reload_shops, self._app)

    def _stop(self, sig: int) -> None:
        # A second signal, or one from the keyboard, skips the drain.
        patient = sig == signal.SIGTERM and self.started and not self._told
        self._told = True
        start_draining(self._app)
        asyncio.get_running_loop().call_later(self._drain_seconds if patient else 0, self._stop_now, sig)

    def _stop_now(self, sig: int) -> None:
        # uvicorn's own handler would raise the signal again at the end, and the last lines of the log were lost.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        self._stopped.set()


def _unread_stderr() -> int:
    """A descriptor of standard error that waits for no reader, so that a full pipe does not keep a process alive."""
    # None where the process was started with a closed standard error; its number may be a socket's by now.
    stderr: TextIO | None = sys.stderr
    path = f"/proc/self/fd/{stderr.fileno()}" if stderr else os.devnull
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        # What cannot be opened again, such as a socket, is used as it is.
        return sys.stderr.fileno()


def start_draining(app: FastAPI) -> None:
    """Ends every wait with the present state and sends new requests elsewhere, before the process stops."""
    services: Services | None = getattr(app.state, "services", None)
    if services:
        services.of(Load).draining = True
        services.of(Labels).drain()


def reload_shops(app: FastAPI) -> None:
    """Makes the shops file be read again, if there is one."""
    services: Services | None = getattr(app.state, "services", None)
    if services:
        services.of(Shops).reload()
