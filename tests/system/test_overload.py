"""A replica with too much to do says so at once, and is itself again at once."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest

from app.settings import Settings
from tests.support.nginx import Nginx, running_nginx
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.raw_client import request
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, look_up, shopper, told

pytestmark = pytest.mark.system

LAG_SECONDS = 1.0
STALL_SECONDS = 2.5
BOUND = 2
AS_SHIPPED = {name: Settings.model_fields[name].default for name in ("upstream_reads", "upstream_burst")}
UPSTREAM_BURST = 15
"""Calls a second, as documented (docs/upstream.md)."""
FEW = {"max_conns=32": "max_conns=2", "max_conns=16": "max_conns=2"}


async def _status(port: int, someone: Shopper) -> bytes:
    reader, writer = await request(port, "/v1/session", someone.headers)
    said = await reader.read()
    writer.close()
    return said


async def _gauge(bff: Bff, name: str) -> float:
    lines = (await bff.http.get("/metrics")).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.mark.alone
async def test_a_stall_costs_what_came_meanwhile(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Requests that arrive while a replica stalls are turned away as soon as it runs again; later ones are answered."""
    async with running_bff(valkey.url, sandbox, loop_lag=LAG_SECONDS) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        bff.process.send(signal.SIGSTOP)
        meanwhile = [asyncio.create_task(_status(bff.port, someone)) for _ in range(20)]
        await asyncio.sleep(STALL_SECONDS)
        bff.process.send(signal.SIGCONT)
        answers = await asyncio.gather(*meanwhile)
        assert {said[:12] for said in answers} == {b"HTTP/1.1 503"}
        assert all(b'"code":"overloaded"' in said for said in answers)
        assert all(b"retry-after: " in said for said in answers)

        async def is_itself_again() -> bool:
            return (await someone.get("/v1/session")).is_success

        await eventually(is_itself_again, STALL_SECONDS)
        assert await _gauge(bff, "bff_loop_lag_seconds") > STALL_SECONDS / 2
        assert await _gauge(bff, 'bff_shed_total{reason="lag"}') >= len(answers)


@pytest.mark.patient
async def test_work_is_bounded_and_waiting_is_not(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Requests worked on keep others out, except health checks; any number of waiting requests keeps none out."""
    async with running_bff(valkey.url, sandbox, requests_at_once=BOUND) as bff:
        someone = await shopper(bff.http, fresh("PAID"))
        path = (await someone.create()).headers["location"]
        slow = [await shopper(bff.http, fresh("SLOW")) for _ in range(BOUND)]
        writers: list[asyncio.StreamWriter] = []

        async def all_wait() -> bool:
            # Besides them the replica itself waits for the label.
            return await _gauge(bff, "bff_waiting") > len(writers)

        for number in range(20 * BOUND):
            suffix, headers = ("", {"Prefer": "wait=50"}) if number % 2 else ("/events", {})
            writers.append((await request(bff.port, path + suffix, someone.headers | headers))[1])
            await eventually(all_wait, 5)
        working = [asyncio.create_task(each.create(each.body("pickup"))) for each in slow]

        async def all_at_work() -> bool:
            return await _gauge(bff, "bff_in_flight") > BOUND

        await eventually(all_at_work, 5)
        assert told(await someone.get("/v1/session")) == (503, "overloaded")
        assert (await bff.http.get("/livez")).is_success
        assert {(await task).status_code for task in working} == {202}
        for writer in writers:
            writer.close()
        assert (await someone.get("/v1/session")).is_success


@pytest.mark.alone
async def test_a_flood_passes(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Every request of a flood through the gateway is answered or turned away, and the service recovers."""
    async with (
        running_bff(valkey.url, sandbox) as bff,
        running_nginx([bff.port], {"max_conns=32": "max_conns=8"}) as gateway,
    ):
        someone = await shopper(gateway.http, fresh("LABEL"))
        seen: Counter[int] = Counter()

        async def asks() -> None:
            for _ in range(20):
                response = await someone.get("/v1/session")
                seen[response.status_code] += 1
                assert response.is_success or told(response) == (503, "overloaded")

        await asyncio.gather(*(asks() for _ in range(60)))
        assert seen[httpx.codes.OK]
        assert (await someone.get("/v1/session")).is_success


@pytest.mark.alone
async def test_a_crowd_of_every_kind_leaves_the_upstream_its_peace() -> None:
    """Far more of everything than a fleet takes: answers, or 503 and when to come again; never above the budget."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(running_valkey())
        sandbox = await stack.enter_async_context(running_sandbox())
        fleet = [
            await stack.enter_async_context(running_bff(store.url, sandbox, timed=True, **AS_SHIPPED)) for _ in range(3)
        ]
        gateway = await stack.enter_async_context(running_nginx([bff.port for bff in fleet], FEW))
        someone = await shopper(gateway.http, fresh("LABEL"))
        point = f"/v1/service-points/{someone.screen['drop_off']['nearest']['id']}"
        kinds = (partial(someone.get, "/v1/session"), partial(someone.get, point), partial(_looks_up, gateway))
        ending = time.monotonic() + 8
        crowd = [_keeps_asking(kind, ending) for kind in kinds for _ in range(40)]
        seen = sum(await asyncio.gather(*crowd), Counter[str]())
        moments = [entry["at"] for entry in await sandbox.ledger()]
    assert seen.keys() == {"", "overloaded", "upstream-unavailable"}
    assert max(sum(start <= moment < start + 1 for moment in moments) for start in moments) <= UPSTREAM_BURST


async def _looks_up(gateway: Nginx) -> httpx.Response:
    return await look_up(gateway.http, fresh("LABEL"))


async def _keeps_asking(ask: Callable[[], Awaitable[httpx.Response]], ending: float) -> Counter[str]:
    """How often there was an answer, and how often a problem of which code."""
    seen = Counter[str]()
    while time.monotonic() < ending:
        response = await ask()
        assert response.is_success or (response.status_code == 503 and int(response.headers["retry-after"]) > 0)
        seen["" if response.is_success else response.json()["code"]] += 1
    return seen
