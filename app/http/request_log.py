"""The log line and the metrics of a request that is over."""

import functools
import json
import time
from datetime import UTC, datetime
from http import HTTPStatus

from app.http.exchange import Exchange
from app.telemetry.journeys import JourneySteps
from app.telemetry.logs import line_writer
from app.telemetry.metrics import LATENCY, PROBLEMS, REQUESTS

# Kept, because a look-up by labels costs as much as the rest; routes, methods and statuses are few.
_requests, _latency = functools.cache(REQUESTS.labels), functools.cache(LATENCY.labels)
_quoted = functools.lru_cache(maxsize=1024)(json.dumps)
PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Probes, which come every few seconds: they are never shed, and logged only if they fail."""
METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})


class RequestLog:
    """Counts and logs answered requests."""

    def __init__(self) -> None:
        self._journeys = JourneySteps()
        self._write = line_writer()
        self._second, self._date = -1, ""

    def answered(self, exchange: Exchange) -> None:
        """Counts and logs a request that is over; status 0 means that no answer began."""
        seconds = time.perf_counter() - exchange.started
        # Otherwise a caller could make any number of label values by inventing methods.
        method = exchange.method if exchange.method in METHODS else "other"
        _requests(exchange.route, method, exchange.status).inc()
        _latency(exchange.route, method).observe(seconds)
        self._journeys.answered(exchange.brand, method, exchange.route, exchange.status)
        if exchange.problem:
            PROBLEMS.labels(exchange.problem).inc()
        if exchange.cost.span:
            exchange.cost.span.answered(method, exchange.route, exchange.status, exchange.problem)
        if exchange.route in PROBES and exchange.status < HTTPStatus.BAD_REQUEST:
            return
        self._write(_line(exchange, method, seconds, self._timestamp()))

    def _timestamp(self) -> str:
        """The moment in UTC (ISO 8601); its date and time are written out once a second."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._date = datetime.fromtimestamp(self._second, UTC).isoformat()[:-6]
        return f"{self._date}.{int(now % 1 * 1_000_000):06d}Z"


def _line(exchange: Exchange, method: str, seconds: float, timestamp: str) -> str:
    """The line as JSON, written by hand: routes and methods are words of ours, ids look like ids."""
    known = ("brand", exchange.brand), ("partner", exchange.partner), ("journey", exchange.journey)
    asked_by = "".join(f',"{name}":{_quoted(value)}' for name, value in known if value is not None)
    trace_id = _trace_id(exchange)
    trace = f',"trace_id":"{trace_id}"' if trace_id else ""
    return (
        f'{{"route":"{exchange.route}","method":"{method}","status":{exchange.status},"ms":{seconds * 1000:.1f}'
        f',"upstream_calls":{exchange.cost.upstream_calls},"request_id":"{exchange.request_id}"{asked_by}{trace}'
        f',"event":"request","level":"info","timestamp":"{timestamp}"}}'
    )


def _trace_id(exchange: Exchange) -> str | None:
    if exchange.cost.span:
        return exchange.cost.span.trace_id
    return exchange.parent[1] if exchange.parent else None
