"""The fleet's budget on a real store: what two replicas may do together, and who waits for how long."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest.mock import ANY

import pytest
import pytest_asyncio

from app.errors import StoreUnavailable, UpstreamUnavailable
from app.redis.connections.discovery import topology
from app.redis.limits.budget import AHEAD_SECONDS, Budget
from app.redis.store import Limit, Store
from tests.support.processes import LOCAL, Valkey, eventually, free_port
from tests.support.proxy import Proxy, running_proxy


@pytest_asyncio.fixture(name="stores")
async def two_stores(valkey: Valkey) -> AsyncIterator[list[Store]]:
    """Two clients of a database of their own, for two replicas."""
    url = valkey.url.removesuffix("0") + "9"
    stores = [Store(topology(url)) for _ in range(2)]
    for key in ("GET", "POST", "burst", "create", "lookup", "poll", "service_points"):
        await stores[0].delete(f"q:{{upstream}}:{key}")
    yield stores
    for store in stores:
        await store.aclose()


PATIENCE = 0.8
"""Less than the window of the burst, so that no turn of the next one is waited for."""


def budgets(stores: list[Store], *, reads: int = 1000, writes: int = 1000, burst: int = 1000) -> list[Budget]:
    """One for each replica."""
    return [Budget(store, reads=reads, writes=writes, burst=burst) for store in stores]


async def granted(*turns: asyncio.Task[None]) -> int:
    """How many of these were granted; the others were told when to come back."""
    results = await asyncio.gather(*turns, return_exceptions=True)
    refused = [result for result in results if result is not None]
    assert all(isinstance(error, UpstreamUnavailable) and error.retry_after for error in refused), refused
    return len(results) - len(refused)


@pytest.mark.parametrize(("limits", "expected"), [({"burst": 7}, 7), ({"reads": 9}, 9), ({"reads": 5, "burst": 7}, 5)])
async def test_replicas_share_what_there_is(stores: list[Store], limits: dict[str, int], expected: int) -> None:
    """However many ask at once on however many replicas, the limits hold together."""
    fleet = budgets(stores, **limits)
    turns = [asyncio.create_task(budget.turn("lookup", "GET", PATIENCE)) for budget in fleet * 20]
    assert await granted(*turns) == expected


async def test_reads_and_writes_share_the_second_and_not_the_minute(stores: list[Store]) -> None:
    """Used-up reads leave the writes alone, and both together keep to the burst."""
    one, other = budgets(stores, reads=2, burst=4)
    reads = [asyncio.create_task(one.turn("lookup", "GET", PATIENCE)) for _ in range(5)]
    assert await granted(*reads) == 2
    writes = [asyncio.create_task(other.turn("create", "POST", PATIENCE)) for _ in range(5)]
    assert await granted(*writes) == 2


async def test_no_replica_takes_all_turns(stores: list[Store]) -> None:
    """Replicas that want all turns of a second at the same moment share them."""
    shared = budgets(stores, burst=11)
    # Both are connected before they compete.
    assert await granted(*[asyncio.create_task(budget.turn("lookup", "GET", PATIENCE)) for budget in shared]) == 2
    wanted = [[asyncio.create_task(budget.turn("lookup", "GET", PATIENCE)) for _ in range(9)] for budget in shared]
    shares = await asyncio.gather(*[granted(*turns) for turns in wanted])
    assert sum(shares) == 9
    assert min(shares) >= 3


async def test_who_has_patience_gets_a_turn(stores: list[Store]) -> None:
    """Calls whose turn comes soon wait for it, in the order in which they came."""
    one, _ = budgets(stores, burst=3)
    order: list[int] = []

    async def ask(number: int) -> None:
        await one.turn("lookup", "GET", 3)
        order.append(number)

    started = time.monotonic()
    await asyncio.gather(*[ask(number) for number in range(6)])
    assert order == list(range(6))
    assert 0.9 < time.monotonic() - started < 3


async def test_who_has_to_wait_too_long_hears_it_at_once(stores: list[Store]) -> None:
    """With the minute used up, calls are refused at once with the time to wait."""
    one, other = budgets(stores, writes=1)
    await one.turn("create", "POST", 1)
    started = time.monotonic()
    with pytest.raises(UpstreamUnavailable) as caught:
        await other.turn("create", "POST", 5)
    assert time.monotonic() - started < 1
    assert 55 < (caught.value.retry_after or 0) <= 65


async def test_a_turn_that_was_not_taken_costs_nothing(stores: list[Store]) -> None:
    """A call that the burst refuses uses nothing of the minute."""
    one, _ = budgets(stores, reads=50, burst=1)
    turns = [asyncio.create_task(one.turn("lookup", "GET", PATIENCE)) for _ in range(20)]
    assert await granted(*turns) == 1
    assert (await stores[1].spend("q:{upstream}:GET", 0, Limit(50, 60))).remaining == 49


async def test_a_pause_holds_for_every_replica_and_one_class(stores: list[Store]) -> None:
    """A class that one replica was told to leave alone is left alone by the others; all other classes go on."""
    one, other = budgets(stores)
    await one.pause("lookup", 30)
    with pytest.raises(UpstreamUnavailable) as caught:
        await other.turn("lookup", "GET", 1)
    assert 28 < (caught.value.retry_after or 0) <= 30
    await other.turn("service_points", "GET", 1)
    await other.turn("create", "POST", 1)


async def test_classes_share_the_minute(stores: list[Store]) -> None:
    """Reads of different classes count together."""
    one, other = budgets(stores, reads=3)
    turns = [
        budget.turn(name, "GET", PATIENCE) for budget in (one, other) for name in ("lookup", "poll", "service_points")
    ]
    assert await granted(*[asyncio.create_task(turn) for turn in turns]) == 3


async def taken(store: Store) -> int:
    """How many reads of the minute are used up, of a thousand."""
    return 1000 - (await store.spend("q:{upstream}:GET", 0, Limit(1000, 60))).remaining


async def used_at_once(store: Store, act: Callable[[], Awaitable[object]]) -> int:
    """How many reads this uses up, in a try that is over before a turn asked for ahead could be lost."""
    while True:
        before, began = await taken(store), time.monotonic()
        await act()
        if time.monotonic() - began < AHEAD_SECONDS:
            return await taken(store) - before
        await asyncio.sleep(AHEAD_SECONDS)


@pytest.mark.parametrize(("calls", "used"), [(2, 2), (3, 3)])
async def test_turns_asked_for_ahead(stores: list[Store], calls: int, used: int) -> None:
    """The next calls of a class take the turns that were asked for ahead, and one more asks for its own."""
    one, _ = budgets(stores)

    async def ahead() -> None:
        one.ask_ahead("lookup", "GET", 2)
        await asyncio.gather(*[one.turn("lookup", "GET", PATIENCE) for _ in range(calls)])

    assert await used_at_once(stores[1], ahead) == used


async def test_turns_that_came_before_their_calls(stores: list[Store]) -> None:
    """A call takes a turn that has come already."""
    one, _ = budgets(stores)

    async def ahead() -> None:
        one.ask_ahead("lookup", "GET", 2)
        await one.turn("lookup", "GET", PATIENCE)
        await stores[0].ping()
        await one.turn("lookup", "GET", PATIENCE)

    assert await used_at_once(stores[1], ahead) == 2


async def test_a_turn_asked_for_ahead_is_lost_after_a_while(stores: list[Store]) -> None:
    """An old turn is not taken: a call long after its count could make too many of another second."""
    one, _ = budgets(stores)
    one.ask_ahead("lookup", "GET", 2)

    async def are_counted() -> bool:
        return await taken(stores[1]) == 2

    await eventually(are_counted, 5)
    # It answers in order, so that they have come by now.
    await stores[0].ping()
    await asyncio.sleep(2 * AHEAD_SECONDS)
    await one.turn("lookup", "GET", PATIENCE)
    assert await taken(stores[1]) == 3


async def test_turns_ahead_from_a_slow_store(valkey: Valkey, stores: list[Store]) -> None:
    """A call takes a turn asked for ahead that it waited for, however late the store is, and does not ask twice."""
    async with running_proxy(int(valkey.url.rpartition(":")[2].partition("/")[0]), delay=AHEAD_SECONDS) as slow:
        store = Store(topology(f"redis://{LOCAL}:{slow.port}/9"))
        (one,) = budgets([store])
        one.ask_ahead("lookup", "GET", 2)
        await asyncio.gather(*[one.turn("lookup", "GET", PATIENCE) for _ in range(2)])
        await store.aclose()
    assert await taken(stores[1]) == 2


async def test_no_call_fails_as_a_turn_ahead_did_before(valkey: Valkey) -> None:
    """Once the store is back, no call hears that it was away when a turn was asked for ahead."""
    proxy = Proxy(int(valkey.url.rpartition(":")[2].partition("/")[0]))
    store = Store(topology(f"redis://{LOCAL}:{proxy.port}/9"))
    (one,) = budgets([store])

    async def answers() -> bool:
        with contextlib.suppress(StoreUnavailable):
            await store.ping()
            return True
        return False

    one.ask_ahead("lookup", "GET", 2)
    assert not await answers()
    await proxy.open()
    await eventually(answers, 5)
    await one.turn("lookup", "GET", PATIENCE)
    await store.aclose()
    await proxy.close()


async def test_a_refused_turn_ahead_is_told_at_once(stores: list[Store]) -> None:
    """A call that took such a turn in vain is told at once that there is no room, though a more patient one waits."""
    one, _ = budgets(stores, burst=1)
    one.ask_ahead("lookup", "GET", 2)
    calls = [asyncio.create_task(one.turn("lookup", "GET", PATIENCE)) for _ in range(2)]
    calls.append(asyncio.create_task(one.turn("lookup", "GET", 3)))
    await calls[0]
    with pytest.raises(UpstreamUnavailable, match="no room"):
        await calls[1]
    await calls[2]


async def test_few_turns_are_lost(stores: list[Store]) -> None:
    """However often turns are asked for ahead in vain, four are lost, and one more for every ten calls."""
    one, _ = budgets(stores)

    async def ask_in_vain() -> None:
        for _ in range(5):
            one.ask_ahead("lookup", "GET", 2)
            await stores[0].ping()
            await asyncio.sleep(2 * AHEAD_SECONDS)

    await ask_in_vain()
    assert await taken(stores[1]) == 4
    await asyncio.gather(*[one.turn("lookup", "GET", PATIENCE) for _ in range(25)])
    await ask_in_vain()
    assert await taken(stores[1]) == 4 + 25 + 2


async def test_asking_ahead_often_takes_no_more(stores: list[Store]) -> None:
    """While turns asked for ahead are under way or left, none are asked for again, however often somebody wants it."""
    one, _ = budgets(stores)

    async def ahead() -> None:
        for _ in range(50):
            one.ask_ahead("lookup", "GET", 2)
        await one.turn("lookup", "GET", PATIENCE)
        one.ask_ahead("lookup", "GET", 2)
        await one.turn("lookup", "GET", PATIENCE)

    assert await used_at_once(stores[1], ahead) == 2


async def test_nothing_is_asked_ahead_where_others_wait(stores: list[Store]) -> None:
    """While calls wait for their turns, turns are asked for together anyway, and none ahead."""
    one, _ = budgets(stores)
    first = asyncio.create_task(one.turn("lookup", "GET", PATIENCE))
    await asyncio.sleep(0)
    one.ask_ahead("lookup", "GET", 2)
    await first
    assert await taken(stores[1]) == 1


async def test_a_patient_call_without_a_turn_ahead(stores: list[Store]) -> None:
    """Where no turn could be had ahead, a call waits for one as ever."""
    one, _ = budgets(stores, burst=1)
    await one.turn("lookup", "GET", PATIENCE)
    one.ask_ahead("lookup", "GET", 2)
    await one.turn("lookup", "GET", 3)
    assert await taken(stores[1]) == 2


async def test_refused_turns_that_nobody_takes(stores: list[Store]) -> None:
    """Turns that were asked for ahead and refused leave nothing in the log."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    one, _ = budgets(stores, reads=1)
    for _ in range(2):
        one.ask_ahead("lookup", "GET", 2)
        await asyncio.sleep(AHEAD_SECONDS)
        await stores[0].ping()
    gc.collect()
    assert not complaints


async def test_a_call_that_leaves_its_turn_ahead(stores: list[Store]) -> None:
    """A call that is cancelled while its turn is on the way holds up no other."""
    one, _ = budgets(stores)
    one.ask_ahead("lookup", "GET", 2)
    calls = [asyncio.create_task(one.turn("lookup", "GET", PATIENCE)) for _ in range(3)]
    await asyncio.sleep(0)
    calls[0].cancel()
    assert await asyncio.gather(*calls, return_exceptions=True) == [ANY, None, None]
    assert calls[0].cancelled()


async def test_nobody_calls_without_the_store() -> None:
    """While the store is away no turns are granted, and a pause that cannot be noted raises no error."""
    store = Store(topology(f"redis://127.0.0.1:{free_port()}/0"))
    (budget,) = budgets([store])
    with pytest.raises(StoreUnavailable):
        await budget.turn("lookup", "GET", 1)
    budget.ask_ahead("lookup", "GET", 2)
    with pytest.raises(StoreUnavailable):
        await budget.turn("lookup", "GET", 1)
    await budget.pause("lookup", 1)
    await store.aclose()
