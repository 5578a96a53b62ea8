"""How each answer of the upstream is read: `tests/samples/upstream/<call>-<status>[-<what>]` holds the bodies."""

import json
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import NationalCarrier, OpenedOrder, ServicePoint, ServicePointQuery, ShopSettings
from app.errors import (
    BadUpstream,
    BffError,
    BrandNotFound,
    NotReturnableNow,
    ParcelNotFound,
    ServicePointNotFound,
    UpstreamGone,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.made_returns import AcceptedReturn, LabelFailed, LabelPending, LabelReady
from app.sendcloud import protocol, translation
from app.sendcloud.leniency.tokens import portal_url
from app.sendcloud.protocol import Call, Request
from tests.support import samples

SAMPLES = Path(__file__).parent.parent / "samples" / "upstream"
PANEL, PUBLIC = "https://panel.example/api/v2", "https://public.example/api/v2"
POINTS = "https://points.example/api/v2"
BRAND = "my-shop"
RETURN_REQUEST = samples.return_request()


def requests() -> Mapping[Call, Request[object]]:
    """One request of each kind."""
    made: list[Request[object]] = [
        protocol.settings(PANEL, BRAND),
        protocol.outgoing(PANEL, BRAND, "A-1001", "5611 AA"),
        protocol.uploads(PANEL, BRAND, "access", []),
        protocol.incoming(PANEL, BRAND, "access", RETURN_REQUEST),
        protocol.polling(PANEL, BRAND, "poll"),
        protocol.download(PANEL, BRAND, "download"),
        protocol.customs(PANEL, "my-shop", "/brand/my-shop/return-portal/customs/1"),
        protocol.service_points(POINTS, "my-shop", "points", ServicePointQuery(country="NL")),
        protocol.service_point(POINTS, "my-shop", "points", 1),
        protocol.service_point_carriers(POINTS, "my-shop", "points"),
        protocol.availability(POINTS, "my-shop", "points", 1),
    ]
    return {request.call: request for request in made}


REQUESTS = requests()
ANSWERS: Mapping[str, type[object]] = {
    "availability-200.json": bool,
    "incoming-200.json": AcceptedReturn,
    "incoming-201-paid.json": AcceptedReturn,
    "outgoing-200.json": OpenedOrder,
    "outgoing-200-bare.json": OpenedOrder,
    "outgoing-200-never-shipped.json": OpenedOrder,
    "polling-200.json": LabelReady,
    "polling-200-no-customs.json": LabelReady,
    "polling-202-empty.json": LabelPending,
    "polling-500.html": LabelFailed,
    "service_point-200.json": ServicePoint,
    "service_points-200.json": list,
    "service_points-200-one-malformed.json": list,
    "settings-200.json": ShopSettings,
    "settings-200-bare.json": ShopSettings,
}
REFUSALS: Mapping[str, type[BffError]] = {
    "availability-404.json": ServicePointNotFound,
    "customs-401.json": UpstreamUnauthorized,
    "download-404.json": UpstreamGone,
    "incoming-400.json": UpstreamRejected,
    "incoming-401.json": UpstreamUnauthorized,
    "incoming-422-errors.json": UpstreamRejected,
    "incoming-429-empty.json": UpstreamUnavailable,
    "incoming-500-empty.json": BadUpstream,
    "outgoing-400-invalid-postal-code.json": ParcelNotFound,
    "outgoing-400-order-not-found.json": ParcelNotFound,
    "outgoing-400-window-closed.json": NotReturnableNow,
    "outgoing-401-empty.json": BadUpstream,
    "outgoing-404.json": ParcelNotFound,
    "outgoing-502.html": BadUpstream,
    "polling-404-message.json": UpstreamGone,
    "polling-503-empty.json": BadUpstream,
    "service_point-404.json": ServicePointNotFound,
    "service_points-400.json": UpstreamRejected,
    "service_points-403-empty.json": UpstreamGone,
    "settings-403-empty.json": BadUpstream,
    "settings-404.json": BrandNotFound,
}


def decode_sample(name: str) -> object:
    """What the protocol makes of a sample."""
    call, status, *_ = name.partition(".")[0].split("-")
    return protocol.decode(requests()[Call(call)], int(status), {}, (SAMPLES / name).read_bytes())


def refusal(call: Call, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> BffError:
    """The error for an answer that is none."""
    return protocol.refusal(call, status, headers or {}, body)


@pytest.mark.parametrize(("name", "model"), ANSWERS.items())
def test_an_answer_becomes_its_model(name: str, model: type[object]) -> None:
    """Every status that is an answer is decoded, loose ones included."""
    assert isinstance(decode_sample(name), model)


@pytest.mark.parametrize(("name", "error"), REFUSALS.items())
def test_a_refusal_becomes_its_error(name: str, error: type[BffError]) -> None:
    """Every other status raises exactly the class that the table names."""
    with pytest.raises(BffError) as caught:
        decode_sample(name)
    assert caught.type is error


def test_every_sample_is_in_a_table() -> None:
    """Every sample is in a table."""
    bodies = {path.name for path in SAMPLES.iterdir() if path.suffix in {".json", ".html"}}
    assert bodies == ANSWERS.keys() | REFUSALS.keys()


def test_a_settings_answer_keeps_the_upstreams_words() -> None:
    """Ids may be strings, the fee is a decimal without currency, unknown fields are ignored."""
    settings = decode_sample("settings-200.json")
    assert isinstance(settings, ShopSettings)
    assert [reason.id for reason in settings.reasons] == [11, 22]
    assert str(settings.return_fee) == "4.95"
    assert settings.stores[0].id == 7


def test_an_outgoing_answer_tolerates_what_is_missing() -> None:
    """Absent address lines are empty, integer product ids and prices are accepted."""
    opened = decode_sample("outgoing-200-bare.json")
    assert isinstance(opened, OpenedOrder)
    assert opened.order.address.address_2 == ""
    assert opened.order.lines[0].id == "1234"
    assert str(opened.order.lines[0].price) == "29.95"


def test_an_order_tells_who_may_take_it_back() -> None:
    """The weight of the parcel, by which some carriers choose, and the national carrier are kept as told."""
    opened = decode_sample("outgoing-200.json")
    assert isinstance(opened, OpenedOrder)
    assert opened.order.weight == 1.25
    assert opened.order.national_carrier == NationalCarrier(
        code="postnl",
        name="PostNL",
        drop_off_finder="https://carrier.example/find",
        contact="https://carrier.example/contact",
    )


def test_an_order_never_shipped_has_no_parcel_id() -> None:
    """`parcel.id` and `collo_count` may be null, and the labelless point may be there alone."""
    opened = decode_sample("outgoing-200-never-shipped.json")
    assert isinstance(opened, OpenedOrder)
    assert (opened.order.parcel_id, opened.order.max_parcels) == (None, 1)
    assert opened.order.labelless_service_point is not None
    assert opened.order.service_point is None


def test_an_order_without_any_carrier_opens() -> None:
    """An order opens although neither the carrier that brought it nor one that takes it back is named."""
    assert samples.order({"carrier": None}, carriers=None).carriers == ()


def test_a_malformed_service_point_is_left_out() -> None:
    """An unreadable service point is left out, and the others are shown."""
    points = decode_sample("service_points-200-one-malformed.json")
    assert isinstance(points, list)
    assert [point.id for point in points] == [20000001]


def test_a_created_return_keeps_only_the_token_of_its_poller_url() -> None:
    """The URL itself is dropped, the token's end is read, and a payment URL is kept as given."""
    created = decode_sample("incoming-201-paid.json")
    assert isinstance(created, AcceptedReturn)
    assert created.poller_token is not None
    assert created.poller_token.startswith("eyJ")
    assert created.poller_expires_at == 1_800_000_000
    assert created.incoming_parcels == (133700901, 133700902)
    assert created.payment_url == "https://payments.example/checkout/pm_000"


@pytest.mark.parametrize("url", [None, "", "https://evil.example/poll?token=a.b.c", 7, {}, []])
@pytest.mark.parametrize("odd", [{}, {"incoming_parcels": None}, {"incoming_parcels": 7}, {"payment_url": []}])
def test_an_integer_return_is_an_acceptance(url: object, odd: dict[str, object]) -> None:
    """A creation is accepted by its `return` alone; nothing is polled by a missing or foreign URL."""
    body = json.dumps({"return": 1, "poller_url": url} | odd).encode()
    created = protocol.decode(REQUESTS[Call.INCOMING], 200, {}, body)
    assert (created.return_id, created.incoming_parcels, created.poller_token) == (1, (), None)  # type: ignore[attr-defined]
    assert created.poller_is_foreign is (url not in (None, ""))  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [b"null", b"true", b"1.5", b"[]", b'"x"', b"NaN", b"9" * 400])
def test_without_an_integer_return_nothing_is_accepted(number: bytes) -> None:
    """A 2xx without an integer `return` does not prove that the return exists."""
    with pytest.raises(BadUpstream):
        protocol.decode(REQUESTS[Call.INCOMING], 200, {}, b'{"return":' + number + b',"incoming_parcels":[2]}')


OF_SECTION_9 = (
    b'{"error":{"code":"invalid","request":"api/v2/brand/b/return-portal/incoming","message":"No."}}',
    b'{"error":{"code":400,"request":"api/v2/parcels","message":"No."}}',
    b'{"message":"No."}',
    b'{"errors":[{"status":"422","code":"invalid","detail":"No.","source":{"parameter":"x"}}]}',
    b'{"errors":[{"field":"products","code":409,"message":"No."}]}',
    b"{}",
    b'{"products":["This field is required."]}',
    b'\xef\xbb\xbf{"error":NaN,"error":"\xff\\ud800"}',
)
"""Every shape in which the upstream says no (docs/upstream.md), and a Django REST framework's."""


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 410, 413, 415, 422, 451])
def test_a_refused_creation_is_known_to_be_refused(status: int) -> None:
    """A 4xx with any shape of refusal proves that no return was made."""
    for body in OF_SECTION_9:
        assert isinstance(refusal(Call.INCOMING, status, body), UpstreamRejected), body


