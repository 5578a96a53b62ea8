"""What shares a round trip to a real Valkey, and those who wait in one line for turns."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from redis.exceptions import ResponseError

from app.documents.store import progress_key
from app.errors import BffError, StoreUnavailable, UpstreamUnavailable
from app.redis.connections.connection import Reply, Server
from app.redis.connections.discovery import topology
from app.redis.connections.server import Node
from app.redis.limits.budget import Line
from app.redis.store import Change, Limit, Store
from tests.support.processes import LOCAL, Valkey

SOON_SECONDS = 1.0
TOGETHER = 64
GOOD = progress_key("of a document")
NOT_UTF8 = "\udcff"
"""What `os.fsdecode` makes of a byte that is no UTF-8; Redis takes no such text."""


@pytest_asyncio.fixture(name="node")
async def node_on_it(store: Valkey) -> AsyncIterator[Node]:
    """A node that has no connection yet."""
    async with aclosing(Node(Server(LOCAL, urlsplit(store.url).port or 0))) as node:
        yield node


@pytest_asyncio.fixture(name="shared")
async def connected_store(store: Valkey) -> AsyncIterator[Store]:
    """A store on a Valkey of its own."""
    async with aclosing(Store(topology(store.url))) as connected:
        yield connected


def asked(node: Node, count: int) -> list[asyncio.Task[list[Reply]]]:
    """As many callers in one turn, each of whom says something else, and some of them more."""
    return [
        asyncio.create_task(node.run([("ECHO", f"{number}.{part}") for part in range(1 + number % 3)]))
        for number in range(count)
    ]


def own(number: int) -> list[bytes]:
    """What the caller of this number has to hear."""
    return [b"%d.%d" % (number, part) for part in range(1 + number % 3)]


async def turns(count: int) -> None:
    """So many turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def end(coroutine: str) -> None:
    """Ends the one task that runs this, as the end of the process might."""
    (task,) = (task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == coroutine)
    task.cancel()


async def test_calls_of_one_turn_share_a_connection(node: Node, store: Valkey) -> None:
    """Each caller gets its own replies, and no more connections are made than there are batches."""
    before = (await store.client.info("stats"))["total_connections_received"]
    replies = await asyncio.gather(*asked(node, TOGETHER))
    assert replies == [own(number) for number in range(TOGETHER)]
    assert (await store.client.info("stats"))["total_connections_received"] - before == 1


async def test_calls_of_one_turn_share_a_round_trip(node: Node, store: Valkey) -> None:
    """What is asked in one turn of the event loop reaches the server as one piece."""
    await asyncio.gather(*asked(node, 1))
    before = (await store.client.info("stats"))["total_reads_processed"]
    await asyncio.gather(*asked(node, TOGETHER))
    # One of the reads is that of the test's own question.
    assert (await store.client.info("stats"))["total_reads_processed"] - before - 1 == 1


@pytest.mark.parametrize(
    "bad",
    [
        lambda store: store.acquire("lease", NOT_UTF8, 60),
        lambda store: store.put(GOOD, None, 60),
        lambda store: store.commit(NOT_UTF8, [Change(GOOD, 0, b"new", 60)]),
    ],
    ids=["text", "type", "script"],
)
async def test_a_bad_argument_fails_its_caller_alone(shared: Store, bad: Callable[[Store], Awaitable[object]]) -> None:
    """A command that cannot be sent is a bug of its caller, who gets 500; the calls beside it are answered."""
    await shared.put(GOOD, b"kept", 60)
    calls = shared.get(GOOD), bad(shared), shared.get(GOOD)
    before, failed, after = await asyncio.gather(*calls, return_exceptions=True)
    assert (before, after) == (b"kept", b"kept")
    assert isinstance(failed, Exception)
    assert not isinstance(failed, BffError)
    assert await shared.get(GOOD) == b"kept"


@pytest.mark.parametrize("after", range(8))
async def test_callers_who_leave_mix_nothing_up(node: Node, after: int) -> None:
    """Whenever some callers leave, all the others get their own replies, then and the next time."""
    callers = asked(node, 100)
    await turns(after)
    for caller in callers[::3]:
        caller.cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    for number, result in enumerate(results):
        assert result == own(number) if number % 3 else isinstance(result, asyncio.CancelledError)
    assert await asyncio.gather(*asked(node, 70)) == [own(number) for number in range(70)]
    assert node.in_use == 0


