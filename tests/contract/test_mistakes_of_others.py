"""Mistakes that clients of the upstream are known to make, each with what this service does instead."""

import ast
import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from pydantic import ValidationError

from app.domain import Order, ServicePoint
from app.errors import (
    BadUpstream,
    BffError,
    ReturnOutcomeUnknown,
    UpstreamError,
    UpstreamUnavailable,
)
from app.made_returns import LabelPending, LabelReady
from app.models.requests import NewReturn, NewSession
from app.redis.encryption import RecordUnreadable, seal, unseal
from app.returns.checks.checked_return import CheckedReturn
from app.sendcloud import protocol, schemas, translation
from app.sendcloud.policy.bulkheads import Deadlines, bulkheads
from app.sendcloud.protocol import Call
from app.settings import Settings
from tests.support import samples, scripted_upstream
from tests.support.calls import PUBLIC_CALLS, client, made
from tests.support.descriptions import SENDCLOUD
from tests.support.pdf import pages
from tests.support.processes import Bff, Valkey, eventually, free_port, fresh, running_bff
from tests.support.raw_server import Behaviour, answer, fin, raw_server, rst, self_signed, silence
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.shopper import Shopper, shopper, told
from tests.unit.test_protocol_answers import PANEL, REQUESTS

POSTAL_CODES = ["5611 AA", "5611aa", "SW1A 1AA", "EC1A 1BB", "4000-322", "00-950", "1010", "75004", "D02 AF30"]
READY: dict[str, object] = {
    "download_url": f"{PANEL}/brand/my-shop/return-portal/label/download?token=a.b.c",
    "return": 1,
    "parcels": [1],
    "tracking_numbers": ["3S1"],
}
SHIRT = {"id": "shirt", "quantity": 1}


def sent(choice: NewReturn, parcel: Mapping[str, object] = samples.UNCHANGED) -> dict[str, Any]:
    """The body of a creation for this choice, from this parcel."""
    data = samples.order(parcel)
    point = samples.service_point(id=choice.delivery.service_point) if choice.delivery.service_point else None
    document: dict[str, Any] = json.loads(said(choice, data, point).model_dump_json(exclude_none=True))
    return document


def said(choice: NewReturn, order: Order, point: ServicePoint | None = None) -> schemas.NewReturn:
    """What the upstream is told of a choice."""
    return translation.new_return(checked(choice, order).request(133700001, point))


def checked(choice: NewReturn, order: Order) -> CheckedReturn:
    """The choice, checked for this order and the sample shop."""
    return CheckedReturn(choice, order, samples.shop_settings(), samples.AT_NOON)


def decoded(call: Call, status: int, document: object) -> object:
    """What the protocol makes of an answer."""
    return protocol.decode(REQUESTS[call], status, {}, json.dumps(document).encode())


# Returns and their labels


async def test_a_label_is_watched_without_being_asked_for(bff: Bff, sandbox: SandboxProcess) -> None:
    """The service polls for the label, whether or not the front end ever comes back."""
    order = fresh("INSTANT")
    await (await shopper(bff.http, order)).create()

    async def was_asked() -> bool:
        return bool(await sandbox.ledger(kind="polling", order=order))

    await eventually(was_asked, 10)


async def test_every_parcel_of_a_return_is_kept(bff: Bff) -> None:
    """A return of several parcels shows each of them with its own tracking number."""
    someone = await shopper(bff.http, fresh("COLLI"))
    settled = await someone.settled((await someone.create(someone.body("pickup", parcels=3))).headers["location"])
    assert len({parcel["id"] for parcel in settled["parcels"]}) == 3
    assert len({parcel["tracking_number"] for parcel in settled["parcels"]} - {None}) == 3


def test_the_label_is_under_download_url() -> None:
    """The label is found where the documentation has it, even beside other links."""
    others = {"label_url": "https://x.example/1", "label_normal_printer": ["x"], "documents": [{"link": "x"}]}
    ready = decoded(Call.POLLING, 200, READY | others)
    assert isinstance(ready, LabelReady)
    assert ready.download_token == "a.b.c"
    with pytest.raises(BadUpstream):
        decoded(Call.POLLING, 200, {name: READY[name] for name in READY if name != "download_url"} | others)


