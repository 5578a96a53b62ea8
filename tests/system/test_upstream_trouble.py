"""The upstream slow, failing, silent, closing, busy or out of reach: what the shopper and the upstream notice of it."""

import asyncio
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.made_returns import LabelPending
from app.sendcloud.client import connect
from app.sendcloud.policy.bulkheads import Deadlines
from app.sendcloud.policy.busy_signals import SEVERAL_CALLS
from app.sendcloud.policy.call_policy import guards
from tests.support.processes import LOCAL, Bff, Valkey, eventually, free_port, fresh, running_bff, running_valkey
from tests.support.raw_server import raw_server, self_signed, silence
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, look_up, shopper, told
from tests.support.unlimited import Seen, Unlimited

pytestmark = [pytest.mark.system, pytest.mark.patient]

DEADLINE = 2.0
"""Seconds, of lookups and searches."""
MARGIN = 2.0
"""Seconds beyond a deadline; generous, because the machine may be busy with others."""
IMPATIENCE = 3.0
"""Seconds after which a shopper tries again in any case."""
DEADLINES = {"lookup_deadline": DEADLINE, "service_points_deadline": DEADLINE, "poll_deadline": DEADLINE}


@pytest_asyncio.fixture(name="store")
async def empty_store() -> AsyncIterator[Valkey]:
    """A store that no other test uses."""
    async with running_valkey() as store:
        yield store


@asynccontextmanager
async def service(store: Valkey, sandbox: SandboxProcess, **settings: Any) -> AsyncIterator[Bff]:
    """A service as shipped, with short deadlines."""
    async with running_bff(store.url, sandbox, timed=True, **(DEADLINES | settings)) as bff:
        yield bff


async def gauge(bff: Bff, name: str) -> dict[str, float]:
    """A metric by its first label."""
    lines = (await bff.http.get("/metrics")).text.splitlines()
    found = [line.removeprefix(f"{name}{{").split() for line in lines if line.startswith(f"{name}{{")]
    return {labels.split('"')[1]: float(value) for labels, value in found}


