"""Those who are compared, each started on the core of the system under test, and the upstream's stand-in."""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.beside.machine import system_core
from tests.support.processes import LOCAL, Valkey, free_port, running, running_bff
from tests.support.sandbox import SandboxProcess

HERE = Path(__file__).parent
POLL_SECONDS = 0.5
"""Between two polls for a label, at ours and at the peers."""
UNLIMITED: dict[str, object] = {
    "as_shipped": True,
    "brands": "demo",
    "requests_at_once": 10_000,
    "upstream_reads": 10**9,
    "upstream_writes": 10**9,
    "upstream_burst": 10**9,
    "parcel_limit": 10**9,
    "parcel_sessions": 10**6,
    "parcel_waits": 10**6,
    "lookup_limit": 10**9,
    "kept_labels": 2**40,
}
"""Of the service's guards the limits alone are raised; all of them stay in the path."""


@dataclass(frozen=True)
class Server:
    """One of those compared."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True)
class Surroundings:
    """What each of them needs."""

    store: Valkey
    sandbox: SandboxProcess
    stub: str
    """Scheme, host and port of the upstream's stand-in."""

    @property
    def peers_url(self) -> str:
        """The peers have a database of their own: ours holds nothing but what docs/security.md lists."""
        return self.store.url.removesuffix("/0") + "/1"


Start = Callable[[Surroundings], AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def _on_system_core(starting: AbstractAsyncContextManager[Server]) -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        with system_core():
            server = await stack.enter_async_context(starting)
        yield server


@asynccontextmanager
async def _bff(around: Surroundings, settings: dict[str, object]) -> AsyncIterator[Server]:
    async with running_bff(around.store.url, around.sandbox, **UNLIMITED | settings) as bff:
        yield Server("we", bff.port, bff.process.pid)


def ours(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """The service as it is shipped, in one process, in front of the stub."""
    base = f"{around.stub}/api/v2"
    return _on_system_core(_bff(around, {"upstream_url": base, "service_points_url": base}))


def ours_on_sandbox(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """The service in front of the sandbox."""
    return _on_system_core(_bff(around, {"poll_interval": POLL_SECONDS}))


def fastapi(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """FastAPI + httpx as commonly written."""
    command = [sys.executable, "-m", "bench.beside.fastapi_peer"]
    peer = _peer("FastAPI + httpx", command, REDIS_URL=around.peers_url, UPSTREAM=f"{around.stub}/api/v2")
    return _on_system_core(peer)


def node(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """Node with fastify, undici and ioredis."""
    command = ["node", str(HERE / "node/server.js")]
    peer = _peer("Node", command, REDIS_URL=around.peers_url, UPSTREAM=around.stub, NODE_ENV="production")
    return _on_system_core(peer)


def fastapi_on_sandbox(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """FastAPI + httpx in front of the sandbox."""
    sandbox = around.sandbox
    command = [sys.executable, "-m", "bench.beside.fastapi_peer"]
    upstream = {"UPSTREAM": sandbox.panel_url, "SERVICE_POINTS": sandbox.service_points_url}
    peer = _peer("FastAPI + httpx", command, REDIS_URL=around.peers_url, POLL_SECONDS=f"{POLL_SECONDS}", **upstream)
    return _on_system_core(peer)


def node_on_sandbox(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """Node in front of the sandbox."""
    sandbox = around.sandbox
    command = ["node", str(HERE / "node/server.js")]
    upstream = {"UPSTREAM": _host(sandbox.panel_url), "SERVICE_POINTS": _host(sandbox.service_points_url)}
    settings = upstream | {"POLL_SECONDS": f"{POLL_SECONDS}", "NODE_ENV": "production"}
    return _on_system_core(_peer("Node", command, REDIS_URL=around.peers_url, **settings))


def _host(url: str) -> str:
    return url.removesuffix("/api/v2")


def pass_through(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """A label passed on in Python, without login and store."""
    command = [sys.executable, "-m", "bench.beside.pass_through"]
    return _on_system_core(_peer("pass-through", command, UPSTREAM=f"{around.stub}/api/v2"))


def nginx(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    """Nginx that passes one call on: the floor."""
    return _on_system_core(_nginx(around.stub))


@asynccontextmanager
async def _nginx(stub: str) -> AsyncIterator[Server]:
    port = str(free_port())
    with tempfile.TemporaryDirectory(prefix="bff-bench-nginx-") as folder:
        _configure(Path(folder, "nginx.conf"), {"@PORT@": port, "@UPSTREAM@": stub.rpartition(":")[2]})
        command = ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
        async with _peer("nginx", command, PORT=port) as server:
            yield server


def _configure(file: Path, values: dict[str, str]) -> None:
    text = (HERE / "nginx.conf").read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    file.write_text(text)


@asynccontextmanager
async def running_stub(folder: Path) -> AsyncIterator[str]:
    """Scheme, host and port of a stub that gives the answers in this folder."""
    port = free_port()
    url = f"http://{LOCAL}:{port}"
    command = [sys.executable, "-m", "bench.beside.stub", str(port), str(folder)]
    async with running(command, lambda: _answers(f"{url}/.seen"), as_shipped=True):
        yield url


@asynccontextmanager
async def _peer(name: str, command: list[str], **environment: str) -> AsyncIterator[Server]:
    port = environment.setdefault("PORT", str(free_port()))
    live = f"http://{LOCAL}:{port}/livez"
    async with running(command, lambda: _answers(live), as_shipped=True, environment=environment) as process:
        yield Server(name, int(port), process.pid)


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(url)).is_success
        except httpx.TransportError:
            return False