def test_ready_and_not_yet_are_told_apart_by_status() -> None:
    """202 means not ready and 200 means ready, whatever words their bodies have."""
    assert decoded(Call.POLLING, 202, READY) == LabelPending()
    assert isinstance(decoded(Call.POLLING, 200, READY), LabelReady)
    with pytest.raises(BadUpstream):
        decoded(Call.POLLING, 200, "ready")


async def test_nobody_is_held_until_the_label_is_there(bff: Bff) -> None:
    """Creation answers while the label is still being made, with the seconds after which to ask again."""
    someone = await shopper(bff.http, fresh("SLOWLABEL"))
    created = await someone.create(someone.body("pickup"))
    state = await someone.get(created.headers["location"])
    assert (created.status_code, state.json()["state"]) == (202, "label_pending")
    assert int(created.headers["retry-after"]) >= 1


async def test_a_pdf_is_not_buffered_whole() -> None:
    """The first bytes of a label are handed on while the upstream has not sent the rest."""
    rest = asyncio.Event()

    async def in_two_parts(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n%PDF-")
        await rest.wait()
        writer.write(b"%EOF")

    async with (
        raw_server(in_two_parts) as server,
        client(server.port) as sendcloud,
        sendcloud.open_label("my-shop", "a.b.c") as document,
    ):
        chunks = aiter(document)
        assert await anext(chunks) == b"%PDF-"
        rest.set()
        assert await anext(chunks) == b"%EOF"


async def test_the_journey_ends_here(bff: Bff) -> None:
    """A whole return, from lookup to document, needs no other portal."""
    someone = await shopper(bff.http, fresh("INTL"))
    created = await someone.create(someone.body("pickup", customs={"invoice_number": "1"}))
    settled = await someone.settled(created.headers["location"])
    hrefs = settled["label"]["href"], settled["customs_declaration"]
    label, declaration = ["".join(pages((await someone.get(href)).content)) for href in hrefs]
    assert "Parcel 1 of 1" in label
    assert "Customs declaration" in declaration
    assert "shipping-portal" not in json.dumps([someone.screen, settled])


async def test_a_return_counts_as_created_once_upstream_says_so(bff: Bff, sandbox: SandboxProcess) -> None:
    """A created return has the upstream's own number, and a refused one is failed."""
    order, refused = fresh("LABEL"), fresh("REFUSE")
    created = await (await shopper(bff.http, order)).create()
    [entry] = await sandbox.ledger(kind="incoming", order=order)
    assert created.json()["sendcloud_return_id"] == entry["return_id"]
    someone = await shopper(bff.http, refused)
    location = (await someone.create()).headers["location"]
    assert (await someone.get(location)).json()["state"] == "failed"


@pytest.mark.parametrize("end", [fin(), rst, answer(500), answer(502), answer(503)])
async def test_the_creating_post_is_never_repeated(end: Behaviour) -> None:
    """A creation that was answered by nothing or by a failure is not sent again: it might buy a second label."""
    async with raw_server(end) as server, client(server.port) as sendcloud:
        with pytest.raises(ReturnOutcomeUnknown):
            await made(sendcloud, Call.INCOMING)
        assert len(server.requests) == 1


async def test_a_creation_without_a_key_goes_nowhere(bff: Bff, sandbox: SandboxProcess) -> None:
    """A creation without an idempotency key is refused before the upstream is called."""
    order = fresh("LABEL")
    someone = await shopper(bff.http, order)
    response = await bff.http.post("/v1/returns", json=someone.body(), headers=someone.headers)
    assert told(response) == (400, "idempotency-key-invalid")
    assert await sandbox.ledger(kind="incoming", order=order) == []


# The body of a creation


def test_every_item_has_its_own_reason_and_comment() -> None:
    """Reasons and comments travel with the item they were given for."""
    items = [SHIRT | {"reason": 22, "comment": "Too long"}, SHIRT | {"reason": 11, "comment": "Too blue"}]
    lines = sent(samples.body(items=items))["products"]
    assert [(line["return_reason"], line["return_message"]) for line in lines] == [(22, "Too long"), (11, "Too blue")]


def test_member_names_are_exactly_the_documented_ones() -> None:
    """Every member of a creation has exactly a name of the description; any other would never be read."""
    described = SENDCLOUD["components"]["schemas"]
    known = {name for schema in described.values() for name in _members(schema)}
    items = [SHIRT | {"reason": 22, "comment": "Too long"}]
    body = sent(samples.body(items=items, customs={"invoice_number": "1"}))
    assert set(_keys(body)) <= known
    assert "return_message" in body["products"][0]


def _members(schema: Any) -> set[str]:
    """Names of all properties in a JSON schema, at any depth."""
    if isinstance(schema, list):
        return set().union(*map(_members, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})).union(*map(_members, schema.values()))


