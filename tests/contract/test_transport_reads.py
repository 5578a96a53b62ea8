"""The reads on real sockets: deadlines that hold, exact counts, and documents that are whole or fail."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext

import httpx
import pytest

from app.errors import (
    BadUpstream,
    BffError,
    ReturnOutcomeUnknown,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.made_returns import LabelPending
from app.sendcloud import protocol
from app.sendcloud.client import Sendcloud, connect
from app.sendcloud.policy.bulkheads import Deadlines
from app.sendcloud.protocol import Call
from app.sendcloud.transport.base import exchange
from app.sendcloud.transport.httptools_transport import HttptoolsTransport
from tests.support import calls
from tests.support.processes import free_port
from tests.support.raw_server import (
    Behaviour,
    answer,
    deaf_server,
    fin,
    raw_server,
    rst,
    saying,
    self_signed,
    silence,
    trickle,
)
from tests.support.unlimited import unlimited

DEADLINES = Deadlines(lookup=0.4, poll=0.4, service_points=0.4, label_gap=0.2, label_total=0.5)
PATIENT = Deadlines()
"""For TLS on a busy machine."""
REDIRECTS = (300, 301, 302, 303, 305, 307, 308)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\n"


@asynccontextmanager
async def client(port: int, scheme: str = "http", deadlines: Deadlines = DEADLINES) -> AsyncIterator[Sendcloud]:
    """The client as `connect` makes it."""
    url = f"{scheme}://localhost:{port}" if scheme == "https" else f"{scheme}://127.0.0.1:{port}"
    sendcloud = connect(url, url, unlimited(deadlines))
    try:
        yield sendcloud
    finally:
        await sendcloud.aclose()


async def download(sendcloud: Sendcloud) -> bytes:
    """A whole label."""
    async with sendcloud.open_label("my-shop", "a.b.c") as document:
        return b"".join([chunk async for chunk in document])


@pytest.mark.parametrize(
    "behaviour",
    [
        silence,
        trickle(HEAD + b"x-filler: " + b"x" * 200, 0.03),
        trickle(b"HTTP/1.1 100 Continue\r\n\r\n" * 20, 0.002),
        trickle(HEAD + b"content-length: 200\r\n\r\n" + b"x" * 200, 0.005),
    ],
    ids=["silence", "trickling header", "interim answers", "trickling body"],
)
async def test_a_late_answer_ends_at_the_deadline(behaviour: Behaviour) -> None:
    """However slowly the upstream sends, the caller gets an error in time."""
    async with raw_server(behaviour) as server, client(server.port) as sendcloud:
        start = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await sendcloud.poll_label("my-shop", "a.b.c")
        assert 0.35 < time.monotonic() - start < 0.6


@pytest.mark.parametrize(
    ("behaviour", "error", "least", "most"),
    [
        (silence, UpstreamTimeout, 0.15, 0.35),
        (saying(HEAD + b"content-length: 9\r\n\r\n%PDF"), UpstreamTimeout, 0.15, 0.35),
        (trickle(HEAD + b"content-length: 99\r\n\r\n" + b"x" * 99, 0.02), UpstreamTimeout, 0.45, 0.7),
        (fin(HEAD + b"content-length: 9\r\n\r\n%PDF"), BadUpstream, 0, 0.15),
        (fin(HEAD + b"transfer-encoding: chunked\r\n\r\n4\r\n%PDF\r\n"), BadUpstream, 0, 0.15),
    ],
    ids=["no first byte", "a gap", "too long in all", "truncated", "truncated between chunks"],
)
async def test_a_document_is_whole_or_fails(
    behaviour: Behaviour, error: type[BffError], least: float, most: float
) -> None:
    """Silence and duration have limits of their own, and a truncated document is never taken for a whole one."""
    async with raw_server(behaviour) as server, client(server.port) as sendcloud:
        start = time.monotonic()
        with pytest.raises(error):
            await download(sendcloud)
        assert least <= time.monotonic() - start < most


@pytest.mark.parametrize(
    ("behaviour", "length"),
    [
        (answer(200, b"%PDF-1.7"), 8),
        (saying(HEAD + b"transfer-encoding: chunked\r\n\r\n8\r\n%PDF-1.7\r\n0\r\n\r\n"), None),
        (fin(HEAD + b"\r\n%PDF-1.7"), None),
    ],
    ids=["announced", "chunked", "until the end"],
)
async def test_a_document_tells_its_length_where_it_was_announced(behaviour: Behaviour, length: int | None) -> None:
    """Where the upstream announces nothing, the reader has to look for the end itself."""
    async with (
        raw_server(behaviour) as server,
        client(server.port) as sendcloud,
        sendcloud.open_label("my-shop", "a.b.c") as document,
    ):
        assert document.length == length
        assert b"".join([chunk async for chunk in document]) == b"%PDF-1.7"


async def test_an_abandoned_document_leaves_a_healthy_client() -> None:
    """A reader who stops frees the place, and the next download works."""
    body = b"%PDF" + bytes(4 * 1024 * 1024)
    async with raw_server(answer(200, body)) as server, client(server.port) as sendcloud:
        for _ in range(70):
            async with sendcloud.open_label("my-shop", "a.b.c") as document:
                assert (await anext(aiter(document)))[:4] == b"%PDF"
        assert await download(sendcloud) == body


async def test_the_readers_own_errors_pass_through() -> None:
    """An error in the body of `async with` is not blamed on the upstream."""
    async with raw_server(answer(200, b"%PDF")) as server, client(server.port) as sendcloud:
        with pytest.raises(BrokenPipeError):
            async with sendcloud.open_label("my-shop", "a.b.c"):
                raise BrokenPipeError


async def test_connections_are_kept_and_every_call_is_sent_once() -> None:
    """Twenty polls one after another need one connection and arrive twenty times."""
    async with raw_server(answer(202)) as server, client(server.port) as sendcloud:
        for _ in range(20):
            assert await sendcloud.poll_label("my-shop", "a.b.c") == LabelPending()
        assert (len(server.requests), server.connections) == (20, 1)


async def test_connections_are_kept_after_answers_with_a_body() -> None:
    """Twenty answers that say something come over one connection."""
    async with raw_server(answer(200, b"true")) as server, client(server.port) as sendcloud:
        for _ in range(20):
            assert await sendcloud.service_point_available("demo", "token", 1)
        assert (len(server.requests), server.connections) == (20, 1)


@pytest.mark.parametrize("end", [fin(), rst], ids=["FIN", "RST"])
@pytest.mark.parametrize("losses", [1, 2])
async def test_a_read_that_is_lost_is_repeated_once(end: Behaviour, losses: int) -> None:
    """A kept connection that dies with a request on it goes unnoticed; a second one that dies is an error."""
    asked = 0

    async def moody(writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await (end if 1 < asked <= 1 + losses else answer(202))(writer)

    async with raw_server(moody) as server, client(server.port) as sendcloud:
        await _poll(sendcloud)
        results = await asyncio.gather(_poll(sendcloud), return_exceptions=True)
        assert (type(results[0]), len(server.requests)) == (LabelPending if losses == 1 else BadUpstream, 3)


@pytest.mark.parametrize("call", sorted(calls.METHODS))
async def test_redirects_lead_nowhere(call: Call) -> None:
    """A redirect is no answer to any call, a creation's leaves it unknown, and the place named sees no connection."""
    statuses = iter(REDIRECTS)

    async def away(writer: asyncio.StreamWriter) -> None:
        place = f"http://127.0.0.1:{elsewhere.port}/"
        await answer(next(statuses), headers=f"location: {place}\r\nrefresh: 0; url={place}\r\n")(writer)

    async with raw_server(answer(200)) as elsewhere, raw_server(away) as server:
        async with calls.clients() as fresh:
            for _ in REDIRECTS:
                with pytest.raises(ReturnOutcomeUnknown if call is Call.INCOMING else BadUpstream):
                    await calls.made(fresh(server.port), call)
        assert (len(server.requests), elsewhere.connections) == (len(REDIRECTS), 0)


