"""Domain objects: the terms in which the service thinks, whatever the upstream calls them.

Every object is frozen and complete: each default is decided where it is made (`app/sendcloud/translation.py`), so that
None always means that something is not known or not there. Texts are bounded and safe to show as text, URLs are http
or https and encoded, amounts have two decimals and no currency, because the upstream states none.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator
from typing_extensions import override

DeliveryOptionCode = Literal["drop_off_point", "drop_off_labelless", "in_store", "pickup"]
FirstMile = Literal["dropoff", "pickup"]
"""How a parcel gets to its carrier: the shopper brings it, or the carrier collects it."""
WhyNot = Literal["not-returnable", "incomplete", "excluded-by-policy", "window-over"]
"""Why a line cannot be returned.

The upstream says that the shop does not take it back, a member that a return needs could not be read, the shop's
policy excludes it, or its window is over.
"""
DAY_SECONDS = 86_400
LONGEST_WINDOW = 366
"""Days."""
NOTHING = frozenset({"", "none", "null"})
"""Texts that stand for nothing, in lower case: recorded orders have them in place of a product id."""


class RedactedModel(BaseModel):
    """Everything that crosses the border to the upstream: frozen, and silent in logs and tracebacks."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @override
    def __repr_args__(self) -> list[tuple[str | None, object]]:
        return []


# A shop


class Brand(RedactedModel):
    """The shop's looks and contacts; `domain` names it in every path."""

    domain: str
    name: str
    color: str | None
    """`#rrggbb`, like the next one."""
    secondary_color: str | None
    website: str | None
    logo: str | None
    support_url: str | None
    return_policy_url: str | None
    support_email: str | None
    hide_powered_by: bool


class Reason(RedactedModel):
    """A return reason that the shop accepts, in the language of the settings."""

    id: int
    description: str


class RefundOption(RedactedModel):
    """A way to be refunded: `money`, `credit`, `exchange`, or another one that the upstream adds."""

    code: str
    label: str
    message_required: bool


class Store(RedactedModel):
    """A shop that takes returns over the counter; `country` is a name."""

    id: int
    name: str
    street: str
    house_number: str
    postal_code: str
    city: str
    country: str


def _same_name(name: str) -> str:
    """The name as it is compared: case and the number of blanks do not count."""
    return " ".join(name.split()).casefold()


def _product_id(value: str) -> str:
    if value.strip().casefold() in NOTHING:
        raise ValueError("a product has an id; one without is excluded by its name")
    return value.strip()


def _product_name(value: str) -> str:
    if not value.strip():
        raise ValueError("a product has a name")
    return _same_name(value)


ReasonId = Annotated[int, Field(strict=True)]


class Moment(NamedTuple):
    """The present moment, and when the parcel was delivered: seconds since the epoch."""

    now: float
    delivered_at: float | None = None
    """None where that is not known."""


class Policy(BaseModel):
    """What a shop does not take back, as its operator states it, on top of what the upstream says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted_reasons: Annotated[frozenset[ReasonId], Field(min_length=1)] | None = None
    """The only reasons that count; None for all but the next ones."""
    refused_reasons: frozenset[ReasonId] = frozenset()
    excluded_products: frozenset[Annotated[str, AfterValidator(_product_id)]] = frozenset()
    """By the upstream's product id."""
    excluded_names: frozenset[Annotated[str, AfterValidator(_product_name)]] = frozenset()
    """By name, because many orders have no product ids."""
    window: Annotated[int, Field(strict=True, ge=1, le=LONGEST_WINDOW)] | None = None
    """Days in which items come back, from the day after the delivery; None for as long as the upstream takes them."""

    @model_validator(mode="after")
    def _names_reasons_in_one_way(self) -> "Policy":
        if self.accepted_reasons and self.refused_reasons:
            raise ValueError("either accepted_reasons or refused_reasons")
        return self

    def accepts(self, reason: Reason) -> bool:
        """Whether items may come back for this reason."""
        if self.accepted_reasons is not None:
            return reason.id in self.accepted_reasons
        return reason.id not in self.refused_reasons

    def excludes(self, line: "OrderLine") -> bool:
        """Whether units of this line never come back."""
        return line.product_id.strip() in self.excluded_products or _same_name(line.name) in self.excluded_names

    def deadline(self, delivered_at: float | None) -> float | None:
        """The last moment at which items come back; None where the shop has no window or the delivery is not known."""
        if self.window is None or delivered_at is None:
            return None
        # A whole day more: the window's last day is over then, in whatever time zone the shopper lives.
        return delivered_at + (self.window + 1) * DAY_SECONDS

    def is_over(self, moment: Moment) -> bool:
        """Whether the deadline has passed."""
        deadline = self.deadline(moment.delivered_at)
        return deadline is not None and moment.now > deadline


