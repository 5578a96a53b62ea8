"""How a replica knows that it has too much to do."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.http.load_shedding import PASSES, TICK_SECONDS, InFlightSlot, Load
from tests.support.processes import eventually

LAG_SECONDS = 0.25
LONG_SECONDS = 60.0


@pytest_asyncio.fixture
async def watched() -> AsyncIterator[Load]:
    """A load that measures the event loop of the test."""
    load = Load(2, LAG_SECONDS)
    task = asyncio.create_task(load.watch())
    await asyncio.sleep(TICK_SECONDS / 10)
    yield load
    task.cancel()


def test_bound() -> None:
    """Work beyond the bound is refused until a request leaves."""
    load = Load(2, LAG_SECONDS)
    places = [InFlightSlot(load) for _ in range(2)]
    for place in places:
        assert not load.excess()
        place.take()
    assert (load.excess(), load.in_flight) == ("bound", 2)
    places[0].leave()
    assert (load.excess(), load.in_flight) == ("", 1)


def test_what_asks_the_upstream_has_a_bound_of_its_own() -> None:
    """A quarter of the places is for what may ask the upstream, and the rest stays free for everything else."""
    load = Load(8, LAG_SECONDS)
    places = [InFlightSlot(load, asks=True) for _ in range(2)]
    for place in places:
        assert not load.excess(asks=True)
        place.take()
    assert (load.excess(asks=True), load.excess()) == ("asking", "")
    places[0].leave()
    assert not load.excess(asks=True)


@pytest.mark.parametrize("steps", ["tt", "ttl", "tllt", "lt", "l", "tlt", ""])
@pytest.mark.parametrize("asks", [True, False])
def test_a_request_counts_once_and_leaves_for_good(steps: str, *, asks: bool) -> None:
    """However often a request takes its place or leaves it, it counts once, and never again after it left."""
    load = Load(5, LAG_SECONDS)
    InFlightSlot(load, asks=True).take()
    place = InFlightSlot(load, asks=asks)
    for step in steps:
        (place.take if step == "t" else place.leave)()
    counts = "t" in steps and "l" not in steps
    assert (load.in_flight, load.asking) == (1 + counts, 1 + (counts and asks))


async def test_what_comes_behind_a_stall_is_refused(watched: Load) -> None:
    """Requests that come while the event loop stalls are refused; the lag is remembered."""
    time.sleep(LAG_SECONDS + 0.1)  # noqa: ASYNC251  the stall
    assert watched.excess() == "lag"
    assert watched.lag < LAG_SECONDS

    async def is_over() -> bool:
        return not watched.excess()

    await eventually(is_over, 1)
    assert watched.lag > LAG_SECONDS


async def test_a_stall_is_over_soon(watched: Load) -> None:
    """What waits behind a stall is refused in turns of the event loop that take milliseconds; then all is accepted."""
    time.sleep(LAG_SECONDS + 0.1)  # noqa: ASYNC251  the stall
    turns = 0
    while watched.excess():
        await asyncio.sleep(0)
        turns += 1
    assert PASSES / 2 < turns < 2 * PASSES


async def test_a_short_stall_is_none(watched: Load) -> None:
    """An event loop that is somewhat late refuses no request."""
    time.sleep(LAG_SECONDS / 2)  # noqa: ASYNC251  the stall
    assert not watched.excess()


async def test_an_event_loop_in_time_is_no_stall() -> None:
    """A measured event loop that is late by less than a minute, where that is allowed, refuses no request."""
    load = Load(2, LONG_SECONDS)
    task = asyncio.create_task(load.watch())

    async def is_measured() -> bool:
        return load.lag > 0

    await eventually(is_measured, 5)
    assert load.lag < LONG_SECONDS
    assert not load.excess()
    task.cancel()
