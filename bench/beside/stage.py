"""Everything that is compared, running side by side, and shoppers known to all of them."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis

from bench.beside import servers
from bench.beside.servers import UNLIMITED, Server, Surroundings, running_stub
from bench.beside.stub import write_answer
from tests.support.processes import running_bff, running_valkey
from tests.support.sandbox import Customer, customer_of, running_sandbox
from tests.support.shopper import Shopper, shopper

SHOPPERS = 64
AT_ONCE = 8


@dataclass(frozen=True)
class Visitor:
    """A shopper whose label is ready: the session, the same at ours and at the peers, and paths to ask for."""

    token: str
    return_path: str
    point_path: str


@dataclass(frozen=True)
class Stage:
    """What scenarios play on."""

    around: Surroundings
    ours: Server
    fastapi: Server
    node: Server
    nginx: Server
    visitors: list[Visitor]

    async def upstream_late(self, milliseconds: int) -> None:
        """From now on the upstream takes so long."""
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.get(f"{self.around.stub}/.late/{milliseconds}")).raise_for_status()


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """All of them, on their cores."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bff-bench-")))
        store = await stack.enter_async_context(running_valkey())
        sandbox = await stack.enter_async_context(running_sandbox())
        around = Surroundings(store, sandbox, stub="")
        visitors = await _prepared(around, folder)
        around = Surroundings(store, sandbox, await stack.enter_async_context(running_stub(folder)))
        starts = (servers.ours, servers.fastapi, servers.node, servers.nginx)
        ours, fastapi, node, nginx = [await stack.enter_async_context(start(around)) for start in starts]
        yield Stage(around, ours, fastapi, node, nginx, visitors)


async def _prepared(around: Surroundings, folder: Path) -> list[Visitor]:
    """Shoppers whose labels are ready, known to the peers too; what the upstream says to them is recorded."""
    settings = UNLIMITED | {"poll_interval": 0.05}
    async with (
        httpx.AsyncClient(base_url=around.sandbox.panel_url, trust_env=False, timeout=30) as panel,
        running_bff(around.store.url, around.sandbox, **settings) as bff,
        Redis.from_url(around.peers_url) as peers,
    ):
        await _record(panel, around.sandbox.service_points_url, folder)
        few = asyncio.Semaphore(AT_ONCE)

        async def visitor(number: int) -> Visitor:
            async with few:
                order = f"PDF2M-bench{number}"
                return await _told(peers, await shopper(bff.http, order), await customer_of(panel, order))

        return await asyncio.gather(*map(visitor, range(SHOPPERS)))


async def _record(panel: httpx.AsyncClient, points_url: str, folder: Path) -> None:
    """Each upstream call that is made while measuring, once."""
    customer = await customer_of(panel, "PDF2M-recorded")
    ready = await customer.label_ready(await customer.create())
    point = f"{points_url}/service-points/{customer.lookup['data']['service_point']['id']}"
    spent = {"access_token": customer.lookup["service_points_token"]}
    for answer in (
        await panel.get(customer.portal),
        await panel.get(ready["download_url"]),
        await panel.get(point, params=spent),
        await panel.get(f"{point}/check-availability", params=spent),
    ):
        write_answer(folder, answer.raise_for_status())


async def _told(peers: Redis, someone: Shopper, customer: Customer) -> Visitor:
    """A return is made; the peers keep the same facts the way they would have written them: as plain JSON."""
    path = (await someone.create()).headers["location"]
    settled = await someone.settled(path)
    token, lookup = str(someone.screen["session_token"]), customer.lookup
    parcel = str(lookup["data"]["parcel"]["id"])
    session = {"brand": "demo", "parcel": parcel, "expires_at": someone.screen["expires_at"], "outgoing": lookup}
    await peers.set(f"session:{token}", json.dumps(session))
    await peers.set(f"return:{parcel}:{settled['id']}", json.dumps(_record_of(settled, lookup)))
    await peers.rpush(f"returns:{parcel}", settled["id"])
    await peers.set("portal:demo", (await customer.panel.get(customer.portal)).raise_for_status().content)
    return Visitor(token, path, f"/v1/service-points/{settled['delivery']['service_point']}")


def _record_of(settled: dict[str, Any], lookup: dict[str, Any]) -> dict[str, Any]:
    of_label = settled["label"]
    label = {
        "download_token": "made-up",
        "label_expires_at": of_label["expires_at"],
        "delayed": of_label["delayed"],
    }
    return settled | label | {"drop_off": lookup["data"]["service_point"]}
