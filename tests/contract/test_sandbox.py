"""The sandbox speaks its contract: every answer fits openapi/sendcloud.yaml."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.support.descriptions import SENDCLOUD
from tests.support.pdf import pages
from tests.support.sandbox import POSTAL_CODES, Customer, SandboxProcess, customer_of, running_sandbox

REGISTRY: Registry[Any] = Registry().with_resource("urn:sendcloud", DRAFT202012.create_resource(SENDCLOUD))
PORTAL = "/brand/{brand_domain}/return-portal"


@pytest_asyncio.fixture(scope="module")
async def panel(sandbox: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the panel host."""
    async with httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False) as panel:
        yield panel


@pytest_asyncio.fixture(scope="module")
async def points(sandbox: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service points host."""
    async with httpx.AsyncClient(base_url=sandbox.service_points_url, trust_env=False) as points:
        yield points


def fitting(response: httpx.Response, path: str, status: int) -> Any:
    """The body of the response, which has this status and fits the description of this path."""
    assert response.status_code == status, response.text
    [operation] = [SENDCLOUD["paths"][path][method] for method in ("get", "post") if method in SENDCLOUD["paths"][path]]
    declared = operation["responses"][str(status)]
    if "$ref" in declared:
        declared = SENDCLOUD["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    schema = {"$id": "urn:sendcloud:check", **_absolute(declared["content"]["application/json"]["schema"])}
    Draft202012Validator(schema, registry=REGISTRY).validate(response.json())
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def _absolute(schema: Any) -> Any:
    """The schema with its references pointing into the registered description."""
    if isinstance(schema, list):
        return [_absolute(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: f"urn:sendcloud{part}" if key == "$ref" else _absolute(part) for key, part in schema.items()}


def test_description_is_valid_openapi() -> None:
    """The description of the upstream is a valid OpenAPI 3.1 document."""
    validate(SENDCLOUD)


@pytest.mark.parametrize("brand", POSTAL_CODES)
async def test_settings_fit(panel: httpx.AsyncClient, brand: str) -> None:
    """Every brand's settings fit the description, in any requested language."""
    for language in ("", "de-DE", "xx"):
        response = await panel.get(f"brand/{brand}/return-portal", params={"language": language})
        fitting(response, PORTAL, 200)


async def test_settings_are_translated(panel: httpx.AsyncClient) -> None:
    """A language of the brand is honoured, any other gives the brand's first."""
    first_reasons = {}
    for language in ("nl-NL", "en-GB", "it-IT"):
        answer = (await panel.get("brand/demo/return-portal", params={"language": language})).json()
        first_reasons[language] = answer["portal"]["reasons"][0]["description"]
    assert first_reasons["nl-NL"] != first_reasons["en-GB"] == first_reasons["it-IT"]


@pytest.mark.parametrize("brand", POSTAL_CODES)
@pytest.mark.parametrize("order", ["LABEL-1", "ITEMS-1", "COLLI-1", "INTL-1", "UNSHIPPED-1", "PAID-1"])
async def test_lookups_fit(panel: httpx.AsyncClient, brand: str, order: str) -> None:
    """Every kind of order of every brand is found in the documented shape."""
    asked = {"identifier": order, "postal_code": POSTAL_CODES[brand].lower().replace(" ", "")}
    response = await panel.get(f"brand/{brand}/return-portal/outgoing", params=asked)
    parcel = fitting(response, f"{PORTAL}/outgoing", 200)["data"]["parcel"]
    assert (parcel["id"] is None) == (parcel["collo_count"] is None) == order.startswith("UNSHIPPED")


async def test_tracking_numbers_find_the_main_parcel(panel: httpx.AsyncClient) -> None:
    """The tracking number of any parcel of a shipment finds the same order as the order number."""
    by_order = await customer_of(panel, "COLLI-0001")
    main = by_order.lookup["data"]["parcel"]["tracking_number"]
    second = await customer_of(panel, main.replace("3SOUT1", "3SOUT2"))
    assert second.lookup["data"] == by_order.lookup["data"]


@pytest.mark.parametrize(
    ("identifier", "postal_code", "status", "code"),
    [
        ("LABEL-1", "9999 ZZ", 404, "order_not_found"),
        ("NOSUCH-1", "5611 AA", 404, "order_not_found"),
        ("label-1", "5611 AA", 404, "order_not_found"),
        ("LABEL-1", "Eindhoven", 400, "invalid_postal_code"),
        ("NOSUCH-1", "Eindhoven", 400, "invalid_postal_code"),
        ("LABEL-1", "", 400, "missing_parameter"),
        ("", "5611 AA", 400, "missing_parameter"),
    ],
)
async def test_failed_lookups(
    panel: httpx.AsyncClient, identifier: str, postal_code: str, status: int, code: str
) -> None:
    """A failed lookup says the same for an unknown order and a wrong postal code."""
    asked = {"identifier": identifier, "postal_code": postal_code}
    response = await panel.get("brand/demo/return-portal/outgoing", params=asked)
    error = fitting(response, f"{PORTAL}/outgoing", status)["error"]
    assert (error["code"], error["request"]) == (code, "api/v2/brand/demo/return-portal/outgoing")


async def test_unknown_brand(panel: httpx.AsyncClient) -> None:
    """A brand that does not exist is 404 in the portal's envelope."""
    fitting(await panel.get("brand/nobody/return-portal"), PORTAL, 404)


@pytest.mark.parametrize("name", ["omit_service_points", "omit_service_point"])
@pytest.mark.parametrize(("value", "omitted"), [("1", True), ("true", True), ("0", False), ("false", False)])
async def test_service_points_can_be_omitted(panel: httpx.AsyncClient, name: str, value: str, *, omitted: bool) -> None:
    """Both spellings of the switch leave the service points out, and only when they are on."""
    asked = {"identifier": "LABEL-1", "postal_code": "5611 AA", name: value}
    data = (await panel.get("brand/demo/return-portal/outgoing", params=asked)).json()["data"]
    places = {"service_point", "labelless_service_point", "shop_distances"} & data.keys()
    assert bool(places) is not omitted


async def test_guide_serves_the_published_example(panel: httpx.AsyncClient) -> None:
    """The brand `guide` answers the vendor guide's example service point, member for member."""
    point = (await customer_of(panel, "LABEL-1", "guide")).lookup["data"]["service_point"]
    assert (point["id"], point["distance"], point["carrier"]) == (3611, 435, "ups")
    assert point["formatted_opening_times"]["3"] == ["09:00 - 12:00", "13:30 - 17:15"]


@pytest.mark.parametrize(
    ("order", "lifetime"), [("LABEL-1", 3600), ("SHORT-1", 45), ("EXPIRED-1", -60), ("NOEXP-1", None)]
)
async def test_lifetimes_of_tokens(panel: httpx.AsyncClient, order: str, lifetime: int | None) -> None:
    """Both tokens of a lookup expire when the scenario says, or never."""
    lookup = (await customer_of(panel, order)).lookup
    for name in ("access_token", "service_points_token"):
        claims = jwt.decode(lookup[name], options={"verify_signature": False, "verify_exp": False})
        left = claims["exp"] - time.time() if "exp" in claims else None
        assert left == (lifetime and pytest.approx(lifetime, abs=5))


async def test_label_journey(panel: httpx.AsyncClient) -> None:
    """A return is created, polled 202, 202, 200, and its label names the return and its tracking number."""
    customer = await customer_of(panel, "LABEL-0007")
    created = fitting(await customer.create(), f"{PORTAL}/incoming", 200)
    assert created["payment_url"] is None
    for _ in range(2):
        fitting(await panel.get(created["poller_url"]), f"{PORTAL}/label/polling", 202)
    ready = fitting(await panel.get(created["poller_url"]), f"{PORTAL}/label/polling", 200)
    assert ready["parcels"] == created["incoming_parcels"]
    [page] = await _pages(panel, ready["download_url"])
    assert f"Return {created['return']}" in page
    assert ready["tracking_numbers"][0] in page


async def _pages(panel: httpx.AsyncClient, url: str) -> list[str]:
    """The text of every page of the PDF behind this URL."""
    document = await panel.get(url)
    assert document.headers["Content-Type"] == "application/pdf"
    return pages(document.content)


async def test_several_parcels(panel: httpx.AsyncClient) -> None:
    """Every parcel of a return has an id, a tracking number and a page of its own."""
    customer = await customer_of(panel, "COLLI-0002")
    parcel = customer.body()["incoming_parcel"] | {"collo_count": 3}
    ready = await customer.label_ready(await customer.create(incoming_parcel=parcel))
    texts = await _pages(panel, ready["download_url"])
    assert len(set(ready["parcels"])) == len(texts) == 3
    assert all(tracking in page for tracking, page in zip(ready["tracking_numbers"], texts, strict=True))
    assert all(tracking.startswith("3SSBX") and tracking[5:].isdigit() for tracking in ready["tracking_numbers"])


async def test_labelless_document(panel: httpx.AsyncClient) -> None:
    """A labelless return ends in a document to show at the counter."""
    customer = await customer_of(panel, "LABELLESS-1")
    ready = await customer.label_ready(await customer.create(delivery_option="drop_off_labelless"))
    [page] = await _pages(panel, ready["download_url"])
    assert "Show this code at the counter" in page


async def test_return_in_store_never_gets_a_label(panel: httpx.AsyncClient) -> None:
    """A return in store polls 202, for every kind of order."""
    created = await (await customer_of(panel, "INSTANT-1")).create(delivery_option="in_store")
    assert [(await panel.get(created.json()["poller_url"])).status_code for _ in range(4)] == [202] * 4


async def test_paid_return_waits_for_the_payment(sandbox: SandboxProcess, panel: httpx.AsyncClient) -> None:
    """A paid return names a payment page and polls 202 until the hook says it is paid."""
    customer = await customer_of(panel, "PAID-0001")
    created = fitting(await customer.create(), f"{PORTAL}/incoming", 200)
    assert created["payment_url"].startswith("https://")
    assert [(await panel.get(created["poller_url"])).status_code for _ in range(4)] == [202] * 4
    await sandbox.pay("PAID-0001")
    assert [(await panel.get(created["poller_url"])).status_code for _ in range(3)] == [202, 202, 200]


async def test_a_shop_without_a_fee_asks_for_no_payment(panel: httpx.AsyncClient) -> None:
    """A `PAID` order names no payment page at a shop without a fee."""
    created = await (await customer_of(panel, "PAID-0002", "guide")).create()
    assert created.json()["payment_url"] is None


async def test_one_return_is_paid_by_its_number(sandbox: SandboxProcess, panel: httpx.AsyncClient) -> None:
    """The checkout pays for one return and no other; a number of no return is 404."""
    first, second = [await (await customer_of(panel, f"PAID-{suffix}")).create() for suffix in ("N1", "N2")]
    control = f"{sandbox.panel_url.removesuffix('/api/v2')}/_sandbox"
    assert (await panel.post(f"{control}/returns/{first.json()['return']}/paid")).status_code == 204
    polls = [[(await panel.get(made.json()["poller_url"])).status_code for _ in range(3)] for made in (first, second)]
    assert polls == [[202, 202, 200], [202] * 3]
    assert (await panel.post(f"{control}/returns/1/paid")).status_code == 404


@pytest.mark.parametrize(
    ("order", "statuses"),
    [
        ("FAIL-1", [202, 500, 500, 500]),
        ("FLAKY-1", [500, 202, 200, 200]),
        ("POLL429-1", [429, 202, 200]),
        ("SLOWLABEL-1", [202] * 8 + [200]),
    ],
)
async def test_scripts_of_polling(panel: httpx.AsyncClient, order: str, statuses: list[int]) -> None:
    """The poller follows the script of its order and stays at the end."""
    created = (await (await customer_of(panel, order)).create()).json()
    polled = [await panel.get(created["poller_url"]) for _ in statuses]
    assert [response.status_code for response in polled] == statuses
    for response in polled:
        fitting(response, f"{PORTAL}/label/polling", response.status_code)


async def test_international_return_has_a_customs_declaration(panel: httpx.AsyncClient) -> None:
    """An international return needs customs information and ends with a second document."""
    customer = await customer_of(panel, "INTL-1")
    fitting(await customer.create(), f"{PORTAL}/incoming", 400)
    customs = {"customs_invoice_nr": "1", "export_type": "private", "invoice_date": "2026-01-31"}
    ready = await customer.label_ready(await customer.create(customs_information=customs))
    assert "/brand/demo/return-portal/customs/" in ready["customs_declaration_url"]
    [page] = await _pages(panel, ready["customs_declaration_url"])
    assert "Customs declaration" in page


async def test_uploaded_images_can_be_named_in_a_return(panel: httpx.AsyncClient) -> None:
    """An uploaded image comes back under its field's name, and only such a file is accepted in a return."""
    customer = await customer_of(panel, "LABEL-2")
    files = {"front": ("a.png", b"\x89PNG\r\n\x1a\n\x00\x01--x\r\n\xff"), "back": ("b.jpg", b"\xff\xd8\xff\xe0")}
    stored = fitting(
        await panel.post(f"{customer.portal}/uploads", files=files, headers=customer.bearer), f"{PORTAL}/uploads", 201
    )
    assert [file["name"] for file in stored] == ["front", "back"]
    image = {"filename": stored[0]["filename"], "product_id": "1234", "description": ""}
    assert (await customer.create(images=[image])).status_code == 200
    assert (await customer.create(images=[image | {"filename": "other.webp"}])).status_code == 400


@pytest.mark.parametrize(
    "files",
    [
        [("text", ("a.txt", b"no image"))],
        [("big", ("a.png", b"\x89PNG\r\n" + bytes(10_000_000)))],
        [(f"f{n}", ("a.gif", b"GIF89a")) for n in range(11)],
    ],
    ids=["no image", "too big", "too many"],
)
async def test_unfit_uploads(panel: httpx.AsyncClient, files: list[Any]) -> None:
    """Files that are no images, too large or too many are refused with 400."""
    customer = await customer_of(panel, "LABEL-2")
    response = await panel.post(f"{customer.portal}/uploads", files=files, headers=customer.bearer)
    fitting(response, f"{PORTAL}/uploads", 400)


@pytest.mark.parametrize("order", ["EXPIRED-1", "LABEL-1"])
async def test_bad_access_tokens(panel: httpx.AsyncClient, order: str) -> None:
    """Expired, missing, foreign and misused access tokens are 401."""
    customer = await customer_of(panel, order)
    misused = {"Authorization": f"Bearer {customer.lookup['service_points_token']}"}
    for headers in [{}, misused, {"Authorization": "Bearer x.y.z"}]:
        response = await panel.post(f"{customer.portal}/incoming", json=customer.body(), headers=headers)
        fitting(response, f"{PORTAL}/incoming", 401)
    other = Customer(panel, "brand/guide/return-portal", customer.lookup)
    fitting(await other.create(), f"{PORTAL}/incoming", 401)


async def test_ledger_knows_the_order_of_a_refused_token(sandbox: SandboxProcess, panel: httpx.AsyncClient) -> None:
    """A request with an expired token is still counted for its order."""
    assert (await (await customer_of(panel, "EXPIRED-LEDGER")).create()).status_code == 401
    [entry] = await sandbox.ledger(kind="incoming", order="EXPIRED-LEDGER")
    assert (entry["status"], entry["created"]) == (401, False)


async def test_bad_document_tokens(panel: httpx.AsyncClient) -> None:
    """A bad polling token is 401, a bad download token 404, and neither passes for the other or for another brand."""
    customer = await customer_of(panel, "INSTANT-2")
    created = (await customer.create()).json()
    ready = (await panel.get(created["poller_url"])).json()
    poller, download = created["poller_url"].split("=")[1], ready["download_url"].split("=")[1]
    for brand, token in [("demo", download), ("demo", ""), ("guide", poller)]:
        response = await panel.get(f"brand/{brand}/return-portal/label/polling", params={"token": token})
        fitting(response, f"{PORTAL}/label/polling", 401)
    for brand, token in [("demo", poller), ("demo", ""), ("guide", download)]:
        response = await panel.get(f"brand/{brand}/return-portal/label/download", params={"token": token})
        fitting(response, f"{PORTAL}/label/download", 404)


@pytest.mark.parametrize("brand", sorted(POSTAL_CODES.keys() - {"paketfrei"}))
@pytest.mark.parametrize("country", ["NL", "FR", "DE", "GB"])
async def test_service_points_fit(
    panel: httpx.AsyncClient, points: httpx.AsyncClient, brand: str, country: str
) -> None:
    """A search finds points of the brand's carriers in that country only, in the documented shape."""
    token = (await customer_of(panel, "LABEL-1", brand)).lookup["service_points_token"]
    found = fitting(
        await points.get("service-points", params={"access_token": token, "country": country}), "/service-points", 200
    )
    carriers = fitting(await points.get("carriers", params={"access_token": token}), "/carriers", 200)
    assert {point["carrier"] for point in found} <= set(carriers)
    assert {point["country"] for point in found} <= {country}


@pytest.mark.parametrize(("order", "brand"), [("LABEL-1", "paketfrei"), ("POINTS403-1", "demo")])
async def test_service_points_that_are_not_activated(
    panel: httpx.AsyncClient, points: httpx.AsyncClient, order: str, brand: str
) -> None:
    """Every question about service points is refused with 403 where they are not activated."""
    asked = {"access_token": (await customer_of(panel, order, brand)).lookup["service_points_token"], "country": "DE"}
    for path in ("service-points", "carriers", "service-points/1", "service-points/1/check-availability"):
        assert (await points.get(path, params=asked)).status_code == 403


async def test_a_carrier_that_is_not_enabled(panel: httpx.AsyncClient, points: httpx.AsyncClient) -> None:
    """A search that names a carrier which is not enabled is refused whole, and one that names none is not."""
    asked = {"access_token": (await customer_of(panel, "POINTS400-1")).lookup["service_points_token"], "country": "NL"}
    enabled = (await points.get("carriers", params=asked)).json()
    found = (await points.get("service-points", params=asked)).json()
    assert {point["carrier"] for point in found} == set(enabled) == {"postnl", "dhl"}
    assert (await points.get("service-points", params=asked | {"carrier": "dhl,ups"})).status_code == 400


async def test_a_crowded_city(panel: httpx.AsyncClient, points: httpx.AsyncClient) -> None:
    """One brand has 2,500 points in one city, which are well over 1 MiB."""
    token = (await customer_of(panel, "LABEL-1", "grossstadt")).lookup["service_points_token"]
    found = await points.get("service-points", params={"access_token": token, "country": "DE", "radius": "5000"})
    assert len(found.json()) == 2500
    assert len(found.content) > 1024 * 1024


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"radius": "800"}, {20000001, 20000002}),
        ({"radius": "1100", "carrier": "dhl"}, {20000003, 20000004}),
        ({"radius": "2000", "carrier": "dhl,ups"}, {20000003, 20000004, 20000005}),
        ({"general_shop_type": "carrier_depot,locker"}, {20000002, 20000010, 20000012}),
        ({"latitude": "52.0929", "longitude": "5.1136", "radius": "100"}, {20000011}),
    ],
)
async def test_service_point_filters(
    panel: httpx.AsyncClient, points: httpx.AsyncClient, asked: dict[str, str], expected: set[int]
) -> None:
    """Carrier, radius, place and general shop type narrow the search, around the customer where no place is given."""
    token = (await customer_of(panel, "LABEL-1")).lookup["service_points_token"]
    found = await points.get("service-points", params={"access_token": token, "country": "NL", **asked})
    assert {point["id"] for point in found.json()} == expected


