"""The upstream's requests and answers in its own words (openapi/sendcloud.yaml).

The fields say how leniently an answer is read (`answers.read`): a field without a default is needed, any other is
optional, and of a list each element is read on its own. Null and absent are the same, numbers may come as text.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from app.domain import NOTHING, DeliveryOptionCode, RedactedModel
from app.sendcloud.leniency import cleaning
from app.sendcloud.leniency.numbers import Count, Id, Integer, Kilograms, Latitude, Longitude, Metres, Money, ParcelId

T = TypeVar("T")

MAX_ELEMENTS = 1000
MAX_LINES = 10_000
"""Of an order."""
NO_KINDS = frozenset({"undefined", "unknown"})
"""Kinds of a service point that say that its kind is not known, in lower case (examples of the documentation)."""


def _present(items: Iterable[T | None]) -> list[T]:
    return [item for item in items if item is not None]


def _known(items: list[T | None]) -> list[T] | None:
    return _present(items) or (None if items else [])


def _first(most: int) -> Callable[[object], object]:
    return lambda value: value[:most] if isinstance(value, list) else value


def _unless_none(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    return None if value is None else validate(value)


def _unless_empty(clean: Callable[[str], str]) -> Callable[[str], str | None]:
    return lambda value: clean(value) if value else None


def _unless_nothing(text: str) -> str:
    return "" if text.lower() in NOTHING else text


def _unless_unknown(kind: str | None) -> str | None:
    return kind if kind and kind.lower() not in NO_KINDS else None


Text = Annotated[str, AfterValidator(cleaning.text)]
OptionalText = Annotated[Text, AfterValidator(_unless_nothing)]
"""Of a member that may be empty, as it is where it has a word for nothing."""
WebUrl = Annotated[str | None, AfterValidator(_unless_empty(cleaning.web_url))]
Code = Annotated[str, AfterValidator(cleaning.code)]
OptionalCode = Annotated[str | None, AfterValidator(_unless_empty(cleaning.code))]
Color = Annotated[str | None, AfterValidator(_unless_empty(cleaning.color))]
LanguageTag = Annotated[str, AfterValidator(cleaning.language_tag)]
Token = Annotated[str, Field(strict=True, pattern=r"^[!-~]{1,8192}$")]
"""Opaque to us, and fit for a header."""
Places = Annotated[list[T | None], BeforeValidator(_first(MAX_ELEMENTS))]
"""The first thousand elements at their indexes; None where one could not be read."""
Elements = Annotated[
    list[Annotated[T, WrapValidator(_unless_none)]],
    BeforeValidator(_first(MAX_ELEMENTS)),
    AfterValidator(_present),
]
"""The readable ones of the first thousand elements."""
KnownElements = Annotated[
    list[Annotated[T, WrapValidator(_unless_none)]],
    BeforeValidator(_first(MAX_ELEMENTS)),
    AfterValidator(_known),
]
"""Like `Elements`, but None where there are elements and none is readable: that says nothing, an empty list does."""
AllElements = Annotated[list[Annotated[T, WrapValidator(_unless_none)]], AfterValidator(_present)]
"""The readable elements, bounded only by the size of the answer."""


# E1, portal settings


class Layout(RedactedModel):
    """The texts of the hosted portal."""

    helper_text: Annotated[str, AfterValidator(partial(cleaning.text, longest=cleaning.PAGE_LENGTH))] = ""
    background_image: WebUrl = None


class Logo(RedactedModel):
    """A picture; the upstream sends `{}` where there is none."""

    url: WebUrl = None


class BrandFooter(RedactedModel):
    """The shop's contact."""

    support_email: Text = ""


class CustomizationSettings(RedactedModel):
    """The branded portal; its header is not read."""

    footer: BrandFooter = BrandFooter()


class Brand(RedactedModel):
    """The shop's brand. Its `domain` is the one of the path, whatever the answer says."""

    name: Text = ""
    color: Color = None
    secondary_color: Color = None
    website: WebUrl = None
    screen_logo: Logo = Logo()
    hide_powered_by: bool = False
    customization_settings: CustomizationSettings = CustomizationSettings()


class Reason(RedactedModel):
    """A return reason that this portal offers, translated."""

    id: Id
    description: Text = ""


class RefundOption(RedactedModel):
    """A way to be refunded."""

    code: Code
    label: Text = ""
    require_message: bool = False


class Portal(RedactedModel):
    """A brand's return portal; all fields after `brand` are known from clients only (openapi/sendcloud.yaml)."""

    reasons: Elements[Reason] = Field(default_factory=list)
    support_url: WebUrl = None
    return_policy_url: WebUrl = None
    layout: Layout = Layout()
    brand: Brand = Brand()
    languages: Elements[LanguageTag] = Field(default_factory=list)
    enable_refunds: bool = True
    refund_options: Elements[RefundOption] = Field(default_factory=list)
    return_fee: Money | None = None
    """The upstream states no currency for it."""
    delivery_options: KnownElements[Code] | None = None
    """None where they are not known: the documented answer ends before them."""


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
    return_locations: Elements[ReturnLocation] = Field(default_factory=list)


# E2, outgoing parcel, and service points


class Country(RedactedModel):
    """An ISO 3166-1 alpha-2 code and an English name. Without the code no return can start from there."""

    iso_2: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{2}$")] = ""
    name: Text = ""


