"""The middleware around every request."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.errors import InvalidRequest
from app.http.answers.problems import problem_response
from app.http.callers.cors import Cors
from app.http.exchange import MAX_BODY_BYTES, MAX_HEADER_BYTES, exchange_of
from app.http.load_shedding import InFlightSlot, Load
from app.http.middleware import Admission, Exchanges, HotRoutes
from app.telemetry.metrics import REGISTRY
from app.telemetry.request_cost import UpstreamCalls
from tests.support.shops import shops

SECRET = "swordfish"
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how many bytes the body had."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await PlainTextResponse(str(size))(scope, receive, send)


async def fails(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Fails with an unforeseen error."""
    raise RuntimeError(SECRET)


async def fails_midway(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Fails after the first part of its answer."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%PDF-", "more_body": True})
    raise RuntimeError(SECRET)


def stack(handler: Handler) -> ASGIApp:
    """The middleware as the service has it."""
    return surrounded(handler, Load(1, 0.25))


def surrounded(handler: Handler, load: Load, **limits: Any) -> ASGIApp:
    """The middleware of a replica with this load and these limits of bodies."""
    return Exchanges(Admission(handler, load, problem_response(""), **limits), load)


async def call(app: ASGIApp, *parts: bytes, headers: dict[str, str] | None = None, **scope: Any) -> list[Message]:
    """What the app sends for a request whose body comes in these parts."""
    asked = {
        "type": "http",
        "method": "POST",
        "path": "/v1/returns",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()],
    }
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        """Hands the next part over."""
        return messages.pop(0)

    async def send(message: Message) -> None:
        """Keeps the sent messages."""
        sent.append(message)

    await app({**asked, **scope}, receive, send)
    return sent


def request_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines that were written for requests."""
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in written if line["event"] == "request"]


def seen(sent: list[Message]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a whole answer."""
    assert not sent[-1].get("more_body", False)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("proposed", ["a" * 8, "A-Za_z.09-request", "z" * 64])
async def test_request_id_is_accepted(proposed: str) -> None:
    """A caller's request id is taken over, so that its own logs and ours can be joined."""
    _, headers, _ = seen(await call(stack(reads_all), headers={"x-request-id": proposed}))
    assert headers["x-request-id"] == proposed


@pytest.mark.parametrize("proposed", ["", "short", "a" * 65, "with space", 'quote"quote', "line\nbreak", "é" * 10])
async def test_request_id_is_made(proposed: str) -> None:
    """A request id that is missing or of another form is replaced by a fresh one for each request."""
    answers = [await call(stack(reads_all), headers={"x-request-id": proposed}) for _ in range(2)]
    ids = {seen(sent)[1]["x-request-id"] for sent in answers}
    assert len(ids) == 2
    assert all(re.fullmatch("[A-Za-z0-9_-]{14,30}", each) for each in ids)


async def test_request_id_reaches_handler_and_problem() -> None:
    """Handler, problem document and answer know the request by the same id."""

    async def handler(scope: Scope, _receive: Receive, _send: Send) -> None:
        """Looks at its scope and fails."""
        assert (scope["state"]["kept"], exchange_of(scope).request_id) == (1, "a-request")
        raise InvalidRequest

    sent = await call(stack(handler), headers={"x-request-id": "a-request"}, state={"kept": 1})
    status, headers, body = seen(sent)
    assert (status, headers["x-request-id"]) == (422, "a-request")
    assert b'"request_id":"a-request"' in body


async def test_headers_of_every_answer() -> None:
    """Every answer forbids sniffing and, unless it says otherwise, keeping."""
    _, headers, _ = seen(await call(stack(reads_all)))
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "private, no-store")


async def test_stated_cache_control_stays() -> None:
    """An answer that may be kept says so itself."""
    _, headers, _ = seen(await call(stack(PlainTextResponse("", headers={"Cache-Control": "public, max-age=60"}))))
    assert headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize(("surplus", "status"), [(0, 200), (1, 431)])
async def test_header_limit(surplus: int, status: int) -> None:
    """Names and values of all headers together have at most 32 KiB; more is refused before anybody reads them."""
    headers = {
        "cookie": "c" * 1000,
        "x-large": "x" * (MAX_HEADER_BYTES - len("cookie") - 1000 - len("x-large") + surplus),
    }
    answer = seen(await call(stack(reads_all), headers=headers))
    assert answer[0] == status
    assert (b'"headers-too-large"' in answer[2]) is (status == 431)


