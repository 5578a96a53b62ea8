"""Polls that are answered 500, refused or not at all: what a shopper is told, and whose units are whose then."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any

import jwt
import pytest
import pytest_asyncio

from app.domain import DAY_SECONDS
from app.returns.claims import FAILED_COUNTED_SECONDS, MAX_FAILED
from tests.support import scripted_upstream
from tests.support.processes import Bff, Valkey, eventually, running_bff
from tests.support.raw_server import Behaviour, answer
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import PORTAL, Heard, ScriptedUpstream, always, body
from tests.support.shopper import Shopper, told

PARCELS = count(5000)
ALL_BRANDS = [f"shop-{number}" for number in range(30)]
BRANDS = list(ALL_BRANDS)
POLL_INTERVAL = 0.05
SIGNING_KEY = "0123456789abcdef0123456789abcdef"
REFUSED = re.compile(r'^bff_upstream_(brands_refused{lane="poll"} [1-9]|breaker{lane="poll"} [12])', re.MULTILINE)
LEASE_SECONDS = 60
"""More than a creation has."""
LONG_AGO = 1_600_000_000


@pytest_asyncio.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream that answers polls as each test says."""
    async with scripted_upstream.scripted_upstream() as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def bff(store: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AsyncIterator[Bff]:
    """A service of that upstream."""
    async with service(store, sandbox, upstream) as process:
        yield process


@pytest_asyncio.fixture
async def fresh_bff(store: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AsyncIterator[Bff]:
    """A service that polls no return of another test, and whose breakers are closed."""
    async with service(store, sandbox, upstream) as process:
        yield process


def service(store: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AbstractAsyncContextManager[Bff]:
    """A service that asks the upstream of this file, often and with little patience."""
    urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
    return running_bff(
        store.url, sandbox, brands=",".join(ALL_BRANDS), poll_interval=POLL_INTERVAL, poll_deadline=1, **urls
    )


@pytest_asyncio.fixture(autouse=True)
async def unpaused(store: Valkey) -> None:
    """No answer of an earlier test keeps calls waiting."""
    await store.forget_upstream_pauses()


@pytest.fixture
def brand() -> str:
    """A brand of whose polls nothing is known yet."""
    return BRANDS.pop()


async def returning(bff: Bff, upstream: ScriptedUpstream, brand: str, **changes: object) -> tuple[Shopper, str]:
    """A shopper who returned everything, and where the return is; its poller token is the return's number."""
    number = next(PARCELS)
    poller = jwt.encode({"id": number} | changes, SIGNING_KEY)
    upstream.say(
        outgoing=scripted_upstream.outgoing({"id": number}),
        incoming=scripted_upstream.created(poller_url=f"{PORTAL}/label/polling?token={poller}") | {"return": number},
    )
    wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
    looked_up = await bff.http.post(f"/v1/brands/{brand}/sessions", json=wanted)
    assert looked_up.status_code == 201, looked_up.text
    screen = looked_up.json()
    someone = Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
    created = await someone.create(everything(someone))
    assert created.status_code == 202, created.text
    return someone, created.headers["location"]


def everything(someone: Shopper) -> dict[str, Any]:
    """A return of all units that can go back."""
    item = next(each for each in someone.screen["items"] if each["returnable"])
    reason = someone.screen["options"]["reasons"][0]["id"]
    return someone.body("pickup", items=[{"id": item["id"], "quantity": item["quantity"], "reason": reason}])


def polled(here: Heard) -> int:
    """The number of the return that this poll is about."""
    number: int = jwt.decode(here.query["token"][0], options={"verify_signature": False})["id"]
    return number


def polls_of(upstream: ScriptedUpstream, number: int) -> int:
    """How often this return was polled; returns of other tests may be polled meanwhile."""
    return [polled(here) for here in upstream.requests_for("polling")].count(number)


def shows(someone: Shopper, location: str, **members: object) -> Callable[[], Any]:
    """Whether the return looks so now; members of its label are among them."""

    async def looks_so() -> bool:
        response = await someone.get(location)
        assert response.status_code in {200, 503}, response.text
        if response.status_code == 503:
            return False
        found = response.json()
        seen = {"label_state": found["label"]["state"], "delayed": found["label"]["delayed"], **found}
        return {name: seen[name] for name in members} == members

    return looks_so


async def fails(bff: Bff, upstream: ScriptedUpstream, brand: str) -> tuple[Shopper, str]:
    """A shopper whose announcement failed while another label of the brand was ready."""
    upstream.say(polling=scripted_upstream.label())
    await eventually(shows(*await returning(bff, upstream, brand), state="label_ready"), 30)
    ready = answer(200, body(scripted_upstream.label()).replace(PORTAL.encode(), portal(upstream, brand).encode()))
    number = next(PARCELS) + 1
    upstream.do(polling=lambda here: answer(500) if polled(here) >= number else ready)
    someone, location = await returning(bff, upstream, brand)
    await eventually(shows(someone, location, state="failed"), 30)
    return someone, location


async def add_refusals(store: Valkey, failed: str, number: int) -> None:
    """Makes the claim of this failed return two days old, and so many others of its parcel one day."""
    (name,) = [each async for each in store.client.scan_iter("p:*:claim") if failed in await claims_of(store, each)]
    claims = await claims_of(store, name)
    two_days = {**claims[failed], "lease_until": claims[failed]["lease_until"] - 2 * DAY_SECONDS}
    a_day = {**two_days, "lease_until": claims[failed]["lease_until"] - FAILED_COUNTED_SECONDS - LEASE_SECONDS}
    claims = {f"rtn_{place:022}": a_day for place in range(number)} | {failed: two_days}
    await store.client.hset(name, "v", json.dumps(claims))


async def claims_of(store: Valkey, name: bytes) -> dict[str, Any]:
    """The claims that the store has under this name; other tests leave some that are no JSON."""
    kept = await store.client.hget(name, "v") or b"{}"
    try:
        claims: dict[str, Any] = json.loads(kept)
    except ValueError:
        return {}
    return claims


def portal(upstream: ScriptedUpstream, brand: str) -> str:
    """The URL of the brand's portal."""
    return f"{upstream.url}/brand/{brand}/return-portal"


async def test_an_outage_of_polling_frees_no_units(fresh_bff: Bff, upstream: ScriptedUpstream, brand: str) -> None:
    """While every poll is answered 500 a return stays pending and says that it is late, and its label comes later."""
    upstream.do(polling=always(answer(500)))
    someone, location = await returning(fresh_bff, upstream, brand)
    await eventually(shows(someone, location, state="label_pending", delayed=True, label_state="pending"), 30)
    upstream.heard.clear()

    async def was_polled_on() -> bool:
        number = (await someone.get(location)).json()["sendcloud_return_id"]
        return polls_of(upstream, number) >= 2

    await eventually(was_polled_on, 30)
    assert re.search(r'failures_total{verdict="doubted"} [1-9]', (await fresh_bff.http.get("/metrics")).text)
    assert (await someone.get(location)).json()["state"] == "label_pending"
    assert told(await someone.create(everything(someone))) == (409, "units-claimed")
    upstream.say(polling=scripted_upstream.label())
    await eventually(shows(someone, location, state="label_ready", delayed=False), 30)


async def test_returns_that_fail_together_open_the_breaker(bff: Bff, upstream: ScriptedUpstream, brand: str) -> None:
    """Three returns that are answered 500 are an outage: polling pauses, and the metrics say so."""
    upstream.do(polling=always(answer(500)))
    returns = [await returning(bff, upstream, brand) for _ in range(3)]

    async def is_open() -> bool:
        for someone, location in returns:
            await someone.get(location)
        return REFUSED.search((await bff.http.get("/metrics")).text) is not None

    await eventually(is_open, 30)
    for someone, location in returns:
        await eventually(shows(someone, location, state="label_pending"), 30)


async def test_a_failure_is_believed_while_polling_works(bff: Bff, upstream: ScriptedUpstream, brand: str) -> None:
    """A control poll of a ready label stands between the two polls that end a return, and its units are free."""
    someone, location = await fails(bff, upstream, brand)
    number = (await someone.get(location)).json()["sendcloud_return_id"]
    numbers = [polled(here) for here in upstream.requests_for("polling")]
    # Other labels are polled too, before, between and after.
    *_, first, second = [place for place, each in enumerate(numbers) if each == number]
    assert any(each < number for each in numbers[first:second])
    assert (await someone.create(everything(someone))).status_code == 202


@pytest.mark.parametrize(("status", "state"), [(202, "label_pending"), (200, "label_ready")])
async def test_a_return_that_is_alive_takes_its_units_back(
    bff: Bff, upstream: ScriptedUpstream, brand: str, status: int, state: str
) -> None:
    """Before freed units are claimed again the failed return is polled, and one that is alive keeps them."""
    someone, location = await fails(bff, upstream, brand)
    if status == 200:
        upstream.say(polling=scripted_upstream.label())
    else:
        upstream.do(polling=always(answer(status)))
    refused = await someone.create(everything(someone))
    assert told(refused) == (409, "units-claimed")
    assert refused.headers["location"] == location
    assert (await someone.get(location)).json()["state"] == state
    assert len([here for here in upstream.requests_for("incoming") if f"/{brand}/" in here.path]) == 2


async def test_a_return_that_is_alive_is_found_behind_many_refused_ones(
    bff: Bff, store: Valkey, upstream: ScriptedUpstream, brand: str
) -> None:
    """A failed return is polled before its units are claimed again, also if more were refused since than are listed."""
    someone, location = await fails(bff, upstream, brand)
    await add_refusals(store, location.rpartition("/")[2], MAX_FAILED)
    upstream.do(polling=always(answer(202)))
    assert told(await someone.create(everything(someone))) == (409, "units-claimed")
    assert len([here for here in upstream.requests_for("incoming") if f"/{brand}/" in here.path]) == 2


@pytest.mark.parametrize("reply", [answer(503), answer(404), answer(200, b"<html>"), answer(429)])
async def test_without_an_answer_freed_units_are_not_claimed(
    bff: Bff, store: Valkey, upstream: ScriptedUpstream, brand: str, reply: Behaviour
) -> None:
    """While the failed return cannot be asked about, a new one has to wait, and nothing changes."""
    someone, location = await fails(bff, upstream, brand)
    upstream.do(polling=always(reply))
    assert told(await someone.create(everything(someone))) == (503, "upstream-unavailable")
    upstream.do(polling=always(answer(202)))
    await store.forget_upstream_pauses()
    assert (await someone.get(location)).json()["state"] == "failed"
    assert len([here for here in upstream.requests_for("incoming") if f"/{brand}/" in here.path]) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_dead_download_url_is_replaced(bff: Bff, upstream: ScriptedUpstream, brand: str, status: int) -> None:
    """A label whose URL has died is fetched from a fresh one after one poll."""
    upstream.say(polling=scripted_upstream.label())
    someone, location = await returning(bff, upstream, brand)
    await eventually(shows(someone, location, state="label_ready"), 30)
    fresh = scripted_upstream.token("fresh")
    upstream.say(polling=scripted_upstream.label(download_url=f"{PORTAL}/label/download?token={fresh}"))
    pdf = answer(200, b"%PDF-1.7\n%%EOF\n")
    upstream.do(download=lambda here: pdf if here.query["token"] == [fresh] else answer(status))
    upstream.heard.clear()
    assert (await someone.get(f"{location}/label")).content.startswith(b"%PDF-")
    number = (await someone.get(location)).json()["sendcloud_return_id"]
    assert (polls_of(upstream, number), len(upstream.requests_for("download"))) == (1, 2)


async def test_a_poll_for_a_fresh_url_takes_no_other_url(bff: Bff, upstream: ScriptedUpstream, brand: str) -> None:
    """A customs declaration stays when the poll that replaces a dead download URL does not name it."""
    upstream.say(polling=scripted_upstream.label(customs_declaration_url=f"{PORTAL}/customs/1"))
    someone, location = await returning(bff, upstream, brand)
    await eventually(shows(someone, location, state="label_ready"), 30)
    fresh, pdf = scripted_upstream.token("fresh"), answer(200, b"%PDF-1.7\n%%EOF\n")
    upstream.say(polling=scripted_upstream.label(download_url=f"{PORTAL}/label/download?token={fresh}"))
    upstream.do(download=lambda here: pdf if here.query["token"] == [fresh] else answer(404), **{"1": always(pdf)})
    for document in ("label", "customs-declaration"):
        assert (await someone.get(f"{location}/{document}")).content.startswith(b"%PDF-")


@pytest.mark.parametrize("reply", [answer(202), answer(500), answer(404), answer(503)])
async def test_a_poll_for_a_fresh_url_changes_nothing_else(
    fresh_bff: Bff, upstream: ScriptedUpstream, brand: str, reply: Behaviour
) -> None:
    """A poll that brings no URL leaves the return ready and its units held."""
    upstream.say(polling=scripted_upstream.label())
    someone, location = await returning(fresh_bff, upstream, brand)
    await eventually(shows(someone, location, state="label_ready"), 30)
    upstream.do(polling=always(reply), download=always(answer(404)))
    assert told(await someone.get(f"{location}/label")) == (502, "bad-upstream")
    assert (await someone.get(location)).json()["state"] == "label_ready"
    assert told(await someone.create(everything(someone))) == (409, "units-claimed")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_label_is_lost_once_its_poller_token_is_over(
    bff: Bff, upstream: ScriptedUpstream, brand: str, status: int
) -> None:
    """Refused polls end the wait when the token has expired; the units stay held."""
    upstream.do(polling=always(answer(status)))
    someone, location = await returning(bff, upstream, brand, exp=LONG_AGO)
    await eventually(shows(someone, location, state="label_lost", label_state="unavailable"), 30)
    assert told(await someone.create(everything(someone))) == (409, "units-claimed")
    other, elsewhere = await returning(bff, upstream, brand)

    async def was_polled_twice() -> bool:
        await other.get(elsewhere)
        number = (await other.get(elsewhere)).json()["sendcloud_return_id"]
        return polls_of(upstream, number) >= 2

    await eventually(was_polled_twice, 30)
    assert (await other.get(elsewhere)).json()["state"] == "label_pending"
