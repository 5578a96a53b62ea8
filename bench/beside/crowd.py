"""Thousands who wait for one label, at next to no cost of their own."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import httpx
from typing_extensions import override

from bench.beside.machine import resident_kb
from bench.beside.servers import Server
from tests.support.processes import LOCAL, eventually

READY = b'"state":"label_ready"'
CONNECTED_WITHIN_SECONDS = 30.0
_WAITING = re.compile(r"^bff_waiting (\S+)$", re.MULTILINE)


class Waiter(asyncio.Protocol):
    """Asks once; `told` is when the answer said that the label is ready (monotonic seconds)."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.received = b""
        self.told: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    @override
    def data_received(self, data: bytes) -> None:
        self.received += data
        if READY in self.received and not self.told.done():
            self.told.set_result(time.monotonic())

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.told.done():
            self.told.set_exception(exc or ConnectionResetError("closed before it was told"))


@dataclass
class Crowd:
    """Waiters at one server, all the same way."""

    server: Server
    path: str
    headers: Mapping[str, str]
    waiters: list[Waiter] = field(default_factory=list)

    async def grown_to(self, size: int) -> int:
        """KB that the server holds once there are so many waiters."""
        fields = {"Host": LOCAL, **self.headers}
        lines = [f"GET {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        made, loop = partial(Waiter, "\r\n".join(lines).encode()), asyncio.get_running_loop()
        while len(self.waiters) < size:
            _, waiter = await loop.create_connection(made, LOCAL, self.server.port)
            self.waiters.append(waiter)
        await eventually(self._all_wait, CONNECTED_WITHIN_SECONDS)
        return resident_kb(self.server.pid)

    async def _all_wait(self) -> bool:
        """Streams have begun; of polls, of which nothing is to be seen, our own gauge tells."""
        await asyncio.sleep(0.2)
        if self.path.endswith("/events"):
            return all(waiter.received for waiter in self.waiters)
        async with httpx.AsyncClient(trust_env=False, timeout=CONNECTED_WITHIN_SECONDS) as http:
            metrics = (await http.get(f"http://{LOCAL}:{self.server.port}/metrics")).text
        found = _WAITING.search(metrics)
        return found is not None and float(found[1]) >= len(self.waiters)
