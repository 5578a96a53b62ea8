"""The client and the sandbox agree: requests fit openapi/sendcloud.yaml, and every answer is understood."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from typing_extensions import override

from app.domain import OpenedOrder, Photo, Refund, ReturnedLine, ReturnRequest, ServicePointQuery
from app.errors import (
    BadUpstream,
    BffError,
    NotReturnableNow,
    ParcelNotFound,
    ReturnOutcomeUnknown,
    ServicePointNotFound,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.made_returns import AcceptedReturn, LabelFailed, LabelPending, LabelReady, LabelStatus
from app.sendcloud.client import Sendcloud
from app.sendcloud.policy.bulkheads import Deadlines
from app.sendcloud.transport.httpx_transport import HttpxTransport
from app.upstream import Picture
from tests.support.descriptions import SENDCLOUD
from tests.support.pdf import pages
from tests.support.sandbox import POSTAL_CODES, SandboxProcess, running_sandbox
from tests.support.unlimited import unlimited

REGISTRY: Registry[Any] = Registry().with_resource("urn:sendcloud", DRAFT202012.create_resource(SENDCLOUD))
DEADLINES = Deadlines(lookup=2, create=2, poll=4)


class Recorder(httpx.AsyncBaseTransport):
    """A real transport that keeps what it was given to send."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.requests: list[httpx.Request] = []

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return await self._inner.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest_asyncio.fixture(loop_scope="session", scope="module", name="sandbox")
async def _sandbox() -> AsyncIterator[SandboxProcess]:
    async with running_sandbox() as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="session", scope="module", name="transport")
async def _transport() -> AsyncIterator[Recorder]:
    async with Recorder(httpx.AsyncHTTPTransport(trust_env=False)) as transport:
        yield transport


@pytest.fixture(name="sendcloud")
def _sendcloud(sandbox: SandboxProcess, transport: Recorder) -> Sendcloud:
    urls = (sandbox.panel_url, sandbox.service_points_url)
    return Sendcloud(
        *urls, reads=HttpxTransport(transport), creates=HttpxTransport(transport), guards=unlimited(DEADLINES)
    )


def return_request(opened: OpenedOrder, **changes: object) -> ReturnRequest:
    """One unit of the first product, sent back in the ordinary way."""
    order = opened.order
    assert order.parcel_id is not None
    point = order.service_point
    ordinary = ReturnRequest(
        parcel_id=order.parcel_id,
        reason=11,
        refund=Refund(code="money"),
        delivery_option="drop_off_point",
        first_mile="dropoff",
        lines=(ReturnedLine(line=order.lines[0], quantity=1, reason=11),),
        sender=order.address,
        service_point=point.id if point else 20000001,
        carrier=order.carriers[0].code,
    )
    return ordinary.model_copy(update=changes)


async def looked_up(sendcloud: Sendcloud, order: str) -> OpenedOrder:
    """The order as its customer finds it."""
    return await sendcloud.open_order("demo", order, POSTAL_CODES["demo"])


async def create(sendcloud: Sendcloud, order: str, **changes: object) -> AcceptedReturn:
    """Look an order up and return it."""

    async def hook() -> None:
        """Record nothing."""

    opened = await looked_up(sendcloud, order)
    return await sendcloud.create_return("demo", opened.access_token, return_request(opened, **changes), hook)


async def statuses(sendcloud: Sendcloud, created: AcceptedReturn, times: int) -> list[LabelStatus]:
    """What so many polls say."""
    assert created.poller_token is not None
    return [await sendcloud.poll_label("demo", created.poller_token) for _ in range(times)]


async def label_of(sendcloud: Sendcloud, order: str) -> LabelReady:
    """The label of an order that has it at once."""
    [ready] = await statuses(sendcloud, await create(sendcloud, order), 1)
    assert isinstance(ready, LabelReady)
    return ready


