"""For any answer of the upstream, a front end gets bounded, typed text or a problem document, never a 500."""

import copy
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support import samples, scripted_upstream
from tests.support.processes import Valkey, eventually, running_bff
from tests.support.raw_server import answer
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.shopper import ComesAgain, Shopper, told

BRANDS = [f"shop-{number}" for number in range(4000)]
"""Answers are kept by brand, so each case takes one of its own."""
UNUSED = iter(BRANDS)
MAX_TEXT = 2000
MAX_ANSWER_BYTES = 2_000_000
# Markup is text in JSON: "Hose <M" is a name, and pages escape (tests/system/test_page.py). Joiners are parts of words.
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>Shirt"
BACKWARDS = "\u202egnp.exe\u2066\u200f"
ODD: list[object] = [None, True, 1e308, -(10**30), "", "NaN", SCRIPT + BACKWARDS + "\x00", [None], {}]
POINT = samples.point(latitude=51.44, longitude=5.47)
BAD_UPSTREAM = {
    "type": "/problems/bad-upstream",
    "title": "The shipping service gave no usable answer",
    "status": 502,
    "detail": "Please try again later.",
    "code": "bad-upstream",
    "retryable": True,
    "errors": [],
}
Path = tuple[str | int, ...]


@dataclass
class Stage:
    """A service whose upstream is scripted."""

    http: httpx.AsyncClient
    upstream: ScriptedUpstream
    brands: Iterator[str]

    async def look_up(self, brand: str = "", /, **said: object) -> httpx.Response:
        """A lookup, mostly at a fresh brand, after the upstream was told what to say; all else is as usual."""
        self.upstream.say(return_portal=scripted_upstream.settings(), outgoing=scripted_upstream.outgoing())
        self.upstream.say(incoming=scripted_upstream.created(), polling=scripted_upstream.label(), service_points=[])
        self.upstream.say(**said)
        wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
        return await self.http.post(f"/v1/brands/{brand or next(self.brands)}/sessions", json=wanted)

    async def shopper(self, **said: object) -> Shopper:
        """A shopper whose lookup succeeded in spite of it."""
        response = await self.look_up(**said)
        assert response.status_code == 201, response.text
        screen = response.json()
        return Shopper(self.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


@asynccontextmanager
async def staged(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Stage]:
    """A running stage."""
    async with scripted_upstream.scripted_upstream() as upstream:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        async with running_bff(store.url, sandbox, brands=",".join(BRANDS), poll_interval=0.05, **urls) as bff:
            bff.http.auth = ComesAgain()
            yield Stage(bff.http, upstream, UNUSED)


@pytest_asyncio.fixture(scope="module", name="stage")
async def _stage(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Stage]:
    async with staged(store, sandbox) as stage:
        yield stage


def texts(document: object, name: object = "") -> Iterator[str]:
    """Every text in a JSON document; an item's ids are left out, since they name it as the upstream does."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from texts(value, key)
    elif isinstance(document, list):
        for value in document:
            yield from texts(value, name)
    elif isinstance(document, str) and name not in {"id", "product_id"}:
        yield document


def harmless(response: httpx.Response) -> bool:
    """Whether this is a small answer of clean, bounded texts, or the problem, in our words alone, of the upstream."""
    if len(response.content) > MAX_ANSWER_BYTES:
        return False
    if response.is_success:
        return not [text for text in texts(response.json()) if len(text) > MAX_TEXT or UNFIT.search(text)]
    assert (response.status_code, response.headers["content-type"]) == (502, "application/problem+json")
    problem = response.json()
    return bool(problem == BAD_UPSTREAM | {"instance": response.url.path, "request_id": problem["request_id"]})


def paths(document: object, here: Path = ()) -> Iterator[Path]:
    """Where the members of a JSON document are, at any depth; tokens are left out."""
    members: Any = ()
    if isinstance(document, dict):
        members = document.items()
    elif isinstance(document, list):
        members = enumerate(document)
    for key, value in members:
        if key not in {"access_token", "service_points_token"}:
            yield (*here, key)
            yield from paths(value, (*here, key))


def variants(document: object, odd: object) -> Iterator[Any]:
    """The document as often as it has members, each time with another one replaced by something odd."""
    for path in paths(document):
        variant: Any = copy.deepcopy(document)
        parent = variant
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = odd
        yield variant


@pytest.mark.parametrize("odd", ODD, ids=ascii)
async def test_any_member_of_a_lookup_may_be_odd(stage: Stage, odd: object) -> None:
    """Whichever member of a lookup is odd, the first screen is harmless or it is a 502, and mostly there is one."""
    # Lookups are not kept, so that one brand serves them all.
    brand, shown = next(stage.brands), []
    for said in variants(scripted_upstream.outgoing(), odd):
        response = await stage.look_up(brand, outgoing=said)
        assert harmless(response), (said, response.text[:2000])
        shown.append(response.is_success)
        if response.is_success:
            resumed = {"Authorization": f"Bearer {response.json()['session_token']}"}
            assert harmless(await stage.http.get("/v1/session", headers=resumed)), said
        else:
            await stage.look_up(brand)  # or the breaker would open
    assert sum(shown) > len(shown) / 2


@pytest.mark.parametrize("odd", ODD, ids=ascii)
async def test_any_member_of_the_settings_may_be_odd(stage: Stage, odd: object) -> None:
    """Whichever member of a shop's settings is odd, the portal is harmless or it is a 502, and mostly there is one."""
    shown = []
    for said in variants(scripted_upstream.settings(), odd):
        stage.upstream.say(return_portal=said)
        response = await stage.http.get(f"/v1/brands/{next(stage.brands)}/portal")
        assert harmless(response), (said, response.text[:2000])
        shown.append(response.is_success)
        if not response.is_success:
            await stage.look_up()  # or the breaker would open
    assert sum(shown) > len(shown) / 2


@pytest.mark.parametrize("odd", ODD, ids=ascii)
async def test_any_member_of_a_service_point_may_be_odd(stage: Stage, odd: object) -> None:
    """Whichever member of a service point is odd, the search is harmless and shows the sound point beside it."""
    for said in variants(POINT, odd):
        someone = await stage.shopper(service_points=[said, POINT | {"id": 7}])
        response = await someone.get("/v1/service-points")
        assert harmless(response), (said, response.text[:2000])
        assert 7 in [point["id"] for point in response.json()["service_points"]]


async def test_names_of_a_megabyte(stage: Stage) -> None:
    """A name of nearly a megabyte is cut to a bounded text wherever it stands."""
    name = "Sam Jansen " * 80_000
    for said in (
        {"outgoing": scripted_upstream.outgoing({"name": name})},
        {"outgoing": scripted_upstream.outgoing(products=[samples.product(name=name)])},
        {"outgoing": scripted_upstream.outgoing(service_point=POINT | {"name": name})},
        {"return_portal": scripted_upstream.settings(layout={"helper_text": name})},
    ):
        response = await stage.look_up(**said)
        assert response.status_code == 201
        assert len(response.content) < 10_000


async def test_answers_of_more_than_a_mebibyte(stage: Stage) -> None:
    """An answer that is larger than any real one is not read, and that is the upstream's fault."""
    response = await stage.look_up(outgoing=scripted_upstream.outgoing({"name": "x" * 1024 * 1024}))
    assert (response.status_code, response.json()["code"]) == (502, "bad-upstream")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"NaN"', '"-Infinity"', "null", "[]"])
async def test_coordinates_that_are_none(stage: Stage, number: str) -> None:
    """A parcel with impossible coordinates is shown without any."""
    document = json.dumps(scripted_upstream.outgoing({"to_coordinates": {"latitude": 0.125, "longitude": 5.47}}))
    response = await stage.look_up(outgoing=document.replace("0.125", number).encode())
    assert response.status_code == 201
    assert harmless(response)


@pytest.mark.parametrize("number", ["NaN", "1e999", "", None, {}])
async def test_points_at_no_place_are_left_out(stage: Stage, number: object) -> None:
    """A point without usable coordinates cannot be measured and is not shown; the others are."""
    said = [POINT | {"latitude": number}, POINT | {"id": 7, "distance": number}]
    found = await (await stage.shopper(service_points=said)).get("/v1/service-points")
    assert [(point["id"], point["distance"]) for point in found.json()["service_points"]] == [(7, 0)]


async def test_ten_thousand_items(stage: Stage) -> None:
    """An order of ten thousand lines is shown whole, in an answer that stays below two megabytes."""
    lines = [{"id": f"{number}", "price": 1, "quantity": 1, "returnable": True} for number in range(10_000)]
    response = await stage.look_up(outgoing=scripted_upstream.outgoing(products=lines))
    assert response.status_code == 201
    assert len(response.json()["items"]) == 10_000
    assert len(response.content) < MAX_ANSWER_BYTES


async def test_ten_thousand_points(stage: Stage) -> None:
    """A search with ten thousand points shows as many as the limit allows."""
    point = {"latitude": 51.44, "longitude": 5.47, "carrier": "postnl"}
    someone = await stage.shopper(service_points=[point | {"id": number} for number in range(10_000)])
    response = await someone.get("/v1/service-points?limit=100")
    assert len(response.json()["service_points"]) == 100
    assert len(response.content) < MAX_ANSWER_BYTES


@pytest.mark.parametrize(("depth", "status"), [(10, 201), (500, 201), (100_000, 502)])
async def test_deeply_nested_extra_members(stage: Stage, depth: int, status: int) -> None:
    """An unread member does no harm, and one that breaks the parser is the upstream's fault."""
    document = json.dumps(scripted_upstream.outgoing()).encode()
    response = await stage.look_up(outgoing=document[:-1] + b', "extra": ' + b"[" * depth + b"]" * depth + b"}")
    assert response.status_code == status
    assert harmless(response)


@pytest.mark.parametrize(
    "said",
    [b"", b"null", b"[]", b'"<script>"', b"\xff\xfe", b'{"data": {}, "data": {}}', b'{"data": "\\ud800"}', b"<html>"],
    ids=ascii,
)
async def test_what_is_no_answer(stage: Stage, said: bytes) -> None:
    """An answer that is no JSON document of the agreed shape is the upstream's fault, and none of it is quoted."""
    response = await stage.look_up(outgoing=said)
    assert (response.status_code, response.json()["code"]) == (502, "bad-upstream")
    assert not set(re.findall(rb"script|html|ud800", said)) & set(re.findall(rb"script|html|ud800", response.content))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://shop.example/", "//shop.example", f"https://shop.example/{SCRIPT}", 7, []]
)
async def test_payment_urls_are_https_or_absent(stage: Stage, url: object) -> None:
    """A payment URL that a browser should not be sent to is dropped; the return stands."""
    someone = await stage.shopper(incoming=scripted_upstream.created(payment_url=url))
    created = await someone.create(someone.body("pickup"))
    assert (created.status_code, created.json()["payment_url"]) == (202, None)


