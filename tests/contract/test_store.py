"""The store's promises on a real Valkey: compare-and-set, leases, time to live, and never a wrong "not there"."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import cast

import pytest
import pytest_asyncio

from app.documents.store import progress_key
from app.errors import StoreUnavailable
from app.redis.connections.discovery import topology
from app.redis.store import Allowance, Change, Limit, Store, Versioned
from tests.support.processes import Valkey, eventually, free_port, running_valkey
from tests.support.topologies import running_cluster, running_sentinels

ABSENT = Versioned(0, b"")
Call = Callable[[Store], Awaitable[object]]
CALLS: dict[str, Call] = {
    "ping": Store.ping,
    "now": Store.now,
    "get": lambda store: store.get("key"),
    "put": lambda store: store.put("key", b"value", 60),
    "delete": lambda store: store.delete("key"),
    "acquire": lambda store: store.acquire("lease", "me", 60),
    "release": lambda store: store.release("lease", "me"),
    "spend": lambda store: store.spend("budget", 1, Limit(10, 60)),
    "pause": lambda store: store.pause("budget", 1),
    "read": lambda store: store.read("record"),
    "commit": lambda store: store.commit("operation", [Change("record", 0, b"value", 60)]),
}


@pytest_asyncio.fixture(
    scope="module",
    name="store",
    params=["standalone", *(pytest.param(each, marks=pytest.mark.system) for each in ("cluster", "sentinel"))],
)
async def connected_store(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Store]:
    """A store on the shared Valkey, on a Cluster, behind Sentinels."""
    async with AsyncExitStack() as stack:
        url = valkey.url
        if request.param != "standalone":
            run = running_cluster if request.param == "cluster" else running_sentinels
            url = (await stack.enter_async_context(run(tmp_path_factory.mktemp(request.param)))).url
        yield await stack.enter_async_context(aclosing(Store(topology(url))))


@pytest.fixture(name="name")
def fresh_name() -> str:
    """A key of this test alone, of a family that docs/security.md knows."""
    return progress_key(secrets.token_hex(8))


async def current(store: Store, key: str) -> Versioned:
    """The record under this key."""
    _, [record] = await store.read(key)
    return record


async def milliseconds_left(store: Store, key: str) -> int:
    """How long the key lives on."""
    left: int = await store.script("return redis.call('PTTL', KEYS[1])")(keys=[key], args=[])
    return left


async def test_plain_values(store: Store, name: str) -> None:
    """A stored value stays until it is deleted or expires; an absent key is known to be absent."""
    assert await store.get(name) is None
    await store.put(name, b"\x00value", 60)
    assert await store.get(name) == b"\x00value"
    assert 55_000 < await milliseconds_left(store, name) <= 60_000
    await store.delete(name)
    await store.delete(name)
    assert await store.get(name) is None


async def test_values_end(store: Store, name: str) -> None:
    """A value put for a fraction of a second is gone after it."""
    await store.put(name, b"value", 0.05)

    async def is_gone() -> bool:
        return await store.get(name) is None

    await eventually(is_gone, 5)


async def test_clock(store: Store, name: str) -> None:
    """The clock is the store's own, in seconds, and a read tells it too."""
    seconds = int(time.time())
    now, (read_at, _) = await store.now(), await store.read(name)
    assert seconds <= now <= read_at + 0.001 < seconds + 10


async def test_commit_and_read(store: Store, name: str) -> None:
    """All changes of a commit happen at once, each with its own time to live, and count up their revisions."""
    first, second = f"{name}:pump:1", f"{name}:pump:2"
    assert await store.commit("a", [Change(first, 0, b"one", 60), Change(second, 0, b"two", 600)])
    assert await store.commit("b", [Change(first, 1, b"uno", 60)])
    _, records = await store.read(first, second, f"{name}:3")
    assert records == [Versioned(2, b"uno"), Versioned(1, b"two"), ABSENT]
    assert 55_000 < await milliseconds_left(store, first) <= 60_000 < await milliseconds_left(store, second) <= 600_000


