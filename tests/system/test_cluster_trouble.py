"""A whole Cluster is away, locked or full: the service says so at once, forgets nothing and is soon itself again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.api.test_store_trouble import AT_ONCE, is_ready, slowest_refusal
from tests.support.processes import LOCAL, Bff, eventually, free_port, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, look_up, shopper, told
from tests.support.topologies import (
    FORMED_SECONDS,
    SLOTS,
    Deployment,
    Server,
    running_cluster,
    running_servers,
)

MARGIN = 0.4
"""Seconds that a busy machine may add to AT_ONCE."""
SOON_SECONDS = 2.0 + 1.0
"""Until there is full service again, and what a busy machine may add."""

pytestmark = pytest.mark.system

Trouble = Callable[[Deployment], AbstractAsyncContextManager[None]]


@pytest_asyncio.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A Cluster to be harmed, again and again."""
    async with running_cluster(tmp_path_factory.mktemp("cluster")) as deployment:
        yield deployment


@pytest_asyncio.fixture(scope="module", name="bff")
async def bff_on_it(cluster: Deployment, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that depends on it."""
    async with running_bff(cluster.url, sandbox, timed=True) as process:
        yield process


@asynccontextmanager
async def dead(cluster: Deployment) -> AsyncIterator[None]:
    """No server takes a connection."""
    for server in cluster.data:
        await server.stop(signal.SIGKILL)
    try:
        yield
    finally:
        for server in cluster.data:
            await server.start()


@asynccontextmanager
async def frozen(cluster: Deployment) -> AsyncIterator[None]:
    """No server answers."""
    for server in cluster.data:
        server.send(signal.SIGSTOP)
    try:
        yield
    finally:
        for server in cluster.data:
            server.send(signal.SIGCONT)


@asynccontextmanager
async def locked(cluster: Deployment) -> AsyncIterator[None]:
    """Every server has another password than the service, and has dropped its connections."""
    for server in cluster.data:
        await server.command("CONFIG", "SET", "masterauth", "another", "requirepass", "another")
        await server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try:
        yield
    finally:
        for server in cluster.data:
            await server.command("CONFIG", "SET", "masterauth", "", "requirepass", "")


@asynccontextmanager
async def full(cluster: Deployment) -> AsyncIterator[None]:
    """No server has room."""
    for server in cluster.data:
        await server.command("CONFIG", "SET", "maxmemory", "1")
    try:
        yield
    finally:
        for server in cluster.data:
            await server.command("CONFIG", "SET", "maxmemory", "0")


async def _visitor(bff: Bff) -> Shopper:
    """A shopper on a page of ours, with a cookie that could be cleared."""
    order = fresh("LABEL")
    await eventually(partial(_accepted, partial(look_up, bff.http, order)), SOON_SECONDS)
    someone = await shopper(bff.http, order, delivery="cookie")
    someone.headers["Sec-Fetch-Site"] = "same-origin"
    return someone


async def _is_back(cluster: Deployment) -> bool:
    """Whether the servers have found each other again."""
    states = [(await server.command("CLUSTER INFO"))["cluster_state"] for server in cluster.data]
    return set(states) == {"ok"} and await cluster.is_whole()


async def _serves(cluster: Deployment, bff: Bff, someone: Shopper) -> None:
    await eventually(partial(_is_back, cluster), FORMED_SECONDS)
    async with asyncio.timeout(SOON_SECONDS):
        await eventually(partial(is_ready, bff), SOON_SECONDS)
        await eventually(partial(_is_known, someone), SOON_SECONDS)
        await eventually(partial(_accepted, partial(someone.create, idempotency_key=key())), SOON_SECONDS)


async def _accepted(call: Callable[[], Awaitable[httpx.Response]]) -> bool:
    """Whether the call succeeds; each server is probed by one question at a time, and meanwhile others are refused."""
    response = await call()
    assert response.is_success or told(response) == (503, "temporarily-unavailable")
    return response.is_success


async def _is_known(someone: Shopper) -> bool:
    return (await someone.get("/v1/session")).is_success


@pytest.mark.alone
@pytest.mark.parametrize("trouble", [dead, frozen, locked])
async def test_every_call_says_so_at_once(cluster: Deployment, bff: Bff, trouble: Trouble) -> None:
    """Without its Cluster every call is 503 with Retry-After at once, clears no cookie, and nothing is lost."""
    someone = await _visitor(bff)
    async with trouble(cluster):
        assert await slowest_refusal(someone) < AT_ONCE + MARGIN
        assert (await bff.http.get("/livez")).status_code == 200
    await _serves(cluster, bff, someone)


@pytest.mark.alone
async def test_a_full_cluster_goes_on_reading(cluster: Deployment, bff: Bff) -> None:
    """In a full store existing records are read; lookups and creations are refused at once."""
    someone = await _visitor(bff)
    async with full(cluster):
        assert await _is_known(someone)
        for call in (look_up(bff.http, fresh("LABEL")), someone.create()):
            refused = await asyncio.wait_for(call, AT_ONCE + MARGIN)
            assert told(refused) == (503, "temporarily-unavailable")
            assert "set-cookie" not in refused.headers
    await _serves(cluster, bff, someone)


@pytest.mark.patient
async def test_a_node_that_was_cut_off_is_not_believed(tmp_path: Path, sandbox: SandboxProcess) -> None:
    """However high its epoch has grown meanwhile: the map is that of a node whose Cluster is at work."""
    options = {"cluster-enabled": "yes", "save": ""}
    cut_off, working = nodes = [
        Server(tmp_path / name, options | {"cluster-port": str(free_port())}) for name in ("cut_off", "working")
    ]
    async with running_servers(nodes):
        for node, epoch, last_slot in ((cut_off, 99, SLOTS - 2), (working, 1, SLOTS - 1)):
            await node.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            await node.command("CLUSTER", "ADDSLOTSRANGE", 0, last_slot)

        async def works() -> bool:
            return bool((await working.command("CLUSTER INFO"))["cluster_state"] == "ok")

        await eventually(works, FORMED_SECONDS)
        assert (await cut_off.command("CLUSTER INFO"))["cluster_state"] == "fail"
        url = f"redis+cluster://{LOCAL}:{cut_off.port},{LOCAL}:{working.port}"
        async with running_bff(url, sandbox) as bff:
            assert (await bff.http.get("/v1/brands/demo/portal")).status_code == 200
