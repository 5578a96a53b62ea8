"""A shop and what it offers."""

from datetime import date
from typing import Annotated

from pydantic import Field

from app.domain import DeliveryOptionCode
from app.models.fields import Answer, DeliveryMember, Id


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
    """What the sign says."""
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
    """What shoppers call it."""
    logo: str | None
    """The address of a picture."""


class NationalCarrier(Answer):
    """The national postal carrier, for shoppers far from any drop-off point."""

    code: str | None
    """Names the carrier."""
    name: str
    """What shoppers call it."""
    drop_off_finder: str | None
    """The address of its own page of drop-off points."""
    contact: str | None
    """The address of its help page."""


class DeliveryOption(Answer):
    """One way to send the parcel back."""

    code: DeliveryOptionCode
    """Names the way in a return."""
    needs: list[DeliveryMember]
    """Members that `delivery` of a return has to name beside it."""
    accepts: list[DeliveryMember]
    """Members that `delivery` of a return may name beside it."""
    possible: bool
    """Whether this parcel can travel back that way."""
    why_not: str | None
    """Why it cannot: `no-store`, `no-carrier`, or a later word."""


class PickupWindow(Answer):
    """The days on which a courier can be asked for, by the calendar of the shopper's address."""

    earliest: date
    """The first of them."""
    latest: date
    """The last of them."""


class PortalBrand(Answer):
    """How the shop looks and where it can be reached."""

    domain: str
    """Names the shop in every path."""
    name: str
    """What shoppers call it."""
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
    """Where shoppers can write to."""
    hide_powered_by: bool
    """Whether the shop wants the shipping service left unnamed."""


class Portal(Answer):
    """A shop's public return settings."""

    brand: PortalBrand
    """How the shop looks and where it can be reached."""
    language: str | None
    """The language of the texts (BCP 47)."""
    languages: list[str]
    """The languages that the shop speaks."""
    helper_text: str | None
    """What the shop tells shoppers before they start."""
    background_image: str | None
    """The address of a picture."""
    reasons: list[Reason]
    """Why items may come back."""
    refund_options: list[RefundOption]
    """How shoppers can get their money back."""
    delivery_options: list[DeliveryOptionCode]
    """How parcels can travel back; a session says which are possible for its parcel."""
    fee: Money | None
    """What a return costs the shopper."""
    stores: list[Store]
    """Where items can be handed in over the counter."""
    stale: bool
    """Whether the settings are older than they should be, because the shipping service fails."""


class ReturnOptions(Answer):
    """The shopper's choices."""

    reasons: list[Reason]
    """Why items may come back."""
    refund_options: list[RefundOption]
    """How the shopper can get the money back."""
    refund_required: bool
    """Whether a return has to name one of them."""
    delivery_options: list[DeliveryOption]
    """How the parcel can travel back."""
    pickup: PickupWindow | None
    """Null where the shop has nothing picked up."""
    stores: list[Store]
    """Where items can be handed in over the counter."""
    fee: Money | None
    """What a return costs the shopper."""
    shipping_method_ids: list[Id]
    """As the shipping service gave them."""
    national_carrier: NationalCarrier | None
    """For shoppers far from any drop-off point."""