class ShopSettings(RedactedModel):
    """A shop's return settings."""

    brand: Brand
    helper_text: str
    background_image: str | None
    languages: tuple[str, ...]
    reasons: tuple[Reason, ...]
    refund_options: tuple[RefundOption, ...]
    delivery_options: tuple[DeliveryOptionCode, ...]
    """Those that this service can handle."""
    return_fee: Decimal | None
    currency: str | None = None
    """Of all amounts, where the operator of this service states it; the upstream does not."""
    policy: Policy = Field(Policy(), exclude=True)
    """Stated by the operator, too, and never kept with the rest; `reasons` are those that it accepts."""
    stores: tuple[Store, ...]

    def why_not(self, line: "OrderLine", moment: Moment) -> WhyNot | None:
        """Why units of this line cannot be returned at this moment; None if they can."""
        if line.why_not:
            return line.why_not
        if self.policy.excludes(line):
            return "excluded-by-policy"
        return "window-over" if self.policy.is_over(moment) else None


# An order


class Address(RedactedModel):
    """The address that the parcel went to.

    `country` is an ISO 3166-1 alpha-2 code, empty where it is not known, and `state` the upstream's own.
    """

    name: str
    company_name: str
    street: str
    """Without the house number, if that is known."""
    house_number: str
    address_2: str
    postal_code: str
    city: str
    state: str | None
    country: str
    country_name: str
    """In English."""
    email: str
    phone: str


class Contact(RedactedModel):
    """Whom a shop can write to about a return."""

    name: str
    email: str


class Coordinates(RedactedModel):
    """A place in WGS 84 degrees."""

    latitude: float
    longitude: float


class OrderLine(RedactedModel):
    """A line of the order."""

    id: str
    """Names the line within its order, the same in every session."""
    product_id: str
    """As the upstream said it and needs it in a return; often empty, and shared by several lines."""
    name: str
    image_url: str | None
    price: Decimal | None
    """Of one unit."""
    quantity: int
    """Units ordered; 0 where that is not known."""
    returnable_quantity: int
    """Of those, the units that the shop takes back, as the upstream says."""
    why_not: WhyNot | None
    """As the upstream says; `ShopSettings.why_not` decides."""

    @property
    def title(self) -> str:
        """What the line is called: by its name, or by its product id where it has none."""
        return self.name or self.product_id.strip()

    @property
    def returnable(self) -> bool:
        """Whether units of this line can be returned at all."""
        return self.why_not is None


class Carrier(RedactedModel):
    """A carrier that takes this parcel back."""

    code: str
    name: str
    logo: str | None


class NationalCarrier(RedactedModel):
    """The national postal carrier, for shoppers far from any drop-off point; `contact` is a URL."""

    code: str | None
    name: str
    drop_off_finder: str | None
    contact: str | None


class ServicePoint(RedactedModel):
    """A place to drop parcels off.

    Stored returns keep one under the names that releases before this one read; hence the aliases and defaults.
    """

    id: int
    code: str = ""
    name: str = ""
    carrier: str = ""
    street: str = ""
    house_number: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""
    phone: str = ""
    latitude: float | None = None
    longitude: float | None = None
    distance: float | None = None
    """Metres from the place asked for."""
    kind: str | None = Field(None, alias="general_shop_type")
    opening_times: dict[str, tuple[str, ...]] | None = Field(None, alias="formatted_opening_times")
    """Texts like "09:00 - 12:00" by weekday, from "0" for Monday; a day may be missing."""
    open_tomorrow: bool | None = None
    open_upcoming_week: bool | None = None


