"""Logs and metrics that hold no personal data and no token: route templates, codes, durations."""

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from typing_extensions import override

REGISTRY = CollectorRegistry()
REQUESTS = Counter("bff_requests", "Requests answered.", ["route", "method", "status"], registry=REGISTRY)
LATENCY = Histogram("bff_request_seconds", "Time to the end of the answer.", ["route", "method"], registry=REGISTRY)
LOOKUPS_REFUSED = Counter("bff_lookups_refused", "Lookups refused by a limit.", ["limit"], registry=REGISTRY)
WATCHES = Gauge("bff_watches", "Returns watched by this replica.", registry=REGISTRY)
WAITING = Gauge("bff_waiting", "Requests that wait for a return to change.", registry=REGISTRY)
STORE_CONNECTIONS = Gauge("bff_store_connections_in_use", "Connections to Redis in use.", registry=REGISTRY)
TASKS = Gauge("bff_tasks", "Tasks on the event loop.", registry=REGISTRY)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

log: structlog.stdlib.BoundLogger = structlog.get_logger("bff")


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
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Reduced()], level=logging.WARNING, force=True)