@pytest.mark.parametrize(
    ("announced", "status"),
    [
        (str(MAX_BODY_BYTES), 200),
        (str(MAX_BODY_BYTES + 1), 413),
        ("9" * 30, 413),
        ("9" * 5000, 413),
        ("-1", 200),
        ("many", 200),
    ],
)
async def test_announced_body_limit(announced: str, status: int) -> None:
    """A body announced with more than 64 KiB is refused unread; a malformed length is left to the server."""
    assert seen(await call(stack(reads_all), headers={"content-length": announced}))[0] == status


@pytest.mark.parametrize("path", ["/v1/uploads", "/v1/returns", "/v1/uploads/", "/v1/Uploads"])
@pytest.mark.parametrize("size", [10, 11])
@pytest.mark.parametrize("announce", [True, False])
async def test_body_limit_of_a_path(path: str, size: int, announce: bool) -> None:  # noqa: FBT001  a column of the table
    """A path may have a limit of its own, smaller or larger, announced and counted; all others keep theirs."""
    app = surrounded(reads_all, Load(1, 0.25), body_limits={"/v1/uploads": 10})
    headers = {"content-length": str(size)} if announce else {}
    status, _, _ = seen(await call(app, b"x" * size, headers=headers, path=path))
    assert status == (413 if path == "/v1/uploads" and size > 10 else 200)


async def test_larger_body_limit_of_a_path() -> None:
    """Where a path takes more than all others, more gets through to its handler."""
    size = MAX_BODY_BYTES + 1
    app = surrounded(reads_all, Load(1, 0.25), body_limits={"/v1/uploads": size})
    answers = [await call(app, b"x" * size, path=path) for path in ("/v1/uploads", "/v1/returns")]
    assert [seen(sent)[0] for sent in answers] == [200, 413]


async def test_refused_body_is_not_read() -> None:
    """No handler sees a request that is announced too large."""
    status, headers, body = seen(await call(stack(fails), headers={"content-length": str(MAX_BODY_BYTES + 1)}))
    assert (status, headers["content-type"]) == (413, "application/problem+json")
    assert b'"body-too-large"' in body


@pytest.mark.parametrize(("last", "status"), [(b"", 200), (b"x", 413)])
@pytest.mark.parametrize("headers", [{}, {"content-length": "1"}])
async def test_counted_body_limit(last: bytes, status: int, headers: dict[str, str]) -> None:
    """A body is counted as it comes, whatever its announced length."""
    sent = await call(stack(reads_all), b"x" * 60_000, b"x" * (MAX_BODY_BYTES - 60_000), last, headers=headers)
    assert seen(sent)[0] == status


@pytest.mark.parametrize(("path", "status", "connection"), [("/v1/returns", 408, "close"), ("/v1/uploads", 200, None)])
async def test_slow_body(path: str, status: int, connection: str | None) -> None:
    """A body that does not end in time is given up with its connection, except where the handler has its own time."""
    app = surrounded(reads_all, Load(1, 0.25), body_limits={"/v1/uploads": 10}, body_seconds=0.05)
    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    sent: list[Message] = []

    async def receive() -> Message:
        """Hands the body over after a while."""
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        """Keeps the sent messages."""
        sent.append(message)

    await app(scope, receive, send)
    answered, headers, *_ = seen(sent)
    assert (answered, headers.get("connection")) == (status, connection)