@pytest.mark.parametrize("status", [403, 404])
def test_a_refused_creation_may_have_no_body(status: int) -> None:
    """The upstream documents empty bodies for these statuses."""
    assert isinstance(refusal(Call.INCOMING, status), UpstreamRejected)


@pytest.mark.parametrize("body", [b"{}", b"", *OF_SECTION_9[:1]])
@pytest.mark.parametrize("status", [408, 409, 423, 424, 425, 499])
def test_some_refusals_of_a_creation_prove_nothing(status: int, body: bytes) -> None:
    """Timeouts, conflicts and locks may hide a return that was made."""
    assert type(refusal(Call.INCOMING, status, body)) is BadUpstream


@pytest.mark.parametrize("body", [b"<html>No</html>", b"No", b"[]", b"null", b'{"return":1}', b'{"a":', b"[" * 20_000])
@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_page_of_a_proxy_refuses_no_creation(status: int, body: bytes) -> None:
    """A 4xx without an error object, or with a return in it, does not tell whether one was made."""
    assert type(refusal(Call.INCOMING, status, body)) is BadUpstream


@pytest.mark.parametrize("body", [b"", b"<html>No</html>", b"{}", b'{"return":1}'])
@pytest.mark.parametrize(("status", "error"), [(401, UpstreamUnauthorized), (429, UpstreamUnavailable)])
def test_a_creation_that_was_turned_away_is_told_by_its_status(status: int, error: type[BffError], body: bytes) -> None:
    """401 and 429 mean that the request was turned away unread, whatever their body."""
    assert type(refusal(Call.INCOMING, status, body)) is error