async def test_looks_that_cannot_be_read_change_nothing(store: Valkey, sandbox: SandboxProcess) -> None:
    """A label whose announcement cannot be read is still pending, and is polled again."""
    # Few on each stage and a good look after each: the breaker must not open.
    async with staged(store, sandbox) as stage:
        odds: list[object] = [None, "<script>", [SCRIPT], [None], {}]
        for odd in odds:
            someone = await stage.shopper(polling=scripted_upstream.label(download_url=odd))
            location = (await someone.create(someone.body("pickup"))).headers["location"]
            looks = len(stage.upstream.requests_for("polling"))
            await eventually(partial(_was_looked_at_again, stage, someone, location, looks), 10)
            stage.upstream.say(polling=scripted_upstream.label())
            assert (await someone.settled(location))["state"] == "label_ready"


async def _was_looked_at_again(stage: Stage, someone: Shopper, location: str, before: int) -> bool:
    response = await someone.get(location)
    assert (response.status_code, response.json()["state"]) == (200, "label_pending")
    return len(stage.upstream.requests_for("polling")) > before + 1


async def test_shown_items_stay_as_they_were_cleaned(stage: Stage) -> None:
    """A return names its items as cleanly as the first screen does."""
    someone = await stage.shopper(outgoing=scripted_upstream.outgoing(products=[samples.product(name=SCRIPT)]))
    [item] = (await someone.create(someone.body("pickup"))).json()["items"]
    assert item["name"] == someone.screen["items"][0]["name"]
    assert not UNFIT.search(item["name"])


