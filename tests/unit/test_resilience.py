"""Second tries, breakers and pauses: which call is made again, which no more, and who hears of it."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typing_extensions import override

from app.errors import (
    BadUpstream,
    BffError,
    ReturnOutcomeUnknown,
    StoreUnavailable,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.sendcloud.client import Sendcloud
from app.sendcloud.policy.breaker import FAILURES_IN_A_ROW, State
from app.sendcloud.policy.bulkheads import Deadlines, slots_for
from app.sendcloud.policy.call_policy import LONGEST_PAUSE, RETRY_PAUSE, RETRY_RESERVE, guards
from app.sendcloud.protocol import Call, Method
from app.sendcloud.transport.httpx_transport import HttpxTransport
from app.upstream import Picture
from tests.support.unlimited import Seen, Unlimited, unlimited
from tests.unit.test_protocol_answers import PANEL, POINTS, RETURN_REQUEST

SETTINGS = Path(__file__).parent.parent.joinpath("samples", "upstream", "settings-200.json").read_bytes()
Said = int | bytes | Exception
"""A status, a body with status 200, or a failure of the transport."""


def untrusted() -> httpx.ConnectError:
    """What httpx raises about a certificate."""
    error = httpx.ConnectError("certificate")
    error.__cause__ = ssl.SSLError("certificate")
    return error


class Body(httpx.AsyncByteStream):
    """Four bytes, then the connection is reset."""

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"%PDF"
        raise httpx.ReadError("reset")


@dataclass
class Upstream(httpx.AsyncBaseTransport):
    """Gives these answers one after the other, then the last one again, and counts the calls."""

    said: Sequence[Said | httpx.Response]
    calls: int = 0

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        said = self.said[min(self.calls, len(self.said) - 1)]
        self.calls += 1
        if isinstance(said, Exception):
            raise said
        if isinstance(said, httpx.Response):
            return said
        status, content = (said, b"") if isinstance(said, int) else (200, said)
        return httpx.Response(status, content=content)


class Stage:
    """A client with its upstream, its quota and its observer."""

    def __init__(self, *said: Said | httpx.Response, deadlines: Deadlines | None = None) -> None:
        self.upstream = Upstream(said)
        self.quota, self.seen = Unlimited(), Seen()
        self.guards = guards(deadlines or Deadlines(), self.quota, self.seen)
        wire = HttpxTransport(self.upstream)
        self.sendcloud = Sendcloud(PANEL, POINTS, reads=wire, creates=wire, guards=self.guards)
        self.hooks = 0
        self.subjects: Iterator[int] = itertools.count()

    async def settings(self) -> object:
        """A read whose answer is `SETTINGS`."""
        return await self.sendcloud.portal_settings("my-shop")

    async def outgoing(self) -> object:
        """A read that the upstream refuses in many ways."""
        return await self.sendcloud.open_order("my-shop", self._subject(), "5611")

    async def poll(self) -> object:
        """A read for which 500 is an answer."""
        return await self.sendcloud.poll_label("my-shop", self._subject())

    async def label(self) -> bytes:
        """A whole document."""
        async with self.sendcloud.open_label("my-shop", self._subject()) as document:
            return b"".join([chunk async for chunk in document])

    async def upload(self) -> object:
        """A write."""
        return await self.sendcloud.upload("my-shop", self._subject(), [Picture("image/png", 0, _nothing())])

    async def create(self) -> object:
        """The write that must not happen twice."""
        new_return = RETURN_REQUEST.model_copy(update={"parcel_id": int(self._subject())})
        return await self.sendcloud.create_return("my-shop", "access", new_return, self._hook)

    def _subject(self) -> str:
        return str(next(self.subjects))

    async def _hook(self) -> None:
        self.hooks += 1


Asking = Callable[[Stage], Coroutine[None, None, object]]


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


@pytest.mark.parametrize(
    ("first", "calls"),
    [
        (httpx.ConnectError("refused"), 2),
        (httpx.ConnectTimeout("late"), 2),
        (httpx.ReadError("reset"), 2),
        (httpx.WriteError("reset"), 2),
        (httpx.RemoteProtocolError("closed"), 2),
        (502, 2),
        (503, 2),
        (504, 2),
        (untrusted(), 1),
        (httpx.ReadTimeout("late"), 1),
        (httpx.PoolTimeout("full"), 1),
        (httpx.LocalProtocolError("ours"), 1),
        (500, 1),
        (501, 1),
        (302, 1),
        (400, 1),
        (401, 1),
        (404, 1),
        (429, 1),
        (b"no JSON", 1),
    ],
    ids=repr,
)
async def test_which_reads_are_made_again(first: Said, calls: int) -> None:
    """A read is tried once more if the connection failed or a gateway answered; each try takes a turn of its own."""
    stage = Stage(first, SETTINGS)
    with suppress(BffError):
        await stage.settings()
        assert calls == 2
    assert (stage.upstream.calls, len(stage.quota.turns), len(stage.seen.retries)) == (calls, calls, calls - 1)


async def test_there_is_no_third_try() -> None:
    """A read that fails twice is not tried again."""
    stage = Stage(503)
    with pytest.raises(BadUpstream):
        await stage.settings()
    assert stage.upstream.calls == 2


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadError("reset"), 502, 503, 504], ids=repr)
@pytest.mark.parametrize("write", [Stage.create, Stage.upload])
async def test_writes_are_never_made_again(write: Asking, failure: Said) -> None:
    """Neither a creation nor an upload is ever repeated."""
    stage = Stage(failure)
    with pytest.raises(BffError):
        await write(stage)
    assert (stage.upstream.calls, stage.quota.turns) == (1, ["POST"])


async def test_a_document_is_asked_for_again_before_its_first_byte_only() -> None:
    """A lost connection before the head goes unnoticed; after it the reader is told."""
    stage = Stage(httpx.ReadError("reset"), b"%PDF")
    assert (await stage.label(), stage.upstream.calls) == (b"%PDF", 2)
    stage = Stage(httpx.Response(200, stream=Body()), b"%PDF")
    with pytest.raises(BadUpstream):
        await stage.label()
    assert stage.upstream.calls == 1


@dataclass
class Failing:
    """Fails in a way that may pass, and counts its calls."""

    calls: int = 0

    async def ask(self) -> None:
        """Fails."""
        self.calls += 1
        error = BadUpstream("503")
        error.transient = True
        raise error


async def test_no_second_try_beyond_the_deadline() -> None:
    """A call that has no time left for the pause ends with its first failure."""
    failing, deadline = Failing(), asyncio.get_running_loop().time() + RETRY_PAUSE[0]
    with pytest.raises(BadUpstream):
        await unlimited()[Call.SETTINGS].repeated("my-shop", deadline, failing.ask)
    assert failing.calls == 1
    # On a slow machine even the first answer may come too late.
    stage = Stage(503, SETTINGS, deadlines=Deadlines(lookup=RETRY_PAUSE[0]))
    with pytest.raises((BadUpstream, UpstreamTimeout)):
        await stage.settings()
    assert stage.upstream.calls == 1


async def test_second_tries_are_few() -> None:
    """When everything fails, a hundred calls get a fifth more tries, and those saved before."""
    guard, failing = unlimited()[Call.SETTINGS], Failing()
    deadline = asyncio.get_running_loop().time() + 5
    asking = [guard.repeated("my-shop", deadline, failing.ask) for _ in range(100)]
    await asyncio.gather(*asking, return_exceptions=True)
    assert 100 < failing.calls <= 120 + RETRY_RESERVE


@pytest.mark.parametrize(
    ("call", "said", "opens"),
    [
        (Stage.outgoing, 500, True),
        (Stage.outgoing, 503, True),
        (Stage.outgoing, 302, True),
        (Stage.outgoing, b"no JSON", False),
        (Stage.outgoing, httpx.ReadTimeout("late"), True),
        (Stage.outgoing, httpx.ConnectError("refused"), True),
        (Stage.create, 500, True),
        (Stage.create, b"{}", True),
        (Stage.upload, httpx.WriteError("reset"), True),
        (Stage.label, 500, True),
        (Stage.outgoing, 400, False),
        (Stage.outgoing, 401, False),
        (Stage.outgoing, 404, False),
        (Stage.outgoing, 429, False),
        (Stage.create, 422, False),
        (Stage.create, 429, False),
        (Stage.label, 404, False),
        (Stage.poll, 500, True),
        (Stage.poll, 202, False),
    ],
)
async def test_what_counts_as_failure(call: Asking, said: Said, *, opens: bool) -> None:
    """Timeouts, resets and 5xx, those of polls too, count as failures; refusals and unusable answers do not."""
    stage = Stage(said)
    for _ in range(FAILURES_IN_A_ROW):
        with suppress(BffError):
            await call(stage)
    states = {guard.state for guard in stage.guards.values()}
    assert states == ({State.OPEN, State.CLOSED} if opens else {State.CLOSED})


@pytest.mark.parametrize("failure", [500, 503, httpx.ReadTimeout("late"), httpx.ReadError("reset")], ids=repr)
@pytest.mark.parametrize("call", [Stage.outgoing, Stage.create, Stage.upload, Stage.label, Stage.poll, Stage.settings])
async def test_one_odd_subject_shuts_nobody_out(call: Asking, failure: Said) -> None:
    """One object never opens the breaker, however many calls about it fail at once, second tries included."""
    stage = Stage(failure)
    stage.subjects = itertools.repeat(1)
    await asyncio.gather(*[call(stage) for _ in range(2 * FAILURES_IN_A_ROW)], return_exceptions=True)
    assert stage.upstream.calls >= 2 * FAILURES_IN_A_ROW
    assert {guard.state for guard in stage.guards.values()} == {State.CLOSED}


async def test_an_open_breaker_answers_at_once_and_for_its_class_alone() -> None:
    """Behind an open breaker no call is made and no turn is taken; other classes go on."""
    stage = Stage(*[500] * FAILURES_IN_A_ROW, 202)
    for _ in range(FAILURES_IN_A_ROW):
        with pytest.raises(BadUpstream):
            await stage.outgoing()
    with pytest.raises(UpstreamUnavailable) as caught:
        await stage.settings()
    assert caught.value.retry_after == 5
    assert (stage.upstream.calls, len(stage.quota.turns)) == (5, 5)
    await stage.poll()
    assert stage.seen.outcomes == [("lookup", "failed")] * 5 + [("lookup", "not_tried"), ("poll", "answered")]


async def test_an_open_breaker_keeps_a_creation_from_beginning() -> None:
    """Behind an open breaker a creation is known not to exist: neither "sent" nor a byte was written."""
    stage = Stage(500)
    for _ in range(FAILURES_IN_A_ROW):
        with pytest.raises(ReturnOutcomeUnknown):
            await stage.create()
    with pytest.raises(UpstreamUnavailable):
        await stage.create()
    assert stage.upstream.calls == FAILURES_IN_A_ROW


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "3600"}, 60),
        ({"retry-after": "0"}, 5),
        ({"retry-after": "soon"}, 5),
        ({}, 5),
        ({"date": "Mon, 23 Nov 2026 12:00:00 GMT", "retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30),
    ],
)
async def test_a_busy_upstream_is_left_alone(headers: dict[str, str], seconds: int) -> None:
    """A call that got a 429 waits as long as it says, a minute at most, and some seconds where it says nothing."""
    stage = Stage(httpx.Response(429, headers=headers))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable) as caught:
            await stage.settings()
        assert caught.value.retry_after == seconds
    assert (stage.upstream.calls, stage.quota.pauses) == (1, [])


async def test_a_busy_answer_about_one_order_silences_nobody_else() -> None:
    """After a 429 about one order others are looked up; the whole class pauses once several were told to wait."""
    stage = Stage(httpx.Response(429, headers={"retry-after": "60"}))
    for calls in (1, 2, 3):
        with pytest.raises(UpstreamUnavailable):
            await stage.outgoing()
        assert stage.upstream.calls == calls
        assert stage.quota.pauses == ([("lookup", LONGEST_PAUSE)] if calls == 3 else [])


class Closed(Unlimited):
    """A quota that grants nothing."""

    def __init__(self, error: BffError) -> None:
        super().__init__()
        self._error = error

    @override
    async def turn(self, call_class: str, method: Method, max_wait: float) -> None:
        raise self._error


@pytest.mark.parametrize("error", [UpstreamUnavailable("no room", retry_after=9), StoreUnavailable("away")], ids=repr)
async def test_no_turn_no_call(error: BffError) -> None:
    """Nothing is sent, nothing is tried again, no creation is in doubt, and the breaker learns nothing."""
    stage = Stage(SETTINGS)
    all_guards = guards(Deadlines(), Closed(error), stage.seen)
    wire = HttpxTransport(stage.upstream)
    stage.sendcloud = Sendcloud(PANEL, POINTS, reads=wire, creates=wire, guards=all_guards)
    for call in (stage.settings, stage.label, stage.upload, stage.create) * FAILURES_IN_A_ROW:
        with pytest.raises(type(error)) as caught:
            await call()
        assert caught.value is error
    assert (stage.upstream.calls, stage.hooks, stage.seen.outcomes) == (0, 0, [])
    assert {guard.state for guard in all_guards.values()} == {State.CLOSED}


@pytest.mark.parametrize(
    ("reads", "slots"), [(1, 64), (800, 64), (960, 64), (975, 65), (6000, 400), (7680, 512), (10**9, 512)]
)
def test_slots_of_a_budget(reads: int, slots: int) -> None:
    """A budget that lets more than 64 calls begin in four seconds has as many slots, up to a bound."""
    assert slots_for(reads) == slots