async def test_a_caller_may_wait_longer_than_a_body_may_take() -> None:
    """The time for the body ends with the body: waiting for the caller to leave is not cut short."""

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body and waits for the caller to leave."""
        while (await receive())["type"] != "http.disconnect":
            pass
        await PlainTextResponse("")(scope, receive, send)

    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        """Hands the body over at once, and the news that the caller left after a while."""
        await asyncio.sleep(0.1 * (2 - len(messages)))
        return messages.pop(0)

    async def send(message: Message) -> None:
        """Keeps the sent messages."""
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    await surrounded(held, Load(1, 0.25), body_seconds=0.05)(scope, receive, send)
    assert seen(sent)[0] == 200


def busy(handler: Handler) -> tuple[Load, ASGIApp]:
    """The middleware of a replica that works on one request at most."""
    load = Load(1, 0.25)
    return load, surrounded(handler, load)


@pytest.mark.parametrize(("path", "status"), [("/", 503), ("/livez", 200), ("/readyz", 200), ("/metrics", 200)])
async def test_shedding(path: str, status: int) -> None:
    """A replica with enough to do turns requests away unseen, except those that ask how it is."""
    load, app = busy(reads_all)
    InFlightSlot(load).take()
    answer, headers, body = seen(await call(app, path=path))
    assert (answer, "retry-after" in headers) == (status, status == 503)
    assert (b'"overloaded"' in body) is (status == 503)


@pytest.mark.parametrize("path", ["/v1/brands/demo/portal", "/v1/brands/demo/sessions", "/v1/service-points/7"])
async def test_a_hung_upstream_leaves_places_free(path: str) -> None:
    """While others wait for the upstream, only requests that may ask it, too, are turned away."""
    load = Load(4, 0.25)
    app = surrounded(reads_all, load)
    InFlightSlot(load, asks=True).take()
    assert seen(await call(app, path=path))[0] == 503
    assert seen(await call(app, path="/v1/session"))[0] == 200


async def test_shed_requests_are_counted() -> None:
    """The metric says how many were turned away, and why."""
    load, app = busy(reads_all)
    InFlightSlot(load).take()
    before = REGISTRY.get_sample_value("bff_shed_total", {"reason": "bound"}) or 0
    await call(app)
    assert REGISTRY.get_sample_value("bff_shed_total", {"reason": "bound"}) == before + 1


async def test_what_counts_as_work() -> None:
    """A request is work once its body has come, until its answer begins; a body on its way and a reader are none."""
    seen_at: list[int] = []

    async def handler(_scope: Scope, receive: Receive, send: Send) -> None:
        """Notes how many are in flight at each step."""
        for _ in range(2):
            seen_at.append(load.in_flight)
            await receive()
        seen_at.append(load.in_flight)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen_at.append(load.in_flight)
        await send({"type": "http.response.body", "body": b""})

    load, app = busy(handler)
    await call(app, b"a part", headers={"content-length": "6"})
    assert seen_at == [0, 0, 1, 0]


async def test_no_body_is_work_at_once() -> None:
    """A request without a body counts as work at once, and its place is freed in any case."""

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        """Fails half of the time."""
        in_flight.append(load.in_flight)
        await (fails if len(in_flight) % 2 else reads_all)(scope, receive, send)

    in_flight: list[int] = []
    load, app = busy(handler)
    for _ in range(4):
        await call(app)
    assert (in_flight, load.in_flight) == ([1, 1, 1, 1], 0)


@pytest.mark.parametrize("headers", [{"content-length": "1"}, {"transfer-encoding": "chunked"}])
async def test_a_body_that_no_handler_reads_hides_no_work(headers: dict[str, str]) -> None:
    """A GET counts as work at once, even if a caller sends a body with it."""

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        """Works, and does not look at the body."""
        assert load.in_flight == 1
        await PlainTextResponse("")(scope, receive, send)

    load, app = busy(handler)
    assert seen(await call(app, b"x", headers=headers, method="GET"))[0] == 200
    assert load.in_flight == 0


@pytest.mark.parametrize("path", ["/metrics\n", "/v1/session\n"])
async def test_a_path_with_a_line_feed_is_no_path_of_ours(path: str) -> None:
    """No pattern of a route matches it, so that a gateway need not know of it to keep `/metrics` private."""
    status, _, body = seen(await call(stack(reads_all), path=path))
    assert (status, b'"not-found"' in body) == (404, True)


async def test_who_waits_does_not_count() -> None:
    """A handler that only waits frees its place, even if it reads meanwhile."""

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        """Waits."""
        exchange_of(scope).leave()
        await receive()
        assert not load.in_flight
        await PlainTextResponse("")(scope, receive, send)

    load, app = busy(handler)
    assert seen(await call(app))[0] == 200


@pytest.mark.parametrize("draining", [True, False])
async def test_draining_replicas_close_their_connections(draining: bool) -> None:  # noqa: FBT001  both ways
    """Every answer of a replica that is about to stop closes its connection, errors included."""
    load, app = busy(fails)
    load.draining = draining
    assert seen(await call(app))[1].get("connection") == ("close" if draining else None)


async def test_unforeseen_failure() -> None:
    """An unforeseen error becomes a 500 problem; neither the answer nor the log quotes it."""
    with capture_logs() as logs:
        status, headers, body = seen(await call(stack(fails)))
    assert (status, headers["content-type"]) == (500, "application/problem+json")
    assert b'"internal-error"' in body
    assert SECRET not in f"{body!r} {logs}"
    [line] = [entry for entry in logs if entry["event"] == "failed"]
    assert line["error"] == "RuntimeError"
    assert re.fullmatch(r"app\.http\.middleware:\d+", line["at"])


@pytest.mark.parametrize(("failure", "level"), [(InvalidRequest, "info"), (RuntimeError, "error")])
async def test_log_level(failure: type[Exception], level: str) -> None:
    """A foreseen failure is logged as information, an unforeseen one as an error."""

    async def handler(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Fails."""
        raise failure

    with capture_logs() as logs:
        await call(stack(handler))
    assert [entry["log_level"] for entry in logs if entry["event"] == "failed"] == [level]


