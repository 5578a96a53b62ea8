"""The production entry when everything around it talks: every logger at DEBUG, OpenTelemetry providers that print."""

import logging
import sys
from typing import Any

from opentelemetry import _logs, trace
from typing_extensions import override

from app.main import create_app
from app.server import Server
from app.settings import load_settings
from app.telemetry.log_output import configure_logging

TRACED, EXPORTED = "TOLD A TRACER", "TOLD AN EXPORTER"


def _print(*told: object) -> None:
    sys.stdout.write(f"{told}\n")
    sys.stdout.flush()


class Span(trace.NonRecordingSpan):
    """Prints what it is told."""

    @override
    def set_attributes(self, attributes: Any) -> None:
        _print(TRACED, attributes)

    @override
    def set_attribute(self, key: str, value: Any) -> None:
        _print(TRACED, key, value)

    @override
    def update_name(self, name: str) -> None:
        _print(TRACED, name)

    @override
    def add_event(self, *told: Any, **more: Any) -> None:
        _print(TRACED, told, more)

    @override
    def record_exception(self, *told: Any, **more: Any) -> None:
        _print(TRACED, told, more)


class Tracer(trace.NoOpTracer):
    """Prints how spans begin."""

    @override
    def start_span(self, *told: Any, **more: Any) -> Span:
        _print(TRACED, told, more)
        return Span(trace.INVALID_SPAN_CONTEXT)


class Tracers(trace.TracerProvider):
    """Gives everybody such a tracer."""

    @override
    def get_tracer(self, *_told: Any, **_more: Any) -> Tracer:
        return Tracer()


class Exporter(_logs.NoOpLogger):
    """Prints every record it is to export."""

    @override
    def emit(self, *told: Any, **more: Any) -> None:
        _print(EXPORTED, told, more)


class Exporters(_logs.LoggerProvider):
    """Gives everybody such an exporter."""

    @override
    def get_logger(self, name: str, *_told: Any, **_more: Any) -> Exporter:
        return Exporter(name)


def main() -> None:
    """Serves like `python -m app`."""
    trace.set_tracer_provider(Tracers())
    _logs.set_logger_provider(Exporters())
    trace.get_tracer("control").start_span("control").set_attribute("control", "control")
    _logs.get_logger("control").emit(body="control")
    settings = load_settings()
    configure_logging()
    logging.getLogger().setLevel(logging.DEBUG)
    Server(create_app(settings), settings).run()


if __name__ == "__main__":
    main()
