"""Shoppers go through whole journeys while the store behind three replicas fails over, three times."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.exceptions import MovedError

from app.models import FINAL_STATES
from tests.support.nginx import running_nginx
from tests.support.processes import LOCAL, eventually, fresh, running_bff
from tests.support.sandbox import POSTAL_CODES, SandboxProcess
from tests.support.shopper import JOURNEY_SECONDS, Shopper, key, shopper, told
from tests.support.topologies import Deployment, Server, running_cluster, running_sentinels
from tests.support.trouble import frozen, killed, planned

JOURNEYS = int(os.environ.get("JOURNEYS", "250"))
A_SECOND = 5
WHOLE_SECONDS = 60.0
QUIET_SECONDS = 10.0
"""Before each trouble, so that nobody who comes again meets two."""
COMPLETE = 0.99
EVERYBODY_NEEDS = "q:{upstream}:burst"
"""A key that every lookup and creation needs: who holds it is the master whose failure costs most."""
SETTINGS: dict[str, Any] = {"trusted_proxies": f"{LOCAL}/32", "poll_interval": 0.1, "as_shipped": True}

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(300 + JOURNEYS)]


class GaveUp(Exception):
    """A journey that ended early; the text says at which answer."""


@dataclass
class Shop:
    """Shoppers at one address, and what they were told."""

    http: httpx.AsyncClient
    sessions: list[Shopper] = field(default_factory=list)
    """Those that were acknowledged."""
    orders: set[str] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    gave_up: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    """When lookups and creations succeeded."""
    slowest: float = 0.0
    """Seconds of the longest answer."""

    async def journey(self) -> None:
        """One shopper from the lookup to the label, who comes again once where told to."""
        try:
            async with asyncio.timeout(JOURNEY_SECONDS):
                await self._journey()
            self.told["complete"] += 1
        except (GaveUp, TimeoutError, httpx.TransportError) as error:
            self.gave_up.append(f"{type(error).__name__} {error}")

    async def _journey(self) -> None:
        order = fresh("LABEL")
        self.orders.add(order)
        wanted = {"identifier": order, "postal_code": POSTAL_CODES["demo"], "token_delivery": "body"}
        screen = self._successful(await self._asked("POST", "/v1/brands/demo/sessions", json=wanted)).json()
        someone = Shopper(self.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
        self.sessions.append(someone)
        self._successful(await self._asked("GET", "/v1/service-points", someone))
        path = await self._created(someone)
        await self._settled(someone, path)
        label = self._successful(await self._asked("GET", f"{path}/label", someone))
        assert label.content.startswith(b"%PDF-")

    async def _created(self, someone: Shopper) -> str:
        """Where the return is, which may have been made though nobody said so."""
        idempotency = {"Idempotency-Key": key()}
        answer = await self._asked("POST", "/v1/returns", someone, json=someone.body(), headers=idempotency)
        if answer.status_code not in {httpx.codes.CONFLICT, httpx.codes.GATEWAY_TIMEOUT}:
            self._successful(answer)
        if "location" not in answer.headers:
            raise GaveUp(_text(answer))
        return str(answer.headers["location"])

    async def _settled(self, someone: Shopper, path: str) -> None:
        """Returns once the label is ready."""
        state = ""
        while state not in FINAL_STATES:
            answer = self._successful(await self._asked("GET", path, someone, headers={"Prefer": "wait=10"}))
            state = answer.json()["state"]
            if state == "outcome_unknown":
                raise GaveUp(state)
        assert state == "label_ready"

    async def _asked(self, method: str, path: str, someone: Shopper | None = None, **sent: Any) -> httpx.Response:
        """The answer, the second one if the first failed and said when to ask again."""
        sent["headers"] = sent.get("headers", {}) | (someone.headers if someone else {})
        answer = await self._answer(method, path, **sent)
        if answer.is_error and "retry-after" in answer.headers:
            self.told["repeated"] += 1
            await asyncio.sleep(int(answer.headers["retry-after"]))
            answer = await self._answer(method, path, **sent)
        return answer

    async def _answer(self, method: str, path: str, **sent: Any) -> httpx.Response:
        started = time.monotonic()
        answer = await self.http.request(method, path, **sent)
        if "Prefer" not in sent["headers"]:
            self.slowest = max(self.slowest, time.monotonic() - started)
        if answer.is_error:
            self.told[_text(answer)] += 1
        elif method == "POST":
            self.moments.append(time.monotonic())
        return answer

    def _successful(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_error:
            raise GaveUp(f"{answer.request.method} {_text(answer)}")
        return answer

    async def lost(self) -> int:
        """How many acknowledged sessions cannot be resumed."""
        resumed = [await someone.get("/v1/session") for someone in self.sessions]
        return sum(not answer.is_success for answer in resumed)

    @property
    def longest_gap(self) -> float:
        """Seconds in which no lookup and no creation succeeded."""
        return max(after - before for before, after in zip(self.moments, self.moments[1:], strict=False))


def _text(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.json()['code']}"


@asynccontextmanager
async def running_shop(deployment: Deployment, sandbox: SandboxProcess) -> AsyncIterator[Shop]:
    """A gateway and three replicas that keep everything there."""
    async with AsyncExitStack() as stack:
        replicas = [running_bff(deployment.url, sandbox, **SETTINGS) for _ in range(3)]
        fleet = [await stack.enter_async_context(each) for each in replicas]
        gateway = await stack.enter_async_context(running_nginx([each.port for each in fleet]))
        yield Shop(gateway.http)


async def _busiest(deployment: Deployment) -> Server:
    """The master that has what everybody needs."""
    for master in await deployment.masters():
        with suppress(MovedError):
            await master.command("EXISTS", EVERYBODY_NEEDS)
            return master
    raise AssertionError("nobody has it")


async def _trouble(deployment: Deployment) -> None:
    for trouble in (killed, frozen, planned):
        await asyncio.gather(asyncio.sleep(QUIET_SECONDS), eventually(deployment.is_whole, WHOLE_SECONDS))
        await trouble(deployment, await _busiest(deployment))
    await eventually(deployment.is_whole, WHOLE_SECONDS)


async def _shopping(shop: Shop, trouble: Coroutine[None, None, None]) -> None:
    """Journeys at a steady rate, until there were enough and trouble is over."""
    over = asyncio.create_task(trouble)
    journeys: list[asyncio.Task[None]] = []
    while len(journeys) < JOURNEYS or not over.done():
        journeys.append(asyncio.create_task(shop.journey()))
        await asyncio.sleep(1 / A_SECOND)
    await asyncio.gather(over, *journeys)


@pytest.mark.parametrize("running", [running_cluster, running_sentinels])
async def test_a_store_that_fails_over_costs_no_session_and_no_return(
    sandbox: SandboxProcess, tmp_path: Path, running: Callable[[Path], Any]
) -> None:
    """While masters die, hang and are swapped, journeys go on: no session is lost, nothing is created twice."""
    async with running(tmp_path) as deployment, running_shop(deployment, sandbox) as shop:
        await _shopping(shop, _trouble(deployment))
        lost = await shop.lost()
        posts = Counter(each["order"] for each in await sandbox.ledger(kind="incoming"))
        twice = [order for order in shop.orders if posts[order] > 1]
        print(f"{running.__name__}: {len(shop.orders)} journeys, {shop.told}, gave up {Counter(shop.gave_up)}")  # noqa: T201  for docs/operations.md
        print(f"{lost} lost, {len(twice)} twice, gap {shop.longest_gap:.1f} s, slowest {shop.slowest:.1f} s")  # noqa: T201  likewise
        assert not [what for what in shop.told if what.startswith("401")]
        assert lost == 0
        assert twice == []
        assert shop.told["complete"] >= COMPLETE * len(shop.orders)


async def test_an_outcome_is_told_when_it_cannot_be_lost(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """As long as no replica of the store has the outcome of a creation it is not told; a repetition gets it later."""
    async with running_cluster(tmp_path) as deployment, running_bff(deployment.url, sandbox, **SETTINGS) as bff:
        order, same_key = fresh("SLOW"), key()
        someone = await shopper(bff.http, order)
        creation = asyncio.create_task(someone.create(idempotency_key=same_key))
        await eventually(partial(_was_posted, sandbox, order), 10)
        replicas = await deployment.replicas()
        for replica in replicas:
            replica.send(signal.SIGSTOP)
        assert told(await creation) == (503, "temporarily-unavailable")
        for replica in replicas:
            replica.send(signal.SIGCONT)
        await eventually(deployment.is_whole, WHOLE_SECONDS)
        assert (await someone.create(idempotency_key=same_key)).status_code == 202
        assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def _was_posted(sandbox: SandboxProcess, order: str) -> bool:
    return bool(await sandbox.ledger(kind="incoming", order=order))
