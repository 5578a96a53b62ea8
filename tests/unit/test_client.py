"""The client without a network: which error each failure of a transport becomes, and what it never lets out."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import ModuleType

import httpcore
import httpx
import pytest
import respx
from typing_extensions import override

from app.domain import ServicePointQuery
from app.errors import (
    BadUpstream,
    BffError,
    ReturnOutcomeUnknown,
    ServicePointNotFound,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.made_returns import LabelFailed, LabelPending, LabelReady
from app.sendcloud.client import Sendcloud
from app.sendcloud.policy.bulkheads import Deadlines
from app.sendcloud.transport.httpx_transport import HttpxTransport
from tests.support.unlimited import unlimited
from tests.unit.test_protocol_answers import PANEL, POINTS, RETURN_REQUEST

SAMPLES = Path(__file__).parent.parent / "samples" / "upstream"
PORTAL = f"{PANEL}/brand/my-shop/return-portal"
TOKEN = "aaa.bbb.ccc"


def client(transport: httpx.AsyncBaseTransport, deadlines: Deadlines | None = None) -> Sendcloud:
    """A client that has one transport for everything."""
    return Sendcloud(
        f"{PANEL}/",
        f"{POINTS}/",
        reads=HttpxTransport(transport),
        creates=HttpxTransport(transport),
        guards=unlimited(deadlines),
    )


class Failing(httpx.AsyncBaseTransport):
    """A transport that fails in one way, before any answer."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error


class Chunks(httpx.AsyncByteStream):
    """A body in pieces; an exception among them is raised in its place, a float is a pause in seconds."""

    def __init__(self, *pieces: bytes | float | Exception) -> None:
        self._pieces = pieces
        self.closed = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                yield piece

    @override
    async def aclose(self) -> None:
        self.closed = True


