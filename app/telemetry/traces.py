"""Spans of our own for a collector: route templates, words of the code, statuses, times; nothing personal (ADR 14).

The only module that needs the packages of the extra `otel`; it is imported where traces are wanted.
"""

import asyncio
import re
import threading
import time

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    format_trace_id,
    set_span_in_context,
)

NAME = "return-portal-bff"
FLUSH_SECONDS = 2.0
"""How long the end of the process waits for the last spans."""
SERVER_FAULTS = 500


class TracedRequest:
    """The span of one request, and the parent of those of its upstream calls."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self.trace_id = format_trace_id(span.get_span_context().trace_id)

    def tried(self, lane: str, outcome: str, seconds: float) -> None:
        """One upstream try ended just now; the request may be over by then."""
        ended = time.time_ns()
        context = set_span_in_context(self._span, Context())
        started = ended - int(seconds * 1e9)
        child = self._tracer.start_span(lane, context, SpanKind.CLIENT, {"outcome": outcome}, start_time=started)
        child.end(ended)

    def answered(self, method: str, route: str, status: int, problem: str | None) -> None:
        """The request is over; status 0 means that no answer began."""
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes({"http.request.method": method, "http.route": route})
        if status:
            self._span.set_attribute("http.response.status_code", status)
        if problem:
            self._span.set_attribute("problem", problem)
        if status >= SERVER_FAULTS:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Tracing:
    """Sends spans to a collector in the background; if that fails or lags, they are dropped and no request waits."""

    def __init__(self, url: str) -> None:
        # Not the global provider: other libraries would find it and record addresses.
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: NAME}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
        self._tracer = self._provider.get_tracer(NAME)

    def begin(self, parent: re.Match[str] | None) -> TracedRequest | None:
        """The span of a request that begins now, below the caller's if there is one; None if it is not sampled."""
        span = self._tracer.start_span("request", _context(parent), SpanKind.SERVER)
        return TracedRequest(self._tracer, span) if span.is_recording() else None

    async def aclose(self) -> None:
        """Sends the remaining spans, as far as `FLUSH_SECONDS` allow."""
        # The SDK would wait half a minute for a collector that hangs; a daemon thread does not keep the process alive.
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_SECONDS)


def _context(parent: re.Match[str] | None) -> Context:
    if not parent:
        return Context()
    trace_id, span_id, flags = (int(part, 16) for part in parent.groups())
    sampled = TraceFlags(flags & TraceFlags.SAMPLED)
    caller = SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled)
    return set_span_in_context(NonRecordingSpan(caller), Context())
