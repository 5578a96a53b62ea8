"""Where logs go: standard output, by a writer that neither blocks nor fails the code that logs."""

import atexit
import contextlib
import json
import logging
import os
import sys
import threading
from collections import deque
from typing import TextIO, cast

import structlog
from typing_extensions import override

from app.telemetry.logs import log
from app.telemetry.metrics import LOG_LINES_DROPPED

WAITING_LINES = 10_000
"""Further lines are dropped and counted, so that an unread log does not fill the memory."""
PAUSE_SECONDS = 0.001
"""Between two writes. Waking the writer for each line takes more time than the lines themselves."""
BUSY_LINES = 3
"""Where more of them were waiting, the next ones are gathered for longer: no reader follows so many one by one."""
BUSY_PAUSE_SECONDS = 0.005
FLUSH_SECONDS = 1.0
"""For lines that still wait when the process ends."""
_ENCODER = json.JSONEncoder(default=str)


class LogWriter:
    """Lines wait in a bounded queue for a thread of their own, which writes them to a file descriptor.

    Without a descriptor, as under a closed standard output, every line is dropped: its number may be a socket's by now.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._waiting: deque[str] = deque()
        self._rest = b""
        self._news = threading.Event()
        self._ending = threading.Event()
        self._ended = threading.Event()
        # A daemon, because a thread that is stuck in a write must not keep the process alive.
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def write(self, line: str) -> None:
        """Takes a line, which ends with a line feed."""
        if len(self._waiting) >= WAITING_LINES:
            LOG_LINES_DROPPED.inc()
            return
        self._waiting.append(line)
        if not self._news.is_set():
            self._news.set()

    def flush(self) -> None:
        """Does nothing; loggers call it."""

    def close(self) -> None:
        """Waits until the waiting lines are written, one second at most. No further line is written."""
        self._ending.set()
        self._news.set()
        self._ended.wait(FLUSH_SECONDS)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._news.wait()
            self._news.clear()
            is_last = self._ending.is_set()
            pause = BUSY_PAUSE_SECONDS if len(self._waiting) > BUSY_LINES else PAUSE_SECONDS
            while self._waiting:
                self._write_some()
            self._ending.wait(pause)
        self._ended.set()

    def _write_some(self) -> None:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        left = self._rest + "".join(lines).encode()
        # A full disk or a closed pipe: these lines are lost, and the next ones are tried.
        with contextlib.suppress(OSError):
            while left and self._descriptor is not None:
                left = left[os.write(self._descriptor, left) :]
        # But the first, of which a part may be written: without its end, the next line would be unreadable too.
        end = left.find(b"\n") + 1
        self._rest = left[:end]
        LOG_LINES_DROPPED.inc(left.count(b"\n", end))


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
