"""The bodies that E4 accepts: the documented fields with their documented types only (openapi/sendcloud.yaml).

That unknown fields are refused, and the words of every refusal, are our own choice.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.sandbox.answers import Refused
from app.sandbox.brands import Brand
from app.sandbox.orders import Order
from app.sandbox.points import is_available, points_of

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Decimal = Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]


class StrictModel(BaseModel):
    """Documented fields only, of exactly the documented type; null is no value."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Product(StrictModel):
    """One product that goes back; that one of unknown price may go without a value is our choice."""

    product_id: int | str
    quantity: int = Field(ge=1)
    description: str
    value: float = 0.0
    return_reason: int = 0
    return_message: str = ""
    hs_code: str = ""
    origin_country: str = ""
    sku: str = ""
    weight: str = ""


class IncomingParcel(StrictModel):
    """Who sends how many parcels."""

    from_name: str
    from_company_name: str
    from_address_1: str
    from_house_number: str
    from_city: str
    from_postal_code: str
    from_country: Country
    from_email: str
    from_telephone: str
    from_address_2: str = ""
    from_country_state: str = ""
    collo_count: int = Field(1, ge=1)


class RefundType(StrictModel):
    """The chosen code."""

    code: str


class Refund(StrictModel):
    """The refund of the customer."""

    refund_type: RefundType
    message: str


class ServicePointChoice(BaseModel):
    """`{"id": ...}`, or the whole object as E2 gave it."""

    model_config = ConfigDict(strict=True, extra="allow")
    id: int


class Functionalities(StrictModel):
    """The first mile."""

    first_mile: Literal["pickup", "dropoff", "pickup_dropoff", "fulfilment"] = "dropoff"
    ers: bool = False
    labelless: bool = False
    returns: bool = False


class Image(StrictModel):
    """A file that E3 took."""

    filename: str
    product_id: int | str
    description: str = ""


class Importer(StrictModel):
    """The importer of record."""

    name: str = Field(max_length=75)
    address_1: str = Field(max_length=150)
    city: str = Field(max_length=30)
    postal_code: str = Field(max_length=12)
    country_code: Country
    company_name: str = Field("", max_length=50)
    address_2: str = Field("", max_length=150)
    house_number: str = Field("", max_length=20)
    country_state: str = Field("", max_length=14)
    telephone: str = Field("", max_length=20)
    email: str = Field("", max_length=320)


class TaxNumber(StrictModel):
    """One tax number."""

    name: str
    country_code: Country
    value: str = Field(max_length=100)


class ReturnData(StrictModel):
    """How the goods were shipped to the customer, for customs."""

    return_postal_code: str = Field("", max_length=12)
    outbound_tracking_number: str = Field("", max_length=40)
    outbound_shipment_date: str = ""
    outbound_carrier_name: str = Field("", max_length=50)


class Customs(StrictModel):
    """For returns that cross a customs border."""

    customs_invoice_nr: str = Field(min_length=1)
    export_type: Literal["private", "commercial_b2c", "commercial_b2b"] = "private"
    invoice_date: date | None = None
    discount_granted: Decimal = "0"
    freight_costs: Decimal = "0"
    insurance_costs: Decimal = "0"
    other_costs: Decimal = "0"
    general_notes: str = Field("", max_length=500)
    additional_declaration_statements: list[Annotated[str, Field(max_length=1024)]] = Field([], max_length=100)
    importer_of_record: Importer | None = None
    tax_numbers: dict[Literal["sender", "receiver", "importer_of_record"], list[TaxNumber]] = {}
    return_data: ReturnData | None = None


class Incoming(StrictModel):
    """The body of E4. `reason` may be null where every product names its own, `refund` absent where none is offered.

    Both are our choice.
    """

    reason: int | None
    message: str
    outgoing_parcel: int
    refund: Refund | None = None
    delivery_option: Literal["drop_off_point", "drop_off_labelless", "in_store", "pickup"]
    products: list[Product] = Field(min_length=1)
    incoming_parcel: IncomingParcel
    service_point: ServicePointChoice | None = None
    selected_functionalities: Functionalities = Functionalities()
    selected_carrier_code: str = Field("", min_length=1)
    pickup_date: str = ""
    images: list[Image] = Field([], max_length=10)
    customs_information: Customs | None = None


