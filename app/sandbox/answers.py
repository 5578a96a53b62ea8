"""The sandbox's answers: ordinary responses, refusals, and breaches of HTTP on the raw connection."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Protocol

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

ELSEWHERE = "https://elsewhere.example"
"""The host that scenarios name to tempt a client away."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with zero seconds: closing the socket sends RST instead of FIN."""


class Answer(Protocol):
    """An ASGI application that knows its status before it runs."""

    @property
    def status_code(self) -> int | None:
        """The status the caller will see; None when no complete head is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""


class Refused(Exception):
    """The upstream says no; each host has its own envelope for it (openapi/sendcloud.yaml)."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        """Seconds for a `Retry-After` header, which upstream documents nowhere."""

    def envelope(self, path: str, *, numeric: bool) -> JSONResponse:
        """The error body: a slug as code on the portal, the status as code on the service points host."""
        code = self.status if numeric else self.code
        error = {"code": code, "request": path.lstrip("/"), "message": str(self)}
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else None
        return JSONResponse({"error": error}, self.status, headers)


async def disconnected(receive: Receive) -> None:
    """Return once the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def pause(receive: Receive, seconds: float) -> None:
    """Wait so long, or until the caller has hung up; the request's body must have been read before."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(disconnected(receive), seconds)


@dataclass(frozen=True)
class Hang:
    """Never answers, and ends when the caller hangs up."""

    status_code: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Wait for the caller to give up."""
        await disconnected(receive)


@dataclass(frozen=True)
class RawAnswer:
    """Writes these bytes past the HTTP library, then ends the connection with FIN, or with RST if `reset`."""

    payload: bytes = b""
    status_code: int | None = None
    reset: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Write, end the connection, and wait until the server has noticed."""
        transport: asyncio.Transport = scope["state"]["transport"]
        transport.write(self.payload)
        if self.reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.close()
        # Returning earlier would make uvicorn send a 500 of its own.
        await disconnected(receive)
