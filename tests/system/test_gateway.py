"""What the gateway keeps away from the replicas, what it answers itself, and what it never does twice."""

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.http.problem_types import ALL_PROBLEM_TYPES as PROBLEM_TYPES
from app.server import KEEP_ALIVE_SECONDS
from tests.support.nginx import Nginx, running_nginx
from tests.support.processes import LOCAL, Bff, Valkey, eventually, free_port, fresh, running_bff
from tests.support.raw_client import request
from tests.support.raw_server import Behaviour, RawServer, answer, fin, raw_server, rst, saying, silence
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, shopper

pytestmark = [pytest.mark.system]

AT_ONCE = 1.0
"""Seconds within which the gateway answers what it answers itself."""
CLOSED_WITHIN_SECONDS = 10.0


@pytest_asyncio.fixture(scope="module", name="replica")
async def shared_replica(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """One replica behind the gateway."""
    async with running_bff(valkey.url, sandbox, poll_interval=0.1) as process:
        yield process


@pytest_asyncio.fixture(scope="module", name="gateway")
async def shared_gateway(replica: Bff) -> AsyncIterator[Nginx]:
    """The gateway in front of that replica."""
    async with running_nginx([replica.port]) as process:
        yield process


@asynccontextmanager
async def gateway_before(*behaviours: Behaviour, **changes: str) -> AsyncIterator[tuple[Nginx, list[RawServer]]]:
    """The gateway in front of servers that behave like this."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(raw_server(each)) for each in behaviours]
        ports = [server.port for server in servers]
        yield await stack.enter_async_context(running_nginx(ports, changes)), servers


def is_problem(response: httpx.Response, code: str) -> bool:
    """Whether this is the problem document of this code, as documented, with the headers of every answer."""
    body = response.json()
    waiting_helps = PROBLEM_TYPES[code].status in {429, 502, 503, 504}
    return (
        all(
            body[name] == getattr(PROBLEM_TYPES[code], name)
            for name in ("code", "status", "title", "detail", "retryable")
        )
        and set(body) == {"type", "title", "status", "detail", "instance", "code", "retryable", "request_id", "errors"}
        and (response.status_code, body["type"]) == (PROBLEM_TYPES[code].status, f"/problems/{code}")
        and response.headers["content-type"] == "application/problem+json"
        and response.headers["x-request-id"] == body["request_id"]
        and response.headers["x-content-type-options"] == "nosniff"
        and ("retry-after" in response.headers) == waiting_helps
    )


async def closed_after(port: int, head: str, drip: str, pause: float = 1.0) -> tuple[float, bytes]:
    """Seconds until the gateway closes the connection of a caller who sends `drip` again and again; what it said."""
    reader, writer = await asyncio.open_connection(LOCAL, port)
    writer.write(head.encode())
    started = time.monotonic()
    reading = asyncio.create_task(reader.read())
    while not reading.done():
        writer.write(drip.encode())
        await asyncio.wait({reading}, timeout=pause)
    writer.close()
    said = b"" if reading.exception() else reading.result()
    return time.monotonic() - started, said


POST = f"POST /v1/returns HTTP/1.1\r\nHost: {LOCAL}\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("head", "drip"),
    [
        ("GET /livez HTTP/1.1\r\n", ""),
        (f"GET /livez HTTP/1.1\r\nHost: {LOCAL}\r\nX-Slow: ", "x"),
        (f"{POST}Content-Length: 60000\r\n\r\n", ""),
        (f"{POST}Content-Length: 60000\r\n\r\n", "x"),
        (f"{POST}Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
    ],
    ids=["no header", "slow header", "no body", "slow body", "slow chunks"],
)
async def test_slow_callers_are_cut_off(gateway: Nginx, head: str, drip: str) -> None:
    """A caller that sends a header or a body too slowly, or stops sending, is cut off within ten seconds."""
    seconds, said = await closed_after(gateway.port, head, drip)
    assert seconds <= CLOSED_WITHIN_SECONDS
    assert not said or b'"code":"body-too-slow"' in said


async def test_slow_callers_do_not_keep_others_out(gateway: Nginx) -> None:
    """While hundreds of clients send their bodies byte by byte, the others are served."""
    head = f"{POST}Content-Length: 60000\r\n\r\n"
    slow = [asyncio.create_task(closed_after(gateway.port, head, "x")) for _ in range(500)]
    await asyncio.sleep(1)
    answers = [await gateway.http.get("/v1/brands/demo/portal") for _ in range(50)]
    assert {each.status_code for each in answers} == {200}
    assert not any(task.done() for task in slow)
    await asyncio.gather(*slow)


@pytest.mark.parametrize(
    ("method", "path", "headers", "size", "code"),
    [
        ("GET", "/livez", {"X-Large": "x" * 40_000}, 0, "headers-too-large"),
        ("GET", "/livez", {f"X-Large-{n}": "x" * 14_000 for n in range(3)}, 0, "headers-too-large"),
        ("GET", "/" + "x" * 20_000, {}, 0, "uri-too-long"),
        ("POST", "/v1/returns", {}, 64 * 1024 + 1, "body-too-large"),
        ("TRACE", "/livez", {}, 0, "method-not-allowed"),
        ("GET", "/.problem", {}, 0, "not-found"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_too_large_or_malformed(
    gateway: Nginx, method: str, path: str, headers: dict[str, str], size: int, code: str
) -> None:
    """A request that is too large, or no HTTP that we speak, gets a problem document from the gateway itself."""
    asked = gateway.http.build_request(method, path, headers=headers, content=b" " * size)
    assert is_problem(await gateway.http.send(asked), code)


async def test_a_body_of_unknown_length(gateway: Nginx) -> None:
    """A body without an announced length is cut off where it becomes too large."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * 1024

    headers = {"Content-Type": "application/json"}
    response = await gateway.http.post("/v1/brands/demo/sessions", content=endless(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


async def test_what_fits_passes(gateway: Nginx, replica: Bff) -> None:
    """Headers and bodies up to what the service takes reach it."""
    fitting = {f"X-Large-{n}": "x" * 14_000 for n in range(1)}
    assert (await gateway.http.get("/livez", headers=fitting)).json() == (await replica.http.get("/livez")).json()
    headers = {"Content-Type": "application/json"}
    largest = await gateway.http.post("/v1/brands/demo/sessions", content=b" " * 64 * 1024, headers=headers)
    assert largest.json()["code"] == "malformed-request"
    upload = await gateway.http.post("/v1/uploads", content=b" " * 100_000)
    assert upload.json()["code"] == "session-required"


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ("GET / HTTP/9.9\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        ("\x16\x03\x01\x02\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "malformed-request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed-request"),
        ('GET /"quoted" HTTP/1.1\r\nHost: a b\r\n\r\n', 400, "malformed-request"),
        ("POST /v1/uploads HTTP/1.1\r\nHost: a\r\nContent-Length: 104857601\r\n\r\n", 413, "body-too-large"),
    ],
)
async def test_what_no_client_would_send(gateway: Nginx, said: str, status: int, code: str) -> None:
    """A request that is no HTTP, or announces too much, gets a problem document, too."""
    reader, writer = await asyncio.open_connection(LOCAL, gateway.port)
    writer.write(said.encode("latin-1"))
    head, _, body = (await asyncio.wait_for(reader.read(), CLOSED_WITHIN_SECONDS)).decode().partition("\r\n\r\n")
    writer.close()
    assert f" {status} " in head.partition("\r\n")[0]
    assert "\r\nContent-Type: application/problem+json" in head
    assert json.loads(body)["code"] == code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-For", "203.0.113.7, 203.0.113.8"),
        ("x-FORWARDED-for", '203.0.113.7"\t,unknown'),
        ("X_Forwarded_For", "203.0.113.7"),
        ("Forwarded", "for=203.0.113.7;proto=https;host=203.0.113.7"),
        ("X-Real-IP", "203.0.113.7"),
        ("X-Client-IP", "203.0.113.7"),
        ("True-Client-IP", "203.0.113.7"),
        ("X-Forwarded-Host", "203.0.113.7"),
        ("X-Forwarded-Proto", "203.0.113.7"),
    ],
)
async def test_forwarding_headers_are_ours(name: str, value: str) -> None:
    """The replica gets the address that the gateway saw, whatever the caller's headers say."""
    async with gateway_before(answer(200)) as (gateway, (server,)):
        await gateway.http.get("/v1/session", headers=[(name, value), (name, value)])
    head = server.requests[0].decode().lower()
    assert "203.0.113" not in head
    assert head.count("forwarded-for:") == 1
    assert f"\r\nx-forwarded-for: {LOCAL}\r\n" in head


