"""Canaries: whole journeys at DEBUG, failures included, and then a look for what must not be anywhere."""

import asyncio
import base64
import hashlib
import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.http.callers.session_id import SessionId
from app.models.returns import FINAL_STATES
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring, RecordUnreadable, _derived, seal, unseal
from app.redis.store import Store
from app.returns.store.records import ReturnRecord
from app.sandbox.scenarios import PAGE
from app.sessions.session import Session
from app.sessions.store import SessionStore
from tests.support.collector import running_collector
from tests.support.descriptions import OURS
from tests.support.processes import (
    SECRET_KEY,
    Bff,
    Valkey,
    eventually,
    fresh,
    running_bff,
    running_valkey,
)
from tests.support.receiver import shops_entry
from tests.support.release import Operator
from tests.support.retention import families, family_of
from tests.support.sandbox import SandboxProcess, customer_of
from tests.support.shopper import Shopper, look_up, shopper
from tests.support.talkative import EXPORTED, TRACED
from tests.support.webhooks import KEY, Integration, parcel_status_changed, return_created

TOKENS = ["eyJhbGciOi", ".eyJ", "token="]
UPSTREAM_WORDS = [PAGE, "No matching order", "This order is blocked", "Too many requests", "elsewhere.example"]
LOOKUPS = ("LOOKUP500", "UNKNOWN", "LOOKUPHTML", "LOOKUP429", "LOOKUPERRORS", "EXPIRED")
ENDLESS = ("PAID", "POLLFOREIGN")
CONTROLS = ("LABEL", "PDFHTML")
"""Their labels show whether polling works, which the failure of FAIL needs to be believed."""
JOURNEYS = ("INTL", "LABEL", "REFUSE", "CREATE429", "CREATEFOREIGN", "FAIL", "PDFHTML", *ENDLESS, "CREATE500")
CONTACT = {
    "name": "Kanarie Vogelaar",
    "street": "Kanarielaan",
    "postal_code": "9876 XZ",
    "email": "kanarie@vogels.example",
    "phone": "+31644770099",
}
TYPED = [*CONTACT.values(), "piept in het bericht", "piept als bedrag", "piept bij de foto"]
SIGNED = f'\n[shops.demo.upstream_events]\nsignature_keys = ["{KEY}"]\n[shops.demo.policy]\nwindow = 14\n'
BY_SHOP = {"X-Partner-Key": "system-kanarie"}
SENT = {"X-Partner-Key": "partner-kanarie", "User-Agent": "agent-kanarie", "Referer": "https://x.example/?kanarie"}
WRONG = {"items": "piept in een fout veld", "token_delivery": "piept", "extra": 1}
POSTAL_CODES = ["5611 AA", "5611AA", "W1A 1AA", "W1A1AA"]
LEASES = {"p:{<parcel_key>}:r:<id>:lease", "c:{<question>}:lock", "n:{create:<brand>}:probe"}
"""They are over when the journeys are."""
NO_ENDPOINT = "http://127.0.0.1:9/events"
"""Where no server takes the shop's events, so that they wait."""
OF_DEAD_EVENTS = {"e:{events}:dead:<brand>", "e:{events}:off:<brand>"}
"""They need an endpoint that answers 410, and hold ids alone."""
IDEMPOTENCY_KEY = "kanarie-sleutel-"
PNG = b"\x89PNG\r\n\x1a\n kanarie"


