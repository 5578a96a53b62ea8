"""The session of a call and what depends on it, asked for together: an answer is given to a live session alone."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import Request

from app.errors import ReturnNotFound, SessionExpired, StoreUnavailable, TooManyCalls
from app.http.callers.session_id import SessionId
from app.http.exchange import KEY, Exchange, exchange_of
from app.http.load_shedding import Load
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring, seal
from app.redis.store import Store
from app.services import Services
from app.sessions.dependencies import live_session_beside
from app.sessions.session import Session
from app.sessions.store import SessionStore
from tests.support.processes import LOCAL, Valkey, eventually, running_valkey
from tests.support.proxy import running_proxy
from tests.support.samples import session

MINE = session(parcel_key="mine")
SLOW = 0.05
"""Seconds that bytes take to the store and back, so that a session is known later than anything else."""


@dataclass
class Question:
    """What is asked beside the session: the parcels it was asked for, and what becomes of it."""

    outcome: str | Exception = "the answer"
    ends: bool = True
    asked: list[str] = field(default_factory=list)

    async def ask(self, parcel_key: str) -> str:
        """The outcome, at once or never."""
        self.asked.append(parcel_key)
        if not self.ends:
            await asyncio.Event().wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return f"{self.outcome} for {parcel_key}"


@asynccontextmanager
async def sessions_at(url: str) -> AsyncIterator[SessionStore]:
    """The sessions in this store, none of which was seen."""
    store = Store(topology(url))
    yield SessionStore(store, 1000)
    await store.aclose()


def call(sessions: SessionStore) -> Request:
    """A GET at a replica with these sessions."""

    async def no_channel(*_: object) -> Any:
        raise AssertionError

    services = Services(sessions, Keyring([b"k" * 32]))
    app = SimpleNamespace(state=SimpleNamespace(services=services))
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [], "app": app}
    scope[KEY] = Exchange(scope, no_channel, no_channel, Load(1, 1))
    return Request(scope)


async def put(valkey: Valkey, session_id: SessionId, changed: Session) -> None:
    """Keeps this session under the id of another one."""
    sealed = seal(session_id.secret, changed.model_dump_json().encode(), f"session|{session_id.key}|1")
    await valkey.client.set(f"s:{{{session_id.key}}}", sealed, ex=60)


async def test_a_session_not_seen_yet(valkey: Valkey) -> None:
    """Nothing is asked for a session that this replica never read, until it is known."""
    async with sessions_at(valkey.url) as elsewhere, sessions_at(valkey.url) as sessions:
        session_id, question = await elsewhere.create(MINE, 60), Question()
        found = await live_session_beside(call(sessions), session_id, question.ask)
        assert found == (MINE, "the answer for mine")
        assert question.asked == ["mine"]
        with pytest.raises(SessionExpired):
            await live_session_beside(call(sessions), SessionId.new(), question.ask)
        assert question.asked == ["mine"]


async def test_a_session_seen_before(valkey: Valkey) -> None:
    """A live session that was seen before gets what is asked beside it, once."""
    async with sessions_at(valkey.url) as sessions:
        session_id, question = await sessions.create(MINE, 60), Question()
        await sessions.get(session_id)
        assert await live_session_beside(call(sessions), session_id, question.ask) == (MINE, "the answer for mine")
        assert question.asked == ["mine"]


@pytest.mark.parametrize(
    "outcome", ["the answer", ReturnNotFound(), TooManyCalls(retry_after=1), StoreUnavailable("away"), ValueError()]
)
async def test_an_ended_session_comes_first(valkey: Valkey, outcome: str | Exception) -> None:
    """An ended session is expired, whatever was found or failed beside it."""
    async with sessions_at(valkey.url) as sessions:
        session_id, question = await sessions.create(MINE, 60), Question(outcome)
        await sessions.get(session_id)
        await valkey.client.delete(f"s:{{{session_id.key}}}")
        with pytest.raises(SessionExpired):
            await live_session_beside(call(sessions), session_id, question.ask)
        assert question.asked == ["mine"]


async def test_a_wrong_secret_asks_nothing(valkey: Valkey) -> None:
    """The key half of a session that was seen does not have anything asked, and so spends nothing of its parcel's."""
    async with sessions_at(valkey.url) as sessions:
        session_id, question = await sessions.create(MINE, 60), Question()
        await sessions.get(session_id)
        with pytest.raises(SessionExpired):
            await live_session_beside(call(sessions), replace(session_id, secret=b"f" * 32), question.ask)
        assert question.asked == []


