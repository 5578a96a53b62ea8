"""A collector of spans: what the service sent it by OTLP over HTTP, unpacked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tests.support.raw_server import Behaviour, RawServer, answer, raw_server

AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
"""Lets the service send its spans every 50 ms."""


@dataclass(frozen=True)
class Collector:
    """Where it listens and what it was told."""

    server: RawServer

    @property
    def url(self) -> str:
        """For `BFF_TRACES_URL`."""
        return f"http://127.0.0.1:{self.server.port}/v1/traces"

    @property
    def batches(self) -> list[ResourceSpans]:
        """Everything, as it came."""
        bodies = [request.partition(b"\r\n\r\n")[2] for request in self.server.requests]
        return [each for body in bodies for each in ExportTraceServiceRequest.FromString(body).resource_spans]

    @property
    def spans(self) -> list[Span]:
        """The spans alone."""
        return [span for batch in self.batches for scope in batch.scope_spans for span in scope.spans]

    def of(self, trace_id: str) -> list[Span]:
        """The spans of this trace in the order of their beginnings."""
        mine = [span for span in self.spans if span.trace_id.hex() == trace_id]
        return sorted(mine, key=lambda span: span.start_time_unix_nano)


@asynccontextmanager
async def running_collector(behaviour: Behaviour | None = None) -> AsyncIterator[Collector]:
    """A collector that takes everything, or behaves like this."""
    async with raw_server(behaviour or answer(200)) as server:
        yield Collector(server)


def attributes(span: Span) -> dict[str, str | int]:
    """Names and values."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
