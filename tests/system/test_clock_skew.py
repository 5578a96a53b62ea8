"""The clock of one replica is ten minutes off, that of the store is right: nothing ends early or late."""

import asyncio
import hashlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

from tests.support.pdf import pages
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.receiver import running_receiver, shops_entry
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, look_up, shopper, told

OFF_SECONDS = 600
ABOUT_SECONDS = 5.0
"""The time that a busy machine may add."""
TTL_SECONDS, LEASE_SECONDS, WAIT_SECONDS = 3, 3, 2
EVENTS = 4
"""Of two returns that get their labels."""
PARTNER_KEY = "a partner's key"
SETTINGS: dict[str, Any] = {
    "partner_lookup_limit": 3,
    "partners": f"acme:{hashlib.sha256(PARTNER_KEY.encode()).hexdigest()}",
    "poll_interval": 0.1,
    "lookup_deadline": WAIT_SECONDS,
    "timed": True,
}

pytestmark = [pytest.mark.system]


class Fleet(NamedTuple):
    """Who does the first step, who the second; the clock of one of them is wrong."""

    store: Valkey
    first: Bff
    second: Bff

    def at_second(self, someone: Shopper) -> Shopper:
        """The same session at the second replica."""
        return Shopper(self.second.http, someone.screen, someone.headers)


