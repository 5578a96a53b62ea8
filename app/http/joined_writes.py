"""The writes of one turn of the event loop to one connection, joined to one."""

import asyncio
from typing import Any

MAX_WAITING_BYTES = 64 * 1024
"""More is written at once, so that the connection's own flow control counts it."""


class JoinedWrites:
    """A transport whose writes leave together at the end of a turn of the loop: each would be a system call.

    All else is the transport's own.
    """

    # There is one for each connection.
    __slots__ = ("_size", "_transport", "_waiting")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._waiting: list[bytes | memoryview] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes | memoryview) -> None:
        """Writes these bytes after those before, by the end of this turn."""
        if not data:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > MAX_WAITING_BYTES:
            self._flush()

    def close(self) -> None:
        """Closes the connection once all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting and not self._transport.is_closing():
            self._transport.writelines(self._waiting)
        self._waiting, self._size = [], 0
