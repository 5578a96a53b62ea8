"""What the upstream says and is told, in its own words (openapi/sendcloud.yaml).

Answers are read leniently: unknown fields are ignored, null and absent are the same, numbers may come as strings.
A list element that nobody depends on (a carrier, a store, a service point) is left out when it is malformed.
Nothing here shows a value in its `repr`: answers hold personal data and tokens.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from app.domain import RedactedModel

T = TypeVar("T")

MAX_LIST = 1000


def _malformed_is_none(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError:
        return None


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a boolean is no number")  # noqa: TRY004  pydantic collects ValueErrors
    return value


def _present(items: Iterable[T | None]) -> list[T]:
    return [item for item in items if item is not None]


def _bounded(value: object) -> object:
    return [] if value is None else value[:MAX_LIST] if isinstance(value, list) else value


Id = Annotated[int, BeforeValidator(_no_bool), Field(ge=-(2**53), le=2**53)]
"""What every JSON reader can hold."""
Money = Annotated[Decimal, BeforeValidator(_no_bool), Field(max_digits=14)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""A string that may be empty; null counts as empty."""
Token = Annotated[str, Field(pattern=r"^[!-~]{1,8192}$")]
"""Opaque to us, and fit for a header."""
Lenient = Annotated[T | None, WrapValidator(_malformed_is_none)]
"""The value, or None where it is malformed."""
LenientList = Annotated[
    list[Annotated[T, WrapValidator(_malformed_is_none)]],
    BeforeValidator(_bounded),
    AfterValidator(_present),
]
"""The well-formed elements of a list, the first thousand at most; null counts as empty."""


# E1, portal settings


class Layout(RedactedModel):
    """How the hosted portal looks."""

    type: Text = ""
    helper_text: Text = ""
    background_image: str | None = None


class Logo(RedactedModel):
    """A brand's picture; the upstream sends `{}` where there is none."""

    url: Text = ""


class BrandFooter(RedactedModel):
    """Whom to write to."""

    support_email: Text = ""


class CustomizationSettings(RedactedModel):
    """What the branded portal shows; its header is not read."""

    footer: Lenient[BrandFooter] = None


class Brand(RedactedModel):
    """The shop's brand; `domain` names it in every path."""

    id: Id
    name: str
    domain: str
    color: Text = ""
    secondary_color: Text = ""
    website: Text = ""
    screen_logo: Lenient[Logo] = None
    hide_powered_by: bool = False
    customization_settings: Lenient[CustomizationSettings] = None


class Reason(RedactedModel):
    """A return reason that this portal offers, translated."""

    id: Id
    description: Text = ""


class RefundOption(RedactedModel):
    """A way to be refunded: `money`, `credit`, `exchange` and whatever else the upstream may add."""

    code: str
    label: Text = ""
    require_message: bool = False


class Portal(RedactedModel):
    """A brand's return portal; all fields after `brand` are known from clients only (openapi/sendcloud.yaml)."""

    reasons: LenientList[Reason] = Field(default_factory=list)
    support_url: Text = ""
    return_policy_url: Text = ""
    layout: Lenient[Layout] = None
    enable_paid_returns: bool = False
    brand: Brand
    languages: LenientList[str] = Field(default_factory=list)
    enable_refunds: bool = False
    refund_options: LenientList[RefundOption] = Field(default_factory=list)
    return_fee: Annotated[Money | None, BeforeValidator(lambda value: None if value == "" else value)] = None
    """The upstream states no currency for it."""
    delivery_options: LenientList[str] = Field(default_factory=list)


class ReturnLocation(RedactedModel):
    """A store that takes returns; joins to `ShopDistance.id` (inferred)."""

    id: Id
    country_name: Text = ""
    company_name: Text = ""
    address_1: Text = ""
    address_2: Text = ""
    house_number: Text = ""
    city: Text = ""
    postal_code: Text = ""


class PortalSettings(RedactedModel):
    """The answer to E1."""

    portal: Portal
    return_locations: LenientList[ReturnLocation] = Field(default_factory=list)