def answering(stream: httpx.AsyncByteStream, status: int = 200, **headers: str) -> httpx.MockTransport:
    """A transport that answers with this body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.MockTransport(lambda _: httpx.Response(status, headers=named, stream=stream))


@pytest.fixture(name="upstream")
def _upstream() -> Iterator[respx.Router]:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture(name="sendcloud")
def _sendcloud(upstream: respx.Router) -> Sendcloud:
    return client(httpx.MockTransport(upstream.async_handler))


def sample(name: str) -> httpx.Response:
    """The answer in a sample."""
    _, status, *_ = name.partition(".")[0].split("-")
    return httpx.Response(int(status), content=(SAMPLES / name).read_bytes())


async def test_settings_come_in_the_language_asked_for(sendcloud: Sendcloud, upstream: respx.Router) -> None:
    """E1 gets the settings in the requested language."""
    upstream.get(PORTAL, params={"language": "nl-NL"}).mock(sample("settings-200.json"))
    assert (await sendcloud.portal_settings("my-shop", "nl-NL")).brand.domain == "my-shop"


async def test_a_lookup_gives_parcel_and_tokens(sendcloud: Sendcloud, upstream: respx.Router) -> None:
    """E2 gets the parcel and its tokens."""
    query = {"identifier": "A-1001", "postal_code": "5611 AA"}
    upstream.get(f"{PORTAL}/outgoing", params=query).mock(sample("outgoing-200.json"))
    assert (await sendcloud.open_order("my-shop", "A-1001", "5611 AA")).order.number == "A-1001"


@pytest.mark.parametrize(
    ("name", "status"),
    [("polling-200.json", LabelReady), ("polling-202-empty.json", LabelPending), ("polling-500.html", LabelFailed)],
)
async def test_a_poll_tells_how_far_the_label_is(
    sendcloud: Sendcloud, upstream: respx.Router, name: str, status: type[object]
) -> None:
    """E5: a failed announcement is a value, not an error."""
    upstream.get(f"{PORTAL}/label/polling", params={"token": TOKEN}).mock(sample(name))
    assert isinstance(await sendcloud.poll_label("my-shop", TOKEN), status)


async def test_service_points_are_searched_and_asked_one_by_one(sendcloud: Sendcloud, upstream: respx.Router) -> None:
    """S1, S2 and S3 get service points, one point and its availability."""
    upstream.get(f"{POINTS}/service-points").mock(sample("service_points-200.json"))
    upstream.get(f"{POINTS}/service-points/20000001").mock(sample("service_point-200.json"))
    upstream.get(f"{POINTS}/service-points/20000001/check-availability").mock(sample("availability-200.json"))
    upstream.get(f"{POINTS}/service-points/1").mock(sample("service_point-404.json"))
    assert len(await sendcloud.service_points("my-shop", TOKEN, ServicePointQuery(country="NL"))) == 2
    assert (await sendcloud.service_point("my-shop", TOKEN, 20000001)).carrier == "postnl"
    assert await sendcloud.service_point_available("my-shop", TOKEN, 20000001) is True
    with pytest.raises(ServicePointNotFound):
        await sendcloud.service_point("my-shop", TOKEN, 1)


async def test_documents_are_opened_by_token_and_by_path(sendcloud: Sendcloud, upstream: respx.Router) -> None:
    """E6 and the customs declaration; other statuses raise before anything is handed out."""
    upstream.get(f"{PORTAL}/label/download", params={"token": TOKEN}).mock(httpx.Response(200, content=b"%PDF"))
    upstream.get(f"{PORTAL}/customs/1").mock(sample("download-404.json"))
    async with sendcloud.open_label("my-shop", TOKEN) as document:
        assert (document.length, [chunk async for chunk in document]) == (4, [b"%PDF"])
    async with AsyncExitStack() as stack:
        with pytest.raises(UpstreamRejected, match=r"customs answered 404 \(not_found\)"):
            await stack.enter_async_context(sendcloud.open_customs("my-shop", "/brand/my-shop/return-portal/customs/1"))


@pytest.mark.parametrize("announced", ["4x", "-1", "4, 4", "", "٤"])
async def test_an_odd_length_counts_as_none(announced: str) -> None:
    """A Content-Length counts only if it is plain digits."""
    stream = Chunks(b"%PDF")
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers=[(b"content-length", announced.encode())], stream=stream)
    )
    async with client(transport).open_label("my-shop", TOKEN) as document:
        assert (document.length, [chunk async for chunk in document]) == (None, [b"%PDF"])
    assert stream.closed


@pytest.mark.parametrize("pieces", [(b"%PDF",), (b"%PDF", b"-1.7..")])
async def test_a_document_of_another_length_fails(pieces: tuple[bytes, ...]) -> None:
    """A document of another length than announced fails, even if the transport does not notice."""
    async with client(answering(Chunks(*pieces), content_length="8")).open_label("my-shop", TOKEN) as document:
        with pytest.raises(BadUpstream):
            _ = [chunk async for chunk in document]


async def test_a_body_that_does_not_end_in_time_is_late() -> None:
    """The deadline is checked at every chunk, even if the transport ignores timeouts."""
    stream = Chunks(b"{", 0.03, b"}")
    with pytest.raises(UpstreamTimeout):
        await client(answering(stream), Deadlines(lookup=0.02)).portal_settings("my-shop")
    assert stream.closed


async def test_a_failure_to_close_is_one_of_our_errors() -> None:
    """No error of the transport gets through when the answer is closed."""

    class Stuck(Chunks):
        @override
        async def aclose(self) -> None:
            raise httpx.CloseError("secret")

    with pytest.raises(BadUpstream, match="CloseError"):
        await client(answering(Stuck(b"{}"))).portal_settings("my-shop")


async def test_a_body_that_does_not_end_at_all_is_cut() -> None:
    """At most 1 MiB of an endless answer is read."""
    with pytest.raises(BadUpstream):
        await client(answering(Chunks(*[b"[" * 65536] * 17))).portal_settings("my-shop")


def _errors(library: ModuleType, *others: type[Exception]) -> list[type[Exception]]:
    """Every exception that a library exports, except for these."""
    exported = [getattr(library, name) for name in library.__all__]
    errors = [thing for thing in exported if isinstance(thing, type) and issubclass(thing, Exception)]
    return [error for error in errors if error not in others]


HTTPX_ERRORS = _errors(httpx, httpx.CookieConflict)
HTTPCORE_ERRORS = _errors(httpcore, httpcore.ConnectionNotAvailable)


@pytest.mark.parametrize(
    "error", [*HTTPX_ERRORS, OSError, ssl.SSLError, ConnectionResetError], ids=lambda e: e.__name__
)
@pytest.mark.parametrize("late", [False, True], ids=["before the answer", "in the body"])
async def test_no_error_of_httpx_gets_through(error: type[Exception], *, late: bool) -> None:
    """Every class that httpx can raise becomes one of ours, before the answer and in the middle of it."""
    problem = error.__new__(error)
    transport = answering(Chunks(b"{", problem)) if late else Failing(problem)
    with pytest.raises(UpstreamError) as caught:
        await client(transport).portal_settings("my-shop")
    assert str(caught.value) == error.__name__


@pytest.mark.parametrize("error", HTTPCORE_ERRORS, ids=lambda error: error.__name__)
async def test_httpx_knows_every_error_of_httpcore(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every error of httpcore is mapped by httpx, so that none reaches us unmapped."""

    async def fail(*_: object) -> None:
        raise error("secret")

    async with httpx.AsyncHTTPTransport() as transport:
        monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", fail)
        with pytest.raises(UpstreamError):
            await client(transport).portal_settings("my-shop")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (httpx.ConnectError("refused"), UpstreamUnavailable),
        (httpx.ConnectTimeout(""), UpstreamUnavailable),
        (httpx.PoolTimeout(""), UpstreamUnavailable),
        (httpx.ReadTimeout(""), UpstreamTimeout),
        (httpx.WriteTimeout(""), UpstreamTimeout),
        (httpx.TimeoutException(""), UpstreamTimeout),
        (httpx.ReadError(""), BadUpstream),
        (httpx.WriteError(""), BadUpstream),
        (httpx.RemoteProtocolError(""), BadUpstream),
        (httpx.DecodingError(""), BadUpstream),
        (httpx.StreamClosed(), BadUpstream),
        (ssl.SSLError("bad record"), BadUpstream),
    ],
    ids=repr,
)
async def test_failures_are_told_apart(error: Exception, ours: type[UpstreamError]) -> None:
    """An unreachable, a late and a nonsensical upstream are different errors."""
    with pytest.raises(UpstreamError) as caught:
        await client(Failing(error)).portal_settings("my-shop")
    assert caught.type is ours