@pytest.mark.parametrize(("first", "second"), [(0, 1), (2, 0), (1, 1), (0, 0)])
async def test_lost_race(store: Store, name: str, first: int, second: int) -> None:
    """If one record is not as it was read, nothing at all changes."""
    kept, absent = f"{name}:pump:kept", f"{name}:pump:absent"
    await store.commit("a", [Change(kept, 0, b"old", 60)])
    changes = [Change(kept, first, b"new", 60), Change(absent, second, b"new", 60)]
    assert not await store.commit("b", changes)
    assert (await current(store, kept), await current(store, absent)) == (Versioned(1, b"old"), ABSENT)


async def test_one_of_two_wins(store: Store, name: str) -> None:
    """Two changes to the same read version: exactly one is made."""
    won = [await store.commit(operation, [Change(name, 0, operation.encode(), 60)]) for operation in ("a", "b")]
    assert won == [True, False]
    assert await current(store, name) == Versioned(1, b"a")


async def test_repeated_commit(store: Store, name: str) -> None:
    """A commit that is sent again, because its answer was lost, says yes again and changes nothing."""
    changes = [Change(f"{name}:pump:1", 0, b"one", 60), Change(f"{name}:pump:2", 0, b"two", 60)]
    assert [await store.commit("same", changes) for _ in range(3)] == [True] * 3
    assert await current(store, f"{name}:pump:1") == Versioned(1, b"one")


async def test_commit_deletes(store: Store, name: str) -> None:
    """A change without a value deletes the record, which then starts from the beginning."""
    kept, gone = f"{name}:pump:kept", f"{name}:pump:gone"
    await store.commit("a", [Change(kept, 0, b"one", 60), Change(gone, 0, b"two", 60)])
    assert await store.commit("b", [Change(kept, 1, b"uno", 60), Change(gone, 1, None, 60)])
    assert await current(store, gone) == ABSENT
    assert await store.commit("c", [Change(gone, 0, b"again", 60)])


async def test_lease(store: Store, name: str) -> None:
    """A lease has one owner at a time; asking again changes nothing, and only the owner gives it back."""
    assert await store.acquire(name, "me", 60)
    assert await store.acquire(name, "me", 60)
    assert not await store.acquire(name, "you", 60)
    await store.release(name, "you")
    assert not await store.acquire(name, "you", 60)
    await store.release(name, "me")
    assert await store.acquire(name, "you", 60)


async def test_lease_ends(store: Store, name: str) -> None:
    """A lease whose owner died is free after its time."""
    await store.acquire(name, "dead", 0.05)
    await eventually(lambda: store.acquire(name, "alive", 60), 5)


async def test_asking_again_does_not_prolong_a_lease(store: Store, name: str) -> None:
    """An owner that asks again still has to be done in time."""
    await store.acquire(name, "me", 60)
    await store.acquire(name, "me", 600)
    assert await milliseconds_left(store, name) <= 60_000


async def test_news(store: Store, name: str) -> None:
    """Listeners get the news of commits in their order, and none of a lost race."""
    async with aclosing(cast("AsyncGenerator[str, None]", store.listen())) as news:
        assert await anext(news) == ""
        for operation, revision in [("first", 0), ("lost", 0), ("second", 1)]:
            await store.commit(operation, [Change(name, revision, b"value", 60)], f"{name} {operation}")
        mine = (text async for text in news if text.startswith(name))
        assert [await anext(mine), await anext(mine)] == [f"{name} first", f"{name} second"]


async def test_budget(store: Store, name: str) -> None:
    """An amount that fits the limit is spent, one that does not costs nothing, and an idle budget is forgotten."""
    answers = [await store.spend(name, amount, Limit(10, 60)) for amount in (6, 5, 4, 1)]
    assert [(each.granted, each.remaining) for each in answers] == [(6, 4), (0, 4), (4, 0), (0, 0)]
    assert 60_000 < await milliseconds_left(store, name) <= 120_000