def _keys(document: Any) -> set[str]:
    """Names of all members in a JSON document, at any depth."""
    if isinstance(document, list):
        return set().union(*map(_keys, document))
    return set(document).union(*map(_keys, document.values())) if isinstance(document, dict) else set()


@pytest.mark.parametrize("number", ["1234", 1234, "00012"])
def test_a_product_id_is_a_string(number: object) -> None:
    """A product id leaves as a string with its leading zeros, however it came."""
    data = samples.order(products=[samples.product(id=number)])
    [line] = said(samples.body(items=[SHIRT | {"id": str(number)}]), data).products
    assert json.loads(line.model_dump_json())["product_id"] == str(number)


@pytest.mark.parametrize(
    "delivery",
    [
        {"option": "drop_off_point", "service_point": 20000001},
        {"option": "drop_off_labelless"},
        {"option": "in_store", "store": 7},
        {"option": "pickup"},
    ],
)
def test_all_four_ways_back_can_be_chosen(delivery: dict[str, object]) -> None:
    """Every return method that the upstream knows can be asked for and is sent by its name."""
    choice = samples.body(delivery=delivery)
    assert checked(choice, samples.order()).problems == []
    assert sent(choice)["delivery_option"] == delivery["option"]


@pytest.mark.parametrize("chosen", [20000001, 20000077])
def test_the_shopper_chooses_the_drop_off_point(chosen: int) -> None:
    """The point that was chosen is sent by its id alone, the nearest one or not; without a choice none is sent."""
    delivery = {"option": "drop_off_point", "service_point": chosen}
    assert sent(samples.body(delivery=delivery))["service_point"] == {"id": chosen}
    assert "service_point" not in sent(samples.body(delivery={"option": "drop_off_labelless"}))


@pytest.mark.parametrize("refund", [{"type": "money"}, {"type": "exchange", "message": "Size L"}])
def test_the_shopper_chooses_the_refund(refund: dict[str, str]) -> None:
    """The refund that was chosen is sent, and there is none by default."""
    assert sent(samples.body(refund=refund))["refund"]["refund_type"] == {"code": refund["type"]}
    unstated = NewReturn.model_validate(samples.body().model_dump(exclude={"refund"}))
    [problem] = checked(unstated, samples.order()).problems
    assert problem.missing == "#/refund"


def test_nothing_is_made_up() -> None:
    """Unknown members of the sender stay empty, and a missing reason is asked for."""
    bare = {"country": {"iso_2": "PL"}, "house_number": "", "address_divided": None, "email": "", "telephone": ""}
    sender = sent(samples.body(), bare)["incoming_parcel"]
    assert [sender[f"from_{name}"] for name in ("country", "house_number", "email", "telephone")] == ["PL", "", "", ""]
    choice = samples.body(reason=None)
    problems = checked(choice, samples.order()).problems
    assert [problem.missing for problem in problems] == ["#/items/0/reason"]


async def test_the_outgoing_parcel_is_the_one_looked_up(bff: Bff, sandbox: SandboxProcess) -> None:
    """A return names the parcel that the lookup found, and for an order without one nothing is sent at all."""
    order = fresh("UNSHIPPED")
    assert told(await (await shopper(bff.http, order)).create()) == (409, "not-returnable-online")
    assert await sandbox.ledger(kind="incoming", order=order) == []
    new_return = said(samples.body(), samples.order())
    assert new_return.outgoing_parcel == 133700001