ACCEPTED = b"HTTP/1.1 202 -\r\ncontent-length: 0\r\n\r\n"
ANOTHER = b"HTTP/1.1 500 -\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("surplus", [ANOTHER, ANOTHER[:12], ANOTHER[:9]])
@pytest.mark.parametrize("pause", [0, 0.02])
async def test_no_answer_is_taken_for_the_next_ones(surplus: bytes, pause: float) -> None:
    """Bytes after the end of an answer, with it or later, are dropped with their connection and answer no call."""
    said = asyncio.Event()

    async def too_much(writer: asyncio.StreamWriter) -> None:
        first, later = (ACCEPTED, surplus) if pause else (ACCEPTED + surplus, b"")
        writer.write(first)
        await asyncio.sleep(pause)
        writer.write(later)
        said.set()

    async with raw_server(too_much) as server, client(server.port) as sendcloud:
        for _ in range(3):
            assert await sendcloud.poll_label("my-shop", "a.b.c") == LabelPending()
            await said.wait()
            said.clear()
            # One look at the sockets for what is there by now.
            await asyncio.sleep(0.01)
        assert (len(server.requests), server.connections) == (3, 3)


@pytest.mark.parametrize(("surplus", "taken"), [(b"\r\n", True), (b"x", False)])
async def test_an_empty_line_after_an_answer_is_nothing_and_garbage_spoils_it(surplus: bytes, taken: bool) -> None:  # noqa: FBT001
    """An answer with garbage behind it is none; neither changes what later calls are told."""
    async with raw_server(saying(ACCEPTED + surplus)) as server, client(server.port) as sendcloud:
        for _ in range(3):
            with nullcontext() if taken else pytest.raises(BadUpstream):
                assert await sendcloud.poll_label("my-shop", "a.b.c") == LabelPending()