def test_a_label_is_told_by_its_token_and_its_customs_path() -> None:
    """The URLs of a label answer are reduced to a token and a path below the panel."""
    label = decode_sample("polling-200.json")
    assert isinstance(label, LabelReady)
    assert label.customs_path == "/brand/my-shop/return-portal/customs/4200001"
    assert label.download_token.count(".") == 2


@pytest.mark.parametrize("public_url", [PUBLIC, ""])
@pytest.mark.parametrize("base", [PANEL, PUBLIC, f"{PUBLIC}.evil.example", f"{PUBLIC}2", "https://evil.example", ""])
def test_urls_below_the_public_base_are_the_upstreams_own(base: str, public_url: str) -> None:
    """A URL is read if it is below the base that is asked, or below the public one, if there is one."""
    portal = portal_url(base, BRAND)
    urls = {
        "poller_url": f"{portal}/label/polling?token=a.b.c",
        "download_url": f"{portal}/label/download?token=a.b.c",
        "customs_declaration_url": f"{portal}/customs/1",
    }
    body = json.dumps({"return": 1} | urls).encode()
    is_ours = base in {PANEL, public_url or PANEL}
    created = translation.accepted(PANEL, public_url, BRAND, body)
    assert (created.poller_token, created.poller_is_foreign) == ("a.b.c" if is_ours else None, not is_ours)
    with nullcontext() if is_ours else pytest.raises(BadUpstream):
        label = translation.label(PANEL, public_url, BRAND, body)
        assert (label.download_token, label.customs_path) == ("a.b.c", "/brand/my-shop/return-portal/customs/1")