def accept(body: bytes, order: Order, files: Collection[str]) -> Incoming:
    """The request if it fits this order and the uploaded files; `Refused` (400) with every complaint if not."""
    try:
        incoming = Incoming.model_validate_json(body)
    except ValidationError as error:
        complaints = [f"{'.'.join(map(str, wrong['loc']))}: {wrong['type']}" for wrong in error.errors()]
    else:
        complaints = list(_complaints(incoming, order, files))
        if not complaints:
            return incoming
    raise Refused(400, "invalid_return", "; ".join(complaints))


def _complaints(incoming: Incoming, order: Order, files: Collection[str]) -> Iterator[str]:
    yield from _about_parcels(incoming, order)
    yield from _about_delivery(incoming, order.brand)
    yield from _about_products(incoming, order)
    yield from _about_reasons(incoming, order.brand)
    yield from _about_refund(incoming, order.brand)
    if any(image.filename not in files for image in incoming.images):
        yield "images: a file was never uploaded"


def _about_parcels(incoming: Incoming, order: Order) -> Iterator[str]:
    if order.parcel_id is None or incoming.outgoing_parcel != order.parcel_id:
        yield "outgoing_parcel: not the parcel of this token"
    if incoming.incoming_parcel.collo_count > order.scenario.collo_count:
        yield "incoming_parcel.collo_count: more parcels than went out"
    if order.scenario.overseas and incoming.customs_information is None:
        yield "customs_information: needed for this return"


def _about_delivery(incoming: Incoming, brand: Brand) -> Iterator[str]:
    option = incoming.delivery_option
    if option not in brand.delivery_options:
        yield "delivery_option: not offered"
    if option == "pickup" and incoming.selected_functionalities.first_mile != "pickup":
        yield "selected_functionalities.first_mile: pickup is needed"
    if option == "drop_off_point" and incoming.service_point is None:
        yield "service_point: needed for this delivery option"
    if incoming.selected_carrier_code not in ("", *brand.carrier_codes()):
        yield "selected_carrier_code: not offered"
    if incoming.service_point:
        yield from _about_service_point(incoming.service_point.id, brand)


def _about_service_point(number: int, brand: Brand) -> Iterator[str]:
    if not any(point["id"] == number and is_available(point) for point in points_of(brand)):
        yield "service_point: not available"


def _about_products(incoming: Incoming, order: Order) -> Iterator[str]:
    ordered: Counter[str] = Counter()
    for line in order.products():
        if line["returnable"] and line["quantity"]:
            ordered[line["id"]] += line["quantity"]
    # The same product may come on several lines, and its id as string or integer.
    wanted: Counter[str] = Counter()
    for product in incoming.products:
        wanted[str(product.product_id)] += product.quantity
    for product_id, quantity in wanted.items():
        if product_id not in ordered:
            yield "products: one of them cannot be returned"
        elif quantity > ordered[product_id]:
            yield "products: more than was ordered"


def _about_reasons(incoming: Incoming, brand: Brand) -> Iterator[str]:
    named = {product.return_reason for product in incoming.products if "return_reason" in product.model_fields_set}
    if incoming.reason is not None:
        named.add(incoming.reason)
    elif not all("return_reason" in product.model_fields_set for product in incoming.products):
        yield "reason: needed unless every product has its own"
    if not named <= brand.reason_ids:
        yield "reason: not one of this shop's"


def _about_refund(incoming: Incoming, brand: Brand) -> Iterator[str]:
    needs_message = {refund["code"]: refund["require_message"] for refund in brand.settings["refunds"]}
    if incoming.refund is None:
        if needs_message:
            yield "refund: needed"
        return
    code = incoming.refund.refund_type.code
    if code not in needs_message:
        yield "refund.refund_type.code: not one of this shop's"
    elif needs_message[code] and not incoming.refund.message:
        yield "refund.message: needed for this refund"