@pytest.mark.parametrize(("proposed", "kept"), [("order-17.attempt_2", True), ("no good", False), ("", False)])
async def test_request_ids(proposed: str, kept: bool) -> None:  # noqa: FBT001  a column of the table
    """A sound request id of the caller goes on to the replica, any other is replaced by one of the gateway."""
    async with gateway_before(answer(200)) as (gateway, (server,)):
        await gateway.http.get("/v1/session", headers={"X-Request-Id": proposed})
    lines = [line for line in server.requests[0].decode().split("\r\n") if line.startswith("X-Request-Id: ")]
    assert len(lines) == 1
    assert (lines[0] == f"X-Request-Id: {proposed}") is kept
    assert len(lines[0]) > len("X-Request-Id: ") + 7


@pytest.mark.parametrize("document", ["events", "label", "customs-declaration"])
async def test_streams_are_not_held_back(document: str) -> None:
    """The first bytes of events and documents reach the reader while the rest is still to come."""
    head = b"HTTP/1.1 200 -\r\nContent-Length: 1000\r\n\r\nthe first bytes"
    async with gateway_before(saying(head)) as (gateway, _):
        reader, writer = await request(gateway.port, f"/v1/returns/rtn_1/{document}", {})
        said = await asyncio.wait_for(reader.readuntil(b"the first bytes"), AT_ONCE)
        writer.close()
    assert said.startswith(b"HTTP/1.1 200")