def test_ids_in_a_label_answer_may_be_strings_and_numbers() -> None:
    """Parcels become integers, tracking numbers strings."""
    label = decode_sample("polling-200-no-customs.json")
    assert isinstance(label, LabelReady)
    assert [(parcel.id, parcel.tracking_number) for parcel in label.parcels] == [
        (133700900, "3STEST000000900"),
        (133700901, "900"),
    ]
    assert label.customs_path is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"<html></html>",
        b'{"portal":',
        b'{"portal":{"brand":{"id":1,"name":"a","domain":"b"}},"portal":{}}',
        b'{"portal":{"brand":{"id":1,"id":2,"name":"a","domain":"b"}}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"portal":{"brand":{"id":1,"name":"a","domain":"b"}}}'.decode().encode("utf-16"),
        b'{"x":"' + b"a" * 1024 * 1024 + b'"}',
    ],
    ids=map(str, count()),
)
def test_nonsense_is_a_bad_upstream(body: bytes) -> None:
    """A body that is not the documented answer is refused, and the error quotes none of it."""
    with pytest.raises(BadUpstream) as caught:
        protocol.decode(REQUESTS[Call.SETTINGS], 200, {}, body)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    "change",
    [
        ('"access_token"', '"no_token"'),
        ("eyJhIjoxfQ.eyJhIjoxfQ.YWNj", ""),
        ("eyJhIjoxfQ.eyJhIjoxfQ.YWNj", "two\\nlines"),
        ('"parcel"', '"parcels"'),
        ('"products"', '"product"'),
    ],
)
def test_a_parcel_without_its_essentials_is_a_bad_upstream(change: tuple[str, str]) -> None:
    """Parcel, products and tokens have to be whole."""
    sample = (SAMPLES / "outgoing-200.json").read_text()
    assert change[0] in sample
    with pytest.raises(BadUpstream):
        protocol.decode(REQUESTS[Call.OUTGOING], 200, {}, sample.replace(*change).encode())


@pytest.mark.parametrize("call", Call)
def test_unexpected_statuses_are_a_bad_upstream(call: Call) -> None:
    """Redirects, other successes and gateway errors are nonsense for every call, a poll's 502 included."""
    for status in (100, 204, 206, 301, 302, 303, 304, 307, 308, 502, 503, 504, 599, 999):
        assert type(refusal(call, status)) is BadUpstream, status


@pytest.mark.parametrize("status", [200, 201, 202])
def test_files_are_stored_with_any_success(status: int) -> None:
    """That an upload answers 201 is inferred, so any other success is one as well."""
    assert protocol.decode(REQUESTS[Call.UPLOADS], status, {}, b"[]") == []


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
@pytest.mark.parametrize("code", ["order_not_found", "invalid_postal_code"])
def test_a_wrong_guess_is_one_under_any_status(status: int, code: str) -> None:
    """Codes that say that order and postal code do not match are answered alike, with whatever status they come."""
    assert type(refusal(Call.OUTGOING, status, json.dumps({"error": {"code": code}}).encode())) is ParcelNotFound


@pytest.mark.parametrize("call", sorted(set(Call) - {Call.POLLING}))
def test_a_500_is_an_answer_for_polls_alone(call: Call) -> None:
    """Only a poll says with 500 that the announcement failed."""
    with pytest.raises(BadUpstream):
        protocol.decode(REQUESTS[call], 500, {}, b"")


@pytest.mark.parametrize("call", sorted(set(Call) - {Call.SETTINGS, Call.OUTGOING}))
def test_a_refused_token_is_told_apart(call: Call) -> None:
    """401 says that the token is no good, where one was sent; 403 is about the call alone."""
    assert type(refusal(call, 401)) is UpstreamUnauthorized
    assert type(refusal(call, 403)) is UpstreamGone