@dataclass
class Seen:
    """All that a front end, an operator and a thief of the store's content see of some journeys."""

    answers: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    routes: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    """Session ids, and tokens of handoffs."""
    orders: set[str] = field(default_factory=set)
    output: str = ""
    """Logs, and everything that libraries told OpenTelemetry."""
    spans: str = ""
    """All that a collector was sent."""
    metrics: str = ""
    store: dict[str, bytes] = field(default_factory=dict)
    dump: str = ""
    upstream: list[str] = field(default_factory=list)
    """The upstream's tokens, as a holder of the session ids reads them."""

    async def note(self, response: httpx.Response) -> None:
        """Keeps one answer, and the session id in it."""
        text = (await response.aread()).decode("latin-1")
        self.statuses.add(response.status_code)
        self.answers.append(text)
        self.headers.append(str([each for each in response.headers.multi_items() if each[0] != "set-cookie"]))
        kind = response.headers.get("content-type", "").partition(";")[0]
        {"application/problem+json": self.problems, "text/event-stream": self.frames}.get(kind, []).append(text)
        whole = f"{text} {response.headers.get('set-cookie', '')}"
        self.tokens.update(re.findall(r"rp[sh]_[\w-]{22}\.[\w-]{43}", whole))

    @property
    def ids(self) -> list[str]:
        """Session ids."""
        return [token for token in self.tokens if token.startswith("rps_")]

    @property
    def places(self) -> dict[str, list[str]]:
        """Where something can be seen."""
        store = [*self.store, *(value.decode("latin-1") for value in self.store.values())]
        told = {"headers": self.headers, "problems": self.problems, "frames": self.frames, "output": [self.output]}
        told |= {"spans": [self.spans]}
        return {"answers": self.answers, **told, "metrics": [self.metrics], "store": store, "dump": [self.dump]}


async def wrong_calls(someone: Shopper, order: str) -> None:
    """Everything a broken or hostile front end sends."""
    post, keyed = someone.http.post, {"Idempotency-Key": IDEMPOTENCY_KEY + order}
    for path in ("/v1/returns", "/v1/returns/preview"):
        await post(path, json=someone.body("pickup") | WRONG, headers=someone.headers | keyed)
        await post(path, content=b'{"piept', headers=someone.headers | keyed | {"Content-Type": "application/json"})
    await post("/v1/returns", json=someone.body("pickup", message="anders"), headers=someone.headers | keyed)
    await post("/v1/returns", json=someone.body("pickup"), headers=someone.headers)
    await post("/v1/uploads", files={"kanarie": b"<html>piept"}, headers=someone.headers)
    await post("/v1/returns", data={"piept": order}, headers=someone.headers)
    await post("/v1/brands/demo/sessions", json={"identifier": order, "postal_code": "5611 AA"} | WRONG)
    await post("/v1/brands/demo/sessions", content=b" " * 70_000, headers={"Content-Type": "application/json"})
    await someone.get(f"/v1/returns/{order}?piept={order}")
    await someone.get("/v1/session", Padding="x" * 33_000)
    await someone.http.put(f"/v1/session?piept={order}", headers=someone.headers)


async def journey(bff: Bff, sandbox: SandboxProcess, order: str, delivery: str) -> None:
    """Every call of a shopper, with any answer."""
    someone = await shopper(bff.http, order, delivery=delivery)
    customs = {"invoice_number": "1", "general_notes": TYPED[6]}
    body = someone.body("pickup", contact=CONTACT, message=TYPED[5], customs=customs)
    [uploaded] = (await bff.http.post("/v1/uploads", files={"p": PNG}, headers=someone.headers)).json()["uploads"]
    body["photos"] = [{"file": uploaded["file"], "item": body["items"][0]["id"], "description": TYPED[7]}]
    await bff.http.post("/v1/returns/preview", json=body, headers=someone.headers)
    created = await someone.create(body, IDEMPOTENCY_KEY + order)
    location = created.headers.get("location", "/v1/returns/none")

    async def is_looked_at() -> bool:
        response = await someone.get(location)
        if order.startswith(ENDLESS):
            return bool(await sandbox.ledger(kind="polling", order=order))
        return "retry-after" not in response.headers

    await eventually(is_looked_at, 20)
    if (await someone.get(location)).json().get("state") in FINAL_STATES:
        await someone.get(f"{location}/events")
    point = f"/v1/service-points/{(someone.screen['drop_off']['nearest'] or {'id': 1})['id']}"
    rest = (f"{location}/label", f"{location}/customs-declaration", "/v1/session", "/v1/service-points", point)
    of_the_shop = location.replace("/v1", "/v1/shops/demo")
    for path in (*rest, "/v1/brands/demo/portal"):
        await someone.get(path)
    for path in (of_the_shop, f"{of_the_shop}/units", "/v1/shops/demo/dead-events"):
        await bff.http.get(path, headers=BY_SHOP)
    await bff.http.post("/v1/shops/demo/returns/search", json={"order_number": order}, headers=BY_SHOP)
    # Half of the returns stay as they are, to be searched for; an erased one is a control no more.
    if delivery == "cookie" and not order.startswith(CONTROLS):
        await bff.http.post(f"{of_the_shop}/resolve", json={"outcome": "cancelled"}, headers=BY_SHOP)
        await bff.http.post(f"{of_the_shop}/erase", headers=BY_SHOP)
        await bff.http.post("/v1/shops/demo/returns/erase", json={"order_number": order}, headers=BY_SHOP)
    sendcloud = Integration(bff.http)
    await sendcloud.tells(return_created(order, [{"description": "kanarie", "quantity": 1}]))
    await sendcloud.tells(parcel_status_changed(order, 1, 11, time.time()))
    await bff.http.post("/v1/shops/demo/dead-events/resend", headers=BY_SHOP)
    hands = [await bff.http.post("/v1/session/handoff", json={}, headers=someone.headers) for _ in range(2)]
    handed = hands[-1].json()
    await bff.http.post("/v1/handoffs", json={"token": handed["token"], "token_delivery": delivery})
    await wrong_calls(someone, order)


