"""The answer of a session: parcel, items, choices and returns."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.models.fields import Answer, WhyNotText
from app.models.returns import Action, Return
from app.models.service_points import ServicePoint
from app.models.shop import Carrier, Money, PortalBrand, ReturnOptions


class Parcel(Answer):
    """The parcel that went out."""

    order_number: str
    """As the shop wrote it."""
    tracking_number: str
    """As the carrier wrote it."""
    carrier: str | None
    """The code of the carrier that brought it."""
    max_parcels: int
    """In how many parcels a return may travel."""


class ShipFrom(Answer):
    """The shopper's address, masked except for city, postal code and country, because a lookup proves little."""

    name: str
    """Masked."""
    street: str
    """Masked."""
    postal_code: str
    """As the country writes it."""
    city: str
    """The town."""
    country: str
    """ISO 3166-1 alpha-2."""
    email: str
    """Masked."""
    phone: str
    """Masked."""


class Item(Answer):
    """An item of the order."""

    id: str
    """Opaque; names the line, and is the same in every session of the parcel."""
    product_id: str = ""
    """As the shipping service states it; may be empty or shared by items."""
    name: str
    """The item's name at the shop."""
    image_url: str | None
    """The address of a picture."""
    unit_price: Money | None
    """The price of one unit."""
    quantity: int
    """Units ordered."""
    returnable: bool
    """Whether the shop takes units of it back."""
    why_not: str | None = None
    """Why it cannot be returned: `not-returnable`, the shop does not take it back; `excluded-by-policy`, its return
    policy names the item; `window-over`, its deadline has passed; or `incomplete`, too little of it is known. More
    reasons may come."""
    why_not_text: WhyNotText | None = None
    """The same in words."""
    deadline: datetime | None = Field(None, exclude_if=lambda deadline: deadline is None)
    """The last moment to return units of it; absent where it is not known or there is none."""
    remaining: int
    """Units that can still be returned."""


class DropOff(Answer):
    """Places nearby where the parcel can be handed in."""

    nearest: ServicePoint | None
    """The nearest point."""
    nearest_labelless: ServicePoint | None
    """The nearest point that prints the label."""
    carriers: list[Carrier]
    """The carriers that take this parcel."""


class SessionAnswer(Answer):
    """Everything the first screen needs."""

    session_token: str | None = None
    """The bearer token, once, where `token_delivery` was `body`."""
    expires_at: datetime
    """When the session ends."""
    brand: PortalBrand
    """The shop's looks and contacts."""
    parcel: Parcel
    """The parcel that went out."""
    ship_from: ShipFrom
    """The shopper's address."""
    items: list[Item]
    """The items of the order."""
    options: ReturnOptions
    """The shopper's choices."""
    drop_off: DropOff
    """Places nearby where the parcel can be handed in."""
    returns: list[Return]
    """The returns of this parcel, from all of its sessions."""
    actions: list[Action]
    """The calls that can be made next, with reasons for those that cannot."""


class Handoff(Answer):
    """A link to continue this session on another device, once and before it expires."""

    token: str
    """The token that the other device redeems."""
    link: str | None
    """The page with the token in its fragment, which browsers send to no server."""
    qr_code: str | None
    """The link as a picture: a data URI of an SVG image."""
    expires_at: datetime
    """Until when the token can be redeemed."""


class Health(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"
    """Always the same word."""