async def test_a_name_that_httpx_cannot_parse_is_one_of_our_errors() -> None:
    """Even a URL that cannot be built stays inside the tree of errors."""
    with pytest.raises(UpstreamError):
        await client(Failing(OSError())).open_order("my-shop", "A" * 70_000, "5611 AA")


class Crowd(httpx.AsyncBaseTransport):
    """A transport that holds every call except lookups until `release`, and tells when a lane of 64 is full."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._inside = 0
        self.full = asyncio.Event()
        self.release = asyncio.Event()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/return-portal"):
            return sample("settings-200.json")
        self._inside += 1
        if self._inside == 64:
            self.full.set()
        await self.release.wait()
        return httpx.Response(self._status)


async def test_a_full_lane_is_unavailable_and_leaves_the_others_free() -> None:
    """The sixty-fifth poll at once is turned away, and lookups do not notice."""
    crowd = Crowd(202)
    sendcloud = client(crowd)
    async with asyncio.TaskGroup() as tasks:
        polls = [tasks.create_task(sendcloud.poll_label("my-shop", TOKEN)) for _ in range(64)]
        await asyncio.wait_for(crowd.full.wait(), 5)
        with pytest.raises(UpstreamUnavailable) as caught:
            await sendcloud.poll_label("my-shop", TOKEN)
        assert (await sendcloud.portal_settings("my-shop")).reasons
        crowd.release.set()
    assert caught.value.retry_after == 1
    assert [poll.result() for poll in polls] == [LabelPending()] * 64


async def test_a_full_lane_never_sends_a_creation() -> None:
    """A creation turned away before the transport was touched proves that no return exists."""
    crowd = Crowd(500)
    sendcloud = client(crowd)
    async with asyncio.TaskGroup() as tasks:
        busy = [tasks.create_task(_outcome(sendcloud)) for _ in range(64)]
        await asyncio.wait_for(crowd.full.wait(), 5)
        turned_away = await _outcome(sendcloud)
        crowd.release.set()
    assert turned_away is UpstreamUnavailable
    assert {task.result() for task in busy} == {ReturnOutcomeUnknown}


async def _outcome(sendcloud: Sendcloud) -> type[BffError]:
    async def hook() -> None:
        """Record nothing."""

    with pytest.raises(BffError) as caught:
        await sendcloud.create_return("my-shop", TOKEN, RETURN_REQUEST, hook)
    return caught.type


class Traced(httpx.AsyncBaseTransport):
    """A transport that shows these trace events and then raises or answers."""

    def __init__(self, *events: str, end: Exception | httpx.Response) -> None:
        self._events = events
        self._end = end

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for event in self._events:
            await request.extensions["trace"](event, {})
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


CONNECTED = ("connection.connect_tcp.started", "connection.connect_tcp.complete")
SENDING = (*CONNECTED, "http11.send_request_headers.started")


@pytest.mark.parametrize(
    ("transport", "outcome"),
    [
        (Traced(end=httpx.ConnectError("")), ReturnOutcomeUnknown),
        (Traced(end=httpx.Response(400)), ReturnOutcomeUnknown),
        (Traced(*CONNECTED, end=httpx.ConnectError("")), UpstreamUnavailable),
        (Traced(*CONNECTED, end=httpx.ReadTimeout("")), UpstreamTimeout),
        (Traced(*CONNECTED, end=httpx.Response(400)), ReturnOutcomeUnknown),
        (Traced(*SENDING, end=httpx.ConnectError("")), ReturnOutcomeUnknown),
        (Traced(*SENDING, end=httpx.ConnectTimeout("")), ReturnOutcomeUnknown),
        (Traced(*SENDING, end=httpx.PoolTimeout("")), ReturnOutcomeUnknown),
        (Traced(*SENDING, end=ZeroDivisionError()), ReturnOutcomeUnknown),
        (Traced(*SENDING, end=httpx.Response(400, content=b"{}")), UpstreamRejected),
        (Traced(*SENDING, end=httpx.Response(429)), UpstreamUnavailable),
    ],
)
async def test_only_what_was_seen_counts(transport: Traced, outcome: type[BffError]) -> None:
    """Never sent needs a sign of life and no sign of sending; the name of the exception proves nothing."""
    assert await _outcome(client(transport)) is outcome


async def test_a_cancelled_creation_stays_cancelled() -> None:
    """A cancellation proves nothing and is passed on unchanged."""
    sending = asyncio.Event()

    async def hang(request: httpx.Request) -> httpx.Response:
        await request.extensions["trace"](SENDING[-1], {})
        sending.set()
        never: asyncio.Future[httpx.Response] = asyncio.Future()
        return await never

    async def hook() -> None:
        """Record nothing."""

    sendcloud = client(httpx.MockTransport(hang))
    task = asyncio.create_task(sendcloud.create_return("my-shop", TOKEN, RETURN_REQUEST, hook))
    await asyncio.wait_for(sending.wait(), 5)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_closing_the_client_closes_both_transports() -> None:
    """Closing the client closes both transports."""
    closed = []

    class Closing(Failing):
        @override
        async def aclose(self) -> None:
            closed.append(self)

    reads, creates = Closing(OSError()), Closing(OSError())
    await Sendcloud(
        PANEL, POINTS, reads=HttpxTransport(reads), creates=HttpxTransport(creates), guards=unlimited()
    ).aclose()
    assert closed == [reads, creates]