async def faults_of_ours(bff: Bff, store: Valkey) -> None:
    """Records of an unforeseen form, so that exceptions quote them."""
    session_id = SessionId.new()
    sealed = seal(session_id.secret, b'{"brand": {"piept": 1}}', f"session|{session_id.key}|1")
    await store.client.set(f"s:{{{session_id.key}}}", sealed, ex=60)
    await bff.http.get("/v1/session", headers={"Authorization": f"Bearer {session_id.token}"})
    await store.client.set("c:{languages|buecherei}", b'{"piept": 1}', ex=60)
    await bff.http.get("/v1/brands/buecherei/portal")
    await store.client.delete("c:{languages|buecherei}")


async def released(store: Valkey, sandbox: SandboxProcess) -> str:
    """The words for an operator who finds a return that got no answer."""
    kept = [await store.client.hget(name, "v") async for name in store.client.scan_iter("p:*:claim")]
    claims = {name: claim for each in kept for name, claim in json.loads(each or b"{}").items()}
    return_id = next(name for name, claim in claims.items() if claim["phase"] == "outcome_unknown")
    status, output = await Operator(store.client, store.url, sandbox).releases(return_id, "--as", "accepted", "--yes")
    assert status == 0, output
    return output


async def held(store: Valkey, key: bytes) -> bytes:
    """What Redis holds under this key, as plain as it can be had."""
    kind: Any = await store.client.type(key)
    value: Any = await {b"string": store.client.get, b"hash": store.client.hgetall}.get(kind, store.client.dump)(key)
    return b"\n".join(itertools.chain(*value.items())) if isinstance(value, dict) else bytes(value or b"")


async def opened(store: Valkey, ids: list[str]) -> AsyncIterator[Session]:
    """What the sessions with these ids hold."""
    connected = Store(topology(store.url))
    for token in ids:
        yield await SessionStore(connected, 20).get(SessionId.parse(token))
    await connected.aclose()


@pytest_asyncio.fixture(scope="module", name="seen")
async def everything_seen(sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seen]:
    """What some journeys in cookie and body mode left to be seen."""
    system, partner = (hashlib.sha256(each["X-Partner-Key"].encode()).hexdigest() for each in (BY_SHOP, SENT))
    shops = tmp_path_factory.mktemp("shops") / "file"
    shops.write_text(
        f'[shops.demo]\nshop_keys = {{ aviary = "{system}" }}\n' + shops_entry("demo", NO_ENDPOINT) + SIGNED
    )
    seen, talkative = Seen(), {"module": "tests.support.talkative", "poll_interval": 0.1, "shops": shops}
    talkative["partners"] = f"aviary:{partner}"
    async with (
        running_collector() as collector,
        running_valkey() as store,
        running_bff(store.url, sandbox, traces_url=collector.url, **talkative) as bff,
    ):
        bff.http.headers.update(SENT)
        bff.http.event_hooks["response"].append(seen.note)
        for prefix in JOURNEYS:
            orders = {"cookie": fresh(prefix), "body": fresh(prefix)}
            seen.orders.update(orders.values())
            await asyncio.gather(*[journey(bff, sandbox, order, delivery) for delivery, order in orders.items()])
            await store.forget_upstream_pauses()
        for prefix, delivery in itertools.product(LOOKUPS, ("cookie", "body")):
            seen.orders.add(order := fresh(prefix))
            await look_up(bff.http, order, delivery=delivery)
            await store.forget_upstream_pauses()
        bff.process.expected += [TRACED, EXPORTED, '"error": "ValidationError"']
        await faults_of_ours(bff, store)
        told = await released(store, sandbox)
        seen.metrics = (await bff.http.get("/metrics")).text
        async for session in opened(store, seen.ids):
            seen.upstream += [session.access_token, session.service_points_token]
        await store.client.save()
        seen.dump = (store.directory / "dump.rdb").read_bytes().decode("latin-1")
        seen.store = {key.decode(): await held(store, key) async for key in store.client.scan_iter()}
        await bff.process.stop()
        seen.output = bff.process.output.read_text() + told
        seen.spans = b"".join(collector.server.requests).decode("latin-1")
        yield seen


