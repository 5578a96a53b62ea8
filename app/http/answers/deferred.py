"""Deferred answers: held requests and event streams, which wait for news as long as their caller does.

The handler of a hot route returns one as a plain ASGI application.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Header, Request
from starlette.types import Receive, Scope

from app.http.exchange import exchange_of

Leaving = Callable[[], Awaitable[object]]
"""Returns once the waiting caller has left."""
MAX_WAIT_SECONDS = 55
_WAIT = re.compile(r"\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*", re.IGNORECASE)


Prefer = Annotated[
    str, Header(description="`wait=N` holds the answer up to N seconds (55 at most) until there is news.")
]


def is_head(request: Request) -> bool:
    """Whether the caller wants headers alone, for which nothing waits. Handlers are called with GET then."""
    return exchange_of(request.scope).method == "HEAD"


def preferred_wait(request: Request, prefer: str) -> int:
    """Seconds that the caller is ready to wait (RFC 7240), 0 for HEAD; other preferences are ignored."""
    if not prefer or is_head(request):
        return 0
    wanted = next((match[1] for part in re.split("[,;]", prefer) if (match := _WAIT.fullmatch(part))), "0")
    return min(int(wanted), MAX_WAIT_SECONDS)


def preference_applied(wait: int) -> dict[str, str]:
    """The headers of an answer that may have been held."""
    return {"Vary": "Prefer"} | ({"Preference-Applied": f"wait={wait}"} if wait else {})


def retry_after(seconds: int | None) -> dict[str, str]:
    """The header that says when to ask again; none if nothing more is to come."""
    return {} if seconds is None else {"Retry-After": str(seconds)}


def leaving(scope: Scope, receive: Receive) -> Leaving:
    """Watches for the caller to leave, which only `receive` tells. From now on the request counts as waiting."""
    # Thousands may wait; they must not keep out requests that need work.
    exchange_of(scope).leave()

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return left
