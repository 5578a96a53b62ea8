"""Everything that is compared, running side by side: the store, the upstream's stub, us, the peers, and shoppers."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis

from bench.beside.machine import system_core
from bench.beside.stub import write_answer
from tests.support.processes import LOCAL, Bff, Valkey, free_port, running, running_bff, running_valkey
from tests.support.sandbox import Customer, SandboxProcess, customer_of, running_sandbox
from tests.support.shopper import Shopper, shopper

HERE = Path(__file__).parent
SHOPPERS = 64
UNLIMITED: dict[str, object] = {
    "as_shipped": True,
    "brands": "demo",
    "requests_at_once": 10_000,
    "upstream_reads": 10**9,
    "upstream_writes": 10**9,
    "upstream_burst": 10**9,
    "parcel_limit": 10**9,
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
class Visitor:
    """A shopper whose label is ready: the session at ours and at the peers, and the path of the return."""

    token: str
    return_path: str
    point_path: str


@dataclass(frozen=True)
class Stage:
    """What scenarios play on."""

    store: Valkey
    stub: str
    """Scheme, host and port of the upstream's stand-in."""
    ours: Server
    fastapi: Server
    node: Server
    nginx: Server
    visitors: list[Visitor]

    async def upstream_late(self, milliseconds: int) -> None:
        """From now on the upstream takes so long."""
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.get(f"{self.stub}/.late/{milliseconds}")).raise_for_status()


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """All of them, on their cores."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bff-bench-")))
        store = await stack.enter_async_context(running_valkey())
        peers_url = store.url.removesuffix("/0") + "/1"
        sandbox = await stack.enter_async_context(running_sandbox())
        visitors = await _prepared(store, peers_url, sandbox, folder)
        stub = await stack.enter_async_context(_running_stub(folder))
        at = {"upstream_url": f"{stub}/api/v2", "service_points_url": f"{stub}/api/v2"}
        with system_core():
            ours = await stack.enter_async_context(running_bff(store.url, sandbox, **UNLIMITED | at))
            fastapi, node, nginx = [
                await stack.enter_async_context(running_peer)
                for running_peer in (_fastapi(peers_url, stub), _node(peers_url, stub), _nginx(stub))
            ]
        yield Stage(store, stub, _named("ours", ours), fastapi, node, nginx, visitors)


def _named(name: str, bff: Bff) -> Server:
    return Server(name, bff.port, bff.process.pid)


# Shoppers and what the stub answers


async def _prepared(store: Valkey, peers_url: str, sandbox: SandboxProcess, folder: Path) -> list[Visitor]:
    """Shoppers whose labels are ready, known to the peers too; what the upstream says to them is recorded."""
    async with (
        httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False, timeout=30) as panel,
        running_bff(store.url, sandbox, **UNLIMITED | {"poll_interval": 0.05}) as bff,
        Redis.from_url(peers_url) as peers,
    ):
        await _record(panel, sandbox, folder)
        few = asyncio.Semaphore(8)

        async def visitor(number: int) -> Visitor:
            async with few:
                return await _visitor(bff, panel, peers, f"PDF2M-bench{number}")

        return await asyncio.gather(*(visitor(number) for number in range(SHOPPERS)))


async def _record(panel: httpx.AsyncClient, sandbox: SandboxProcess, folder: Path) -> None:
    """Each upstream call that is made while measuring, once."""
    customer = await customer_of(panel, "PDF2M-recorded")
    ready = await customer.label_ready(await customer.create())
    point = customer.lookup["data"]["service_point"]["id"]
    spent = {"access_token": customer.lookup["service_points_token"]}
    points = f"{sandbox.service_points_url}/service-points/{point}"
    for answer in (
        await panel.get(customer.portal),
        await panel.get(ready["download_url"]),
        await panel.get(points, params=spent),
        await panel.get(f"{points}/check-availability", params=spent),
    ):
        write_answer(folder, answer.raise_for_status())


async def _visitor(bff: Bff, panel: httpx.AsyncClient, peers: Redis, order: str) -> Visitor:
    someone = await shopper(bff.http, order)
    path = (await someone.create()).headers["location"]
    settled = await someone.settled(path)
    customer = await customer_of(panel, order)
    token = str(someone.screen["session_token"])
    await _tell_peers(peers, someone, customer, settled)
    return Visitor(token, path, f"/v1/service-points/{settled['delivery']['service_point']}")


async def _tell_peers(peers: Redis, someone: Shopper, customer: Customer, settled: dict[str, Any]) -> None:
    """The peers keep the same facts the way they would have written them: plain JSON."""
    lookup = customer.lookup
    parcel, token = str(lookup["data"]["parcel"]["id"]), someone.screen["session_token"]
    session = {"brand": "demo", "parcel": parcel, "expires_at": someone.screen["expires_at"], "outgoing": lookup}
    label = {"download_token": "made-up", "label_expires_at": settled["label"]["expires_at"]}
    record = settled | label | {"drop_off": lookup["data"]["service_point"]}
    await peers.set(f"session:{token}", json.dumps(session), ex=3600)
    await peers.set(f"return:{parcel}:{settled['id']}", json.dumps(record))
    await peers.rpush(f"returns:{parcel}", settled["id"])
    settings = (await customer.panel.get(customer.portal)).raise_for_status()
    await peers.set("portal:demo", settings.content, ex=3600)


# Processes


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(url)).is_success
        except httpx.TransportError:
            return False


@asynccontextmanager
async def _running_stub(folder: Path) -> AsyncIterator[str]:
    port = free_port()
    url = f"http://{LOCAL}:{port}"
    command = [sys.executable, "-m", "bench.beside.stub", str(port), str(folder)]
    async with running(command, lambda: _answers(f"{url}/.seen"), as_shipped=True):
        yield url


@asynccontextmanager
async def _peer(name: str, command: list[str], **environment: str) -> AsyncIterator[Server]:
    port = environment.setdefault("PORT", str(free_port()))
    async with running(command, lambda: _answers(f"http://{LOCAL}:{port}/livez"), **environment) as process:
        yield Server(name, int(port), process.pid)


def _fastapi(redis_url: str, stub: str) -> AbstractAsyncContextManager[Server]:
    command = [sys.executable, "-m", "bench.beside.fastapi_peer"]
    return _peer("FastAPI + httpx", command, REDIS_URL=redis_url, UPSTREAM=f"{stub}/api/v2")


def _node(redis_url: str, stub: str) -> AbstractAsyncContextManager[Server]:
    command = ["node", str(HERE / "node/server.js")]
    return _peer("Node", command, REDIS_URL=redis_url, UPSTREAM=stub, NODE_ENV="production")


@asynccontextmanager
async def _nginx(stub: str) -> AsyncIterator[Server]:
    port = str(free_port())
    with tempfile.TemporaryDirectory(prefix="bff-bench-nginx-") as folder:
        text = (HERE / "nginx.conf").read_text()
        Path(folder, "nginx.conf").write_text(
            text.replace("@PORT@", port).replace("@UPSTREAM@", stub.rpartition(":")[2])
        )
        command = ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
        async with _peer("nginx", command, PORT=port) as server:
            yield server