@pytest_asyncio.fixture(scope="module", name="person")
async def personal_words(sandbox: SandboxProcess) -> list[str]:
    """What upstream knows about the shoppers of these journeys, and what they typed."""
    words = [*TYPED]
    async with httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False) as panel:
        for prefix in ("LABEL", "INTL"):
            parcel = (await customer_of(panel, fresh(prefix))).lookup["data"]["parcel"]
            words += [parcel[each] for each in ("name", "address", "email", "telephone")]
            words += [parcel["address_divided"]["street"], parcel["telephone"][1:]]
    return words


def found(words: list[str], texts: list[str]) -> set[str]:
    """Those of the words that are in one of the texts."""
    return {word for word in words for text in texts if word in text}


EVERYWHERE = [*Seen().places]
OUTSIDE_ANSWERS = [place for place in EVERYWHERE if place != "answers"]


def test_the_journeys_were_seen(seen: Seen) -> None:
    """There is something to search: every kind of answer, masked addresses, frames, records, talkative libraries."""
    expected = {
        "%PDF-",
        "S•••".encode().decode("latin-1"),
        "bad-upstream",
        "outcome-unknown",
        "return-refused",
        "3SSBX",
    }
    assert found([*expected], seen.answers) == expected
    assert {200, 201, 202, 400, 404, 405, 409, 413, 415, 422, 431, 502, 503, 504} <= seen.statuses
    assert len(seen.ids) == len(seen.upstream) / 2 == 2 * 2 * len(JOURNEYS)
    assert found(["event: return"], seen.frames)
    assert found([*OURS["paths"]], [seen.spans]) >= {"/v1/returns", "/v1/handoffs"}
    talk = {"httpcore", "uvicorn.error", f"{TRACED}', ('control',", f"{EXPORTED}', (), {{'body': 'control'"}
    assert found([*talk, '"level_name": "DEBUG"'], [seen.output]) == talk | {'"level_name": "DEBUG"'}


def test_every_call_was_made(seen: Seen) -> None:
    """The journeys leave out no call of a shopper or a shop, so that one added later is searched too."""
    routes = {path for path in OURS["paths"] if path.startswith("/v1/")}
    assert {route for route in routes if f'route="{route}"' not in seen.metrics} == set()


def test_every_documented_kind_of_key_was_searched(seen: Seen) -> None:
    """Each row of the table in docs/security.md but for leases is a key that these journeys left."""
    kinds = {family.form for key in seen.store if (family := family_of(key))}
    assert kinds | LEASES | OF_DEAD_EVENTS == {family.form for family in families()}


@pytest.mark.parametrize("place", EVERYWHERE)
def test_upstream_tokens_and_words_stay_inside(seen: Seen, place: str) -> None:
    """No token of the upstream, not even its signature, no URL with one, and none of its messages is anywhere."""
    signatures = [token.rpartition(".")[2] for token in seen.upstream]
    assert found([*TOKENS, *UPSTREAM_WORDS, *signatures], seen.places[place]) == set()


@pytest.mark.parametrize("place", EVERYWHERE)
def test_personal_data_is_masked_or_sealed(seen: Seen, person: list[str], place: str) -> None:
    """Name, street, e-mail address and phone, known or typed, and other typed words are nowhere in the clear."""
    assert found(person, seen.places[place]) == set()


