"""Logs that hold no personal data and no token."""

import json
import logging
import sys

import structlog
from typing_extensions import override

_ENCODER = json.JSONEncoder(default=str)


log: structlog.stdlib.BoundLogger = structlog.get_logger("bff")


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