@pytest.mark.parametrize("colli", [None, 0, -1, 1])
def test_at_least_one_parcel_goes_back(colli: int | None) -> None:
    """A return has one parcel unless more are asked for, none is refused, and an upstream that says none means one."""
    assert sent(samples.body())["incoming_parcel"]["collo_count"] == 1
    assert samples.order({"collo_count": colli}).max_parcels == 1
    with pytest.raises(ValidationError, match=r"(?m)^parcels$"):
        samples.body(parcels=0)


@pytest.mark.parametrize("code", POSTAL_CODES)
def test_postal_codes_pass_unchanged(code: str) -> None:
    """Letters, blanks and hyphens of a postal code are the upstream's to judge, at the lookup and at the creation."""
    wanted = NewSession(identifier="A-1001", postal_code=code)
    asked = parse_qs(urlsplit(protocol.outgoing(PANEL, "my-shop", "A-1001", wanted.postal_code).url).query)
    assert asked["postal_code"] == [code]
    assert sent(samples.body(), {"postal_code": code})["incoming_parcel"]["from_postal_code"] == code
    assert sent(samples.body(contact={"postal_code": code}))["incoming_parcel"]["from_postal_code"] == code


# How the upstream is called


@pytest.mark.parametrize("call", Call)
def test_every_call_has_a_deadline(call: Call) -> None:
    """No call waits without end: connecting, sending, each silence and the whole call are bounded."""
    bulkhead = bulkheads(Deadlines())[call]
    assert 0 < bulkhead.total <= 60
    waits = bulkhead.timeouts(bulkhead.total)
    assert waits.keys() == {"connect", "pool", "read", "write"}
    assert all(0 < wait <= bulkhead.total and math.isfinite(wait) for wait in waits.values())


@pytest.mark.parametrize("call", sorted(PUBLIC_CALLS))
async def test_an_upstream_that_is_silent_is_given_up(call: Call) -> None:
    """Any call to a silent upstream ends with an error at the deadline in the settings."""
    async with raw_server(silence) as server, client(server.port) as sendcloud:
        start = time.monotonic()
        with pytest.raises(UpstreamError):
            await made(sendcloud, call)
        assert time.monotonic() - start < 3


@pytest.mark.parametrize("call", sorted(PUBLIC_CALLS))
async def test_a_busy_upstream_is_not_pressed(call: Call) -> None:
    """429 is told to the caller with the upstream's own Retry-After; the call is not repeated by itself."""
    async with raw_server(answer(429, headers="retry-after: 7\r\n")) as server, client(server.port) as sendcloud:
        with pytest.raises(UpstreamUnavailable) as caught:
            await made(sendcloud, call)
        assert (caught.value.retry_after, len(server.requests)) == (7, 1)


async def test_a_busy_upstream_gets_no_second_creation() -> None:
    """A creation that is answered 429 is told to the caller and not repeated."""
    async with raw_server(answer(429)) as server, client(server.port) as sendcloud:
        with pytest.raises(UpstreamUnavailable):
            await made(sendcloud, Call.INCOMING)
        assert len(server.requests) == 1


@pytest.mark.parametrize("call", Call)
def test_any_refusal_is_an_error(call: Call) -> None:
    """No status but a success is an answer, 404 and redirects included, not even if its body is a perfect one."""
    failures = {*range(300, 600)} - ({500} if call is Call.POLLING else set())  # there 500 is an answer
    for status in failures:
        for body in (b"", b"true", b"[]", json.dumps(READY).encode(), b"<html>"):
            with pytest.raises(BffError):
                protocol.decode(REQUESTS[call], status, {}, body)


@pytest.mark.parametrize("end", [fin(), rst, fin(b"HTTP/1.1 200 OK\r\n"), fin(b"220 mail.example\r\n\r\n")])
@pytest.mark.parametrize("call", [Call.SETTINGS, Call.OUTGOING, Call.SERVICE_POINTS])
async def test_a_broken_connection_is_an_error(call: Call, end: Behaviour) -> None:
    """A failing transport becomes an error for the caller, not an empty answer or the end of the process."""
    async with raw_server(end) as server, client(server.port) as sendcloud:
        with pytest.raises(UpstreamError):
            await made(sendcloud, call)
    async with client(free_port()) as sendcloud:
        with pytest.raises(UpstreamUnavailable):
            await made(sendcloud, call)