async def test_log_names_the_cause() -> None:
    """An error that wraps another is logged by the name of the other."""

    async def wraps(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Fails because of something else."""
        raise RuntimeError from ZeroDivisionError(SECRET)

    with capture_logs() as logs:
        await call(stack(wraps))
    assert [entry["error"] for entry in logs if entry["event"] == "failed"] == ["ZeroDivisionError"]


async def test_cost_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    """A request's line counts the upstream calls made for it, in tasks of its own too, and none that never left."""
    calls = UpstreamCalls()

    async def task() -> None:
        """Makes a call."""
        calls.called("poll", "late", 0.1)

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        """Makes calls."""
        calls.called("lookup", "answered", 0.1)
        calls.called("lookup", "not_tried", 0)
        await asyncio.create_task(task())
        await reads_all(scope, receive, send)

    for each in (handler, reads_all):
        await call(stack(each))
    assert [line["upstream_calls"] for line in request_lines(capsys)] == [2, 0]


async def test_failure_after_the_answer_began() -> None:
    """An answer that breaks off is not ended, so that the server cuts the connection."""
    with capture_logs() as logs:
        sent = await call(stack(fails_midway))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"] is True
    assert [entry["answer_cut"] for entry in logs if entry["event"] == "failed"] == [True]


async def test_failed_send() -> None:
    """Once the server was asked to send, nothing else is sent, even if that failed."""
    attempts: list[str] = []

    async def broken(message: Message) -> None:
        """Cannot send."""
        attempts.append(message["type"])
        raise OSError(SECRET)

    async def receive() -> Message:
        """Finds the caller gone."""
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    await stack(reads_all)(scope, receive, broken)
    assert attempts == ["http.response.start"]


async def no_error(_request: Request, error: Exception) -> Response:
    """There is none to answer."""
    raise error


async def test_an_unforeseen_failure_and_cors() -> None:
    """A listed page can read that something failed unforeseen; no other page can."""
    load = Load(1, 0.25)
    app = Exchanges(
        Cors(Admission(fails, load, problem_response("")), shops(allowed_origins="https://shop.example")), load
    )
    for origin, may in (("https://shop.example", True), ("https://other.example", False)):
        status, headers, _ = seen(await call(app, headers={"origin": origin}))
        assert (status, headers.get("access-control-allow-origin") == origin) == (500, may)


async def test_an_answer_that_is_given_again_and_cors() -> None:
    """What one page may read of an answer is not said to the next one that gets the same answer."""
    app = Exchanges(
        Cors(PlainTextResponse("kept", headers={"vary": "Accept"}), shops(allowed_origins="https://shop.example")),
        Load(1, 0.25),
    )
    for origin, may in (("https://shop.example", True), ("https://other.example", False), (None, False)):
        begin = (await call(app, headers={"origin": origin} if origin else {}))[0]
        headers = Headers(raw=begin["headers"])
        told = "access-control-allow-origin" in headers, ", ".join(headers.getlist("vary"))
        assert told == (may, "Accept, Origin")


async def test_one_log_line_and_metric_for_each_request(capsys: pytest.CaptureFixture[str]) -> None:
    """Each request is logged and counted by its route's template, never by its path."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        """Answers below a route."""
        scope["route"] = type("Route", (), {"path": "/v1/returns/{return_id}"})()
        await PlainTextResponse("made", 202)(scope, receive, send)

    labels = {"route": "/v1/returns/{return_id}", "method": "POST", "status": "202"}
    before = REGISTRY.get_sample_value("bff_requests_total", labels) or 0
    await call(surrounded(HotRoutes(routed, [], no_error), Load(1, 0.25)), path=f"/v1/returns/{SECRET}")
    assert REGISTRY.get_sample_value("bff_requests_total", labels) == before + 1
    lines = request_lines(capsys)
    assert [(line["level"], line["route"], line["status"]) for line in lines] == [("info", labels["route"], 202)]
    assert SECRET not in str(lines)


@pytest.mark.parametrize(("method", "label"), [("PATCH", "PATCH"), ("PROPFIND", "other"), (SECRET, "other")])
async def test_methods_in_metrics_and_logs(method: str, label: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A method that HTTP does not know counts as "other": callers cannot make metrics grow or write into logs."""
    labels = {"route": "unknown", "method": label, "status": "200"}
    before = REGISTRY.get_sample_value("bff_requests_total", labels) or 0
    await call(stack(reads_all), method=method)
    assert REGISTRY.get_sample_value("bff_requests_total", labels) == before + 1
    assert [line["method"] for line in request_lines(capsys)] == [label]


async def test_other_protocols_pass() -> None:
    """Start-up, shutdown and websockets are none of the middleware's business."""
    passed: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        """Notes what it is asked for."""
        passed.append(f"{scope['type']} {'state' in scope}")

    for protocol in ("lifespan", "websocket"):
        await call(stack(app), type=protocol)
    assert passed == ["lifespan False", "websocket False"]
