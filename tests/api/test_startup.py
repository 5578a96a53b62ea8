"""What stops the production entry before it serves anybody."""

import base64
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.support.forks import run
from tests.support.processes import SECRET_KEY, STRICT, free_port

SOUND = MappingProxyType(
    {
        "BFF_BRANDS": "demo",
        "BFF_REDIS_URL": "redis://:swordfish@127.0.0.1:1/0",
        "BFF_SECRET_KEY": SECRET_KEY,
    }
)
SHORT_KEY = base64.b64encode(b"s" * 31).decode()
NOT_OURS = "192.0.2.1"
"""An address that no machine has, so that a server that listens there ends."""
CANNOT_LISTEN = "taken, not permitted, or no address of this machine\n"


WITHOUT_EXTRA = """
import sys
sys.modules["opentelemetry.sdk"] = None
from app.__main__ import create_app, load_settings, main
"""
"""Where no package of `otel` can be imported."""


THRIFT = """
import gc
def made():
    return sum(each["collections"] for each in gc.get_stats())
before = made()
from app.__main__ import create_app, load_settings, main
create_app(load_settings())
print(made() - before)
try:
    main()
finally:
    print("enabled" if gc.isenabled() else "disabled")
"""
"""Says how many collections there were until the service was made, and whether there are any once it listens."""


LOOK_UP = """
import asyncio, os, uvloop
import app.__main__
async def looked_up():
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
uvloop.run(looked_up())
print(len(os.listdir("/proc/self/task")))
"""
"""Says how many threads there are once a name was looked up."""


INTERRUPTED = """
import os, signal, sys
class Interruption:
    @staticmethod
    def find_spec(name, *_):
        if name == "app.main":
            os.kill(os.getpid(), signal.{})
            sys.exit("still there")
sys.meta_path.insert(0, Interruption)
import app.__main__
"""
"""Sends itself a signal when the production entry imports the service."""


def environment(**changes: str | None) -> dict[str, str]:
    """Sound settings but for these; None leaves one out."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BFF_", "COVERAGE_"))}
    wanted = SOUND | {"BFF_PORT": str(free_port())} | changes
    return inherited | STRICT | {name: value for name, value in wanted.items() if value is not None}


def interpreted(program: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """How this program ended in an interpreter of its own, with sound settings but for these."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment(**changes),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BFF_BRANDS", None),
        ("BFF_REDIS_URL", "https://:swordfish@redis.example"),
        ("BFF_SECRET_KEY", SHORT_KEY),
        pytest.param("BFF_SECRET_KEY", f"{SECRET_KEY},{base64.b64encode(bytes(32)).decode()}", id="two keys"),
        ("BFF_NAMING_KEY", base64.b64encode(b"k" * 32).decode()),
        ("BFF_NAMING_KEY", SHORT_KEY),
        ("BFF_SANDBOX", "1"),
        ("BFF_HOST", ""),
        ("BFF_HOST", "127.0.0.1:8000"),
        ("BFF_HOST", "bff..example"),
    ],
)
async def test_unsafe_settings_stop_the_start(name: str, value: str | None) -> None:
    """A setting that is missing, wrong or unknown ends the start with one line that names it and repeats no secret."""
    refused = await run(["app"], environment(**{name: value}))
    assert (refused.returncode, refused.stdout) == (1, "")
    [line] = refused.stderr.splitlines()
    assert line.startswith(f"return-portal-bff: {name}")
    assert not any(secret in line for secret in ("swordfish", SECRET_KEY, SHORT_KEY))


def test_traces_without_the_packages_for_them() -> None:
    """If traces are configured and their packages are missing, the start fails with one line that says so."""
    refused = interpreted(WITHOUT_EXTRA + "main()", BFF_TRACES_URL="http://127.0.0.1:4318/v1/traces")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "return-portal-bff: BFF_TRACES_URL: needs the packages of locks/otel.txt\n"


def test_nobody_else_needs_the_packages_for_traces() -> None:
    """Without a collector the service is made without the packages for traces."""
    made = interpreted(WITHOUT_EXTRA + "create_app(load_settings())")
    assert (made.returncode, made.stderr) == (0, "")


def test_the_start_does_no_needless_work(tmp_path: Path) -> None:
    """While the service is made garbage collection is nearly off, and the machine's certificates are not read."""
    # Opening it would wait for its writer.
    os.mkfifo(certificates := tmp_path / "certificates")
    printed = interpreted(THRIFT, BFF_HOST=NOT_OURS, SSL_CERT_FILE=str(certificates)).stdout.splitlines()
    # The interpreter may collect before the first line of ours runs; else there are hundreds.
    assert int(printed[0]) < 10
    assert printed[-1] == "enabled"


def test_dead_names_hold_up_no_others() -> None:
    """The threads for look-ups, half of which can wait for dead names, are enough for those of some upstreams."""
    assert int(interpreted(LOOK_UP).stdout) >= 64


def test_sighup_during_the_imports() -> None:
    """A process that is told to read its file of shops again before it has started goes on starting."""
    assert interpreted(INTERRUPTED.format("SIGHUP")).stderr == "still there\n"


def test_sigterm_during_the_imports() -> None:
    """A process that is told to stop before it has started ends at once; the first one of a container, too."""
    ended = interpreted(INTERRUPTED.format("SIGTERM"))
    assert (ended.returncode, ended.stderr) == (0, "")


async def test_an_address_of_others() -> None:
    """A service that cannot listen ends its start with one line that says so."""
    ended = await run(["app"], environment(BFF_HOST=NOT_OURS))
    line = rf"return-portal-bff: cannot listen on {re.escape(NOT_OURS)}:\d+: {CANNOT_LISTEN}"
    assert (ended.returncode, ended.stdout.count("return-portal-bff: ")) == (1, 0)
    assert re.fullmatch(line, ended.stderr)


async def test_a_port_that_is_taken() -> None:
    """Where another process listens, the start ends with one line that names address and port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await run(["app"], environment(BFF_PORT=str(port)))
    line = f"return-portal-bff: cannot listen on 127.0.0.1:{port}: {CANNOT_LISTEN}"
    assert (ended.returncode, ended.stderr) == (1, line)


async def test_a_malformed_token_of_the_collector() -> None:
    """The values of OpenTelemetry's own variables are not repeated, however wrong they are."""
    collector = {"BFF_TRACES_URL": "http://127.0.0.1:4318/v1/traces"}
    collector["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization swordfish"
    ended = await run(["app"], environment(BFF_HOST=NOT_OURS, **collector))
    assert '"logger": "opentelemetry.' in ended.stdout
    assert "swordfish" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--wrong", 2)])
@pytest.mark.parametrize("command", ["app.accept", "app.release"])
async def test_how_to_call_a_command(command: str, argument: str, status: int) -> None:
    """The commands say how they are called although settings are missing."""
    said = await run([command, argument], environment(BFF_REDIS_URL=None))
    assert said.returncode == status
    assert "usage: python -m " + command in said.stdout + said.stderr


async def test_an_order_that_is_not_utf8() -> None:
    """An order number from a terminal with another encoding is refused before anybody is asked."""
    named = ["--brand", "demo", "--order", "\udce9", "--postal-code", "1234AB"]
    said = await run(["app.release", *named], environment())
    assert (said.returncode, said.stderr.splitlines()[-1]) == (
        2,
        "python -m app.release: error: --brand, --order and --postal-code are printable text in UTF-8",
    )
