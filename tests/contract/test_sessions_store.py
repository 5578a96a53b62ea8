"""Sessions in a real Valkey: sealed, mortal, and never confused with an unanswered question."""

import asyncio
import base64
import gc
import json
import secrets
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.errors import SessionExpired, StoreUnavailable
from app.http.callers.session_id import SessionId
from app.redis.connections.discovery import topology
from app.redis.encryption import seal, unseal
from app.redis.store import Store
from app.sendcloud.earlier_records import opened_order_of_schema_1
from app.sessions.store import OPENED_BYTES, SessionStore
from tests.support.processes import Valkey, eventually, free_port
from tests.support.samples import session

SESSION = session()
OLD_ID = SessionId("goldengoldengoldengold", b"golden-secret-of-32-bytes-------")
OLD_RECORD = base64.b64decode(Path("tests/support/session_of_schema_1.b64").read_text())
"""A record that the first release sealed. It is never made again, because it stands for sessions during a rollout."""


@pytest_asyncio.fixture(scope="module", name="sessions")
async def connected_sessions(valkey: Valkey) -> AsyncIterator[SessionStore]:
    """Sessions on the shared Valkey."""
    store = Store(topology(valkey.url))
    yield SessionStore(store, 1000)
    await store.aclose()


def name(session_id: SessionId) -> str:
    """The Redis key of this session."""
    return f"s:{{{session_id.key}}}"


async def is_over(sessions: SessionStore, session_id: SessionId) -> bool:
    """Whether the session is known to be absent."""
    try:
        await sessions.get(session_id)
    except SessionExpired:
        return True
    return False


@pytest_asyncio.fixture(name="elsewhere")
async def sessions_of_another_replica(valkey: Valkey) -> AsyncIterator[SessionStore]:
    """The same sessions for a replica that has read none of them."""
    store = Store(topology(valkey.url))
    yield SessionStore(store, 1000)
    await store.aclose()


async def test_a_session_is_found_by_its_id(sessions: SessionStore, elsewhere: SessionStore) -> None:
    """A created session is read back whole, on every replica, also by an id parsed from its text."""
    session_id = await sessions.create(SESSION, 60)
    assert await sessions.get(session_id) == SESSION
    assert await sessions.get(SessionId.parse(session_id.token)) == SESSION
    assert await elsewhere.get(session_id) == SESSION


async def test_a_session_is_not_parsed_where_it_was_made(sessions: SessionStore) -> None:
    """The replica that made a session has it in memory for the next call."""
    made = session()
    assert await sessions.get(await sessions.create(made, 60)) is made


@pytest.mark.parametrize("ttl", [0.0005, 0, -7])
async def test_a_session_without_a_life(sessions: SessionStore, ttl: float) -> None:
    """A session that would end at once is expired, and not a failure of the store."""
    with pytest.raises(SessionExpired):
        await sessions.create(SESSION, ttl)


async def test_every_session_has_an_id_of_its_own(sessions: SessionStore) -> None:
    """Equal sessions share neither key nor secret."""
    first, second = await sessions.create(SESSION, 60), await sessions.create(SESSION, 60)
    assert first.key != second.key
    assert first.secret != second.secret


async def test_the_record_is_sealed(sessions: SessionStore, valkey: Valkey) -> None:
    """The store gets neither tokens nor personal data nor the secret in clear text, and deletes the record in time."""
    session_id = await sessions.create(SESSION, 60)
    sealed: Any = await valkey.client.get(name(session_id))
    assert len(sealed) > 500
    for word in (b"Jansen", b"access", b"my-shop", b"A-1001", session_id.secret, session_id.token.encode()):
        assert word not in sealed
    assert 55_000 < await valkey.client.pttl(name(session_id)) <= 60_000


async def test_a_wrong_secret(sessions: SessionStore) -> None:
    """The key half alone can neither open nor delete the session."""
    session_id = await sessions.create(SESSION, 60)
    forged = replace(session_id, secret=b"f" * 32)
    assert await is_over(sessions, forged)
    await sessions.delete(forged)
    assert await sessions.get(session_id) == SESSION