async def test_one_service_point(panel: httpx.AsyncClient, points: httpx.AsyncClient) -> None:
    """One point and its availability can be asked for; an unknown one is 404 with the status as code."""
    token = {"access_token": (await customer_of(panel, "LABEL-1")).lookup["service_points_token"]}
    fitting(await points.get("service-points/20000001", params=token), "/service-points/{id}", 200)
    check = "/service-points/{id}/check-availability"
    assert fitting(await points.get("service-points/20000001/check-availability", params=token), check, 200) is True
    assert fitting(await points.get("service-points/20000005/check-availability", params=token), check, 200) is False
    error = fitting(await points.get("service-points/1", params=token), "/service-points/{id}", 404)["error"]
    assert (error["code"], error["request"]) == (404, "api/v2/service-points/1")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 400),
        ({"country": "NL", "radius": "99"}, 400),
        ({"country": "NL", "radius": "50001"}, 400),
        ({"country": "NL", "latitude": "north"}, 400),
        ({"country": "NL", "latitude": "nan"}, 400),
        ({"country": "NL", "longitude": "181"}, 400),
        ({"country": "NL", "access_token": ""}, 401),
        ({"country": "NL", "access_token": "x"}, 401),
    ],
)
async def test_refused_searches(
    panel: httpx.AsyncClient, points: httpx.AsyncClient, asked: dict[str, str], status: int
) -> None:
    """A search without country, with a bad radius, place or token is refused with the status as code."""
    token = (await customer_of(panel, "LABEL-1")).lookup["service_points_token"]
    response = await points.get("service-points", params={"access_token": token} | asked)
    assert fitting(response, "/service-points", status)["error"]["code"] == status


