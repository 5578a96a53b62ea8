"""What a session leaves behind when it ends, and what a failure must not end."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import shopper, told


class Stage(NamedTuple):
    """A service with a store and an upstream that no other test uses."""

    bff: Bff
    store: Valkey
    upstream: SandboxProcess


@pytest_asyncio.fixture(scope="module", name="stage")
async def _stage() -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(running_valkey())
        upstream = await stack.enter_async_context(running_sandbox())
        yield Stage(await stack.enter_async_context(running_bff(store.url, upstream, covered=True)), store, upstream)


async def _forget(store: Valkey, pattern: str) -> None:
    async for key in store.client.scan_iter(match=pattern):
        await store.client.delete(key)


async def _waiting(bff: Bff) -> float:
    metrics = (await bff.http.get("/metrics")).text
    return float(re.findall(r"^bff_waiting (\S+)$", metrics, re.MULTILINE)[0])


async def test_a_handoff_outlives_a_failure_of_the_upstream(stage: Stage) -> None:
    """A handoff that could not be redeemed because the shop's settings failed can be redeemed afterwards, once."""
    someone = await shopper(stage.bff.http, fresh("LABEL"))
    token = (await someone.http.post("/v1/session/handoff", json={}, headers=someone.headers)).json()["token"]
    wanted = {"token": token, "token_delivery": "body"}
    await _forget(stage.store, "c:{settings*")
    await stage.upstream.fault("down")
    try:
        failed = await stage.bff.http.post("/v1/handoffs", json=wanted)
    finally:
        await stage.upstream.fault("none")
    assert failed.status_code in {502, 503}
    statuses: list[int] = []

    async def redeemed() -> bool:
        statuses.append((await stage.bff.http.post("/v1/handoffs", json=wanted)).status_code)
        return statuses[-1] == 201

    await eventually(redeemed, 15)
    assert told(await stage.bff.http.post("/v1/handoffs", json=wanted)) == (404, "handoff-not-found")


async def test_a_session_outlives_a_lookup_that_fails(stage: Stage) -> None:
    """A lookup that cannot draw its first screen leaves the session that was presented alone."""
    order = fresh("LABEL")
    other = await shopper(stage.bff.http, order)
    known = {key async for key in stage.store.client.scan_iter(match="p:{*}:claim")}
    await other.create()
    (claim,) = {key async for key in stage.store.client.scan_iter(match="p:{*}:claim")} - known
    await stage.store.client.hset(claim, "v", "unreadable")
    mine = await shopper(stage.bff.http, fresh("LABEL"))
    wanted = {"identifier": order, "postal_code": "5611 AA", "token_delivery": "body"}
    failed = await stage.bff.http.post("/v1/brands/demo/sessions", json=wanted, headers=mine.headers)
    assert told(failed) == (503, "temporarily-unavailable")
    assert (await mine.get("/v1/session")).status_code == 200


@pytest.mark.parametrize("document", ["", "/label"])
async def test_nothing_waits_on_after_logout(stage: Stage, document: str) -> None:
    """A held return and a held label end with 401 when the session has been ended meanwhile."""
    someone = await shopper(stage.bff.http, order := fresh("PAID"))
    path = (await someone.create()).headers["location"]
    before = await _waiting(stage.bff)
    held = asyncio.create_task(someone.get(path + document, Prefer="wait=50"))

    async def waits() -> bool:
        return await _waiting(stage.bff) > before

    await eventually(waits, 10)
    await stage.bff.http.delete("/v1/session", headers=someone.headers)
    await stage.upstream.pay(order)
    assert told(await asyncio.wait_for(held, 30)) == (401, "session-expired")
    # Or its watch would be counted while the next one begins.
    await (await shopper(stage.bff.http, order)).settled(path)
