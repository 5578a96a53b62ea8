"""A session that another replica ended: this one still has it parsed, and asks for returns and limits beside it."""

import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, shopper, told

NO_RETURN = "/v1/returns/rtn_" + "A" * 22
OF_A_RETURN = ("", "/events", "/label", "/customs-declaration")
POINT = "/v1/service-points/{}"
ENDED = (401, "session-expired")


class Replicas(NamedTuple):
    """Two replicas, their store and their upstream, which no other test uses."""

    here: Bff
    there: Bff
    store: Valkey
    upstream: SandboxProcess

    async def shopper(self, order: str) -> Shopper:
        """A shopper whose session was seen here."""
        someone = await shopper(self.here.http, order)
        assert (await someone.get("/v1/session")).status_code == 200
        return someone

    async def end(self, someone: Shopper) -> None:
        """Ends the session there."""
        assert (await self.there.http.delete("/v1/session", headers=someone.headers)).status_code == 204

    async def calls(self) -> int:
        """How many calls the upstream has had."""
        return len(await self.upstream.ledger())

    async def watches_nothing(self) -> bool:
        """Whether no return is watched here, so that only a call can have one polled."""
        metrics = (await self.here.http.get("/metrics")).text
        return float(re.findall(r"^bff_watches (\S+)$", metrics, re.MULTILINE)[0]) == 0


@asynccontextmanager
async def running_replicas(**settings: Any) -> AsyncIterator[Replicas]:
    """Replicas with these settings."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(running_valkey())
        upstream = await stack.enter_async_context(running_sandbox())
        here, there = [await stack.enter_async_context(running_bff(store.url, upstream, **settings)) for _ in range(2)]
        yield Replicas(here, there, store, upstream)


@pytest_asyncio.fixture(scope="module", name="replicas")
async def _replicas() -> AsyncIterator[Replicas]:
    # Polls are due nearly always, and nobody makes them but calls.
    async with running_replicas(poll_interval=0.01, label_budget=0.1) as replicas:
        yield replicas


@pytest.mark.parametrize(("prefix", "asked"), [("PAID", ""), ("INSTANT", "/label")])
async def test_nothing_of_a_return_leaves(replicas: Replicas, prefix: str, asked: str) -> None:
    """No call for a return tells an ended session anything or asks the upstream, where a live one does both."""
    other = await replicas.shopper(order := fresh(prefix))
    path = (await other.create()).headers["location"]
    await eventually(replicas.watches_nothing, 10)
    # A session that was seen to be over is forgotten.
    ended = {each: await replicas.shopper(order) for each in OF_A_RETURN}
    for each in ended.values():
        await replicas.end(each)
    before = await replicas.calls()
    answers = {each: told(await someone.get(path + each)) for each, someone in ended.items()}
    assert answers == dict.fromkeys(OF_A_RETURN, ENDED)
    assert await replicas.calls() == before

    async def asks_the_upstream() -> bool:
        assert (await other.get(path + asked)).status_code == 200
        return await replicas.calls() > before

    await eventually(asks_the_upstream, 10)


async def test_a_return_that_is_not_there(replicas: Replicas) -> None:
    """An ended session is told so, where a live one is told that there is no such return."""
    for each in OF_A_RETURN:
        someone = await replicas.shopper(fresh("LABEL"))
        assert told(await someone.get(NO_RETURN + each)) == (404, "return-not-found")
        await replicas.end(someone)
        assert told(await someone.get(NO_RETURN + each)) == ENDED


async def test_a_service_point(replicas: Replicas) -> None:
    """An ended session is shown no service point, and the upstream is not asked for it."""
    someone = await replicas.shopper(fresh("LABEL"))
    point = POINT.format(someone.screen["drop_off"]["nearest"]["id"])
    assert (await someone.get(point)).status_code == 200
    await replicas.end(someone)
    before = await replicas.calls()
    assert told(await someone.get(point)) == ENDED
    assert await replicas.calls() == before


async def test_a_parcel_over_its_limit() -> None:
    """An ended session is told so, where a live one of the same parcel is told that its calls are used up."""
    async with running_replicas(parcel_limit=6) as replicas:
        first, second = [await replicas.shopper(order) for order in [fresh("LABEL")] * 2]
        point = POINT.format(first.screen["drop_off"]["nearest"]["id"])

        async def is_refused() -> bool:
            return told(await first.get(point))[0] == 429

        await eventually(is_refused, 10)
        await replicas.end(second)
        assert told(await second.get(point)) == ENDED
        assert told(await first.get(point)) == (429, "too-many-calls")


async def test_a_store_that_is_away() -> None:
    """Without the store, nobody knows whether a session that was seen still lives: 503 for each call."""
    async with running_replicas() as replicas:
        someone = await replicas.shopper(fresh("LABEL"))
        point = POINT.format(someone.screen["drop_off"]["nearest"]["id"])
        await replicas.store.process.stop(signal.SIGKILL)
        for path in (*(NO_RETURN + each for each in OF_A_RETURN), point):
            assert told(await someone.get(path)) == (503, "temporarily-unavailable")
