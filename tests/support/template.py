"""A process that has imported the service and forks: its children start without the two seconds that imports take."""

import json
import os
import runpy
import select
import signal
import socket
import sys
from typing import TextIO

import coverage

# All that the children need; not the modules that they run, which no child has run yet.
import app.main
import app.server  # noqa: F401  as above


def accept(path: str) -> socket.socket:
    """Listens on this socket until standard input is closed; returns in a child, once for each connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return connection
            connection.close()
    sys.exit()


def become(connection: socket.socket) -> list[str]:
    """Returns in a child with the wanted environment and files; its parent tells its id, and how it ended."""
    with connection, connection.makefile("rw") as stream:
        wanted = json.loads(stream.readline())
        if pid := os.fork():
            _watch(pid, connection, stream)
            os._exit(0)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    for name, standard in zip(wanted["files"], (sys.stdout, sys.stderr), strict=True):
        descriptor = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, standard.fileno())
        os.close(descriptor)
    # It traces only those whose environment tells it to.
    coverage.process_startup()
    arguments: list[str] = wanted["arguments"]
    return arguments


def _watch(pid: int, starter: socket.socket, stream: TextIO) -> None:
    """Tells the starter of this process how it ended, and ends it if the starter is gone first."""
    print(pid, file=stream, flush=True)
    process = os.pidfd_open(pid)
    if process in select.select([process, starter.fileno()], [], [])[0]:
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=stream, flush=True)
    else:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.argv = become(accept(sys.argv[1]))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