class Order(RedactedModel):
    """An order whose parcel may come back."""

    parcel_id: int | None
    """None for an order that was never shipped through the upstream."""
    number: str
    tracking_number: str
    carrier: str | None
    """The code of the carrier that brought the parcel."""
    weight: float | None = None
    """Of the parcel that went out, in kilograms."""
    max_parcels: int
    """How many parcels may come back, at least one."""
    address: Address
    coordinates: Coordinates | None
    lines: tuple[OrderLine, ...]
    carriers: tuple[Carrier, ...]
    service_point: ServicePoint | None
    """The nearest one."""
    labelless_service_point: ServicePoint | None
    """The nearest one that needs no label."""
    store_distances: dict[int, float]
    """Metres by store."""
    national_carrier: NationalCarrier | None
    shipping_method_ids: tuple[int, ...]

    @property
    def returnable_parcel(self) -> int | None:
        """The id of the parcel; None if no return can be created here: without an id, or from an unknown country."""
        return self.parcel_id if self.address.country else None

    def carrier_named(self, code: str | None) -> str:
        """The code of the carrier that is named so in any letter case; if the order has none such, what was given."""
        given = code or ""
        return next((each.code for each in self.carriers if each.code.lower() == given.lower()), given)

    @property
    def units(self) -> "Units":
        """The units that can come back of each line, and the units ordered of each product."""
        products: Counter[str] = Counter()
        for line in self.lines:
            products[line.product_id] += line.quantity
        return Units({line.id: line.returnable_quantity for line in self.lines}, products)

    def selection(self, wanted: Mapping[str, int]) -> "Selection":
        """So many units by line id, out of all units."""
        products: Counter[str] = Counter()
        for line in self.lines:
            products[line.product_id] += wanted.get(line.id, 0)
        return Selection(Units(wanted, +products), self.units, self.number)

    def left(self, free: "Units") -> dict[str, int]:
        """The units by line that can still come back, of those that are free by line and by product."""
        return {line.id: max(0, min(free.lines[line.id], free.products[line.product_id])) for line in self.lines}


class Units(NamedTuple):
    """Units by line id and by product id.

    A product may stand on several lines. Releases before this one counted by product alone, so both are counted.
    """

    lines: Mapping[str, int]
    products: Mapping[str, int]


class Selection(NamedTuple):
    """The units that a return takes, and those that there are."""

    wanted: Units
    ordered: Units
    order_number: str = ""
    """Empty for an order without one."""


class OpenedOrder(RedactedModel):
    """An order that a shopper has proved a right to, and the tokens that open the rest of the API for it."""

    order: Order
    access_token: str
    service_points_token: str
    """Empty where the upstream gave none: then nothing can be asked about service points."""
    expires_at: int | None
    """When the access token ends, in Unix seconds; None where it does not tell. Unverified: a hint and no more."""
    service_points_expire_at: int | None = None
    """The same of the token for service points."""


class ServicePointQuery(RedactedModel):
    """A search for service points. The disputed `postal_code` is not offered (docs/upstream.md C8)."""

    country: str
    latitude: float | None = None
    longitude: float | None = None
    radius: int | None = None
    """Metres, 100 to 50000."""
    weight: int | None = None
    """Kilograms; upstream documents that it matters to Poste Italiane alone, beyond 15."""


# A return


class ReturnedLine(RedactedModel):
    """Units of a line that come back; the last three are for customs, `weight` in kilograms."""

    line: OrderLine
    quantity: int
    reason: int | None = None
    comment: str | None = None
    hs_code: str | None = None
    origin_country: str | None = None
    weight: str | None = None


class Refund(RedactedModel):
    """The shopper's choice of refund."""

    code: str
    message: str = ""


class Photo(RedactedModel):
    """An uploaded picture of a product, by the name that its upload got upstream."""

    filename: str
    product_id: str
    description: str = ""


class ReturnRequest(RedactedModel):
    """A return as it is to be created."""

    parcel_id: int
    reason: int | None
    """None where the shop offers no choice."""
    message: str = ""
    refund: Refund | None
    """None where the shop offers no choice."""
    delivery_option: DeliveryOptionCode
    first_mile: FirstMile | None
    """None where no carrier transports it."""
    lines: tuple[ReturnedLine, ...]
    sender: Address
    parcels: int = 1
    service_point: int | None = None
    carrier: str | None = None
    pickup_date: str | None = None
    """ISO 8601."""
    photos: tuple[Photo, ...] = ()
    customs: dict[str, JsonValue] | None = None
    """Customs information, by the members of `NewCustoms` in the public contract."""
