"""How often one may look up, over HTTP; the sandbox's ledger says what reached the upstream."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.redis.connections.discovery import topology
from app.redis.store import Limit, Store
from tests.support.processes import Bff, Valkey, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, shopper, told

WRONG = "1234 ZZ"
KEY = "a partner's key"
PARTNER = {"X-Partner-Key": KEY}
LIMITS = {"lookup_limit": 2, "partner_lookup_limit": 3, "partners": f"acme:{hashlib.sha256(KEY.encode()).hexdigest()}"}
Fields = Mapping[str, str] | Sequence[tuple[str, str]]
LOOKUP = "/v1/brands/demo/sessions"


@pytest_asyncio.fixture(scope="module", name="valkey")
async def own_valkey() -> AsyncIterator[Valkey]:
    """A store that can be emptied."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture(autouse=True)
async def nobody_asked_yet(valkey: Valkey) -> None:
    """Every test begins with a store that holds nothing but its marker: without that it would be doubted."""
    kept = [name async for name in valkey.client.scan_iter() if not name.startswith(b"m:")]
    await valkey.client.delete(*kept, "none")


@pytest_asyncio.fixture(scope="module", name="bff")
async def bff_behind_a_gateway(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that believes its gateway, which here are the tests."""
    async with running_bff(valkey.url, sandbox, trusted_proxies="127.0.0.0/8", covered=True, **LIMITS) as process:
        yield process


@pytest_asyncio.fixture(scope="module", name="exposed")
async def bff_without_a_gateway(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that trusts no proxy."""
    async with running_bff(valkey.url, sandbox, **LIMITS) as process:
        yield process


async def ask(bff: Bff, order: str, headers: Fields, postal_code: str = "5611 AA") -> httpx.Response:
    """The answer to a lookup with these headers."""
    wanted = {"identifier": order, "postal_code": postal_code, "token_delivery": "body"}
    return await bff.http.post(LOOKUP, json=wanted, headers=headers)


def from_address(address: str) -> dict[str, str]:
    """What the gateway says about a caller."""
    return {"X-Forwarded-For": address}


def remaining(response: httpx.Response) -> str:
    """The RateLimit field without its time."""
    return response.headers["ratelimit"].partition(";t=")[0]


async def asked(sandbox: SandboxProcess) -> int:
    """How many lookups have reached the upstream."""
    return len(await sandbox.ledger(kind="outgoing"))


async def test_an_address(bff: Bff, sandbox: SandboxProcess) -> None:
    """Each lookup of an address says what remains; one too many is 429 with the time, and not sent on."""
    before = await asked(sandbox)
    answers = [await ask(bff, fresh("LABEL"), from_address("203.0.113.7")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [remaining(answer) for answer in answers] == ['"lookups";r=1', '"lookups";r=0', '"lookups";r=0']
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"lookups";q=2;w=60'}
    assert told(answers[2]) == (429, "too-many-lookups")
    assert answers[2].headers["ratelimit"].endswith(f";t={answers[2].headers['retry-after']}")
    assert await asked(sandbox) == before + 2
    assert (await ask(bff, fresh("LABEL"), from_address("203.0.113.8"))).status_code == 201


SPOOFED: dict[str, Sequence[tuple[str, str]]] = {
    "X-Forwarded-For": [("X-Forwarded-For", "198.51.100.1")],
    "X-Forwarded-For, several lines": [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "198.51.100.2")],
    "X-Forwarded-For, ports and blanks": [("X-Forwarded-For", "198.51.100.1:80 ,\t[2001:db8::1]:443")],
    "Forwarded": [("Forwarded", 'for="198.51.100.1";proto=https')],
    "X-Real-IP": [("X-Real-IP", "198.51.100.1")],
    "X-Client-IP": [("X-Client-IP", "198.51.100.1"), ("True-Client-IP", "198.51.100.1")],
}


@pytest.mark.parametrize("spoofed", SPOOFED.values(), ids=SPOOFED)
async def test_no_header_makes_another_caller(bff: Bff, exposed: Bff, spoofed: Sequence[tuple[str, str]]) -> None:
    """No header makes a caller another caller, with a gateway before us or without."""
    first, second = [await ask(exposed, fresh("LABEL"), headers) for headers in ([], spoofed)]
    assert (remaining(first), remaining(second)) == ('"lookups";r=1', '"lookups";r=0')
    added = ("X-Forwarded-For", "203.0.113.7")
    first, second = [await ask(bff, fresh("LABEL"), headers) for headers in ([added], [*spoofed, added])]
    assert (remaining(first), remaining(second)) == ('"lookups";r=1', '"lookups";r=0')


async def test_a_partner(bff: Bff) -> None:
    """A partner is counted by its name, from any address, and spends no other quota."""
    answers = [await ask(bff, fresh("LABEL"), PARTNER | from_address(f"203.0.113.{n}")) for n in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"lookups";q=3;w=60'}
    assert told(answers[3]) == (429, "too-many-lookups")
    assert remaining(await ask(bff, fresh("LABEL"), from_address("203.0.113.1"))) == '"lookups";r=1'


@pytest.mark.parametrize("key", ["", "guess", hashlib.sha256(KEY.encode()).hexdigest(), KEY.upper()])
async def test_keys_cannot_be_guessed_fast(bff: Bff, sandbox: SandboxProcess, key: str) -> None:
    """A wrong key is refused, never an anonymous caller, and counts against its address like a lookup."""
    before = await asked(sandbox)
    headers = [("X-Partner-Key", key), ("X-Forwarded-For", "203.0.113.7")]
    answers = [await ask(bff, fresh("LABEL"), headers) for _ in range(3)]
    assert [told(answer) for answer in answers] == [(403, "partner-key-unknown")] * 2 + [(429, "too-many-lookups")]
    assert await asked(sandbox) == before


async def test_what_is_malformed_costs_nothing(bff: Bff) -> None:
    """Requests that never were a lookup are not counted and say nothing about quotas."""
    headers = from_address("203.0.113.7")
    wanted: Any = {"identifier": "LABEL-1"}
    answers = [await bff.http.post(LOOKUP, json=wanted, headers=headers) for _ in range(3)]
    assert {(answer.status_code, "ratelimit" in answer.headers) for answer in answers} == {(422, False)}
    assert remaining(await ask(bff, fresh("LABEL"), headers)) == '"lookups";r=1'


@pytest.mark.parametrize(("prefix", "status"), [("NONE", 404), ("LOOKUP500", 502), ("LOOKUP429", 503)])
async def test_errors_say_what_remains(bff: Bff, prefix: str, status: int) -> None:
    """Every answer to a counted lookup, errors included, states the caller's quota."""
    answer = await ask(bff, fresh(prefix), from_address("203.0.113.7"))
    assert (answer.status_code, remaining(answer)) == (status, '"lookups";r=1')


async def aged(valkey: Valkey, seconds: float) -> None:
    """Makes the failures of the only order in the store so many seconds older."""
    [key] = await valkey.client.keys("q:{order*")
    failures = json.loads(await valkey.client.hget(key, "v") or "")
    failures["last"] -= seconds
    await valkey.client.hset(key, "v", json.dumps(failures))


@pytest.mark.parametrize(
    ("prefix", "addresses"), [("LABEL", 100), ("NONE", 100), pytest.param("LABEL", 1000, marks=pytest.mark.system)]
)
async def test_a_crowd_of_addresses(bff: Bff, sandbox: SandboxProcess, prefix: str, addresses: int) -> None:
    """Many addresses that guess at once get three lookups through, whether or not the order exists."""
    order, before = fresh(prefix), await asked(sandbox)
    crowd = [from_address(f"198.18.{n // 250}.{n % 250 + 1}") for n in range(addresses)]
    answers = await asyncio.gather(*(ask(bff, order, headers, WRONG) for headers in crowd))
    codes = [told(answer) for answer in answers]
    assert {code: codes.count(code) for code in codes} == {
        (404, "parcel-not-found"): 3,
        (429, "too-many-failed-lookups"): addresses - 3,
    }
    assert await asked(sandbox) == before + 3
    waits = {int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 429}
    assert max(waits) == 60


async def test_the_rightful_shopper(bff: Bff, valkey: Valkey) -> None:
    """After an attack the shopper waits a minute, then gets in, which does not reset what was counted."""
    order = fresh("LABEL")
    for n in range(3):
        await ask(bff, order, from_address(f"198.51.100.{n}"), WRONG)
    early = await ask(bff, order, from_address("203.0.113.7"))
    assert told(early) == (429, "too-many-failed-lookups")
    assert remaining(early) == '"lookups";r=1'
    await aged(valkey, 61)
    assert (await ask(bff, order, from_address("203.0.113.7"))).status_code == 201
    started = time.monotonic()
    again = [await ask(bff, order, from_address(f"198.51.101.{n}"), WRONG) for n in range(2)]
    passed = time.monotonic() - started
    assert [answer.status_code for answer in again] == [404, 429]
    assert 240 - passed <= int(again[1].headers["retry-after"]) <= 240


async def test_partners_cannot_guess_either(bff: Bff) -> None:
    """An order's delay holds for partners, too."""
    order = fresh("LABEL")
    for n in range(3):
        await ask(bff, order, from_address(f"198.51.100.{n}"), WRONG)
    assert told(await ask(bff, order, PARTNER)) == (429, "too-many-failed-lookups")


@pytest.mark.parametrize(("prefix", "status"), [("LOOKUP500", 502), ("LOOKUP429", 503), ("LABEL", 201)])
async def test_what_does_not_fail_is_not_held_against_the_order(bff: Bff, prefix: str, status: int) -> None:
    """Lookups that succeed, or that the upstream could not answer, can be made as often as the caller may."""
    order = fresh(prefix)
    answers = [await ask(bff, order, from_address(f"203.0.113.{n}")) for n in range(5)]
    assert [answer.status_code for answer in answers] == [status] * 5


async def test_a_refusal_counts(bff: Bff) -> None:
    """A lookup that the upstream refuses with an unknown code counts as failed: the postal code may be wrong."""
    order = fresh("LOOKUPERRORS")
    answers = [await ask(bff, order, from_address(f"203.0.113.{n}")) for n in range(4)]
    assert [answer.status_code for answer in answers] == [409, 409, 409, 429]


async def test_refusals_are_seen_and_nobody_is_named(bff: Bff) -> None:
    """Metrics count what each limit refused; neither they nor the log hold addresses, orders or partners' keys."""
    order = fresh("NONE")
    for n in range(4):
        await ask(bff, order, from_address(f"203.0.113.{n}"))
    for headers in [PARTNER] * 4 + [from_address("203.0.113.7")] * 3:
        await ask(bff, fresh("LABEL"), headers)
    metrics = (await bff.http.get("/metrics")).text
    for limit in ("caller", "partner", "order"):
        assert re.search(rf'bff_lookups_refused_total{{limit="{limit}"}} [1-9]', metrics)
    shown = metrics + bff.process.output.read_text()
    assert not any(secret in shown for secret in ("203.0.113", order, KEY))
    assert "acme" not in metrics


@pytest_asyncio.fixture(scope="module", name="sparing")
async def bff_that_spares_the_upstream(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that lets a parcel cause six upstream calls a minute."""
    async with running_bff(valkey.url, sandbox, parcel_limit=6) as process:
        yield process


async def cost(someone: Shopper, what: str) -> httpx.Response:
    """The answer to a call that asks the upstream."""
    picture = {"a": ("a.png", b"\x89PNG\r\n\x1a\n0000")}
    point = someone.screen["drop_off"]["nearest"]["id"]
    headers, http = someone.headers, someone.http
    match what:
        case "upload":
            return await http.post("/v1/uploads", files=picture, headers=headers)
        case "preview":
            return await http.post("/v1/returns/preview", json=someone.body(), headers=headers)
        case "create":
            return await someone.create()
        case "point":
            return await someone.get(f"/v1/service-points/{point}")
        case _:
            return await someone.get("/v1/service-points")


@pytest.mark.parametrize(
    ("what", "times", "status"),
    [("upload", 1, 201), ("preview", 6, 200), ("create", 6, 422), ("point", 3, 200), ("search", 6, 200)],
)
async def test_one_parcel_leaves_something_for_others(sparing: Bff, what: str, times: int, status: int) -> None:
    """A parcel whose sessions ask upstream too often is told to wait; other parcels go on."""
    greedy, modest = [await shopper(sparing.http, fresh("REFUSE")) for _ in range(2)]
    assert [(await cost(greedy, what)).status_code for _ in range(times)] == [status] * times
    refused = await cost(greedy, what)
    assert told(refused) == (429, "too-many-calls")
    assert 0 < int(refused.headers["Retry-After"]) <= 63
    assert (await cost(modest, what)).status_code == status


async def test_refused_calls_do_not_reach_the_upstream(sparing: Bff, sandbox: SandboxProcess) -> None:
    """A call beyond the parcel's limit is answered without the upstream."""
    greedy = await shopper(sparing.http, order := fresh("LABEL"))
    answers = [(await cost(greedy, "upload")).status_code for _ in range(3)]
    assert answers == [201, 429, 429]
    assert len(await sandbox.ledger(kind="uploads", order=order)) == 1


async def test_refused_points_take_little_from_the_budget(sparing: Bff, valkey: Valkey) -> None:
    """A parcel beyond its limit costs others four turns at most, though turns are asked for beside its limit."""
    greedy = await shopper(sparing.http, fresh("LABEL"))
    answers = [(await cost(greedy, "point")).status_code for _ in range(30)]
    assert answers == [200] * 3 + [429] * 27
    assert {answer.status_code for answer in await asyncio.gather(*[cost(greedy, "point") for _ in range(20)])} == {429}
    store = Store(topology(valkey.url))
    assert 10**6 - (await store.spend("q:{upstream}:service_points", 0, Limit(10**6, 60))).remaining <= 6 + 4
    await store.aclose()


async def test_one_point_is_one_round_trip_to_the_store(bff: Bff, valkey: Valkey) -> None:
    """Session, limit of the parcel and budget are asked together for a session that was seen before."""
    someone, trips = await shopper(bff.http, fresh("LABEL")), list[int]()
    for _ in range(10):
        before = (await valkey.client.info("stats"))["total_reads_processed"]
        assert (await cost(someone, "point")).status_code == httpx.codes.OK
        # One of the reads is that of the test's own question; others may be what the service does beside.
        trips.append((await valkey.client.info("stats"))["total_reads_processed"] - before - 1)
    assert min(trips) == 1


async def test_a_label_that_is_not_kept_costs_its_parcel(sparing: Bff) -> None:
    """A label that breaks each time it is fetched cannot be fetched without end; a kept one can."""
    broken, kept = await shopper(sparing.http, fresh("PDFHTML")), await shopper(sparing.http, fresh("INSTANT"))
    for someone, expected in ((broken, {502, 429}), (kept, {200})):
        path = (await someone.create()).headers["Location"]
        await someone.settled(path)
        assert {(await someone.get(f"{path}/label")).status_code for _ in range(10)} == expected


async def test_a_proxy_that_is_not_trusted_shows(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A lookup that comes through an untrusted proxy is counted, because all its callers are one."""
    async with running_bff(valkey.url, sandbox) as bff:
        for headers in ({}, {"X-Forwarded-For": "198.51.100.1"}):
            asked = {"identifier": fresh("LABEL"), "postal_code": "5611 AA"}
            await bff.http.post("/v1/brands/demo/sessions", json=asked, headers=headers)
        assert "bff_forwarded_untrusted_total 1.0" in (await bff.http.get("/metrics")).text