@pytest.mark.parametrize("brand", POSTAL_CODES)
async def test_every_brand_of_the_sandbox_is_understood(sendcloud: Sendcloud, brand: str) -> None:
    """The client reads settings and lookups of each brand, with and without a language."""
    settings = await sendcloud.portal_settings(brand, "de-DE")
    assert settings.brand.domain == brand
    assert settings.reasons
    assert (await sendcloud.portal_settings(brand)).delivery_options
    opened = await sendcloud.open_order(brand, "ITEMS-1", POSTAL_CODES[brand])
    assert opened.order.lines
    assert opened.expires_at


async def test_a_return_goes_all_the_way(sendcloud: Sendcloud) -> None:
    """A return goes from the lookup by a creation and three polls to its label."""
    created = await create(sendcloud, "LABEL-1")
    *pending, ready = await statuses(sendcloud, created, 3)
    assert pending == [LabelPending(), LabelPending()]
    assert isinstance(ready, LabelReady)
    assert tuple(parcel.id for parcel in ready.parcels) == created.incoming_parcels
    async with sendcloud.open_label("demo", ready.download_token) as document:
        pdf = b"".join([chunk async for chunk in document])
        assert document.length == len(pdf)
    assert f"Return {created.return_id}" in pages(pdf)[0]


async def test_service_points_are_found(sendcloud: Sendcloud) -> None:
    """The client searches for points, reads one, and learns whether it takes parcels."""
    opened = await looked_up(sendcloud, "LABEL-2")
    token, place = opened.service_points_token, opened.order.coordinates
    assert place is not None
    query = ServicePointQuery(country="NL", latitude=place.latitude, longitude=place.longitude, radius=5000)
    found = await sendcloud.service_points("demo", token, query)
    assert found[0].opening_times
    assert {point.carrier for point in found} == {carrier.code for carrier in opened.order.carriers}
    # Where nothing is found it is asked which carriers are enabled.
    assert await sendcloud.service_points("demo", token, query.model_copy(update={"latitude": 0.0})) == []
    assert (await sendcloud.service_point("demo", token, found[0].id)).name == found[0].name
    assert await sendcloud.service_point_available("demo", token, found[0].id) in {True, False}
    with pytest.raises(ServicePointNotFound):
        await sendcloud.service_point("demo", token, 1)


async def test_an_order_from_overseas_has_a_customs_declaration(sendcloud: Sendcloud) -> None:
    """The customs declaration of an overseas order has an acceptable URL and can be opened."""
    customs = {"invoice_number": "R-1", "export_type": "private"}
    created = await create(sendcloud, "INTL-1", customs=customs)
    *_, ready = await statuses(sendcloud, created, 3)
    assert isinstance(ready, LabelReady)
    assert ready.customs_path is not None
    async with sendcloud.open_customs("demo", ready.customs_path) as document:
        assert "Customs declaration" in pages(b"".join([chunk async for chunk in document]))[0]


async def content_of(data: bytes) -> AsyncIterator[bytes]:
    """These bytes, as a file gives them."""
    yield data


def picture(data: bytes) -> Picture:
    """A picture of these bytes."""
    return Picture("image/png", len(data), content_of(data))


async def test_stored_pictures_can_be_named_in_a_return(sendcloud: Sendcloud) -> None:
    """E3 gives each picture a file name in the pictures' order, and E4 takes those."""
    opened = await looked_up(sendcloud, "LABEL-4")
    contents = [b"\x89PNG\r\n\x1a\n" + bytes(100_000) + bytes([number]) for number in range(10)]
    stored = await sendcloud.upload("demo", opened.access_token, [picture(content) for content in contents])
    assert stored == [f"{sha256(content).hexdigest()[:32]}.webp" for content in contents]
    photos = tuple(Photo(filename=each, product_id="1234") for each in stored)
    assert (await create(sendcloud, "LABEL-4", photos=photos)).poller_token