async def test_a_record_in_the_wrong_place(sessions: SessionStore, valkey: Valkey) -> None:
    """A record that was copied to another key opens with no secret."""
    theirs, mine = await sessions.create(SESSION, 60), SessionId.new()
    await valkey.client.copy(name(theirs), name(mine))
    assert await is_over(sessions, replace(mine, secret=theirs.secret))


async def test_swapped_records(sessions: SessionStore, valkey: Valkey) -> None:
    """Two records that change places open with neither id."""
    first, second = [await sessions.create(SESSION, 60) for _ in range(2)]
    for source, target in ((name(first), "s:{aside}"), (name(second), name(first)), ("s:{aside}", name(second))):
        await valkey.client.rename(source, target)
    assert await is_over(sessions, first)
    assert await is_over(sessions, second)


async def test_a_record_of_the_release_before(sessions: SessionStore, valkey: Valkey) -> None:
    """A record that the first release sealed still opens, so that a rollout ends no session."""
    await valkey.client.set(name(OLD_ID), OLD_RECORD, ex=60)
    old = await sessions.get(OLD_ID)
    assert (old.brand, old.order.address.name, old.access_token) == ("my-shop", "Sam Jansen", "access")


async def test_a_record_of_the_release_after(sessions: SessionStore, valkey: Valkey) -> None:
    """A record with members of a later release still opens, so that a rollback ends no session."""
    session_id = SessionId.new()
    record = json.loads(SESSION.model_dump_json()) | {"new": 1}
    sealed = seal(session_id.secret, json.dumps(record).encode(), f"session|{session_id.key}|1")
    await valkey.client.set(name(session_id), sealed, ex=60)
    assert await sessions.get(session_id) == SESSION


async def test_the_release_before_finds_the_order_in_its_own_words(sessions: SessionStore, valkey: Valkey) -> None:
    """A session holds order and tokens twice: as this release reads them, and as the release before does."""
    session_id = await sessions.create(SESSION, 60)
    sealed = await valkey.client.get(name(session_id))
    assert isinstance(sealed, bytes)
    record = json.loads(unseal(session_id.secret, sealed, f"session|{session_id.key}|1"))
    old = opened_order_of_schema_1(record["outgoing"])
    assert (old.order, old.access_token, old.service_points_token) == (SESSION.order, "access", "points")


async def test_deleting(sessions: SessionStore, valkey: Valkey) -> None:
    """A deleted session leaves no key, and deleting it once more is fine."""
    session_id = await sessions.create(SESSION, 60)
    await sessions.delete(session_id)
    await sessions.delete(session_id)
    assert not await valkey.client.exists(name(session_id))
    assert await is_over(sessions, session_id)


async def test_a_logout_needs_no_list(sessions: SessionStore, valkey: Valkey) -> None:
    """A session is over even if it cannot be taken off the list of its parcel's sessions."""
    mine = SESSION.model_copy(update={"parcel_key": secrets.token_hex(8)})
    session_id = await sessions.create(mine, 60)
    await valkey.client.set(f"p:{{{mine.parcel_key}}}:sessions", "no list", ex=60)
    await sessions.delete(session_id)
    assert await is_over(sessions, session_id)


async def test_a_session_is_taken_once(sessions: SessionStore, valkey: Valkey) -> None:
    """Ten devices take a session at once on two replicas; one gets it, and for the others it is over."""
    session_id = await sessions.create(SESSION, 60, "rph")
    store = Store(topology(valkey.url))
    replicas = [sessions, SessionStore(store, 1000)] * 5
    taken = await asyncio.gather(*(replica.take(session_id) for replica in replicas), return_exceptions=True)
    assert [each for each in taken if not isinstance(each, SessionExpired)] == [SESSION]
    await store.aclose()