async def test_budget_returns(store: Store, name: str) -> None:
    """A refusal says when the amount would fit, not before the whole window has passed, and then it does."""
    spent = await store.spend(name, 2, Limit(2, 0.5))
    refused = await store.spend(name, 1, Limit(2, 0.5))
    assert (spent.granted, refused.granted) == (2, 0)
    assert spent.at + 0.49 <= refused.at + refused.wait <= spent.at + 0.56
    await asyncio.sleep(refused.wait)
    allowance = await store.spend(name, 1, Limit(2, 0.5))
    assert allowance == Allowance(granted=1, remaining=1, wait=0, at=allowance.at)


async def test_budget_counts_the_whole_window(store: Store, name: str) -> None:
    """A spent amount counts until its window has passed, however many calls come before that."""
    limit = Limit(1, 1.2)
    spent = last = await store.spend(name, 1, limit)

    async def fits_again() -> bool:
        nonlocal last
        last = await store.spend(name, 1, limit)
        return last.granted == 1

    await eventually(fits_again, limit.window + 5)
    assert last.at - spent.at >= limit.window


async def test_as_much_as_fits(store: Store) -> None:
    """Some of an amount is granted if not all fits; each of several limits has to have room for it."""
    second, minute = (f"q:{{upstream}}:{secrets.token_hex(4)}" for _ in range(2))
    limits = {second: Limit(100, 1), minute: Limit(3, 60)}
    answers = [await store.spend_some(amount, limits) for amount in (2, 5, 1)]
    assert [(each.granted, each.remaining) for each in answers] == [(2, 1), (1, 0), (0, 0)]
    assert 55 < answers[-1].wait <= 62.5
    assert (await store.spend(second, 0, Limit(100, 1))).remaining == 97


async def test_pause(store: Store, name: str) -> None:
    """While a budget is paused nothing can be spent, and a shorter pause does not end a longer one."""
    await store.pause(name, 60)
    await store.pause(name, 1)
    refused = await store.spend(name, 1, Limit(10, 1))
    assert not refused.granted
    assert 59 < refused.wait <= 60
    assert 59_000 <= await milliseconds_left(store, name) <= 60_000


async def test_budget_in_a_crowd(store: Store, name: str) -> None:
    """Many callers spend at once, and exactly as many succeed as the limit allows."""
    answers = await asyncio.gather(*(store.spend(name, 1, Limit(20, 60)) for _ in range(50)))
    assert sum(each.granted for each in answers) == 20


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:{port}/0",
        "unix:///nowhere/redis.sock",
        "redis+cluster://127.0.0.1:{port},127.0.0.1:{port}",
        "redis+sentinel://127.0.0.1:{port},127.0.0.1:{port}/main/0",
    ],
)
async def test_no_server(call: Call, url: str) -> None:
    """Without a server nothing is known: every call says so, and when to ask again."""
    store = Store(topology(url.format(port=free_port())))
    with pytest.raises(StoreUnavailable) as caught:
        await call(store)
    assert caught.value.retry_after
    await store.aclose()


async def test_durable_writes(store: Store, name: str) -> None:
    """A durable write is made once, and said to be made, however often it is sent."""
    await store.put(f"{name}:pump:1", b"value", 60, durable=True)
    assert await store.get(f"{name}:pump:1") == b"value"
    changes = [Change(f"{name}:pump:2", 0, b"one", 60)]
    assert [await store.commit("same", changes, durable=True) for _ in range(3)] == [True] * 3
    assert not await store.commit("other", changes, durable=True)
    assert await current(store, f"{name}:pump:2") == Versioned(1, b"one")


async def test_full_server(name: str) -> None:
    """A server that has no room left makes nothing seem stored."""
    async with running_valkey() as full:
        await full.client.config_set("maxmemory", "1")
        store = Store(topology(full.url))
        for call in (CALLS["put"], CALLS["commit"]):
            with pytest.raises(StoreUnavailable):
                await call(store)
        assert await store.get(name) is None
        await store.aclose()