# E2, outgoing parcel, and service points


class Country(RedactedModel):
    """ISO 3166 codes and an English name."""

    iso_2: str
    iso_3: Text = ""
    name: Text = ""


class Coordinates(RedactedModel):
    """WGS 84 degrees, as numbers or strings."""

    latitude: Latitude
    longitude: Longitude


class AddressDivided(RedactedModel):
    """The street without its number, and the number."""

    street: Text = ""
    house_number: Text = ""


class CarrierCode(RedactedModel):
    """A carrier by code alone."""

    code: Text = ""


class Parcel(RedactedModel):
    """The parcel that went out; `id` is null for orders never shipped with Sendcloud."""

    id: Id | None
    name: Text = ""
    company_name: Text = ""
    address: Text = ""
    address_2: Text = ""
    address_divided: Lenient[AddressDivided] = None
    house_number: Text = ""
    postal_code: str
    city: Text = ""
    to_state: str | None = None
    country: Country
    email: Text = ""
    telephone: Text = ""
    tracking_number: Text = ""
    order_number: Text = ""
    to_coordinates: Lenient[Coordinates] = None
    collo_count: Id | None = None
    """How many colli can come back at most."""
    weight: Text = ""
    """Kilograms, as the upstream writes them ("5.000")."""
    carrier: Lenient[CarrierCode] = None


class Product(RedactedModel):
    """A line of the order; ids are strings, and integers are accepted (docs/upstream.md C3)."""

    id: str
    name: Text = ""
    price: Money
    image_url: Text = ""
    quantity: Annotated[Id, Field(ge=0, le=1_000_000)]
    returnable: bool


class CarrierLogo(RedactedModel):
    """URLs of a carrier's pictures."""

    full: Text = ""
    icon: Text = ""


class Carrier(RedactedModel):
    """A carrier that takes this parcel back."""

    code: str
    name: Text = ""
    logo: Lenient[CarrierLogo] = None


class NationalCarrier(RedactedModel):
    """The postal carrier for those far from any drop-off point."""

    code: Text = ""
    name: Text = ""
    drop_off_finder: Text = ""
    logo: Lenient[CarrierLogo] = None


class ShopDistance(RedactedModel):
    """How far a store is, in metres."""

    id: Id
    distance: float


class ServicePoint(RedactedModel):
    """A place to drop parcels off; `is_active` says that the data is fresh, not that the place is open."""

    id: Id
    code: Text = ""
    name: Text = ""
    street: Text = ""
    house_number: Text = ""
    postal_code: Text = ""
    city: Text = ""
    country: Text = ""
    email: Text = ""
    phone: Text = ""
    carrier: Text = ""
    latitude: Lenient[Latitude] = None
    longitude: Lenient[Longitude] = None
    is_active: bool = True
    formatted_opening_times: Lenient[dict[str, list[str]]] = None
    """Keys "0" (Monday) to "6", values like "09:00 - 12:00"."""
    open_tomorrow: bool | None = None
    open_upcoming_week: bool | None = None
    distance: Lenient[float] = None
    """Metres from the place asked for."""
    shop_type: str | None = None
    general_shop_type: str | None = None


class OutgoingData(RedactedModel):
    """`data` of the answer to E2."""

    parcel: Parcel
    products: list[Product]
    carriers: LenientList[Carrier] = Field(default_factory=list)
    service_point: Lenient[ServicePoint] = None
    labelless_service_point: Lenient[ServicePoint] = None
    shop_distances: LenientList[ShopDistance] = Field(default_factory=list)
    national_carrier: Lenient[NationalCarrier] = None
    national_carrier_contact: Text = ""
    shipping_method_ids: LenientList[Id] = Field(default_factory=list)


class Outgoing(RedactedModel):
    """The answer to E2: the parcel, and the two tokens that open the rest of the API."""

    data: OutgoingData
    access_token: Token
    service_points_token: Token


