"""What a real process tells a collector of spans: words of the code, times and the caller's trace, nothing else."""

import json
import secrets
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest_asyncio
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.http.problem_types import ALL_PROBLEM_TYPES
from app.http.request_log import METHODS
from app.sendcloud.policy.bulkheads import Deadlines, bulkheads
from app.sendcloud.policy.call_policy import Outcome
from tests.support.collector import AT_ONCE, Collector, attributes, running_collector
from tests.support.descriptions import OURS
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.raw_server import answer, raw_server
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import look_up, shopper

SPAN_OF_CALLER = "00f067aa0ba902b7"
LANES = {lane.name for lane in bulkheads(Deadlines()).values()}
ROUTES = {*OURS["paths"], "unknown"}
CODES = {*ALL_PROBLEM_TYPES}


def sent(trace_id: str, flags: str = "01") -> dict[str, str]:
    """The headers of a caller in this trace, with what he would like to add."""
    parent = {"traceparent": f"00-{trace_id}-{SPAN_OF_CALLER}-{flags}"}
    return parent | {"tracestate": "vendor=kanarie", "baggage": "order=kanarie"}


@dataclass
class Caller:
    """One front end, whose requests are all of one trace."""

    http: httpx.AsyncClient
    trace_id: str
    collector: Collector

    async def spans(self, requests: int = 1) -> list[Span]:
        """Those of the trace, the oldest first, as soon as so many requests are among them."""

        async def are_there() -> bool:
            mine = self.collector.of(self.trace_id)
            return sum(span.kind == Span.SPAN_KIND_SERVER for span in mine) == requests

        await eventually(are_there, 10)
        return self.collector.of(self.trace_id)


@pytest_asyncio.fixture(scope="module", name="collector")
async def a_collector() -> AsyncIterator[Collector]:
    """Where the spans of this module's service go."""
    async with running_collector() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", name="traced")
async def a_traced_service(collector: Collector, valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that sends its spans as soon as it has some."""
    traced = {"traces_url": collector.url, "environment": AT_ONCE, "poll_interval": 0.1}
    async with running_bff(valkey.url, sandbox, covered=True, **traced) as bff:
        yield bff


@pytest_asyncio.fixture(name="caller")
async def somebody(traced: Bff, collector: Collector) -> AsyncIterator[Caller]:
    """A caller with a trace of his own."""
    trace_id = secrets.token_hex(16)
    url, headers = traced.http.base_url, sent(trace_id)
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as http:
        yield Caller(http, trace_id, collector)


async def test_a_request_and_its_upstream_calls(caller: Caller) -> None:
    """A request is a span below the caller's, named by route template, with a child for each upstream call."""
    await shopper(caller.http, fresh("LABEL"))
    [request, *calls] = await caller.spans()
    route = "/v1/brands/{brand}/sessions"
    assert (request.name, request.parent_span_id.hex()) == (f"POST {route}", SPAN_OF_CALLER)
    told = {"http.request.method": "POST", "http.route": route, "http.response.status_code": 201}
    assert attributes(request) == told
    child = ("lookup", Span.SPAN_KIND_CLIENT, request.span_id)
    assert child in [(call.name, call.kind, call.parent_span_id) for call in calls]
    assert all(attributes(call) == {"outcome": "answered"} for call in calls)
    assert all(call.start_time_unix_nano < call.end_time_unix_nano <= request.end_time_unix_nano for call in calls)


async def test_a_request_that_fails(caller: Caller) -> None:
    """A failure has the code of its problem and counts as an error; both tries of the read are there."""
    await look_up(caller.http, fresh("LOOKUPHTML"))
    [request, *calls] = await caller.spans()
    told = attributes(request)
    assert (told["http.response.status_code"], told["problem"]) == (502, "bad-upstream")
    assert request.status == Status(code=Status.STATUS_CODE_ERROR)
    assert [attributes(call)["outcome"] for call in calls].count("failed") == 2


async def test_only_words_of_the_code(caller: Caller) -> None:
    """Each value of a span is a word of the code or a status, whatever callers and upstream send."""
    someone = await shopper(caller.http, order := fresh("LABEL"))
    path = (await someone.create()).headers["location"]
    for each in (path, f"{path}/label?{order}", f"/v1/returns/{order}", f"/no/{order}", "/v1/service-points?q=5611AA"):
        await someone.get(each)
    await caller.http.request("PROPFIND", f"/{order}")
    spans = await caller.spans(requests=8)
    words = {word for span in spans for word in [*span.name.split(), *map(str, attributes(span).values())]}
    known = ROUTES | METHODS | LANES | CODES | {"other", *Outcome}
    assert {word for word in words - known if not word.isdigit()} == set()
    assert not [span for span in spans if span.events or span.links or span.trace_state or span.status.message]


async def test_what_else_a_batch_says(caller: Caller) -> None:
    """A batch names the service, the SDK and a random instance, and neither host nor process."""
    await caller.http.get("/livez")
    await caller.spans()
    names = {each.key: each.value.string_value for each in caller.collector.batches[-1].resource.attributes}
    assert names.pop("service.name") == "return-portal-bff"
    assert uuid.UUID(names.pop("service.instance.id")).version == 4
    assert {name.rpartition(".")[0] for name in names} == {"telemetry.sdk"}


async def test_the_caller_decides_what_is_sampled(traced: Bff, caller: Caller) -> None:
    """A request that its caller does not sample leaves no span, and its trace id in the log all the same."""
    unsampled = secrets.token_hex(16)
    await caller.http.get("/v1/brands/mode-paris/portal", headers=sent(unsampled, "00"))
    await caller.http.get("/livez")
    await caller.spans()
    assert caller.collector.of(unsampled) == []
    assert unsampled in traced.process.output.read_text()


async def test_a_trace_of_our_own(traced: Bff, caller: Caller) -> None:
    """A request without a trace begins one, and its line in the log has the id."""
    name = secrets.token_hex(12)
    await caller.http.get("/problems/parcel-not-found", headers={"traceparent": "", "x-request-id": name})

    async def is_logged() -> bool:
        return name in traced.process.output.read_text()

    await eventually(is_logged, 5)
    [line] = [each for each in traced.process.output.read_text().splitlines() if name in each]
    caller.trace_id = json.loads(line)["trace_id"]
    [request] = await caller.spans()
    assert (request.name, request.parent_span_id) == ("GET /problems/{code}", b"")


async def test_nothing_of_a_trace_goes_upstream(collector: Collector, valkey: Valkey, sandbox: SandboxProcess) -> None:
    """The upstream learns of no trace; the last spans go out when the process ends."""
    trace_id = secrets.token_hex(16)
    late = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
    async with raw_server(answer(404)) as upstream:
        changes = {"upstream_url": f"http://127.0.0.1:{upstream.port}", "traces_url": collector.url}
        async with running_bff(valkey.url, sandbox, environment=late, **changes) as bff:
            bff.http.headers.update(sent(trace_id))
            await look_up(bff.http, fresh("LABEL"))
            assert collector.of(trace_id) == []
    request, *calls = [span.name for span in collector.of(trace_id)]
    # The order, and the shop's settings unless the store has them.
    assert request == "POST /v1/brands/{brand}/sessions"
    assert calls in (["lookup"], ["lookup", "lookup"])
    assert upstream.requests
    assert not [request for request in upstream.requests if b"trace" in request or b"kanarie" in request]