def _clock(off: int) -> dict[str, str]:
    """What shifts the wall clock of a process, and no other clock of it."""
    if not off:
        return {}
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{off:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@asynccontextmanager
async def running_fleet(
    store: Valkey, sandbox: SandboxProcess, off: tuple[int, int], **settings: Any
) -> AsyncIterator[Fleet]:
    """Two replicas whose clocks are so many seconds off."""
    async with AsyncExitStack() as stack:
        replicas = [running_bff(store.url, sandbox, environment=_clock(each), **SETTINGS | settings) for each in off]
        yield Fleet(store, *[await stack.enter_async_context(each) for each in replicas])


@pytest.fixture(scope="module", params=[(OFF_SECONDS, 0), (0, OFF_SECONDS), (-OFF_SECONDS, 0), (0, -OFF_SECONDS)])
def off(request: pytest.FixtureRequest) -> tuple[int, int]:
    """How many seconds the clocks of two replicas are off."""
    seconds: tuple[int, int] = request.param
    return seconds


@pytest_asyncio.fixture(scope="module")
async def fleet(sandbox: SandboxProcess, off: tuple[int, int]) -> AsyncIterator[Fleet]:
    """Two replicas with these clocks and a store of their own."""
    async with running_valkey() as store, running_fleet(store, sandbox, off) as replicas:
        yield replicas


def _is_about(moment: Any, expected: float) -> bool:
    """Whether a moment as we tell it is that one (seconds since the epoch)."""
    return abs(datetime.fromisoformat(moment).timestamp() - expected) < ABOUT_SECONDS


async def _lives(fleet: Fleet, pattern: str) -> float:
    """Seconds that the longest-lived of these keys has left."""
    return max([await fleet.store.client.pttl(name) async for name in fleet.store.client.scan_iter(pattern)]) / 1000


async def test_the_clocks_are_wrong(fleet: Fleet, off: tuple[int, int]) -> None:
    """The Date of every answer shows that this file tests what it says."""
    for replica, seconds in zip((fleet.first, fleet.second), off, strict=True):
        date = (await replica.http.get("/livez")).headers["date"]
        assert abs(parsedate_to_datetime(date).timestamp() - time.time() - seconds) < ABOUT_SECONDS


async def test_a_session(fleet: Fleet) -> None:
    """A session lasts as long as it says, here and there."""
    someone = await shopper(fleet.first.http, fresh("LABEL"))
    assert _is_about(someone.screen["expires_at"], time.time() + 3600)
    name = someone.screen["session_token"].partition(".")[0].removeprefix("rps_")
    assert 3600 - ABOUT_SECONDS < await _lives(fleet, f"s:{{{name}}}") <= 3600
    resumed = await fleet.at_second(someone).get("/v1/session")
    assert (resumed.status_code, resumed.json()["expires_at"]) == (200, someone.screen["expires_at"])


async def test_a_token_that_ends_soon(fleet: Fleet) -> None:
    """A session ends with its upstream tokens, neither before nor long after."""
    someone = await shopper(fleet.first.http, fresh("SHORT"))
    assert _is_about(someone.screen["expires_at"], time.time() + 45)
    assert (await fleet.at_second(someone).get("/v1/session")).status_code == 200
    assert told(await look_up(fleet.first.http, fresh("EXPIRED"))) == (502, "bad-upstream")


async def test_a_return_and_its_label(fleet: Fleet) -> None:
    """A return is made here, watched and fetched there; its moments are those of the store."""
    someone = await shopper(fleet.first.http, fresh("LABEL"))
    created = await someone.create()
    elsewhere = fleet.at_second(someone)
    settled = await elsewhere.settled(created.headers["location"])
    assert settled["state"] == "label_ready"
    assert _is_about(created.json()["created_at"], time.time())
    assert _is_about(settled["updated_at"], time.time())
    assert _is_about(settled["label"]["expires_at"], time.time() + await _lives(fleet, "p:*:r:rtn_*"))
    label = await elsewhere.get(settled["label"]["href"])
    assert settled["parcels"][0]["tracking_number"] in pages(label.content)[0]


async def test_a_handoff(fleet: Fleet) -> None:
    """A link made here is redeemed there, once; it waits fifteen minutes, and the session is not prolonged."""
    someone = await shopper(fleet.first.http, fresh("LABEL"))
    handoff = (await someone.http.post("/v1/session/handoff", json={}, headers=someone.headers)).json()
    assert _is_about(handoff["expires_at"], time.time() + 900)
    assert 900 - ABOUT_SECONDS < await _lives(fleet, "h:*") <= 900
    sent = {"token": handoff["token"], "token_delivery": "body"}
    answers = [await fleet.second.http.post("/v1/handoffs", json=sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 404]
    assert answers[0].json()["expires_at"] == someone.screen["expires_at"]


async def test_limits(fleet: Fleet) -> None:
    """A lookup counted at one replica counts at the other, and both tell the same time to wait."""
    of_partner = {"X-Partner-Key": PARTNER_KEY}
    sent = {"identifier": fresh("NONE"), "postal_code": "5611 AA"}
    for replica in (fleet.first, fleet.second, fleet.first):
        answer = await replica.http.post("/v1/brands/demo/sessions", json=sent, headers=of_partner)
        assert answer.status_code == 404
    for replica in (fleet.first, fleet.second):
        refused = await replica.http.post("/v1/brands/demo/sessions", json=sent, headers=of_partner)
        _is_told_to_wait(refused, "too-many-lookups")
        _is_told_to_wait(await replica.http.post("/v1/brands/demo/sessions", json=sent), "too-many-failed-lookups")


def _is_told_to_wait(answer: httpx.Response, code: str) -> None:
    """The order's delay is a minute; a caller's window ends in 24ths of it, so up to three seconds later."""
    assert told(answer) == (429, code)
    assert 60 - ABOUT_SECONDS < int(answer.headers["retry-after"]) <= 63


async def test_what_is_cached(fleet: Fleet, sandbox: SandboxProcess) -> None:
    """An answer fetched by one replica is fresh at the other."""
    await sandbox.reset()
    portals = [await replica.http.get("/v1/brands/buecherei/portal") for replica in (fleet.first, fleet.second)]
    assert [portal.json()["stale"] for portal in portals] == [False, False]
    assert len(await sandbox.ledger(kind="settings", brand="buecherei")) == 1


async def test_deadlines_and_waits(fleet: Fleet) -> None:
    """An upstream that hangs is given up after the deadline, a held request is answered after its wait."""
    await asyncio.gather(*[each(replica) for replica in (fleet.first, fleet.second) for each in (_hangs, _waits)])


async def _hangs(replica: Bff) -> None:
    started = time.monotonic()
    assert told(await look_up(replica.http, fresh("LOOKUPHANG"))) == (504, "upstream-timeout")
    assert WAIT_SECONDS <= time.monotonic() - started < WAIT_SECONDS + ABOUT_SECONDS


async def _waits(replica: Bff) -> None:
    someone = await shopper(replica.http, fresh("PAID"))
    path = (await someone.create()).headers["location"]
    started = time.monotonic()
    assert (await someone.get(path, Prefer=f"wait={WAIT_SECONDS}")).json()["state"] == "awaiting_payment"
    assert WAIT_SECONDS <= time.monotonic() - started < WAIT_SECONDS + ABOUT_SECONDS


async def test_events(valkey: Valkey, sandbox: SandboxProcess, off: tuple[int, int], tmp_path: Path) -> None:
    """A public verifier, which allows five minutes, accepts the events whichever replica posts them."""
    async with running_receiver() as receiver:
        (file := tmp_path / "shops.toml").write_text(shops_entry("demo", receiver.url))
        async with running_fleet(valkey, sandbox, off, brands="", shops=file) as fleet:
            for replica in (fleet.first, fleet.second):
                someone = await shopper(replica.http, fresh("INSTANT"))
                await someone.settled((await someone.create()).headers["location"])

            async def have_come() -> bool:
                return len({post.event_id for post in receiver.posts}) >= EVENTS

            await eventually(have_come, 20)
    assert {post.verified()["type"] for post in receiver.posts} == {"return.created", "return.label_ready"}


async def test_the_end_of_a_session(valkey: Valkey, sandbox: SandboxProcess, off: tuple[int, int]) -> None:
    """A session ends everywhere at its time, neither sooner nor later."""
    async with running_fleet(valkey, sandbox, off, session_ttl=TTL_SECONDS) as fleet:
        before = time.monotonic()
        someone = await shopper(fleet.first.http, fresh("LABEL"))
        after = time.monotonic()
        answers = {200}
        while answers == {200}:
            assert time.monotonic() - after < TTL_SECONDS + ABOUT_SECONDS
            answers = {(await each.get("/v1/session")).status_code for each in (someone, fleet.at_second(someone))}
        assert 401 in answers
        assert time.monotonic() - before > TTL_SECONDS


async def test_a_creation_whose_replica_dies(valkey: Valkey, sandbox: SandboxProcess, off: tuple[int, int]) -> None:
    """A creation counts as dead exactly when its lease is over, on every replica."""
    leases = {"create_deadline": LEASE_SECONDS - 1, "create_lease": LEASE_SECONDS, "lookup_deadline": 8}
    async with running_fleet(valkey, sandbox, off, **leases) as fleet:
        order, same_key, started = fresh("SLOW"), key(), 0.0
        someone = await shopper(fleet.first.http, order)
        started = time.monotonic()
        creation = asyncio.create_task(someone.create(idempotency_key=same_key))

        async def was_posted() -> bool:
            return bool(await sandbox.ledger(kind="incoming", order=order))

        await eventually(was_posted, ABOUT_SECONDS)
        await fleet.first.process.stop(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await creation
        posted, answers = time.monotonic(), [(409, "return-in-progress")]
        while answers[-1] == (409, "return-in-progress"):
            assert time.monotonic() - posted < LEASE_SECONDS + ABOUT_SECONDS
            answers.append(told(await fleet.at_second(someone).create(idempotency_key=same_key)))
        assert answers[1] == (409, "return-in-progress")
        assert answers[-1] == (504, "return-outcome-unknown")
        assert time.monotonic() - started > LEASE_SECONDS