async def test_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and certificate files of the environment do not reach the upstream calls."""
    async with raw_server(silence) as proxy, raw_server(answer(202)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
        async with client(server.port) as sendcloud:
            assert await sendcloud.poll_label("my-shop", "a.b.c") == LabelPending()
        assert proxy.connections == 0


async def test_cookies_of_the_upstream_are_not_sent_back() -> None:
    """A cookie in one answer is not sent with another request."""
    behaviour = answer(202, headers="set-cookie: who=sam\r\n")
    async with raw_server(behaviour) as server, client(server.port) as sendcloud:
        await sendcloud.poll_label("my-shop", "a.b.c")
        await sendcloud.poll_label("my-shop", "a.b.c")
        assert b"cookie" not in server.requests[1].lower()


async def test_requests_are_plain_and_gets_have_no_body() -> None:
    """No body and no length on a GET, no compression, and a name that tells who is asking."""
    async with raw_server(answer(404)) as server, client(server.port) as sendcloud:
        with pytest.raises(UpstreamRejected):
            await sendcloud.poll_label("my-shop", "a.b.c")
    head = server.requests[0].decode().lower()
    assert head.startswith("get /brand/my-shop/return-portal/label/polling?token=a.b.c http/1.1\r\n")
    assert "accept-encoding: identity\r\n" in head
    assert "user-agent: return-portal-bff\r\n" in head
    assert "content-length" not in head


async def test_the_upstream_out_of_reach_is_unavailable() -> None:
    """A refused connection says so and is no nonsense of the upstream."""
    async with client(free_port()) as sendcloud:
        with pytest.raises(UpstreamUnavailable):
            await sendcloud.portal_settings("my-shop")


async def test_an_upstream_that_cannot_prove_its_name_is_nonsense() -> None:
    """TLS failures are the fault of the upstream."""
    async with (
        raw_server(silence, tls=self_signed("localhost")[0]) as server,
        client(server.port, "https", PATIENT) as sendcloud,
    ):
        with pytest.raises(BadUpstream):
            await sendcloud.portal_settings("my-shop")
    async with deaf_server(b"hello") as server, client(server.port, "https", PATIENT) as sendcloud:
        with pytest.raises(BadUpstream):
            await sendcloud.portal_settings("my-shop")


@pytest.mark.parametrize(
    "garbage", [b"220 secret ESMTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nsecret\r\n\r\n", b"\x00" * 64], ids=repr
)
async def test_what_is_no_http_is_nonsense_and_not_quoted(garbage: bytes) -> None:
    """The parser quotes what it cannot read; that stays out of our errors."""
    async with raw_server(saying(garbage)) as server, client(server.port) as sendcloud:
        with pytest.raises(BadUpstream) as caught:
            await sendcloud.portal_settings("my-shop")
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)


async def test_deadlines_do_not_wear_the_client_out() -> None:
    """After hundreds of calls that ran out of time, every further one works."""
    well = asyncio.Event()

    async def moody(writer: asyncio.StreamWriter) -> None:
        await (answer(202) if well.is_set() else silence)(writer)

    async with (
        raw_server(moody) as server,
        aclosing(HttptoolsTransport(httpx.create_ssl_context(trust_env=False))) as reads,
    ):
        url = f"http://127.0.0.1:{server.port}"
        for _ in range(4):
            # With a breaker of its own each time, or most of them would never reach the connections.
            sendcloud = Sendcloud(url, url, reads=reads, creates=reads, guards=unlimited(DEADLINES))
            late = await asyncio.gather(*[_poll(sendcloud) for _ in range(50)], return_exceptions=True)
            # On a busy machine the time of some is up before they are connected.
            assert {type(result) for result in late} <= {UpstreamTimeout, UpstreamUnavailable}
        well.set()
        sendcloud = Sendcloud(url, url, reads=reads, creates=reads, guards=unlimited(DEADLINES))
        assert [await _poll(sendcloud) for _ in range(40)] == [LabelPending()] * 40


async def test_cancelled_calls_do_not_wear_the_client_out() -> None:
    """If a call is cancelled from outside, every further call works."""
    async with raw_server(answer(202)) as server, client(server.port) as sendcloud:
        for number in range(300):
            call = asyncio.create_task(_poll(sendcloud))
            for _ in range(number % 30):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        assert [await _poll(sendcloud) for _ in range(40)] == [LabelPending()] * 40


async def _poll(sendcloud: Sendcloud) -> object:
    return await sendcloud.poll_label("my-shop", "a.b.c")


async def test_a_deadline_that_has_passed_is_kept() -> None:
    """A deadline that has passed is not taken for no deadline."""
    async with raw_server(trickle(b"HTTP/1.1 100 Continue\r\n\r\n" * 200, 0.01)) as server:
        request = protocol.polling(f"http://127.0.0.1:{server.port}", "my-shop", "a.b.c")
        async with aclosing(HttptoolsTransport(ssl.create_default_context())) as reads:
            now = asyncio.get_running_loop().time()
            with pytest.raises(UpstreamTimeout):
                await asyncio.wait_for(exchange(reads, request, {"connect": 0.5, "read": 0.5}, now - 0.1), 1)
    assert not server.requests