async def test_another_record_under_the_same_id(valkey: Valkey) -> None:
    """What was asked for the parcel of a record that has changed since goes to nobody; the new one's is asked for."""
    async with sessions_at(valkey.url) as sessions:
        session_id, question = await sessions.create(MINE, 60), Question()
        await sessions.get(session_id)
        await put(valkey, session_id, other := session(parcel_key="other"))
        found = await live_session_beside(call(sessions), session_id, question.ask)
        assert found == (other, "the answer for other")
        assert question.asked == ["mine", "other"]


async def test_a_failure_beside_a_live_session(valkey: Valkey) -> None:
    """What fails beside a live session is the call's error, and the call's line still has the session's shop."""
    async with sessions_at(valkey.url) as sessions:
        session_id, question = await sessions.create(MINE, 60), Question(ReturnNotFound())
        await sessions.get(session_id)
        with pytest.raises(ReturnNotFound):
            await live_session_beside(request := call(sessions), session_id, question.ask)
        assert exchange_of(request.scope).brand == MINE.brand
        assert exchange_of(request.scope).journey


async def test_a_store_that_is_away() -> None:
    """Whether a session lives is unknown without the store, whatever was found or failed beside it."""
    async with running_valkey() as valkey, sessions_at(valkey.url) as sessions:
        session_id = await sessions.create(MINE, 60)
        await sessions.get(session_id)
        await valkey.process.stop(signal.SIGKILL)
        for outcome in ("the answer", ReturnNotFound(), StoreUnavailable("away")):
            with pytest.raises(StoreUnavailable):
                await live_session_beside(call(sessions), session_id, Question(outcome).ask)


async def session_known(request: Request) -> bool:
    """Whether the session of this call was found."""
    return exchange_of(request.scope).session_id is not None


async def session_unknown(request: Request) -> bool:
    """Whether the session of this call is still asked for."""
    return exchange_of(request.scope).session_id is None


@pytest.mark.parametrize(
    ("outcome", "ends", "state"),
    [
        ("the answer", False, session_unknown),
        ("the answer", False, session_known),
        ("the answer", True, session_unknown),
        (ReturnNotFound(), True, session_unknown),
    ],
    ids=["neither is known", "the session is known", "the answer is known", "a failure is known"],
)
async def test_who_leaves_leaves_nothing_behind(
    valkey: Valkey, outcome: str | Exception, state: Callable[[Request], Awaitable[bool]], *, ends: bool
) -> None:
    """A call that is cancelled in the middle leaves neither a task nor an error that nobody looks at."""
    question, unseen = Question(outcome, ends), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    port = urlsplit(valkey.url).port
    assert port
    async with running_proxy(port, SLOW) as proxy, sessions_at(f"redis://{LOCAL}:{proxy.port}/0") as sessions:
        session_id = await sessions.create(MINE, 60)
        await sessions.get(session_id)
        before, request = asyncio.all_tasks(), call(sessions)
        calling = asyncio.create_task(live_session_beside(request, session_id, question.ask))

        async def is_reached() -> bool:
            return bool(question.asked) and await state(request)

        await eventually(is_reached, 5)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert asyncio.all_tasks() <= before
        del calling
        gc.collect()
        assert unseen == []
