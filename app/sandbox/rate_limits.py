"""The limits that the upstream documents; that all callers share them is our own choice."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.sandbox.answers import Refused

LIMITS: Mapping[str, tuple[tuple[int, float], ...]] = MappingProxyType(
    {"GET": ((1000, 60.0),), "POST": ((100, 60.0), (15, 1.0))}
)
"""Requests in so many seconds, by method."""


class RateLimits:
    """Counts requests; those that are refused do not count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moments: dict[str, deque[float]] = {
            method: deque(maxlen=max(most for most, _ in limits)) for method, limits in LIMITS.items()
        }

    def take(self, method: str) -> None:
        """Counts one request; `Refused` (429) where it is one too many."""
        now, moments = self._clock(), self._moments.get(method)
        if moments is None:
            return
        if any(len(moments) >= most and now - moments[-most] < seconds for most, seconds in LIMITS[method]):
            raise Refused(429, "rate_limited", "Too many requests.")
        moments.append(now)