@pytest.mark.parametrize("call", sorted(PUBLIC_CALLS))
async def test_reads_keep_their_headers_and_have_no_body(call: Call) -> None:
    """Every GET arrives with the headers that it was given, and with neither a body nor the announcement of one."""
    async with raw_server(answer(404)) as server, client(server.port) as sendcloud:
        with pytest.raises(BffError):
            await made(sendcloud, call)
        head, _, body = server.requests[0].decode().lower().partition("\r\n\r\n")
    assert (head.split(" ")[0], body) == ("get", "")
    assert {f"{name}: {value}".lower() for name, value in REQUESTS[call].headers.items()} <= {*head.split("\r\n")}
    assert not [name for name in ("content-length", "content-type", "transfer-encoding") if f"\r\n{name}:" in head]


@pytest.mark.parametrize("call", sorted(PUBLIC_CALLS))
async def test_public_calls_carry_no_credentials(call: Call) -> None:
    """Calls that need no Authorization get none, even if the environment offers one."""
    async with raw_server(answer(404)) as server, client(server.port) as sendcloud:
        with pytest.raises(BffError):
            await made(sendcloud, call)
        head = server.requests[0].decode().lower()
    assert not [name for name in ("authorization", "cookie", "proxy-authorization") if f"\r\n{name}:" in head]


def test_there_is_no_merchant_secret() -> None:
    """The service works without any key of the merchant, so that it has none to lose."""
    assert not [name for name in Settings.model_fields if any(word in name for word in ("api", "basic", "merchant"))]
    assert [name for name in Settings.model_fields if "secret" in name or "key" in name] == ["secret_key", "naming_key"]


async def test_query_values_are_escaped() -> None:
    """A text that a shopper types arrives as one value of the query, never as another parameter, path or header."""
    typed = "A&postal_code=1#x?y=z +%41/../é\\"
    async with raw_server(answer(404)) as server, client(server.port) as sendcloud:
        with pytest.raises(BffError):
            await sendcloud.open_order("my-shop", typed, typed)
        target = server.requests[0].decode().split(" ")[1]
    assert urlsplit(target).path == "/brand/my-shop/return-portal/outgoing"
    assert parse_qs(urlsplit(target).query) == {"postal_code": [typed], "identifier": [typed]}


async def test_tls_is_verified() -> None:
    """A server that cannot prove its name gets no request, and so no token: neither a read nor a creation."""
    async with (
        raw_server(silence, tls=self_signed("localhost")[0]) as server,
        client(server.port, "https") as sendcloud,
    ):
        for call in (Call.INCOMING, Call.OUTGOING):
            with pytest.raises(BadUpstream):
                await made(sendcloud, call)
        assert server.requests == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing_upstream(bff: Bff, sandbox: SandboxProcess, method: str) -> None:
    """Nothing that a browser may load by itself makes an upstream call that changes something."""
    order = fresh("INSTANT")
    someone = await shopper(bff.http, order)
    location = (await someone.create()).headers["location"]
    await someone.settled(location)
    places = ["/v1/brands/demo/portal", "/v1/session", "/v1/service-points", "/v1/service-points/20000001"]
    for path in [*places, "/v1/returns", location, f"{location}/events", f"{location}/label", "/v1/uploads"]:
        await bff.http.request(method, path, headers=someone.headers)
    unsafe = [entry["kind"] for entry in await sandbox.ledger(order=order) if entry["method"] != "GET"]
    assert unsafe == ["incoming"]


@pytest.mark.parametrize("by", ["order_number", "tracking_number"])
async def test_shoppers_find_their_own_order(bff: Bff, by: str) -> None:
    """A shopper needs no account and no internal id: order or tracking number and postal code are enough."""
    known = (await shopper(bff.http, fresh("LABEL"))).screen["parcel"]
    assert (await shopper(bff.http, known[by])).screen["parcel"] == known