class ServicePointQuery(RedactedModel):
    """What to search service points by (S1). The disputed `postal_code` is not offered (docs/upstream.md C8)."""

    country: str
    latitude: float | None = None
    longitude: float | None = None
    radius: int | None = None
    """Metres, 100 to 50000."""
    carriers: tuple[str, ...] = ()


# E3, file upload


class Upload(RedactedModel):
    """A stored file: `filename` is what E4 takes, `name` the form field it came in; it lives 48 hours unless used."""

    filename: Annotated[str, Field(min_length=1, max_length=1024)]
    name: str
    path: str


# E4, create a return


class RefundType(RedactedModel):
    """A refund option by code."""

    code: str


class Refund(RedactedModel):
    """How the shopper wants to be refunded."""

    refund_type: RefundType
    message: str = ""


class ReturnedProduct(RedactedModel):
    """A line of the return; `value` is a number, as documented (docs/upstream.md C14)."""

    product_id: str
    quantity: int
    description: str
    value: float
    return_reason: int | None = None
    return_message: str | None = None
    hs_code: str | None = None
    origin_country: str | None = None
    weight: str | None = None


class IncomingParcel(RedactedModel):
    """Who sends the parcel back and from where; `from_address_1` is the street without its number."""

    from_name: str
    from_company_name: str
    from_address_1: str
    from_address_2: str = ""
    from_house_number: str
    from_city: str
    from_postal_code: str
    from_country: str
    from_country_state: str | None = None
    from_email: str
    from_telephone: str
    collo_count: int = 1


class ServicePointChoice(RedactedModel):
    """The chosen service point by id."""

    id: int


class SelectedFunctionalities(RedactedModel):
    """The first mile: `pickup`, `dropoff`, `pickup_dropoff` or `fulfilment`."""

    first_mile: str


class Image(RedactedModel):
    """An uploaded picture of a product; `filename` comes from E3."""

    filename: str
    product_id: str
    description: str


class NewReturn(RedactedModel):
    """The body of E4."""

    reason: int
    message: str = ""
    outgoing_parcel: int
    refund: Refund
    delivery_option: Literal["drop_off_point", "drop_off_labelless", "in_store", "pickup"]
    products: list[ReturnedProduct]
    incoming_parcel: IncomingParcel
    service_point: ServicePointChoice | None = None
    selected_functionalities: SelectedFunctionalities | None = None
    selected_carrier_code: str | None = None
    pickup_date: str | None = None
    images: list[Image] | None = None
    customs_information: dict[str, JsonValue] | None = None


class ReturnAccepted(RedactedModel):
    """The answer to E4 as it comes; only `return` is needed."""

    return_id: Id = Field(alias="return")
    incoming_parcels: Lenient[LenientList[Id]] = None
    poller_url: object = None
    payment_url: object = None


class CreatedReturn(RedactedModel):
    """A return that exists now. `payment_url` is https or None; it is for the shopper and never fetched."""

    return_id: int
    incoming_parcels: list[int]
    poller_token: str | None
    """None: nothing is polled, because upstream named no URL for it or one that is not ours."""
    poller_is_foreign: bool = False
    """Whether upstream named a poller URL that is not of its own portal."""
    payment_url: str | None


# E5, label polling


class LabelAnnounced(RedactedModel):
    """The 200 answer to E5 as it comes."""

    download_url: object
    return_id: Id = Field(alias="return")
    parcels: list[Id]
    tracking_numbers: list[str]
    customs_declaration_url: object = None


class LabelPending(RedactedModel):
    """Not ready, or waiting for payment: the upstream says 202 to both."""


class LabelReady(RedactedModel):
    """The label can be downloaded. `customs_path` is relative to the panel base, None if there is no acceptable one."""

    download_token: str
    return_id: int
    parcels: list[int]
    tracking_numbers: list[str]
    customs_path: str | None


class LabelFailed(RedactedModel):
    """The announcement failed; by status alone it cannot be told from a fault of the server."""


LabelStatus = LabelPending | LabelReady | LabelFailed
