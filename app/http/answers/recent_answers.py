"""Public answers that are given again for a second instead of being made again."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

from starlette.responses import Response

from app.redis.derived_values import DerivedValues

SECONDS = 1.0
ANSWERS = 256


class _Recent(NamedTuple):
    answer: Response
    until: float


class RecentAnswers:
    """Whole public answers of one route, each kept for a second, by a key of everything that it depends on.

    An error is not kept.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._recent: DerivedValues[Hashable, _Recent] = DerivedValues(ANSWERS)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Response]]) -> Response:
        """The answer for this key, made if there is none or its second is over."""
        recent = self._recent.last(key)
        if recent is None or time.monotonic() >= recent.until:
            made = _Recent(await make(), time.monotonic() + self._seconds)
            recent = self._recent.get(key, made.until, lambda: made)
        return recent.answer