async def test_events_of_a_return(gateway: Nginx) -> None:
    """An event arrives through the gateway while the stream stays open, and the next one when it happens."""
    someone = await shopper(gateway.http, fresh("SLOWLABEL"))
    path = (await someone.create()).headers["location"]
    async with someone.events(path) as events:
        seen = [event async for event in events]
    assert len(seen) == 2


async def test_uploads_are_not_spooled() -> None:
    """A slow upload reaches the replica as it arrives."""
    async with gateway_before(answer(200)) as (gateway, (server,)):
        _, writer = await asyncio.open_connection(LOCAL, gateway.port)
        writer.write(f"POST /v1/uploads HTTP/1.1\r\nHost: {LOCAL}\r\nContent-Length: 9\r\n\r\npart".encode())

        async def arrived() -> bool:
            return server.connections == 1

        await eventually(arrived, AT_ONCE)
        writer.close()


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
async def test_what_is_private(gateway: Nginx, path: str) -> None:
    """A caller outside the private network finds no metrics and no readiness."""
    assert (await gateway.http.get(path)).status_code == 200
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx.AsyncClient(transport=transport, base_url=gateway.http.base_url, trust_env=False) as stranger:
        assert is_problem(await stranger.get(path), "not-found")
        assert (await stranger.get("/livez")).status_code == 200


async def test_no_replica_answers() -> None:
    """With every replica gone, callers get a problem document at once."""
    async with running_nginx([free_port(), free_port()]) as gateway:
        for method in ("GET", "POST"):
            response = await asyncio.wait_for(gateway.http.request(method, "/v1/returns"), AT_ONCE)
            assert is_problem(response, "no-answer")