@pytest.mark.parametrize(
    ("order", "content", "error"),
    [("LABEL-5", b"<html>", UpstreamRejected), ("EXPIRED-5", b"GIF89a", UpstreamUnauthorized)],
    ids=["no picture", "expired token"],
)
async def test_failing_uploads_are_told_apart(
    sendcloud: Sendcloud, order: str, content: bytes, error: type[BffError]
) -> None:
    """An upload that is refused and one that is not allowed are different errors."""
    opened = await looked_up(sendcloud, order)
    with pytest.raises(BffError) as caught:
        await sendcloud.upload("demo", opened.access_token, [picture(content)])
    assert caught.type is error


async def test_an_order_never_shipped_has_no_parcel_id(sendcloud: Sendcloud) -> None:
    """An order that never shipped has no parcel id, and one parcel may come back."""
    order = (await looked_up(sendcloud, "UNSHIPPED-1")).order
    assert (order.parcel_id, order.max_parcels) == (None, 1)


async def test_a_paid_return_names_where_to_pay(sendcloud: Sendcloud) -> None:
    """A return that must be paid names its payment page and stays pending."""
    created = await create(sendcloud, "PAID-1")
    assert created.payment_url is not None
    assert created.payment_url.startswith("https://")
    assert await statuses(sendcloud, created, 2) == [LabelPending(), LabelPending()]


async def test_a_failed_announcement_is_a_value(sendcloud: Sendcloud) -> None:
    """A failed announcement is a value, like every other answer to a poll."""
    assert await statuses(sendcloud, await create(sendcloud, "FAIL-1"), 3) == [
        LabelPending(),
        LabelFailed(),
        LabelFailed(),
    ]


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("NOSUCH-1", ParcelNotFound),
        ("LOOKUP429-R1", UpstreamUnavailable),
        ("LOOKUP500-1", BadUpstream),
        ("LOOKUPHTML-1", BadUpstream),
        ("LOOKUPBAD-1", BadUpstream),
        ("LOOKUPERRORS-1", NotReturnableNow),
        ("LOOKUPREDIRECT-1", BadUpstream),
        ("LOOKUPHANG-1", UpstreamTimeout),
    ],
)
async def test_failing_lookups_are_told_apart(sendcloud: Sendcloud, order: str, error: type[BffError]) -> None:
    """Every refused or broken lookup of the sandbox becomes the expected error."""
    with pytest.raises(BffError) as caught:
        await looked_up(sendcloud, order)
    assert caught.type is error
    assert caught.value.retry_after == (7 if error is UpstreamUnavailable else None)


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("REFUSE-1", UpstreamRejected),
        ("EXPIRED-1", UpstreamUnauthorized),
        ("CREATE429-1", UpstreamUnavailable),
        ("CREATEHANG-1", ReturnOutcomeUnknown),
        ("CREATEFIN-1", ReturnOutcomeUnknown),
        ("CREATERESET-1", ReturnOutcomeUnknown),
        ("CREATEHALF-1", ReturnOutcomeUnknown),
        ("CREATE500-1", ReturnOutcomeUnknown),
        ("CREATEHTML-1", ReturnOutcomeUnknown),
    ],
)
async def test_failing_creations_are_told_apart(
    sendcloud: Sendcloud, sandbox: SandboxProcess, order: str, error: type[BffError]
) -> None:
    """A creation that fails is refused or unknown, and either way exactly one request arrived."""
    with pytest.raises(BffError) as caught:
        await create(sendcloud, order)
    assert caught.type is error
    assert len([seen for seen in await sandbox.ledger(order=order) if seen["method"] == "POST"]) == 1


@pytest.mark.parametrize("order", ["POLLFOREIGN-1", "POLLHTML-1"])
async def test_polls_that_answer_nonsense_are_a_bad_upstream(sendcloud: Sendcloud, order: str) -> None:
    """A poll that answers nonsense, or a foreign download URL, is the upstream's fault."""
    created = await create(sendcloud, order)
    with pytest.raises(BadUpstream):
        await statuses(sendcloud, created, 1)


async def test_a_truncated_label_fails(sendcloud: Sendcloud) -> None:
    """The client notices where a length was announced; the rest is the reader's to check."""
    ready = await label_of(sendcloud, "PDFTRUNCATED-1")
    with pytest.raises(BadUpstream):
        async with sendcloud.open_label("demo", ready.download_token) as document:
            _ = [chunk async for chunk in document]


