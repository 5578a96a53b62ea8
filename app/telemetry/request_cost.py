"""The cost of one request: its upstream calls, and its span."""

import functools
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from app.telemetry.metrics import CALLS, RETRIES

# Kept, because a look-up by labels costs as much as the rest; classes of calls and outcomes are few.
_calls = functools.cache(CALLS.labels)


class RequestSpan(Protocol):
    """The span of one request."""

    trace_id: str

    def tried(self, lane: str, outcome: str, seconds: float) -> None:
        """One upstream try ended just now."""

    def answered(self, method: str, route: str, status: int, problem: str | None) -> None:
        """The request is over."""


BeginSpan = Callable[[re.Match[str] | None], RequestSpan | None]
"""Begins the span of a request, given the parts of its traceparent; None where this request is not to be traced."""


@dataclass
class Cost:
    """The cost of one request so far, with that of the tasks it starts."""

    upstream_calls: int = 0
    span: RequestSpan | None = None


COST: ContextVar[Cost | None] = ContextVar("cost", default=None)
"""The cost of the request that the present task serves; None for background work."""


class UpstreamCalls:
    """Counts upstream calls, in all and for each request."""

    def called(self, lane: str, outcome: str, seconds: float) -> None:
        """One try ended."""
        _calls(lane, outcome).observe(seconds)
        cost = COST.get()
        # While the breaker is open, no call leaves.
        if cost and outcome != "not_tried":
            cost.upstream_calls += 1
            if cost.span:
                cost.span.tried(lane, outcome, seconds)

    def retried(self, lane: str) -> None:
        """A call gets its second try."""
        RETRIES.labels(lane).inc()
