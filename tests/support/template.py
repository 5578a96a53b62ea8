"""A process that has imported the service and forks: its children start without the two seconds that imports take."""

import json
import os
import runpy
import signal
import socket
import sys

import coverage

# All that the children need; not the modules that they run, which no child has run yet.
import app.main
import app.server  # noqa: F401  as above


def accept(path: str) -> socket.socket:
    """Listens on this socket for as long as it lives; returns in a child, once for each connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return connection
            connection.close()


def become(connection: socket.socket) -> list[str]:
    """Returns in a child with the wanted environment and output; its parent tells its id, and how it ended."""
    with connection, connection.makefile("rw") as stream:
        wanted = json.loads(stream.readline())
        if pid := os.fork():
            print(pid, file=stream, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=stream, flush=True)
            os._exit(0)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    output = os.open(wanted["output"], os.O_WRONLY)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.close(output)
    # It traces only those whose environment tells it to.
    coverage.process_startup()
    arguments: list[str] = wanted["arguments"]
    return arguments


if __name__ == "__main__":
    sys.argv = become(accept(sys.argv[1]))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