@pytest.mark.parametrize("place", OUTSIDE_ANSWERS)
def test_only_the_shopper_learns_the_order(seen: Seen, place: str) -> None:
    """Order numbers, tracking numbers and postal codes are nowhere but in the answers to their owner."""
    tracking = [order.replace("-", "") for order in seen.orders]
    paths = [f'"instance":"/v1/returns/{order}"' for order in seen.orders]  # the caller's own path
    texts = [re.sub("|".join(paths), "", text) for text in seen.places[place]]
    assert found([*seen.orders, *tracking, *POSTAL_CODES], texts) == set()


@pytest.mark.parametrize("place", ["output", "spans", "metrics", "store", "dump"])
def test_no_tracking_numbers_behind_the_scenes(seen: Seen, place: str) -> None:
    """The shopper gets the return's tracking numbers as well."""
    assert found(["3SSBX"], seen.places[place]) == set()


@pytest.mark.parametrize("place", EVERYWHERE)
def test_what_callers_send_stays_with_them(seen: Seen, place: str) -> None:
    """Partner key, idempotency keys, referrer, user agent and wrong values are neither repeated nor kept."""
    assert found([*SENT.values(), IDEMPOTENCY_KEY, "piept", "kanarie"], seen.places[place]) == set()


@pytest.mark.parametrize("place", OUTSIDE_ANSWERS)
def test_session_secrets_are_kept_nowhere(seen: Seen, place: str) -> None:
    """The half of a session id that opens its record is in no log and in no store, in no encoding."""
    secrets = [token.partition(".")[2] for token in seen.tokens]
    decoded = [base64.urlsafe_b64decode(secret + "=") for secret in secrets]
    spellings = [*secrets, *(raw.hex() for raw in decoded), *(raw.decode("latin-1") for raw in decoded)]
    assert found(spellings, seen.places[place]) == set()


def test_cookie_ids_are_in_no_body(seen: Seen) -> None:
    """A session id that was asked for in the body shows there once, one in the cookie never."""
    shown = [answer for answer in seen.answers if "rps_" in answer]
    assert len(shown) == len(seen.ids) / 2
    assert all('"session_token":"rps_' in answer for answer in shown)


def sealed_returns(seen: Seen) -> list[str]:
    """The content of the returns for a reader of both the dump and the configuration."""
    keyring = Keyring([base64.b64decode(SECRET_KEY)])
    names = [re.fullmatch(r"p:\{(.+)\}:r:(rtn_[\w-]+)", key) for key in seen.store]
    return [
        keyring.unseal(seen.store[name[0]].partition(b"\nv\n")[2], name[1], f"return|{name[2]}|1").decode()
        for name in names
        if name
    ]


def test_dump_and_configuration_open_returns_without_a_person(seen: Seen, person: list[str]) -> None:
    """The operator can read a return, and finds there neither the shopper nor a token that opens the order."""
    records = sealed_returns(seen)
    assert {ReturnRecord.model_validate_json(record).state for record in records} >= {"label_ready", "failed"}
    assert found(['poller_token":"eyJ'], records)
    signatures = [token.rpartition(".")[2] for token in seen.upstream]
    assert found([*person, *seen.orders, *POSTAL_CODES, *signatures], records) == set()


def test_dump_and_configuration_open_no_session(seen: Seen) -> None:
    """No key that can be derived from the configuration and everything in the store opens a session."""
    key = base64.b64decode(SECRET_KEY)
    tags = {tag for name in seen.store for tag in re.findall(r"\{(.+)\}", name)}
    purposes = {"", "names", "session", "sessions", *seen.store, *tags}
    keys = [key, *(_derived(key, purpose) for purpose in purposes), *(_derived(b"", purpose) for purpose in purposes)]
    kinds = {"s": "session", "h": "handoff"}
    sealed = {name: value for name, value in seen.store.items() if name[0] in kinds}
    assert len(sealed) > len(seen.ids)
    for name, value in sealed.items():
        context = f"{kinds[name[0]]}|{name[3:-1]}|1"
        assert not [each for each in keys if opens(each, value, context)], name


def opens(key: bytes, value: bytes, context: str) -> bool:
    """Whether this key opens the record."""
    try:
        unseal(key, value, context)
    except RecordUnreadable:
        return False
    return True