async def test_a_label_without_length_arrives(sendcloud: Sendcloud) -> None:
    """A label without a length arrives whole and ends with the connection."""
    ready = await label_of(sendcloud, "PDFNOLENGTH-1")
    async with sendcloud.open_label("demo", ready.download_token) as document:
        assert document.length is None
        assert b"%%EOF" in b"".join([chunk async for chunk in document])


@pytest.mark.parametrize(
    "changes",
    [
        {"delivery_option": "in_store", "service_point": None},
        {"delivery_option": "pickup"},
        {"delivery_option": "drop_off_labelless", "message": "Thank you"},
        {"photos": (Photo(filename="https://cdn.example/a.webp", product_id="1234", description="front"),)},
        {"customs": {"invoice_number": "R-1", "export_type": "private"}},
    ],
    ids=["in store", "pickup", "labelless", "images", "customs"],
)
async def test_every_form_of_a_new_return_fits_the_description(
    sendcloud: Sendcloud, transport: Recorder, changes: dict[str, object]
) -> None:
    """A creation sends the documented body, whatever the sandbox answers."""
    transport.requests.clear()
    with suppress(UpstreamRejected):
        await create(sendcloud, "LABEL-3", **changes)
    _fits(transport.requests[-1])


async def test_all_requests_fit_the_description(sendcloud: Sendcloud, transport: Recorder) -> None:
    """A journey over every endpoint fits openapi/sendcloud.yaml, request by request."""
    transport.requests.clear()
    await test_every_brand_of_the_sandbox_is_understood(sendcloud, "demo")
    await test_a_return_goes_all_the_way(sendcloud)
    await test_service_points_are_found(sendcloud)
    await test_an_order_from_overseas_has_a_customs_declaration(sendcloud)
    await test_stored_pictures_can_be_named_in_a_return(sendcloud)
    seen = {_fits(request) for request in transport.requests}
    assert seen == set(SENDCLOUD["paths"])


def _fits(request: httpx.Request) -> str:
    """The path template of a request whose parameters, security and body are as described."""
    path = request.url.path.removeprefix("/api/v2")
    [template] = [str(known) for known in SENDCLOUD["paths"] if re.fullmatch(re.sub(r"{\w+}", "[^/]+", known), path)]
    operation = SENDCLOUD["paths"][template][request.method.lower()]
    parameters = [*map(_resolved, SENDCLOUD["paths"][template].get("parameters", []) + operation.get("parameters", []))]
    asked = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True, strict_parsing=bool(request.url.query)))
    for scheme in operation["security"]:
        _secured(scheme, request, asked)
    known = {parameter["name"]: parameter for parameter in parameters if parameter["in"] == "query"}
    assert asked.keys() <= known.keys()
    assert {name for name, parameter in known.items() if parameter.get("required")} <= asked.keys()
    for name, value in asked.items():
        schema = known[name]["schema"]
        _validate(schema, int(value) if schema["type"] == "integer" else value)
    [media_type] = operation.get("requestBody", {"content": {"": ""}})["content"]
    assert request.headers.get("Content-Type", "").partition(";")[0] == media_type
    if media_type == "application/json":
        _validate({"$ref": "urn:sendcloud#/components/schemas/IncomingRequest"}, json.loads(request.content))
    elif not media_type:
        assert request.content == b""
    return template


def _secured(scheme: dict[str, Any], request: httpx.Request, asked: dict[str, str]) -> None:
    """The token is where it belongs; it is taken out of the query."""
    if "accessToken" in scheme:
        assert request.headers["Authorization"].startswith("Bearer ")
    if "servicePointsToken" in scheme:
        assert asked.pop("access_token")


def _resolved(parameter: dict[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = parameter
    if "$ref" in parameter:
        resolved = SENDCLOUD["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    return resolved


def _validate(schema: dict[str, Any], value: object) -> None:
    Draft202012Validator(schema, registry=REGISTRY).validate(value)
