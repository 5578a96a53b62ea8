"""What the sandbox accepts as a return: the documented fields with their documented types, and nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.sandbox import SandboxProcess, customer_of

GONE = object()
"""Stands for a member that is left out."""


@pytest_asyncio.fixture(scope="module")
async def panel(sandbox: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the panel host."""
    async with httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False) as panel:
        yield panel


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with the member at this dotted path replaced, or left out for `GONE`."""
    *parents, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    inner: Any = body
    for step in parents:
        inner = inner[step]
    inner[last] = value
    if value is GONE:
        del inner[last]
    return body


async def created_with(panel: httpx.AsyncClient, order: str, path: str, value: Any, brand: str = "demo") -> int:
    """The status of E4 for an otherwise complete body."""
    customer = await customer_of(panel, order, brand)
    body = changed(customer.body(), path, value)
    response = await panel.post(f"{customer.portal}/incoming", json=body, headers=customer.bearer)
    return response.status_code


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("reason", 22),
        ("message", "too small"),
        ("products.0.product_id", 1234),
        ("products.0.value", 30),
        ("products.0.value", GONE),
        ("products.0.return_reason", 22),
        ("products.0.return_message", "sleeves"),
        ("products.0.hs_code", "610910"),
        ("refund.refund_type.code", "credit"),
        ("refund", {"refund_type": {"code": "exchange"}, "message": "size L"}),
        ("incoming_parcel.from_address_2", ""),
        ("incoming_parcel.from_company_name", ""),
        ("incoming_parcel.collo_count", GONE),
        ("service_point", {"id": 20000001, "code": "POS217001", "extra_data": {}, "shop_type": None}),
        ("selected_functionalities", {"first_mile": "dropoff"}),
        ("selected_carrier_code", "postnl"),
        ("pickup_date", "2026-12-01"),
        ("images", []),
    ],
)
async def test_accepted(panel: httpx.AsyncClient, path: str, value: Any) -> None:
    """Each documented spelling of a member is accepted."""
    assert await created_with(panel, "LABEL-OK", path, value) == 200


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *((name, GONE) for name in ("reason", "message", "outgoing_parcel", "refund", "delivery_option", "products")),
        *((f"refund.{name}", GONE) for name in ("refund_type", "message")),
        *((f"products.0.{name}", GONE) for name in ("product_id", "quantity", "description")),
        *(
            (f"incoming_parcel.from_{name}", wrong)
            for name in ("name", "company_name", "address_1", "house_number", "city", "postal_code", "country")
            for wrong in (GONE, None, 12)
        ),
        *((f"incoming_parcel.from_{name}", GONE) for name in ("email", "telephone")),
        ("incoming_parcel", GONE),
        ("incoming_parcel.from_country", "NLD"),
        ("incoming_parcel.collo_count", 0),
        ("incoming_parcel.collo_count", 2),
        ("incoming_parcel.collo_count", "1"),
        ("incoming_parcel.collo_count", True),
        ("reason", "22"),
        ("reason", True),
        ("reason", None),
        ("reason", 99),
        ("message", None),
        ("message", 7),
        ("outgoing_parcel", 1),
        ("outgoing_parcel", "1"),
        ("refund.refund_type.code", "points"),
        ("refund.refund_type.code", "exchange"),
        ("delivery_option", "teleport"),
        ("products", []),
        ("products.0.product_id", "5678"),
        ("products.0.product_id", True),
        ("products.0.quantity", 2),
        ("products.0.quantity", 0),
        ("products.0.quantity", "1"),
        ("products.0.quantity", True),
        ("products.0.quantity", 1.5),
        ("products.0.value", "29.95"),
        ("products.0.value", True),
        ("products.0.description", None),
        ("products.0.return_reason", "22"),
        ("products.0.return_reason", None),
        ("products.0.return_reason", 99),
        ("products.0.return_message", None),
        ("products.0.return_message ", "a trailing space in the name"),
        ("service_point", GONE),
        ("service_point", 20000001),
        ("service_point", {"id": "20000001"}),
        ("service_point", {"id": 20000005}),
        ("service_point", {"id": 20000013}),
        ("selected_functionalities", {"first_mile": ["dropoff"]}),
        ("selected_carrier_code", "mondial_relay"),
        ("selected_carrier_code", ""),
        ("delivery_option", "pickup"),
        ("images", [{"filename": "never.webp", "product_id": "1234"}]),
        ("customs_information", {"export_type": "private"}),
        ("surprise", 1),
    ],
)
async def test_refused(panel: httpx.AsyncClient, path: str, value: Any) -> None:
    """A missing member, another type, or a value that does not fit the order is 400."""
    assert await created_with(panel, "LABEL-NO", path, value) == 400


async def test_refusals_make_no_return(sandbox: SandboxProcess, panel: httpx.AsyncClient) -> None:
    """A refused body is in the ledger with its status, and nothing was created."""
    await created_with(panel, "LABEL-REFUSED", "reason", "22")
    [entry] = await sandbox.ledger(kind="incoming", order="LABEL-REFUSED")
    assert (entry["status"], entry["created"], entry["return_id"]) == (400, False, None)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null"])
async def test_refused_documents(panel: httpx.AsyncClient, body: bytes) -> None:
    """A body that is no JSON object is 400."""
    customer = await customer_of(panel, "LABEL-1")
    response = await panel.post(f"{customer.portal}/incoming", content=body, headers=customer.bearer)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_return")


async def test_reason_may_be_null_where_products_have_their_own(panel: httpx.AsyncClient) -> None:
    """The reason of the whole return may be null when every product names one."""
    customer = await customer_of(panel, "LABEL-REASON")
    product = customer.body()["products"][0] | {"return_reason": 22}
    assert (await customer.create(reason=None, products=[product])).status_code == 200


async def test_pickup_needs_its_first_mile(panel: httpx.AsyncClient) -> None:
    """A pickup is accepted when the first mile says pickup."""
    customer = await customer_of(panel, "LABEL-PICKUP")
    chosen = {"delivery_option": "pickup", "selected_functionalities": {"first_mile": "pickup"}}
    assert (await customer.create(**chosen)).status_code == 200


@pytest.mark.parametrize(
    ("products", "status"),
    [
        ([("1234", 1), ("5678", 3), ("4321", 2)], 200),
        ([("5678", 2), ("5678", 1)], 200),
        ([("5678", 2), ("5678", 2)], 400),
        ([("9876", 1)], 400),
    ],
    ids=["everything", "split", "too many", "not returnable"],
)
async def test_quantities(panel: httpx.AsyncClient, products: list[tuple[str, int]], status: int) -> None:
    """No more than was ordered goes back, summed over the products of the body, and only what may."""
    lines = [{"product_id": one, "quantity": many, "description": "", "value": 1} for one, many in products]
    customer = await customer_of(panel, "ITEMS-1")
    assert (await customer.create(products=lines)).status_code == status


@pytest.mark.parametrize(("count", "status"), [(3, 200), (4, 400)])
async def test_parcels(panel: httpx.AsyncClient, count: int, status: int) -> None:
    """At most as many parcels can go back as went out."""
    assert await created_with(panel, "COLLI-1", "incoming_parcel.collo_count", count) == status


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("customs_invoice_nr", GONE),
        ("customs_invoice_nr", 1),
        ("export_type", "gift"),
        ("invoice_date", "31-01-2026"),
        ("freight_costs", 4.95),
        ("general_notes", "n" * 501),
        ("importer_of_record", {"name": "n" * 76}),
    ],
)
async def test_refused_customs_information(panel: httpx.AsyncClient, member: str, value: Any) -> None:
    """Customs information outside its documented bounds is 400."""
    customs = changed({"customs_invoice_nr": "2026-1", "export_type": "private"}, member, value)
    assert (await (await customer_of(panel, "INTL-1")).create(customs_information=customs)).status_code == 400


async def test_unshipped_orders_cannot_be_returned(panel: httpx.AsyncClient) -> None:
    """An order without a parcel id can be looked up; no number makes a return of it."""
    for parcel in (None, 1):
        assert await created_with(panel, "UNSHIPPED-1", "outgoing_parcel", parcel) == 400


async def test_delivery_options_of_the_brand(panel: httpx.AsyncClient) -> None:
    """A delivery option the brand does not offer is 400."""
    assert await created_with(panel, "LABEL-1", "delivery_option", "in_store", "mode-paris") == 200
    assert await created_with(panel, "LABEL-1", "delivery_option", "in_store", "buecherei") == 400