async def test_every_replica_is_marked_down() -> None:
    """With every replica marked down, callers are told to come back."""
    async with running_nginx([free_port()], {"max_fails=3": "down"}) as gateway:
        assert is_problem(await gateway.http.get("/v1/session"), "overloaded")


async def test_a_replica_hangs() -> None:
    """A replica that never answers costs the caller the longest wait there is, and then a problem document."""
    async with gateway_before(silence, **{"proxy_read_timeout 80s": "proxy_read_timeout 1s"}) as (gateway, (server,)):
        for method in ("GET", "POST"):
            assert is_problem(await gateway.http.request(method, "/v1/returns"), "no-answer-in-time")
    assert len(server.requests) == 2


def test_waits_fit_each_other() -> None:
    """The gateway waits longer than the longest answer is held, and closes idle connections before a replica does."""
    text = "".join(path.read_text() for path in Path("deploy/nginx").rglob("*.conf"))
    assert "proxy_read_timeout 80s;" in text
    assert text.count("keepalive_timeout 60s;") == 5
    assert KEEP_ALIVE_SECONDS > 60


BOUND_OF_TWO = {"max_conns=32": "max_conns=2", "max_conns=16": "max_conns=2"}
ASKING = ("/v1/service-points", "/v1/service-points/7", "/v1/brands/demo/portal")
"""What may ask Sendcloud before it answers."""