@pytest.mark.parametrize(
    ("call", "status", "verdict"),
    [
        (Call.OUTGOING, 404, ParcelNotFound),
        (Call.OUTGOING, 422, NotReturnableNow),
        (Call.SETTINGS, 404, BrandNotFound),
        (Call.SERVICE_POINT, 404, ServicePointNotFound),
        (Call.AVAILABILITY, 410, ServicePointNotFound),
    ],
)
def test_a_page_is_no_verdict(call: Call, status: int, verdict: type[BffError]) -> None:
    """A page of a proxy does not say that an order, a shop or a service point is not there; an empty body may."""
    for body in (b"<html>No</html>", b"default backend - 404", b'"No"'):
        assert isinstance(refusal(call, status, body), UpstreamRejected), body
    for body in (b"", *OF_SECTION_9):
        assert type(refusal(call, status, body)) is verdict, body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":{"code":"order_closed","message":"secret"}}', "order_closed"),
        (b'{"error":{"code":409,"message":"secret"}}', "409"),
        (b'{"errors":[{"code":"too_old","detail":"secret"}]}', "too_old"),
        (b'{"errors":[{"detail":"secret"}]}', "no code"),
        (b'{"errors":[]}', "no code"),
        (b'{"error":{"code":"Secret text","message":"secret"}}', "no code"),
        (b'{"error":{"code":"secret\\n","message":"secret"}}', "no code"),
        (b'{"error":{"code":true,"message":"secret"}}', "no code"),
        (b'{"error":{"code":"' + b"s" * 65 + b'"}}', "no code"),
        (b'{"message":"secret"}', "no code"),
        (b"{}", "no code"),
        (b"", "no code"),
        (b"<html>secret</html>", "no code"),
    ],
)
def test_of_an_error_body_only_the_code_is_read(body: bytes, code: str) -> None:
    """Both envelopes are understood; the upstream's prose never gets into our errors."""
    assert str(refusal(Call.UPLOADS, 409, body)) == f"uploads answered 409 ({code})"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 5),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 5),
        ({"retry-after": "61"}, 60),
        ({"retry-after": "999999999"}, 60),
        ({"retry-after": "9" * 5000}, 5),
        ({"retry-after": "-1"}, 5),
        ({"retry-after": "1.5"}, 5),
        ({"retry-after": "soon"}, 5),
        ({"retry-after": "Mon, 01 Jan 2029 00:00:09 GMT", "date": "Mon, 01 Jan 2029 00:00:00 GMT"}, 9),
        ({"retry-after": "Mon, 01 Jan 2029 00:00:00 GMT", "date": "Mon, 01 Jan 2029 00:00:09 GMT"}, 5),
        ({"retry-after": "Mon, 01 Jan 2030 00:00:00 GMT", "date": "Mon, 01 Jan 2029 00:00:00 GMT"}, 60),
        ({"retry-after": "Mon, 01 Jan 2029 00:00:09 GMT"}, 5),
        ({"retry-after": "Mon, 01 Jan 2029 00:00:09 -0000", "date": "Mon, 01 Jan 2029 00:00:00 GMT"}, 5),
    ],
)
def test_retry_after_is_seconds_up_to_a_minute(headers: dict[str, str], seconds: int) -> None:
    """A date counts from the upstream's own clock; what cannot be read, or is no time at all, is five seconds."""
    assert refusal(Call.OUTGOING, 429, headers=headers).retry_after == seconds


def test_retry_after_is_read_on_429_alone() -> None:
    """Only a 429 carries a delay; other refusals do not."""
    assert refusal(Call.OUTGOING, 503, headers={"retry-after": "7"}).retry_after is None


@given(body=st.binary() | st.text().map(str.encode), status=st.integers(100, 999), call=st.sampled_from(Call))
def test_no_answer_escapes_the_error_tree(body: bytes, status: int, call: Call) -> None:
    """Any answer is decoded or raises one of our errors."""
    with suppress(BffError):
        protocol.decode(REQUESTS[call], status, {}, body)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('"products": [', '"products": 7, "others": ['), "data.products"),
        (('"access_token"', '"no_token"'), "access_token"),
    ],
)
def test_what_is_needed_is_named_by_its_place(change: tuple[str, str], named: str) -> None:
    """The log tells which member of an answer was not usable, and nothing of what stands there."""
    sample = (SAMPLES / "outgoing-200.json").read_text()
    with pytest.raises(BadUpstream) as caught:
        translation.opened_order(sample.replace(*change).encode())
    assert str(caught.value) == f"no usable {named}"