async def test_hosts_are_separate(panel: httpx.AsyncClient, points: httpx.AsyncClient) -> None:
    """A path of one host is 404 on the other, each in its own envelope."""
    assert (await panel.get("service-points")).json()["error"]["code"] == "not_found"
    assert (await points.get("brand/demo/return-portal")).json()["error"]["code"] == 404


async def test_trailing_slashes(panel: httpx.AsyncClient) -> None:
    """A trailing slash changes nothing; a POST is not redirected."""
    customer = await customer_of(panel, "LABEL-3")
    assert (await panel.get("brand/demo/return-portal/")).status_code == 200
    created = await panel.post(f"{customer.portal}/incoming/", json=customer.body(), headers=customer.bearer)
    assert created.status_code == 200


async def test_get_with_a_body(panel: httpx.AsyncClient, points: httpx.AsyncClient) -> None:
    """A GET that carries a body is 403 on both hosts."""
    assert (await panel.request("GET", "brand/demo/return-portal", json={})).status_code == 403
    assert (await points.request("GET", "carriers", content=b"x")).status_code == 403


async def test_ledger_counts_every_request(sandbox: SandboxProcess, panel: httpx.AsyncClient) -> None:
    """The ledger holds each request with its order, status and what was sent back, and nothing personal."""
    customer = await customer_of(panel, "LABEL-LEDGER")
    created = [(await customer.create()).json() for _ in range(2)]
    await panel.get(created[0]["poller_url"])
    entries = await sandbox.ledger(order="LABEL-LEDGER")
    assert [(entry["kind"], entry["status"]) for entry in entries] == [
        ("outgoing", 200),
        ("incoming", 200),
        ("incoming", 200),
        ("polling", 202),
    ]
    assert [entry["return_id"] for entry in entries[1:3]] == [answer["return"] for answer in created]
    assert entries[1]["body"]["products"] == [{"product_id": "1234", "quantity": 1}]
    parcel = customer.lookup["data"]["parcel"]
    assert not any(parcel[field] in str(entries) for field in ("name", "email", "postal_code", "telephone"))


async def test_ledger_can_be_emptied() -> None:
    """Emptying the ledger forgets the requests; control calls never appear in it."""
    async with running_sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{sandbox.service_points_url}/carriers")
        assert [entry["kind"] for entry in await sandbox.ledger()] == ["carriers"]
        await sandbox.reset()
        assert await sandbox.ledger() == []


async def test_control_is_on_the_panel_host_only(sandbox: SandboxProcess) -> None:
    """The control calls exist on the panel host and nowhere else."""
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await client.get(f"{sandbox.panel_url}/../../_sandbox/health")
        missing = await client.get(f"{sandbox.service_points_url}/../../_sandbox/health")
    assert (found.json(), missing.status_code) == ({"status": "ok"}, 404)


async def test_token_lifetime_is_an_option() -> None:
    """`--token-lifetime` sets how long tokens are good for."""
    async with (
        running_sandbox(token_lifetime=-1) as sandbox,
        httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False) as panel,
    ):
        assert (await (await customer_of(panel, "LABEL-1")).create()).status_code == 401