@pytest.mark.parametrize(("hung", "others"), [(ASKING, ("/v1/session",)), (("/v1/session",), ASKING)])
async def test_who_asks_sendcloud_holds_places_of_its_own(hung: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Hung requests of one kind keep only requests of that kind out."""
    async with gateway_before(silence, **BOUND_OF_TWO) as (gateway, (server,)):
        waiting = [asyncio.create_task(gateway.http.get(path)) for path in (hung * 2)[:2]]

        async def arrived(requests: int) -> bool:
            return len(server.requests) == requests

        await eventually(partial(arrived, 2), 5)
        for path in hung:
            assert is_problem(await gateway.http.get(path), "overloaded")
        waiting += [asyncio.create_task(gateway.http.get(path)) for path in (others * 2)[:2]]
        await eventually(partial(arrived, 4), 5)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_more_than_the_replicas_can_do() -> None:
    """Ordinary requests beyond the bound are answered at once; those that wait, stream or bring a body get through."""
    async with gateway_before(silence, **BOUND_OF_TWO) as (gateway, (server,)):
        waiting = [asyncio.create_task(gateway.http.get("/v1/session")) for _ in range(2)]

        async def arrived() -> bool:
            return len(server.requests) == 2

        await eventually(arrived, 5)
        started = time.monotonic()
        shed = await gateway.http.get("/v1/session")
        assert time.monotonic() - started < AT_ONCE
        assert is_problem(shed, "overloaded")
        assert "/v1/session" not in gateway.process.output.read_text(), "paths hold ids, queries hold postal codes"
        held = [{"Prefer": "respond-async, wait=5"}, {}, {}]
        paths = ["/v1/returns/rtn_1", "/v1/returns/rtn_1/events", "/v1/returns/rtn_1/label"]
        waiting += [
            asyncio.create_task(gateway.http.get(path, headers=headers))
            for path, headers in zip(paths, held, strict=True)
        ]
        waiting.append(asyncio.create_task(gateway.http.post("/v1/returns")))

        async def all_arrived() -> bool:
            return len(server.requests) == 6

        await eventually(all_arrived, 5)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_too_many_from_one_address() -> None:
    """One address cannot take all connections."""
    changes = {"limit_conn address 1024": "limit_conn address 2"}
    async with gateway_before(silence, **changes) as (gateway, (server,)):
        held = [asyncio.create_task(gateway.http.get("/v1/returns/rtn_1/events")) for _ in range(2)]

        async def arrived() -> bool:
            return len(server.requests) == 2

        await eventually(arrived, 5)
        assert is_problem(await gateway.http.get("/v1/session"), "too-many-connections")
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


@pytest.mark.parametrize("behaviour", [fin(), rst, fin(b"HTTP/1.1 200 -\r\nConte")], ids=["fin", "rst", "part"])
@pytest.mark.parametrize(("method", "times"), [("POST", 1), ("GET", 2)])
async def test_no_post_is_sent_twice(behaviour: Behaviour, method: str, times: int) -> None:
    """A replica that breaks off costs a POST its answer, never a second POST; what may be repeated is."""
    async with gateway_before(behaviour, behaviour) as (gateway, servers):
        response = await gateway.http.request(method, "/v1/returns", json={"a": 1} if method == "POST" else None)
    assert is_problem(response, "no-answer")
    assert 1 <= sum(len(server.requests) for server in servers) <= times


async def test_a_post_finds_the_replica_that_is_there() -> None:
    """A replica that refuses connections costs no request, because nothing was sent to it."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(raw_server(answer(202)))
        gateway = await stack.enter_async_context(running_nginx([free_port(), server.port, free_port()]))
        answers = [await gateway.http.post("/v1/returns", json={}) for _ in range(9)]
    assert {each.status_code for each in answers} == {202}
    assert len(server.requests) == 9


async def test_a_killed_replica_creates_nothing_twice(valkey: Valkey, sandbox: SandboxProcess, gateway: Nginx) -> None:
    """A creation whose replica dies under it is posted once, and its key is answered by the others from then on."""
    async with AsyncExitStack() as stack:
        settings = {"create_deadline": 2, "create_lease": 3}
        two = [await stack.enter_async_context(running_bff(valkey.url, sandbox, **settings)) for _ in range(2)]
        before = await stack.enter_async_context(running_nginx([each.port for each in two]))
        order, used = fresh("SLOW"), key()
        someone = await shopper(before.http, order)
        creating = asyncio.create_task(someone.create(someone.body("pickup"), used))
        await eventually(lambda: _posted(sandbox, order), 10)
        for each in two:
            await each.process.stop(signal.SIGKILL)
        assert is_problem(await creating, "no-answer")
        again = Shopper(gateway.http, someone.screen, someone.headers)

        async def is_settled() -> bool:
            answered = await again.create(someone.body("pickup"), used)
            return bool(answered.json()["code"] == "return-outcome-unknown")

        await eventually(is_settled, 10)
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def _posted(sandbox: SandboxProcess, order: str) -> bool:
    return len(await sandbox.ledger(kind="incoming", order=order)) == 1


def closing_when_idle(seconds: float) -> Behaviour:
    """Answer, and close the connection if no other request comes within so many seconds."""
    timers: dict[asyncio.StreamWriter, asyncio.TimerHandle] = {}
    respond = answer(200)

    async def behave(writer: asyncio.StreamWriter) -> None:
        if writer in timers:
            timers[writer].cancel()
        await respond(writer)
        timers[writer] = asyncio.get_running_loop().call_later(seconds, writer.close)

    return behave


async def test_idle_connections_cost_nobody_an_answer() -> None:
    """Replicas close idle connections later than the gateway does, so no request runs into one that just closed.

    Shortened: 1 and 1.25 seconds stand for 60 and 75.
    """
    statuses = set()

    async def post_now_and_then(gateway: Nginx) -> None:
        for _ in range(6):
            statuses.add((await gateway.http.post("/v1/returns")).status_code)
            await asyncio.sleep(random.uniform(0.9, 1.3))  # noqa: S311  a random moment

    async with gateway_before(
        closing_when_idle(1.25), **{"keepalive 64;\n    keepalive_timeout 60s": "keepalive 64; keepalive_timeout 1s"}
    ) as (gateway, _):
        await asyncio.gather(*(post_now_and_then(gateway) for _ in range(60)))
    assert statuses == {200}