async def test_large_searches_of_one_parcel_fill_no_store(stage: Stage) -> None:
    """A parcel's searches are answered however large, and kept as far as its 2 MiB go."""
    someone = await stage.shopper(
        service_points=[POINT | {"id": number, "carrier": f"c-{number % 8}"} for number in range(1500)]
    )
    places = [f"/v1/service-points?latitude={latitude}&longitude=5.47" for latitude in (51, 52, 53, 54, 55, 56)]
    before = len(stage.upstream.requests_for("service-points"))
    for _ in range(2):
        assert {(await someone.get(place)).status_code for place in places} == {200}
    assert len(places) < len(stage.upstream.requests_for("service-points")) - before < 2 * len(places)


async def test_ordinary_words_arrive_afterwards(stage: Stage) -> None:
    """After all of this a plain lookup works and says what the upstream said."""
    screen = (await stage.shopper()).screen
    assert (screen["parcel"]["order_number"], screen["items"][0]["name"]) == ("A-1001", "Blue shirt M")


@pytest.mark.parametrize("status", [400, 409, 410, 422])
async def test_a_refused_return_leads_to_the_hosted_portal(stage: Stage, status: int) -> None:
    """A lookup that the upstream refuses for the shop's reasons is a conflict that names the hosted portal."""
    said = {"error": {"code": "return_window_closed", "message": "swordfish"}}
    stage.upstream.say(return_portal=scripted_upstream.settings())
    stage.upstream.do(outgoing=lambda _: answer(status, json.dumps(said).encode()))
    refused = await stage.http.post(
        f"/v1/brands/{(brand := next(stage.brands))}/sessions",
        json={"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"},
    )
    assert told(refused) == (409, "not-returnable-now")
    assert refused.headers["location"] == f"https://{brand}.shipping-portal.com/rp/"
    assert "swordfish" not in refused.text
