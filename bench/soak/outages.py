"""What goes wrong by itself: the store pauses, the store's process stops, the upstream is down; each for a moment."""

import asyncio
import itertools
import random
import signal
import time

from bench.soak.books import Books
from tests.support.processes import Valkey
from tests.support.sandbox import SandboxProcess

EVERY_SECONDS = 45.0
UPSTREAM_SECONDS = 1.0
STORE_SECONDS = (0.5, 1.0)


async def go_wrong(store: Valkey, sandbox: SandboxProcess, books: Books) -> None:
    """One after the other, until cancelled."""
    for kind in itertools.cycle(("store paused", "upstream down", "store stopped")):
        await asyncio.sleep(EVERY_SECONDS)
        books.outages.append((time.monotonic(), kind))
        seconds = random.uniform(*STORE_SECONDS)  # noqa: S311  a random moment
        if kind == "store paused":
            await store.client.client_pause(int(seconds * 1000))
        elif kind == "store stopped":
            store.process.send(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            store.process.send(signal.SIGCONT)
        else:
            await sandbox.fault("down")
            await asyncio.sleep(UPSTREAM_SECONDS)
            await sandbox.fault("none")
