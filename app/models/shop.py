"""A shop and what it offers."""

from datetime import date
from typing import Annotated

from pydantic import Field

from app.domain import DeliveryOptionCode
from app.models.fields import Answer, DeliveryMember, Id, WhyNotText


class Money(Answer):
    """An amount of money."""

    amount: Annotated[str, Field(examples=["29.95"])]
    """A decimal number."""
    currency: str | None = None
    """ISO 4217; null where neither the shop nor the shipping service states it."""


class Reason(Answer):
    """Why an item comes back."""

    id: Id
    """Names the reason in a return."""
    description: str
    """In the language of the answer."""


class RefundOption(Answer):
    """One way to get the money back."""

    code: str
    """Names the refund in a return; `money`, `credit`, `exchange`, or others that the shop may add."""
    label: str
    """In the language of the answer."""
    message_required: bool
    """Whether a return with this refund needs `refund.message`."""


class Store(Answer):
    """A shop that takes returns over the counter."""

    id: Id
    """Names the store in a return."""
    name: str
    """The store's name."""
    street: str
    """Without the house number."""
    house_number: str
    """With its addition."""
    postal_code: str
    """As the country writes it."""
    city: str
    """The town."""
    country: str
    """The name of the country."""
    distance: int | None
    """Metres from the parcel's address."""


class Carrier(Answer):
    """A carrier that brings parcels back."""

    code: str
    """Names the carrier in searches and returns."""
    name: str
    """The name to show."""
    logo: str | None
    """The address of a picture."""


class NationalCarrier(Answer):
    """The national postal carrier, for shoppers far from any drop-off point."""

    code: str | None
    """Names the carrier."""
    name: str
    """The name to show."""
    drop_off_finder: str | None
    """The address of its own page of drop-off points."""
    contact: str | None
    """The address of its help page."""


class DeliveryOption(Answer):
    """One way to send the parcel back."""

    code: DeliveryOptionCode
    """The `delivery.option` of a return that travels this way."""
    needs: list[DeliveryMember]
    """Members that `delivery` of a return has to name beside it."""
    accepts: list[DeliveryMember]
    """Members that `delivery` of a return may name beside it."""
    possible: bool
    """Whether this parcel can travel back that way."""
    why_not: str | None
    """Why it cannot: `no-store`, `no-carrier`, or a later word."""
    why_not_text: WhyNotText | None = None
    """The same in words."""


class PickupWindow(Answer):
    """The days on which a courier can be asked for, by the calendar of the shopper's address."""

    earliest: date
    """The first of them."""
    latest: date
    """The last of them."""


class PortalBrand(Answer):
    """The shop's looks and contacts."""

    domain: str
    """Names the shop in every path."""
    name: str
    """The name to show."""
    color: str | None
    """`#rrggbb`."""
    secondary_color: str | None
    """`#rrggbb`."""
    website: str | None
    """The address of the shop."""
    logo: str | None
    """The address of a picture."""
    support_url: str | None
    """The address of its help page."""
    return_policy_url: str | None
    """The address of its conditions for returns."""
    support_email: str | None
    """The shop's e-mail address for shoppers."""
    hide_powered_by: bool
    """Whether the shop wants the shipping service left unnamed."""


class Portal(Answer):
    """A shop's public return settings."""

    brand: PortalBrand
    """The shop's looks and contacts."""
    language: str | None
    """The language of the texts (BCP 47)."""
    languages: list[str]
    """The languages that the shop speaks."""
    helper_text: str | None
    """The shop's text for shoppers before they start."""
    background_image: str | None
    """The address of a picture."""
    reasons: list[Reason]
    """Why items may come back."""
    refund_options: list[RefundOption]
    """The refunds that the shop offers."""
    delivery_options: list[DeliveryOptionCode]
    """How parcels can travel back; a session says which are possible for its parcel."""
    fee: Money | None
    """The price of a return for the shopper."""
    stores: list[Store]
    """Stores that take items over the counter."""
    stale: bool
    """Whether the settings are older than they should be, because the shipping service fails."""


class ReturnOptions(Answer):
    """The shopper's choices."""

    reasons: list[Reason]
    """Why items may come back."""
    refund_options: list[RefundOption]
    """The refunds that the shopper can choose."""
    refund_required: bool
    """Whether a return has to name one of them."""
    delivery_options: list[DeliveryOption]
    """How the parcel can travel back."""
    pickup: PickupWindow | None
    """Null where the shop has nothing picked up."""
    stores: list[Store]
    """Stores that take items over the counter."""
    fee: Money | None
    """The price of a return for the shopper."""
    shipping_method_ids: list[Id]
    """As the shipping service gave them."""
    national_carrier: NationalCarrier | None
    """For shoppers far from any drop-off point."""
