"""A replica that stops answering costs next to nothing: the gateway leaves it out, and repeats no POST."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest

from tests.support import blocking
from tests.support.nginx import running_nginx
from tests.support.processes import LOCAL, Bff, Valkey, eventually, running_bff
from tests.support.prometheus import running_prometheus
from tests.support.raw_server import RawServer, answer, raw_server, rst, silence
from tests.support.sandbox import SandboxProcess
from tests.support.shop import Shop

pytestmark = [pytest.mark.system, pytest.mark.patient, pytest.mark.timeout(200)]

HUNG_SECONDS = blocking.SECONDS
A_SECOND = 2
COMPLETE = 0.95
PATIENCE_SECONDS = 15.0
"""A client's timeout for an answer that is neither held nor a creation."""
RETURN = "/v1/returns/rtn_1"
QUICK = {"proxy_read_timeout 12s": "proxy_read_timeout 1s", "fail_timeout=5s": "fail_timeout=60s"}


async def test_a_silent_replica_is_left_out() -> None:
    """A few requests wait for a silent replica and are answered by another; then none is sent to it any more."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(raw_server(each)) for each in (silence, answer(200), answer(200))]
        gateway = await stack.enter_async_context(running_nginx([each.port for each in servers], QUICK))
        statuses = {(await gateway.http.get("/v1/session")).status_code for _ in range(12)}
        asked = len(servers[0].requests)
        started = time.monotonic()
        statuses |= {(await gateway.http.get("/v1/session")).status_code for _ in range(12)}
        assert time.monotonic() - started < 1
    assert statuses == {200}
    assert 1 <= asked == len(servers[0].requests) <= 3


async def test_documents_do_not_follow_held_requests() -> None:
    """Documents go to the replica that answers them, however many held requests it has beside a silent one."""

    async def holds(writer: asyncio.StreamWriter) -> None:
        if not _is_to_be_held(working):
            await answer(200)(writer)

    async def hangs(writer: asyncio.StreamWriter) -> None:
        await (rst if _is_to_be_held(hung) else silence)(writer)

    async with AsyncExitStack() as stack:
        working, hung = [await stack.enter_async_context(raw_server(each)) for each in (holds, hangs)]
        gateway = await stack.enter_async_context(
            running_nginx([working.port, hung.port], {"max_fails=3": "max_fails=0"})
        )
        asked = [asyncio.create_task(gateway.http.get(RETURN, headers={"Prefer": "wait=50"})) for _ in range(12)]
        await eventually(partial(_holds, working, 12), 5)
        before = len(hung.requests)
        for _ in range(12):
            asked.append(asyncio.create_task(gateway.http.get(f"{RETURN}/label")))
            await eventually(partial(_is_settled, asked[-1], hung, len(hung.requests)), 5)
        assert len(hung.requests) - before <= 2
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


def _is_to_be_held(server: RawServer) -> bool:
    return b"\r\nPrefer: wait" in server.requests[-1]


async def _holds(server: RawServer, number: int) -> bool:
    return len(server.requests) == number


async def _is_settled(asked: asyncio.Task[httpx.Response], silent: RawServer, before: int) -> bool:
    """Whether the request was answered, or has come to the silent server."""
    return asked.done() or len(silent.requests) > before


async def test_no_post_is_repeated_because_a_replica_is_silent() -> None:
    """A POST that a replica does not answer ends with a problem, and goes to no other replica."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(raw_server(each)) for each in (silence, answer(200), answer(200))]
        gateway = await stack.enter_async_context(running_nginx([each.port for each in servers], QUICK))
        seen = Counter([(await gateway.http.post("/v1/handoffs", json={})).status_code for _ in range(30)])
    assert sum(len(each.requests) for each in servers) == 30
    assert 1 <= seen[504] <= 3
    assert seen[200] == 30 - seen[504]


async def _journeys(shop: Shop, seconds: float) -> int:
    """How many began at a steady rate; all have ended."""
    began = []
    ending = time.monotonic() + seconds
    while time.monotonic() < ending:
        began.append(asyncio.create_task(shop.journey()))
        await asyncio.sleep(1 / A_SECOND)
    await asyncio.gather(*began)
    return len(began)


def _stop(replica: Bff) -> None:
    replica.process.send(signal.SIGSTOP)
    asyncio.get_running_loop().call_later(HUNG_SECONDS, replica.process.send, signal.SIGCONT)


def _block(replica: Bff) -> None:
    replica.process.send(signal.SIGUSR2)


@pytest.mark.parametrize("hang", [_stop, _block])
async def test_a_hung_replica_costs_few_journeys(
    valkey: Valkey, sandbox: SandboxProcess, hang: Callable[[Bff], None]
) -> None:
    """One of three replicas hangs for half a minute: nearly all journeys reach their label, and an alert names it."""
    async with AsyncExitStack() as stack:
        running = partial(
            running_bff,
            valkey.url,
            sandbox,
            poll_interval=0.1,
            loop_lag=2,
            timed=True,
            module="tests.support.blocking",
        )
        fleet: list[Bff] = [await stack.enter_async_context(running()) for _ in range(3)]
        ports = [each.port for each in fleet]
        gateway = await stack.enter_async_context(running_nginx(ports))
        prometheus = await stack.enter_async_context(running_prometheus(ports))
        shop = Shop(gateway.http, patience=PATIENCE_SECONDS)
        hang(fleet[0])
        began = await _journeys(shop, HUNG_SECONDS)
        print(f"{shop.told['complete']} of {began} complete, {shop.told}, gave up {Counter(shop.gave_up)}")  # noqa: T201  for docs/operations.md
        posts = Counter(each["order"] for each in await sandbox.ledger(kind="incoming"))
        assert shop.told["complete"] >= COMPLETE * began
        assert not [order for order in shop.orders if posts[order] > 1]

        async def is_named() -> bool:
            return ("ReplicaStalled", f"{LOCAL}:{fleet[0].port}") in await prometheus.firing()

        await eventually(is_named, 10)
