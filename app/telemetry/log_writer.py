"""A log writer that neither blocks nor fails the code that logs."""

import contextlib
import os
import threading
from collections import deque

from app.telemetry.metrics import LOG_LINES_DROPPED

WAITING_LINES = 10_000
"""Further lines are dropped and counted, so that an unread log does not fill the memory."""
FLUSH_SECONDS = 1.0
"""For lines that still wait when the process ends."""


class LogWriter:
    """Lines wait in a bounded queue for a thread of their own, which writes them to a file descriptor.

    Without a descriptor, as under a closed standard output, every line is dropped: its number may be a socket's by now.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._waiting: deque[str] = deque()
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
            while self._waiting:
                self._write_some()
        self._ended.set()

    def _write_some(self) -> None:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        left = "".join(lines).encode()
        # A full disk or a closed pipe: these lines are lost, and the next ones are tried.
        with contextlib.suppress(OSError):
            while left and self._descriptor is not None:
                left = left[os.write(self._descriptor, left) :]
        LOG_LINES_DROPPED.inc(left.count(b"\n"))
