"""Logs that hold no personal data and no token."""

import atexit
import json
import logging
import sys
from typing import TextIO, cast

import structlog
from typing_extensions import override

from app.telemetry.log_writer import LogWriter

_ENCODER = json.JSONEncoder(default=str)


log: structlog.stdlib.BoundLogger = structlog.get_logger("bff")
_lines: structlog.BoundLogger = structlog.wrap_logger(None, processors=[lambda _logger, _level, line: line["event"]])


def write_line(line: str) -> None:
    """Writes a line of JSON as it is: for the line that each request costs."""
    _lines.info(line)


class _Reduced(logging.Handler):
    """Other libraries' warnings by logger and level alone: their texts and tracebacks may quote personal data."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log.warning("library", logger=record.name, level_name=record.levelname, error=error)


def configure_logging() -> None:
    """Sends one JSON object a line to standard output, and nothing of other libraries below a warning.

    Logging never waits for standard output and never fails with it.
    """
    # None where the process was started with a closed standard output.
    stdout: TextIO | None = sys.stdout
    writer = LogWriter(stdout.fileno() if stdout else None)
    atexit.register(writer.close)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # One encoder for all lines; `json.dumps` would make one for each.
            structlog.processors.JSONRenderer(lambda event, **_: _ENCODER.encode(event)),
        ],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", writer)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Reduced()], level=logging.WARNING, force=True)