# The handling of upstream answers


@pytest.mark.parametrize("said", ["[{'id': 1}]", "{'portal': None}", "True", "__import__('os')", "1+1"])
def test_upstream_data_is_never_evaluated(said: str) -> None:
    """Program source is not accepted as an answer, and inside a text it stays unchanged."""
    with pytest.raises(BadUpstream):
        protocol.decode(REQUESTS[Call.SETTINGS], 200, {}, said.encode())
    shop = samples.shop_settings(reasons=[{"id": 1, "description": said}])
    assert shop.reasons[0].description == said


def test_no_source_is_run_from_data() -> None:
    """Nothing in the service can turn data into a program: no evaluator, no compiler, no pickle."""
    dangerous = {"eval", "exec", "compile", "literal_eval", "pickle", "marshal", "__import__"}
    for path in Path("app").rglob("*.py"):
        called = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        names = {func.id for func in called if isinstance(func, ast.Name)}
        # `re.compile` is an attribute and compiles nothing that runs.
        names |= {func.attr for func in called if isinstance(func, ast.Attribute)} - {"compile"}
        assert not names & dangerous, path


def test_every_seal_is_checked() -> None:
    """A proof is compared and never just assumed: one changed bit, or another key, opens nothing."""
    key = bytes(32)
    sealed = seal(key, b"secret", "context")
    assert unseal(key, sealed, "context") == b"secret"
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for wrong in ((key, changed, "context"), (bytes([1] * 32), sealed, "context"), (key, sealed, "another")):
        with pytest.raises(RecordUnreadable):
            unseal(*wrong)


@pytest_asyncio.fixture(scope="module", name="upstream")
async def _upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream.scripted_upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", name="scripted")
async def _scripted(valkey: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AsyncIterator[Bff]:
    urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
    async with running_bff(
        valkey.url, sandbox, brands="honest,foreign", poll_interval=0.05, covered=True, **urls
    ) as bff:
        yield bff


async def looked_up(bff: Bff, brand: str) -> Shopper:
    """A shopper of the scripted upstream."""
    wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
    screen = (await bff.http.post(f"/v1/brands/{brand}/sessions", json=wanted)).json()
    return Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


async def test_tokens_and_addresses_stay_inside(scripted: Bff, upstream: ScriptedUpstream) -> None:
    """No token, poller URL or address of the upstream is in any body, header or log line of a whole journey."""
    upstream.say(incoming=scripted_upstream.created())
    someone = await looked_up(scripted, "honest")
    created = await someone.create(someone.body("pickup"))
    location = created.headers["location"]
    settled = await someone.settled(location)
    paths = ("/v1/session", "/v1/service-points", location, f"{location}/events", f"{location}/label")
    answers = [created, *[await someone.get(path) for path in paths]]
    seen = [json.dumps([someone.screen, settled]), scripted.process.output.read_text()]
    seen += [f"{answer.headers.multi_items()} {answer.text}" for answer in answers]
    tokens = [
        scripted_upstream.token(name).partition(".")[2][:24] for name in ("access", "points", "poller", "download")
    ]
    assert [len(upstream.requests_for(call)) for call in ("service-points", "download")] == [1, 1]
    for secret in (*tokens, "eyJ", "label/polling", "label/download", "Kerkstraat", "sam@example", "31600000000"):
        assert not [text for text in seen if secret in text], secret


async def test_the_token_goes_to_the_configured_host_alone(scripted: Bff, upstream: ScriptedUpstream) -> None:
    """A poller URL of any other host is not called: only our own upstream ever sees the bearer token."""
    async with raw_server(answer(202)) as elsewhere:
        url = f"http://127.0.0.1:{elsewhere.port}/api/v2/brand/foreign/return-portal/label/polling?token=a.b.c"
        upstream.say(incoming=scripted_upstream.created(poller_url=url))
        someone = await looked_up(scripted, "foreign")
        assert (await someone.create(someone.body("pickup"))).json()["state"] == "accepted"
        assert elsewhere.connections == 0
    bearers = [each.path.rpartition("/")[2] for each in upstream.heard if "authorization" in each.headers]
    assert set(bearers) == {"incoming"}
