"""The gateway as shipped in deploy/nginx, in front of replicas on free ports."""

import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from types import MappingProxyType

import httpx

from tests.support.processes import LOCAL, Process, free_port, running

SHIPPED = Path("deploy/nginx")
AS_SHIPPED: Mapping[str, str] = MappingProxyType({})


@dataclass
class Nginx:
    """A running gateway, a client for it, and the folder with its configuration."""

    process: Process
    port: int
    http: httpx.AsyncClient
    folder: Path


@asynccontextmanager
async def running_nginx(ports: Sequence[int], changes: Mapping[str, str] = AS_SHIPPED) -> AsyncIterator[Nginx]:
    """The gateway in front of these ports; `changes` replaces texts of its configuration, where a test cannot wait."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bff-test-nginx-") as folder:
        _configure(Path(folder), port, ports, changes)
        command = ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off; pid nginx.pid;"]
        # No pool: a connection may be closed while a request is on its way, and no caller may send that again blindly.
        limits = httpx.Limits(max_keepalive_connections=0)
        url = f"http://{LOCAL}:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=100, limits=limits) as http:

            async def answers() -> bool:
                try:
                    return (await http.get("/.problem")).status_code == httpx.codes.NOT_FOUND
                except httpx.TransportError:
                    return False

            async with running(command, answers, _too_few_files) as process:
                try:
                    yield Nginx(process, port, http, Path(folder))
                except BaseException:
                    print(process.output.read_text()[-5000:], file=sys.stderr)  # noqa: T201  pytest shows it
                    raise


def _too_few_files(line: str) -> bool:
    """It logs what is critical; a machine that grants fewer open files than shipped is no fault of the gateway."""
    return "setrlimit(RLIMIT_NOFILE" in line


def _configure(folder: Path, port: int, ports: Sequence[int], changes: Mapping[str, str]) -> None:
    """A copy of the shipped configuration for these ports."""
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    # The machine may not grant so many descriptors, and nginx says so in its log.
    main = (folder / "nginx.conf").read_text().replace("worker_rlimit_nofile 65536;\n", "")
    (folder / "nginx.conf").write_text(main)
    site = folder / "site"
    listen = (site / "listen.conf").read_text().replace("listen 80;", f"listen {port};")
    listen = listen.replace("/var/log/nginx/gateway.log", "access.log").replace(
        "/var/log/nginx/gateway-error.log", "stderr"
    )
    (site / "listen.conf").write_text(listen)
    upstreams, numbers = (site / "upstreams.conf").read_text(), cycle(ports)
    line = re.compile(r"( *server 127\.0\.0\.1:)8001(.*\n)( *server .*\n)*")
    servers = line.sub(lambda found: "".join(f"{found[1]}{next(numbers)}{found[2]}" for _ in ports), upstreams)
    (site / "upstreams.conf").write_text(servers)
    for before, after in changes.items():
        _change(folder, before, after)


def _change(folder: Path, before: str, after: str) -> None:
    texts = {path: path.read_text() for path in folder.rglob("*.conf")}
    assert any(before in text for text in texts.values()), f"the configuration no longer says {before!r}"
    for path, text in texts.items():
        path.write_text(text.replace(before, after))
