"""Large values on their way to one server, each sent while those before it are not yet acknowledged."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from app.redis.connections.connection import Connection, Reply
from app.redis.connections.failures import FOREIGN
from app.telemetry.metrics import STORE_CALLS

UNACKNOWLEDGED = 2
"""The most values on their way at a time; each takes a buffer."""
_ANSWERED = STORE_CALLS.labels("answered")

Put = Callable[[str, bytes, float], Awaitable[None]]
"""Keeps bytes under a key for so many seconds, wherever the key has moved to, or raises StoreUnavailable."""


class _Sent(NamedTuple):
    answer: asyncio.Future[list[Reply]]
    started: float
    key: str
    value: memoryview
    ttl: float
    buffer: bytearray


class BulkWriter:
    """Writes values over a connection of its own; one that is not taken there goes the ordinary way, by `put`."""

    def __init__(self, connection: Connection, seconds: float, put: Put, buffers: list[bytearray]) -> None:
        self._connection = connection
        self._seconds = seconds
        self._put = put
        self._sent: deque[_Sent] = deque()
        self._buffers = buffers

    async def put(self, key: str, size: int, write: Callable[[memoryview], None], ttl: float) -> None:
        """Sends a value of so many bytes that `write` writes; returns at once unless too many are on their way.

        Raises:
            StoreUnavailable: a value sent before cannot be stored.
        """
        if len(self._sent) == UNACKNOWLEDGED:
            await self._acknowledged()
        # Packed here, where the value is written to its place at once; hiredis would copy it three times.
        name, life = key.encode(), str(int(ttl * 1000)).encode()
        head = b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(name), name, size)
        tail = b"\r\n$2\r\nPX\r\n$%d\r\n%b\r\n" % (len(life), life)
        begin, end = len(head), len(head) + size
        buffer = self._buffer(end + len(tail))
        command = memoryview(buffer)[: end + len(tail)]
        command[:begin], command[end:] = head, tail
        write(command[begin:end])
        answer = self._connection.ask(command, 1, self._seconds)
        self._sent.append(_Sent(answer, time.perf_counter(), key, command[begin:end], ttl, buffer))

    async def flush(self) -> None:
        """Returns once all values are stored. Raises StoreUnavailable if one cannot be."""
        while self._sent:
            await self._acknowledged()

    def abandon(self) -> None:
        """Waits for no answer any more."""
        for sent in self._sent:
            sent.answer.cancel()

    def _buffer(self, size: int) -> bytearray:
        """One of the buffers that are free again, if it is large enough: fresh memory costs more than its use."""
        buffer = self._buffers.pop() if self._buffers else b""
        return buffer if isinstance(buffer, bytearray) and len(buffer) >= size else bytearray(size)

    async def _acknowledged(self) -> None:
        sent = self._sent.popleft()
        reply: Reply
        try:
            (reply,) = await sent.answer
        except FOREIGN as error:
            reply = error
        if isinstance(reply, Exception):
            await self._put(sent.key, bytes(sent.value), sent.ttl)
        else:
            self._buffers.append(sent.buffer)
            _ANSWERED.observe(time.perf_counter() - sent.started)
