"""Waiting for the shopper, as long as the shopper waits."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Header, Request

T = TypeVar("T")

MAX_WAIT_SECONDS = 55
_WAIT = re.compile(r"\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*", re.IGNORECASE)


Prefer = Annotated[
    str, Header(description="`wait=N` holds the answer up to N seconds (55 at most) until there is news.")
]


def preferred_wait(prefer: str) -> int:
    """Seconds the caller is ready to wait (RFC 7240); other preferences are ignored."""
    wanted = next((match[1] for part in re.split("[,;]", prefer) if (match := _WAIT.fullmatch(part))), "0")
    return min(int(wanted), MAX_WAIT_SECONDS)


def preference_applied(wait: int) -> dict[str, str]:
    """The headers of an answer that may have been held."""
    return {"Vary": "Prefer"} | ({"Preference-Applied": f"wait={wait}"} if wait else {})


def retry_after(seconds: int | None) -> dict[str, str]:
    """The header that says when to ask again, if there is anything to ask for."""
    return {} if seconds is None else {"Retry-After": str(seconds)}


async def while_connected(request: Request, waiting: Coroutine[Any, Any, T]) -> T | None:
    """What is waited for, or None as soon as the caller is gone: FastAPI does not cancel handlers by itself."""
    # Thousands may wait; they must not keep out those who have something to do.
    request.state.place.leave()
    work, gone = asyncio.create_task(waiting), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
