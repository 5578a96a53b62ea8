"""The limits on a real Valkey: the lookups of a crowd, the stored counts, and that these name no caller."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace

import pytest
import pytest_asyncio

from app.errors import StoreUnavailable, TooManyFailedLookups
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring
from app.redis.limits.failed_lookups import FORGOTTEN_SECONDS, Attempt, OrderLimit
from app.redis.limits.rate_limits import CallerLimit
from app.redis.store import Store
from tests.support.processes import Valkey, free_port, running_valkey
from tests.support.shops import shops

KEYRING = Keyring([b"k" * 32])
ADDRESS = "203.0.113.7"
DEMO = shops(lookup_limit=2, partner_lookup_limit=5).of("demo")
"""Two lookups a minute for addresses, five for partners."""


@pytest_asyncio.fixture(scope="module", name="valkey")
async def own_valkey() -> AsyncIterator[Valkey]:
    """A store with no keys of other tests."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture(name="store")
async def empty_store(valkey: Valkey) -> AsyncIterator[Store]:
    """A store that holds nothing."""
    await valkey.client.flushdb()
    store = Store(topology(valkey.url))
    yield store
    await store.aclose()


@pytest.fixture(name="orders")
def order_limit(store: Store) -> OrderLimit:
    """The limit under test."""
    return OrderLimit(store, KEYRING)


@pytest.fixture(name="callers")
def caller_limit(store: Store) -> CallerLimit:
    """The limit under test."""
    return CallerLimit(store, KEYRING)


async def granted(*attempts: Awaitable[Attempt]) -> list[Attempt]:
    """Those of the attempts that may ask the upstream; all the others are told to wait."""
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {type(answer) for answer in refused} <= {TooManyFailedLookups}
    return [answer for answer in answers if isinstance(answer, Attempt)]


async def test_a_crowd_side_by_side(orders: OrderLimit) -> None:
    """Of fifty lookups at once for one number, in any spelling, three may run; another number is not concerned."""
    spellings = ["LABEL-1", "label1", " Label-1"]
    assert len(await granted(*(orders.attempt("demo", spellings[n % 3]) for n in range(50)))) == 3
    assert await granted(orders.attempt("demo", "LABEL-2"), orders.attempt("guide", "LABEL-1"))


async def test_what_did_not_fail_is_taken_back(orders: OrderLimit) -> None:
    """Lookups that succeed never add up, and those that failed before them stay counted."""
    for _ in range(2):
        await orders.attempt("demo", "LABEL-1")
    for _ in range(10):
        await orders.take_back(await orders.attempt("demo", "LABEL-1"))
    assert await granted(orders.attempt("demo", "LABEL-1"))
    with pytest.raises(TooManyFailedLookups) as caught:
        await orders.attempt("demo", "LABEL-1")
    assert caught.value.retry_after == 60


async def test_many_succeed_side_by_side(orders: OrderLimit) -> None:
    """Parallel lookups that succeed leave no failure behind."""
    attempts = await granted(*(orders.attempt("demo", "LABEL-1") for _ in range(20)))
    await asyncio.gather(*map(orders.take_back, attempts))
    assert len(await granted(*(orders.attempt("demo", "LABEL-1") for _ in range(20)))) == len(attempts) == 3


async def test_what_is_kept(orders: OrderLimit, callers: CallerLimit, valkey: Valkey) -> None:
    """Redis holds no order number, no address and no partner, and all of it for a day at most."""
    secret = secrets.token_hex(8)
    await orders.attempt("demo", secret)
    await callers.spend(DEMO, partner=None, address=ADDRESS)
    await callers.spend(DEMO, partner="acme", address=ADDRESS)
    keys = sorted(await valkey.client.keys("*"))
    kept = [repr((key, await valkey.client.hgetall(key))) for key in keys]
    assert not any(readable in each for each in kept for readable in (secret, ADDRESS, "acme"))
    assert [key[:9] for key in keys] == [b"q:{caller", b"q:{caller", b"q:{order:"]
    *of_callers, of_order = [await valkey.client.ttl(key) for key in keys]
    assert 0 < max(of_callers) <= 120
    assert FORGOTTEN_SECONDS - 9 < of_order <= FORGOTTEN_SECONDS


async def test_taking_back_does_not_prolong(orders: OrderLimit, valkey: Valkey) -> None:
    """A lookup that did not fail leaves nothing that lives on."""
    await orders.take_back(await orders.attempt("demo", "LABEL-1"))
    assert all([await valkey.client.pttl(key) <= 1000 for key in await valkey.client.keys("q:{order*")])


async def test_callers_are_told_where_they_stand(callers: CallerLimit) -> None:
    """Each answer says the policy and what remains; a refusal says when to come back."""
    quotas = [await callers.spend(DEMO, partner=None, address=ADDRESS) for _ in range(3)]
    assert {quota.headers["RateLimit-Policy"] for quota in quotas} == {'"lookups";q=2;w=60'}
    assert [quota.headers["RateLimit"] for quota in quotas[:2]] == ['"lookups";r=1;t=60', '"lookups";r=0;t=60']
    assert [quota.retry_after for quota in quotas[:2]] == [None, None]
    wait = quotas[2].retry_after or 0
    assert 55 < wait <= 63
    assert quotas[2].headers["RateLimit"] == f'"lookups";r=0;t={wait}'


async def test_callers_are_counted_apart(callers: CallerLimit) -> None:
    """Another address has a quota of its own, and a partner has its own wherever it calls from."""
    for _ in range(3):
        await callers.spend(DEMO, partner=None, address=ADDRESS)
    others = [await callers.spend(DEMO, partner=partner, address=ADDRESS) for partner in (None, "acme", ADDRESS)]
    assert [quota.retry_after is None for quota in others] == [False, True, True]
    assert (await callers.spend(DEMO, partner=None, address="203.0.113.8")).retry_after is None


async def test_shops_with_an_entry_are_counted_apart(callers: CallerLimit) -> None:
    """Lookups that an address used up at one shop of the file do not count at another, or at shops without an entry."""
    own = [replace(DEMO, name=name, lookup_limit=1) for name in ("mode", "buch")]
    asked = [await callers.spend(shop, partner=None, address=ADDRESS) for shop in (own[0], own[0], own[1], DEMO)]
    assert [quota.retry_after is None for quota in asked] == [True, False, True, True]


async def test_nobody_can_tell() -> None:
    """Without the store no lookup may run, because neither limit could count it."""
    store = Store(topology(f"redis://127.0.0.1:{free_port()}/0"))
    with pytest.raises(StoreUnavailable):
        await CallerLimit(store, KEYRING).spend(DEMO, partner=None, address=ADDRESS)
    with pytest.raises(StoreUnavailable):
        await OrderLimit(store, KEYRING).attempt("demo", "LABEL-1")
    await store.aclose()


async def test_what_cannot_be_taken_back(orders: OrderLimit) -> None:
    """A store that goes away while the upstream answers does not spoil the answer; the attempt stays counted."""
    attempt = await orders.attempt("demo", "LABEL-1")
    gone = Store(topology(f"redis://127.0.0.1:{free_port()}/0"))
    await OrderLimit(gone, KEYRING).take_back(attempt)
    await gone.aclose()
    assert len(await granted(*(orders.attempt("demo", "LABEL-1") for _ in range(5)))) == 2