class Coordinates(RedactedModel):
    """WGS 84 degrees, as numbers or strings."""

    latitude: Latitude
    longitude: Longitude


class AddressDivided(RedactedModel):
    """The street without its number, and the number."""

    street: Text = ""
    house_number: OptionalText = ""


class CarrierCode(RedactedModel):
    """A carrier by code alone."""

    code: OptionalCode = None


class Parcel(RedactedModel):
    """The parcel that went out; `id` is null for orders never shipped with Sendcloud."""

    id: ParcelId | None = None
    name: Text = ""
    company_name: OptionalText = ""
    address: Text = ""
    address_2: OptionalText = ""
    address_divided: AddressDivided = AddressDivided()
    house_number: OptionalText = ""
    postal_code: Text = ""
    city: Text = ""
    to_state: OptionalText = ""
    country: Country = Country()
    email: Text = ""
    telephone: OptionalText = ""
    tracking_number: Text = ""
    order_number: Text = ""
    to_coordinates: Coordinates | None = None
    collo_count: Count = 1
    """The largest number of parcels that can come back."""
    carrier: CarrierCode = CarrierCode()
    weight: Kilograms | None = None


class Product(RedactedModel):
    """A line of the order; ids are strings, and integers are accepted (docs/upstream.md C3)."""

    id: Annotated[str, Field(max_length=100)] = ""
    name: Text = ""
    price: Money | None = None
    image_url: WebUrl = None
    quantity: Count | None = None
    returnable: bool | None = None


class CarrierLogo(RedactedModel):
    """A carrier's picture."""

    full: WebUrl = None


class Carrier(RedactedModel):
    """A carrier that takes this parcel back."""

    code: Code
    name: Text = ""
    logo: CarrierLogo = CarrierLogo()


class NationalCarrier(RedactedModel):
    """The national postal carrier, for shoppers far from any drop-off point."""

    code: OptionalCode = None
    name: Text = ""
    drop_off_finder: WebUrl = None


class ShopDistance(RedactedModel):
    """The distance of a store, in metres."""

    id: Id
    distance: Metres


class ServicePoint(RedactedModel):
    """A place to drop parcels off. Its `is_active` is not read: it says that the data is fresh, not that it is open."""

    id: Id
    code: Text = ""
    name: Text = ""
    street: Text = ""
    house_number: OptionalText = ""
    postal_code: Text = ""
    city: Text = ""
    country: Text = ""
    phone: OptionalText = ""
    carrier: Text = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    formatted_opening_times: dict[str, object] | str | None = None
    """Read apart, day by day (`opening_times`)."""
    open_tomorrow: bool | None = None
    open_upcoming_week: bool | None = None
    distance: Metres | None = None
    """From the place asked for."""
    general_shop_type: Annotated[OptionalCode, AfterValidator(_unless_unknown)] = None


class OutgoingData(RedactedModel):
    """`data` of the answer to E2."""

    parcel: Parcel
    products: Annotated[
        list[Annotated[Product, WrapValidator(_unless_none)]],
        BeforeValidator(_first(MAX_LINES)),
        AfterValidator(_present),
    ]
    carriers: KnownElements[Carrier] | None = None
    """None where they are not known."""
    service_point: ServicePoint | None = None
    labelless_service_point: ServicePoint | None = None
    shop_distances: Elements[ShopDistance] = Field(default_factory=list)
    national_carrier: NationalCarrier = NationalCarrier()
    national_carrier_contact: WebUrl = None
    shipping_method_ids: Elements[Id] = Field(default_factory=list)


class Outgoing(RedactedModel):
    """The answer to E2: the parcel, and the two tokens that open the rest of the API."""

    data: OutgoingData
    access_token: Token
    service_points_token: Token | None = None


# E3, file upload


class Upload(RedactedModel):
    """A stored file: E4 takes its `filename`, `name` is its form field; it is deleted after 48 hours unless used."""

    filename: Annotated[str, Field(min_length=1, max_length=1024)]
    name: str


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
    value: float | None
    return_reason: int | None = None
    return_message: str | None = None
    hs_code: str | None = None
    origin_country: str | None = None
    weight: str | None = None


class IncomingParcel(RedactedModel):
    """The sender of the parcel; `from_address_1` is the street without its number."""

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

    reason: int | None
    """Sent as null where there is none, as clients do."""
    message: str = ""
    outgoing_parcel: int
    refund: Refund | None
    delivery_option: DeliveryOptionCode
    products: list[ReturnedProduct]
    incoming_parcel: IncomingParcel
    service_point: ServicePointChoice | None = None
    selected_functionalities: SelectedFunctionalities | None = None
    selected_carrier_code: str | None = None
    pickup_date: str | None = None
    images: list[Image] | None = None
    customs_information: dict[str, JsonValue] | None = None


class ReturnAccepted(RedactedModel):
    """The answer to E4 as it comes; with a `return` the return exists, even if other members are odd."""

    return_id: Integer = Field(alias="return")
    """Of any size, because an integer proves that the return exists."""
    incoming_parcels: Places[Id] = Field(default_factory=list)
    poller_url: object = None
    payment_url: object = None


# E5, label polling


class LabelAnnounced(RedactedModel):
    """The 200 answer to E5 as it comes; parcels and tracking numbers belong together by index."""

    download_url: object
    parcels: Places[Id] = Field(default_factory=list)
    tracking_numbers: Places[OptionalText] = Field(default_factory=list)
    customs_declaration_url: object = None