async def timed(answer: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    """An answer, and the seconds until it came."""
    started = time.monotonic()
    return await answer, time.monotonic() - started


def searches(someone: Shopper, count: int) -> list[asyncio.Task[httpx.Response]]:
    """So many searches under way, all at places of their own, so that nothing is shared."""
    places = ({"latitude": 50 + number / 50, "longitude": 5} for number in range(count))
    get = someone.http.get
    return [asyncio.create_task(get("/v1/service-points", params=place, headers=someone.headers)) for place in places]


async def test_a_hung_class_of_calls_does_not_hold_up_the_others(store: Valkey, sandbox: SandboxProcess) -> None:
    """While searches fill their lane and hang, lookups are answered; each search ends at its deadline."""
    async with (
        raw_server(silence) as silent,
        service(
            store,
            sandbox,
            service_points_url=f"http://{LOCAL}:{silent.port}",
            service_points_deadline=2 * DEADLINE,
            upstream_reads=800,
        ) as bff,
    ):
        someone = await shopper(bff.http, fresh("LABEL"))
        hung = searches(someone, 100)

        async def lane_is_full() -> bool:
            return (await gauge(bff, "bff_upstream_running"))["service_points"] == 64

        await eventually(lane_is_full, DEADLINE)
        await asyncio.gather(*[shopper(bff.http, fresh("LABEL")) for _ in range(5)])
        assert sum(not search.done() for search in hung) >= 64
        answers = Counter(told(answer) for answer in await asyncio.gather(*hung))
        assert answers.keys() <= {(504, "upstream-timeout"), (503, "upstream-unavailable")}
        assert answers[504, "upstream-timeout"] >= 5


async def test_a_larger_budget_has_room_for_more_slow_calls(store: Valkey) -> None:
    """A budget above the shipped one is not held back by answers that take seconds: eighty lookups are under way."""
    async with running_sandbox() as sandbox, service(store, sandbox, upstream_reads=1800) as bff:
        await shopper(bff.http, fresh("LABEL"))
        sandbox.process.send(signal.SIGSTOP)
        try:
            hung = [asyncio.create_task(look_up(bff.http, fresh("LABEL"))) for _ in range(80)]

            async def all_run() -> bool:
                return (await gauge(bff, "bff_upstream_running"))["lookup"] == 80

            await eventually(all_run, DEADLINE)
        finally:
            sandbox.process.send(signal.SIGCONT)
            await asyncio.gather(*hung)


async def test_a_failing_upstream_is_left_alone_and_tried_again(store: Valkey) -> None:
    """Two tries each, then the breaker: 503 at once and no call; one probe, whose success opens the way again."""
    async with running_sandbox() as sandbox, service(store, sandbox) as bff:
        await shopper(bff.http, fresh("LABEL"))
        await sandbox.reset()
        await sandbox.fault("down")
        failed = [told(await look_up(bff.http, fresh("LABEL"))) for _ in range(3)]
        assert failed == [(502, "bad-upstream")] * 3
        refused = [await look_up(bff.http, fresh("LABEL")) for _ in range(20)]
        assert {told(answer) for answer in refused} == {(503, "upstream-unavailable")}
        assert {int(answer.headers["retry-after"]) for answer in refused} <= {1, 2, 3, 4, 5}
        assert len(await sandbox.ledger()) == 5
        assert (await gauge(bff, "bff_upstream_breaker"))["lookup"] == 2
        await sandbox.reset()
        await _half_open(bff)
        crowd = await asyncio.gather(*[look_up(bff.http, fresh("SLOW")) for _ in range(10)])
        assert Counter(answer.status_code for answer in crowd) == {201: 1, 503: 9}
        assert len(await sandbox.ledger(kind="outgoing")) == 1
        assert (await gauge(bff, "bff_upstream_breaker"))["lookup"] == 0
        await shopper(bff.http, fresh("LABEL"))


async def _half_open(bff: Bff) -> None:
    async def is_half_open() -> bool:
        return (await gauge(bff, "bff_upstream_breaker"))["lookup"] == 1

    await eventually(is_half_open, 10)


async def test_a_creation_behind_an_open_breaker_never_began(store: Valkey, sandbox: SandboxProcess) -> None:
    """A creation behind an open breaker is refused without a call, and its key and units are free."""
    async with service(store, sandbox) as bff:
        for _ in range(5):
            someone = await shopper(bff.http, fresh("CREATE500"))
            assert told(await someone.create()) == (504, "return-outcome-unknown")
        order = fresh("LABEL")
        someone, used = await shopper(bff.http, order), "k" * 20
        assert told(await someone.create(idempotency_key=used)) == (503, "upstream-unavailable")
        assert await sandbox.ledger(kind="incoming", order=order) == []
        assert (await someone.get("/v1/session")).json()["items"][0]["remaining"] == 1

        async def is_created() -> bool:
            return (await someone.create(idempotency_key=used)).status_code == 202

        await eventually(is_created, 10)
        assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_a_hung_upstream_costs_the_deadline_and_nothing_else(store: Valkey) -> None:
    """A frozen upstream: all answers in time, no call and no connection left behind, and all is well once it wakes."""
    async with running_sandbox() as sandbox, service(store, sandbox) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        sandbox.process.send(signal.SIGSTOP)
        try:
            lookups = [timed(look_up(bff.http, fresh("LABEL"))) for _ in range(60)]
            found = [timed(search) for search in searches(someone, 40)]
            answers = await asyncio.gather(*lookups, *found)
        finally:
            sandbox.process.send(signal.SIGCONT)
        assert max(seconds for _, seconds in answers) < DEADLINE + MARGIN
        assert {told(answer) for answer, _ in answers} <= {(504, "upstream-timeout"), (503, "upstream-unavailable")}
        assert set((await gauge(bff, "bff_upstream_running")).values()) == {0}

        async def works() -> bool:
            return (await look_up(bff.http, fresh("LABEL"))).status_code == 201

        await eventually(works, 15)


async def test_connections_that_upstream_closes_are_not_noticed() -> None:
    """Reads that meet a closing connection are made again: no error in hundreds, on connections kept or not."""
    async with AsyncExitStack() as stack:
        port = free_port()
        server = await asyncio.start_server(_hasty, LOCAL, port)
        await stack.enter_async_context(server)
        seen = Seen()

        async def reads() -> list[object]:
            url = f"http://{LOCAL}:{port}"
            sendcloud = connect(url, url, guards(Deadlines(), Unlimited(), seen))
            stack.push_async_callback(sendcloud.aclose)
            polled: list[object] = []
            for _ in range(10):
                polled.append(await sendcloud.poll_label("my-shop", "a.b.c"))
                await asyncio.sleep(random.uniform(0.28, 0.36))  # noqa: S311  a test's pauses
            return polled

        results = await asyncio.gather(*[reads() for _ in range(30)])
        assert list(itertools.chain(*results)) == [LabelPending()] * 300
        assert seen.retries, "no connection was closed under a request"


async def _hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes a connection that was idle for 0.3 s; that takes 50 ms to arrive."""
    idle = None
    try:
        while True:
            async with asyncio.timeout(idle):
                await reader.readuntil(b"\r\n\r\n")
            idle = 0.3
            writer.write(b"HTTP/1.1 202 -\r\ncontent-length: 0\r\n\r\n")
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        await asyncio.sleep(0.05)
    finally:
        writer.close()


async def test_a_busy_upstream_is_left_alone_by_the_whole_fleet(store: Valkey, sandbox: SandboxProcess) -> None:
    """A pause that one replica was told for several orders binds the other; writes have their own quota and go on."""
    async with service(store, sandbox) as one, service(store, sandbox) as other:
        someone = await shopper(other.http, fresh("STORE"))
        for _ in range(SEVERAL_CALLS):
            busy = await look_up(one.http, fresh("LOOKUP429").replace("-", "-R"))
            assert (told(busy), busy.headers["retry-after"]) == ((503, "upstream-unavailable"), "7")
        order = fresh("LABEL")
        refused = await look_up(other.http, order)
        assert told(refused) == (503, "upstream-unavailable")
        assert 1 <= int(refused.headers["retry-after"]) <= 7
        assert await sandbox.ledger(order=order) == []
        assert (await someone.create(someone.body("in_store"))).status_code == 202
        assert (await gauge(other, "bff_upstream_breaker"))["lookup"] == 0


async def test_three_replicas_keep_to_one_budget(store: Valkey) -> None:
    """Ten times more shoppers than there is room for: upstream sees no second and no minute above its limits."""
    # Four fifths of what an upstream with 50 a minute and 10 a second would take.
    limits = {"upstream_reads": 40, "upstream_burst": 8}
    async with running_sandbox() as sandbox, AsyncExitStack() as stack:
        fleet = [await stack.enter_async_context(service(store, sandbox, **limits)) for _ in range(3)]
        ending = time.monotonic() + 10
        answers = sum(await asyncio.gather(*[_keeps_looking_up(bff, ending) for bff in fleet * 20]), Counter[int]())
        moments = [entry["at"] for entry in await sandbox.ledger()]
    assert answers.keys() == {201, 503}
    assert answers.total() > 10 * len(moments)
    assert max(sum(start <= moment < start + 1 for moment in moments) for start in moments) <= 10
    assert 30 < len(moments) <= 40


async def _keeps_looking_up(bff: Bff, ending: float) -> Counter[int]:
    answers = Counter[int]()
    # However slow the machine is, each of sixty asks seven times at least: ten times more than there is room for.
    while time.monotonic() < ending or answers.total() < 7:
        response = await look_up(bff.http, fresh("LABEL"))
        answers[response.status_code] += 1
        assert response.status_code == 201 or response.headers["retry-after"]
        await asyncio.sleep(0.1)
    return answers


@pytest.mark.timeout(200)
async def test_a_budget_that_is_used_up_is_there_again_after_its_minute(store: Valkey) -> None:
    """However often they come again, all are served in the end, and no 60 seconds hold more than upstream takes."""
    # Four fifths of what an upstream with 15 reads and 10 writes a minute would take.
    limits = {"upstream_reads": 12, "upstream_writes": 8}
    async with running_sandbox() as sandbox, AsyncExitStack() as stack:
        fleet = [await stack.enter_async_context(service(store, sandbox, **limits)) for _ in range(3)]
        # From now on the shop's settings are known to all.
        await shopper(fleet[0].http, fresh("LABEL"))
        await asyncio.gather(*[_returns_in_the_end(bff) for bff in fleet * 5])
        ledger = await sandbox.ledger()
    for method, calls, most in (("GET", 17, 15), ("POST", 15, 10)):
        moments = [entry["at"] for entry in ledger if entry["method"] == method]
        assert len(moments) == calls
        assert max(sum(start <= moment < start + 60 for moment in moments) for start in moments) <= most


async def _returns_in_the_end(bff: Bff) -> None:
    screen = await _insists(partial(look_up, bff.http, fresh("STORE")))
    someone = Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
    await _insists(partial(someone.create, someone.body("in_store"), fresh("sixteen-and-more")))


async def _insists(ask: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
    """The final outcome; a client that is told to wait gives up."""
    while not (response := await ask()).is_success:
        assert told(response) == (503, "upstream-unavailable")
        await asyncio.sleep(min(IMPATIENCE, int(response.headers["retry-after"])))
    answer: dict[str, Any] = response.json()
    return answer


async def test_an_upstream_out_of_reach(store: Valkey, sandbox: SandboxProcess) -> None:
    """An unknown host name and a closed port are 503; an invalid certificate is 502, and its server gets no request."""
    async with raw_server(silence, tls=self_signed("localhost")[0]) as impostor:
        expected = {
            "https://no-such-host.invalid": (503, "upstream-unavailable"),
            f"http://{LOCAL}:{free_port()}": (503, "upstream-unavailable"),
            f"https://localhost:{impostor.port}": (502, "bad-upstream"),
        }
        for url, problem in expected.items():
            async with service(store, sandbox, upstream_url=url) as bff:
                assert told(await look_up(bff.http, fresh("LABEL"))) == problem, url
        assert impostor.requests == []
