"""What callers saw: every answer by route, status, code and cause, and how long ordinary ones took."""

import re
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

CAUSE: ContextVar[str] = ContextVar("CAUSE", default="")
"""Which fault the caller asked for himself, as a magic order."""
AFTERMATH_SECONDS = 8.0
"""An outage may show in answers this long: a breaker stays open for 5 seconds."""
_ID = re.compile(r"(rtn_[\w-]+|(?<=service-points/)\d+|(?<=brands/)[\w-]+)")


class Seen(NamedTuple):
    """One kind of answer."""

    cause: str
    route: str
    status: int
    code: str


@dataclass
class Books:
    """Filled by the hooks of a client."""

    answers: Counter[Seen] = field(default_factory=Counter)
    broken_off: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Activities that could not go on, by name, class of error and cause."""
    done: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    """Answers that belonged to another caller, or were no label."""
    seconds: list[float] = field(default_factory=list)
    """Times of ordinary answers since they were last taken."""
    outages: list[tuple[float, str]] = field(default_factory=list)
    """When each began (monotonic), and what it was."""

    def watch(self, http: httpx.AsyncClient) -> None:
        """From now on this client's answers are counted."""
        http.event_hooks = {"request": [_starts], "response": [self._ends]}

    def cause(self) -> str:
        """What may be the reason of an error now."""
        recent = self.outages and time.monotonic() - self.outages[-1][0] < AFTERMATH_SECONDS
        return CAUSE.get() or (self.outages[-1][1] if recent else "")

    async def _ends(self, response: httpx.Response) -> None:
        request, code = response.request, ""
        if response.is_error:
            await response.aread()
            code = response.json()["code"]
        elif "prefer" not in request.headers and not CAUSE.get():
            self.seconds.append(time.monotonic() - request.extensions["began"])
        route = f"{request.method} {_ID.sub('*', request.url.path)}"
        self.answers[Seen(self.cause() if code else "", route, response.status_code, code)] += 1


async def _starts(request: httpx.Request) -> None:
    request.extensions["began"] = time.monotonic()