async def test_expiry(sessions: SessionStore) -> None:
    """A session is over when its time is up."""
    session_id = await sessions.create(SESSION, 0.05)
    await eventually(lambda: is_over(sessions, session_id), 5)


async def test_a_session_nobody_knows(sessions: SessionStore) -> None:
    """An id that was never given out is known to be absent."""
    with pytest.raises(SessionExpired):
        await sessions.get(SessionId.new())


async def test_store_away() -> None:
    """Without the store no session is created, over or deleted, and waits go on: nothing is known."""
    store = Store(topology(f"redis://127.0.0.1:{free_port()}/0"))
    sessions = SessionStore(store, 1000)
    for call in (sessions.create(SESSION, 60), sessions.get(SessionId.new()), sessions.delete(SessionId.new())):
        with pytest.raises(StoreUnavailable):
            await call
    assert await sessions.may_go_on(SessionId.new(), "news")
    await store.aclose()


@pytest.mark.parametrize("end", [SessionStore.delete, SessionStore.take])
async def test_an_ended_session_leaves_the_memory(
    sessions: SessionStore, end: Callable[[SessionStore, SessionId], Awaitable[object]]
) -> None:
    """The parsed copy of a session is dropped at the replica that ends the session."""
    session_id = await sessions.create(session(), 60)
    parsed = weakref.ref(await sessions.get(session_id))
    assert parsed() is await sessions.get(session_id)
    await end(sessions, session_id)
    gc.collect()
    assert parsed() is None


async def test_a_session_ended_elsewhere_leaves_the_memory(sessions: SessionStore, valkey: Valkey) -> None:
    """The parsed copy of a session is dropped once this replica finds that another one ended the session."""
    session_id = await sessions.create(session(), 60)
    parsed = weakref.ref(await sessions.get(session_id))
    await valkey.client.delete(name(session_id))
    assert await is_over(sessions, session_id)
    gc.collect()
    assert parsed() is None


async def test_a_long_session_makes_others_leave_the_memory(sessions: SessionStore) -> None:
    """Of two sessions that are too long to be kept in memory together, the one used last stays."""
    # Its record holds the token twice.
    token = "a" * (OPENED_BYTES // 4)
    created = [await sessions.create(session(access_token=token), 60) for _ in range(2)]
    first, second = [weakref.ref(await sessions.get(each)) for each in created]
    gc.collect()
    assert first() is None
    assert second() is not None


@pytest.mark.parametrize(("news", "least", "most"), [([1] * 50, 1, 49), (range(50), 50, 99)])
async def test_those_who_hear_the_same_news(
    sessions: SessionStore, valkey: Valkey, news: Sequence[int], least: int, most: int
) -> None:
    """All who ask because of the same news share one question; other news are a question of their own."""

    async def questions() -> int:
        return int((await valkey.client.info("commandstats")).get("cmdstat_get", {"calls": 0})["calls"])

    session_id = await sessions.create(SESSION, 60)
    before = await questions()
    assert all(await asyncio.gather(*(sessions.may_go_on(session_id, each) for each in news)))
    assert least <= await questions() - before <= most
    await sessions.delete(session_id)
    assert not await sessions.may_go_on(session_id, news[0])


async def test_the_oldest_session_of_a_parcel_ends(valkey: Valkey) -> None:
    """A parcel has so many live sessions and no more; those of other parcels and handoffs count apart."""
    store = Store(topology(valkey.url))
    sessions = SessionStore(store, 2)
    mine = SESSION.model_copy(update={"parcel_key": secrets.token_hex(8)})
    other = await sessions.create(SESSION.model_copy(update={"parcel_key": secrets.token_hex(8)}), 60)
    handoff = await sessions.create(mine, 60, "rph")
    ids = [await sessions.create(mine, 60) for _ in range(4)]
    assert [await is_over(sessions, each) for each in (*ids, other)] == [True, True, False, False, False]
    assert await sessions.take(handoff) == mine
    await store.aclose()
