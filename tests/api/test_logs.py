"""What a real process says of requests: one line of JSON each, with what the on-call needs, nothing of shoppers."""

import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app import __version__
from tests.support.descriptions import OURS
from tests.support.processes import LOCAL, SECRET_KEY, Bff, eventually, fresh
from tests.support.shopper import Shopper, look_up, shopper

MEMBERS = {"event", "level", "timestamp", "route", "method", "status", "ms", "upstream_calls", "request_id"}
WHO_ASKED = {"brand", "journey"}
PARENT = f"00-{'4bf92f3577b34da6' * 2}-00f067aa0ba902b7-01"


@dataclass
class Caller:
    """One front end, whose requests all have the same id."""

    bff: Bff
    http: httpx.AsyncClient
    request_id: str = field(default_factory=lambda: secrets.token_hex(12))

    async def lines(self, count: int) -> list[dict[str, Any]]:
        """The logged request lines, as soon as there are `count` of them."""

        async def are_there() -> bool:
            return len(self._logged()) >= count

        await eventually(are_there, 5)
        assert len(self._logged()) == count
        return self._logged()

    def _logged(self) -> list[dict[str, Any]]:
        written = map(json.loads, whole_lines(self.bff))
        return [line for line in written if line["event"] == "request" and line["request_id"] == self.request_id]


def whole_lines(bff: Bff) -> list[str]:
    """All that the process has printed, but for a line that it is about to print."""
    return bff.process.output.read_text().rpartition("\n")[0].splitlines()


@pytest_asyncio.fixture(name="caller")
async def somebody(bff: Bff) -> AsyncIterator[Caller]:
    """A caller whose lines can be told from those of others."""
    async with httpx.AsyncClient(base_url=bff.http.base_url, trust_env=False, timeout=60) as http:
        caller = Caller(bff, http)
        http.headers["X-Request-Id"] = caller.request_id
        yield caller


async def journey(caller: Caller) -> tuple[Shopper, str, list[str]]:
    """A shopper who gets a label, the path of the return, and the statuses of all answers."""
    statuses: list[str] = []

    async def note(response: httpx.Response) -> None:
        statuses.append(f"{response.request.method} {response.status_code}")

    caller.http.event_hooks["response"].append(note)
    someone = await shopper(caller.http, fresh("LABEL"))
    path = (await someone.create()).headers["location"]
    await someone.settled(path)
    for each in (f"{path}/label", "/v1/session", "/v1/returns/rtn_nobody", "/no/such/path"):
        await someone.get(each)
    return someone, path, statuses


async def test_one_line_for_each_request(caller: Caller) -> None:
    """Each request leaves one line with the template of its route, method, status, duration, calls and id."""
    _, _, statuses = await journey(caller)
    lines = await caller.lines(len(statuses))
    assert [f"{line['method']} {line['status']}" for line in lines] == statuses
    assert {frozenset(line) - WHO_ASKED for line in lines} == {frozenset(MEMBERS)}
    assert {line["route"] for line in lines} <= {*OURS["paths"], "unknown"}
    assert all(line["ms"] >= 0 and re.fullmatch(r"[\d-]+T[\d:.]+Z", line["timestamp"]) for line in lines)


async def test_an_answer_that_is_given_again(caller: Caller) -> None:
    """An answer that was kept in memory is logged with the route that made it."""
    for _ in range(3):
        await caller.http.get("/v1/brands/demo/portal")
    assert {line["route"] for line in await caller.lines(3)} == {"/v1/brands/{brand}/portal"}


async def test_no_line_tells_of_a_shopper(caller: Caller) -> None:
    """No line holds an address, an order, a session or a return, and every line is JSON."""
    someone, path, statuses = await journey(caller)
    await caller.lines(len(statuses))
    output = whole_lines(caller.bff)
    token = someone.headers["Authorization"].partition(" ")[2]
    # The start line names the upstream, which is this machine in tests.
    output = [line for line in output if json.loads(line)["event"] != "starting"]
    private = {LOCAL, *token.split("."), path.rpartition("/")[2], path, "LABEL-", "5611 AA"}
    assert {word for word in private if word in "".join(output)} == set()
    assert all(isinstance(json.loads(line), dict) for line in output)


async def test_the_first_line_says_what_runs(bff: Bff) -> None:
    """The start is logged with version, settings and the kind of store, and without secrets and the store's address."""
    [line] = [line for line in whole_lines(bff) if json.loads(line)["event"] == "starting"]
    started = json.loads(line)
    assert (started["version"], started["store"]) == (__version__, "redis")
    assert {"brands", "lookup_deadline", "upstream_url"} <= started.keys()
    assert not {"secret_key", "naming_key", "redis_url"} & started.keys()
    assert SECRET_KEY not in line


async def test_upstream_calls(caller: Caller) -> None:
    """The line counts the calls that this request made, not those of other requests or answers from the cache."""
    await look_up(caller.http, fresh("UNKNOWN"))
    await look_up(caller.http, fresh("UNKNOWN"))
    await caller.http.get("/v1/session")
    first, second, refused = await caller.lines(3)
    assert first["upstream_calls"] >= 1
    assert [line["upstream_calls"] for line in (second, refused)] == [1, 0]


async def test_who_asked(caller: Caller) -> None:
    """Lines of one session share a pseudonym that is no part of its id, and name the brand; other sessions differ."""
    one, other = [await shopper(caller.http, fresh("LABEL")) for _ in range(2)]
    for someone in (one, one, other):
        await someone.get("/v1/session")
    journeys = [line["journey"] for line in await caller.lines(5) if "journey" in line]
    assert (len(journeys), len(set(journeys)), journeys[0] == journeys[1]) == (3, 2, True)
    assert journeys[0] not in str(one.headers)
    assert {line["brand"] for line in await caller.lines(5)} == {"demo"}


async def test_probes_are_silent(caller: Caller) -> None:
    """A probe that succeeds leaves no line; other requests do."""
    for path in ("/livez", "/readyz", "/metrics", "/v1/session"):
        await caller.http.get(path)
    assert [line["route"] for line in await caller.lines(1)] == ["/v1/session"]


@pytest.mark.parametrize(
    ("parent", "known"),
    [
        ([PARENT], True),
        ([PARENT[:-2] + "00"], True),
        ([], False),
        ([PARENT, PARENT], False),
        ([PARENT.upper()], False),
        ([PARENT + "-LABEL-0001"], False),
        (["01" + PARENT[2:]], False),
        (["00-" + "0" * 32 + PARENT[35:]], False),
        ([PARENT[:36] + "0" * 16 + "-01"], False),
        (["LABEL-0001"], False),
    ],
)
async def test_trace_ids(caller: Caller, parent: list[str], known: bool) -> None:  # noqa: FBT001  a column of the table
    """A caller's trace id is logged if it is well-formed, and stays out of the answer."""
    answer = await caller.http.get("/v1/session", headers=[("traceparent", each) for each in parent])
    [line] = await caller.lines(1)
    assert line.get("trace_id") == ("4bf92f3577b34da6" * 2 if known else None)
    assert "trace" not in str(answer.headers).lower()
