"""Logs and metrics that hold no personal data and no token: route templates, codes, durations."""

import json
import logging
import re
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from typing_extensions import override

REGISTRY = CollectorRegistry()
REQUESTS = Counter("bff_requests", "Requests answered.", ["route", "method", "status"], registry=REGISTRY)
LATENCY = Histogram("bff_request_seconds", "Time to the end of the answer.", ["route", "method"], registry=REGISTRY)
LOOKUPS_REFUSED = Counter("bff_lookups_refused", "Lookups refused by a limit.", ["limit"], registry=REGISTRY)
WATCHES = Gauge("bff_watches", "Returns watched by this replica.", registry=REGISTRY)
WAITING = Gauge("bff_waiting", "Requests that wait for a return to change.", registry=REGISTRY)
STORE_CALLS = Histogram(
    "bff_store_seconds",
    "Calls of Redis, with all it takes to make durable writes durable.",
    ["outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=REGISTRY,
)
STORE_CONNECTIONS = Gauge("bff_store_connections_in_use", "Connections to Redis in use.", registry=REGISTRY)
TASKS = Gauge("bff_tasks", "Tasks on the event loop.", registry=REGISTRY)
BREAKER = Gauge("bff_upstream_breaker", "0 closed, 1 one call may try, 2 open.", ["lane"], registry=REGISTRY)
RUNNING = Gauge("bff_upstream_running", "Upstream calls under way, waiting ones included.", ["lane"], registry=REGISTRY)
CALLS = Histogram(
    "bff_upstream_seconds",
    "Tries of upstream calls, up to the whole answer or to the head of a document.",
    ["lane", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60),
    registry=REGISTRY,
)
RETRIES = Counter("bff_upstream_retries", "Upstream calls that got a second try.", ["lane"], registry=REGISTRY)
TURNS = Histogram(
    "bff_upstream_turn_seconds",
    "Waits for a turn in the fleet's upstream budget.",
    ["method", "outcome"],
    buckets=(0.01, 0.1, 0.5, 1, 2),
    registry=REGISTRY,
)
IN_FLIGHT = Gauge("bff_in_flight", "Requests worked on, without those that only wait.", registry=REGISTRY)
LAG = Gauge("bff_loop_lag_seconds", "How late the event loop was at its worst in ten seconds.", registry=REGISTRY)
SHED = Counter("bff_shed", "Requests turned away at once.", ["reason"], registry=REGISTRY)
KEPT_BYTES = Counter("bff_documents_kept_bytes", "Bytes of documents put into Redis for a day.", registry=REGISTRY)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ENCODER = json.JSONEncoder(default=str)
log: structlog.stdlib.BoundLogger = structlog.get_logger("bff")


class RequestSpan(Protocol):
    """What a trace holds of one request."""

    trace_id: str

    def tried(self, lane: str, outcome: str, seconds: float) -> None:
        """One upstream try ended just now."""

    def answered(self, method: str, route: str, status: int, problem: str | None) -> None:
        """The request is over."""


BeginSpan = Callable[[re.Match[str] | None], RequestSpan | None]
"""Begins the span of a request, given the parts of its traceparent; None where this request is not to be traced."""


@dataclass
class Cost:
    """What one request has cost so far; tasks that it starts count here as well."""

    upstream_calls: int = 0
    span: RequestSpan | None = None


COST: ContextVar[Cost | None] = ContextVar("cost", default=None)
"""That of the request for whose sake we do what we do now; None for work of our own."""


class UpstreamCalls:
    """Counts upstream calls, in all and for each request."""

    def called(self, lane: str, outcome: str, seconds: float) -> None:
        """One try ended."""
        CALLS.labels(lane, outcome).observe(seconds)
        cost = COST.get()
        # Where the breaker is open nothing leaves.
        if cost and outcome != "not_tried":
            cost.upstream_calls += 1
            if cost.span:
                cost.span.tried(lane, outcome, seconds)

    def retried(self, lane: str) -> None:
        """A call gets its second try."""
        RETRIES.labels(lane).inc()


def metrics() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


class _Reduced(logging.Handler):
    """Other libraries' warnings by logger and level alone: their texts and tracebacks may quote what must not leak."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log.warning("library", logger=record.name, level_name=record.levelname, error=error)


def configure_logging() -> None:
    """Sends one JSON object a line to standard output, and nothing of other libraries below a warning."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # One encoder for all lines; `json.dumps` would make one for each.
            structlog.processors.JSONRenderer(lambda event, **_: _ENCODER.encode(event)),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Reduced()], level=logging.WARNING, force=True)
