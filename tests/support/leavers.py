"""Clients that send a request, or a part of one, and are gone at a random moment."""

import asyncio
import json
import random
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.processes import LOCAL

STAYS_SECONDS = (0.001, 0.3)
PARTLY = 0.1
"""Share of requests that are not sent whole."""
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Asked:
    """A request as it goes over the wire."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def post(cls, path: str, body: Any, headers: Mapping[str, str]) -> "Asked":
        """A POST of JSON."""
        return cls("POST", path, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())

    def __bytes__(self) -> bytes:
        fields = {"Host": LOCAL, "Content-Length": str(len(self.body)), **self.headers}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return "\r\n".join(lines).encode() + self.body


async def sent(port: int, wire: bytes) -> asyncio.StreamWriter:
    """A connection that has taken these bytes and is not read from."""
    _, writer = await asyncio.open_connection(LOCAL, port)
    writer.write(wire)
    return writer


def leave(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Goes away with RST, or with FIN."""
    if reset:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        writer.transport.abort()
    else:
        writer.close()


async def come_and_go(port: int, asked: Asked) -> None:
    """Asks, mostly to the end, and leaves at a random moment, one way or the other."""
    wire = bytes(asked)
    if random.random() < PARTLY:  # noqa: S311  chance, not secrecy
        wire = wire[: random.randrange(1, len(wire))]  # noqa: S311
    writer = await sent(port, wire)
    # As many early as late ones, at any scale.
    shortest, longest = STAYS_SECONDS
    try:
        await asyncio.sleep(shortest * (longest / shortest) ** random.random())  # noqa: S311
    finally:
        leave(writer, reset=random.random() < 0.5)  # noqa: S311