async def test_an_error_is_its_callers_alone(node: Node) -> None:
    """A refusal for one caller never becomes another caller's reply."""
    first, bad, last = await asyncio.gather(
        node.run([("ECHO", "first")]), node.run([("NONSENSE",), ("ECHO", "after")]), node.run([("ECHO", "last")])
    )
    assert (first, last) == ([b"first"], [b"last"])
    assert isinstance(bad[0], ResponseError)
    assert bad[1] == b"after"


async def test_nobody_waits_for_a_connection_that_was_given_up(store: Valkey) -> None:
    """The end of an attempt to connect reaches each of those who share it, and the node works on."""
    async with aclosing(Node(Server(LOCAL, urlsplit(store.url).port or 0, db=1))) as node:
        store.process.send(signal.SIGSTOP)
        try:
            callers = asked(node, 3)
            await turns(3)
            end("_open")
            results = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), SOON_SECONDS)
        finally:
            store.process.send(signal.SIGCONT)
        assert [type(result) for result in results] == [StoreUnavailable] * 3
        assert await asyncio.gather(*asked(node, 3)) == [own(number) for number in range(3)]


async def test_giving_up_to_close_ends_nothing(node: Node) -> None:
    """A look at the servers that closes a node and is ended meanwhile leaves those who wait their replies."""
    callers = asked(node, 3)
    await turns(3)
    closing = asyncio.create_task(node.aclose())
    await turns(1)
    closing.cancel()
    results = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), SOON_SECONDS)
    assert results == [own(number) for number in range(3)]


def in_line(line: Line, count: int, patience: float = 3) -> list[asyncio.Task[None]]:
    """As many who wait for a turn."""
    deadline = asyncio.get_running_loop().time() + patience
    return [asyncio.create_task(line.turn(deadline)) for _ in range(count)]


def limit(quantity: int, window: float) -> dict[str, Limit]:
    """A limit of this test alone."""
    return {f"q:{{upstream}}:{secrets.token_hex(4)}": Limit(quantity, window)}


async def resting(line: Line) -> None:
    """Returns once the line has been told to wait."""
    async with asyncio.timeout(SOON_SECONDS):
        while not line._rests_until:  # noqa: ASYNC110, SLF001  it tells nobody
            await asyncio.sleep(0)


async def test_who_left_the_line_takes_no_turn_along(shared: Store) -> None:
    """Turns go to later calls in their order, and no more turns are spent than calls take."""
    limits = limit(2, 1.2)
    line, served = Line(shared, limits), list[int]()
    await asyncio.gather(*in_line(line, 2))

    async def wait(number: int) -> None:
        await line.turn(deadline)
        served.append(number)

    deadline = asyncio.get_running_loop().time() + 10
    waiting = [asyncio.create_task(wait(number)) for number in range(6)]
    await resting(line)
    for task in waiting[:4:2]:
        task.cancel()
    await asyncio.wait(waiting[:4])
    assert served == [1, 3]
    await asyncio.gather(*waiting[4:])
    assert served == [1, 3, 4, 5]


async def test_who_cannot_wait_hears_it_from_the_line(shared: Store) -> None:
    """While the line rests a newcomer without patience is told how long it takes, and one with patience waits."""
    line = Line(shared, limit(1, 60))
    await asyncio.gather(*in_line(line, 1))
    (patient,) = in_line(line, 1, patience=100)
    await resting(line)
    for newcomer in in_line(line, 3, patience=1):
        with pytest.raises(UpstreamUnavailable) as caught:
            await asyncio.wait_for(newcomer, 0.5)
        assert 50 < (caught.value.retry_after or 0) <= 65
    assert not patient.done()
    patient.cancel()
    end("_deal")


async def test_nobody_waits_for_a_dealer_that_was_ended(shared: Store) -> None:
    """When the granting task ends, waiting calls are refused at once, and the next call starts another."""
    limits = limit(1, 1.2)
    line = Line(shared, limits)
    await asyncio.gather(*in_line(line, 1))
    waiting = in_line(line, 3)
    await resting(line)
    end("_deal")
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 0.5)
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    await asyncio.gather(*in_line(line, 1))
