"""The public contract, version 1: the bodies that front ends send and get."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.domain import DeliveryOptionCode
from app.typed_text import cleaned_code, cleaned_language, cleaned_prose


def _iso_date(value: object) -> object:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        # The original text would quote the value.
        raise ValueError("an ISO 8601 date like 2026-05-31") from None


Json = dict[str, Any]
"""An object whose members its reader knows, as of the description of this API."""
DeliveryMember = Literal["service_point", "carrier", "store", "pickup_date"]
Language = Annotated[
    Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", examples=["nl-NL"])] | None,
    BeforeValidator(cleaned_language),
]
"""A language tag. `_` counts as `-`, extensions are cut off, and any other text counts as no language."""
Visible = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$"
Code = BeforeValidator(cleaned_code)
Prose = BeforeValidator(cleaned_prose)
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$", examples=["4.95"])]
IsoDate = Annotated[date, BeforeValidator(_iso_date)]


def utc_datetime(seconds: float) -> datetime:
    """This moment since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class SessionStart(_Request):
    """How the id of a new session is delivered."""

    token_delivery: Literal["cookie", "body"] = "cookie"  # noqa: S105  a choice, not a token

    @property
    def in_cookie(self) -> bool:
        """Whether the session id travels in the cookie alone."""
        return self.token_delivery == "cookie"  # noqa: S105  as above


class NewSession(SessionStart):
    """A lookup: the order or tracking number, and the postal code that the parcel went to."""

    identifier: Annotated[str, Field(min_length=1, max_length=100, pattern=Visible, examples=["LABEL-0001"]), Code]
    postal_code: Annotated[str, Field(min_length=1, max_length=20, pattern=Visible, examples=["5611 AA"]), Code]
    language: Language = None


class NewHandoff(_Request):
    """The page on which the other device goes on: at an allowed origin, or at the one this call comes from."""

    page: (
        Annotated[
            str,
            Field(max_length=500, pattern=r"^https?://[!-\"$-~]+$", examples=["https://shop.example/returns"]),
        ]
        | None
    ) = None


class RedeemedHandoff(SessionStart):
    """The token of a handoff, from the fragment of its link."""

    token: Annotated[str, Field(max_length=100)]


class NewReturnItem(_Request):
    """Units of one item; the same item twice is summed."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    quantity: Annotated[int, Field(ge=1, le=9999)]
    reason: int | None = None
    comment: Annotated[str, Field(max_length=500, pattern=Visible), Prose] | None = None
    hs_code: Annotated[str, Field(pattern=r"^[0-9]{4,12}$")] | None = None
    """Tariff number. This and the next two members are for international returns."""
    origin_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    weight: Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,3})?$", description="Kilograms.")] | None = None


class NewRefund(_Request):
    """How the shopper wants the money back."""

    type: Annotated[str, Field(min_length=1, max_length=40, examples=["money"])]
    message: Annotated[str, Field(max_length=1000, pattern=Visible), Prose] | None = None


class NewDelivery(_Request):
    """How the parcel travels back."""

    option: DeliveryOptionCode
    service_point: int | None = None
    carrier: Annotated[str, Field(min_length=1, max_length=60), Code] | None = None
    store: int | None = None
    pickup_date: IsoDate | None = None


Correction = Annotated[str, Field(min_length=1, max_length=200, pattern=Visible), Prose]
CorrectionOrNothing = Annotated[str, Field(max_length=200, pattern=Visible), Prose]
"""An optional member of an address; an empty text empties it."""


class NewContact(_Request):
    """Corrections of the address that the parcel went to; absent members stay. The country cannot change.

    An empty text empties company, second line and phone.
    """

    name: Correction | None = None
    company_name: CorrectionOrNothing | None = None
    street: Correction | None = None
    house_number: Correction | None = None
    address_2: CorrectionOrNothing | None = None
    postal_code: Annotated[Correction, Code] | None = None
    city: Correction | None = None
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$"), Code] | None = None
    phone: Annotated[CorrectionOrNothing, Code] | None = None


class NewCustoms(_Request):
    """Customs information about an international return."""

    invoice_number: Annotated[str, Field(min_length=1, max_length=40, pattern=Visible), Code]
    export_type: Literal["private", "commercial_b2c", "commercial_b2b"] = "private"
    invoice_date: IsoDate | None = None
    freight_costs: Amount | None = None
    insurance_costs: Amount | None = None
    other_costs: Amount | None = None
    discount_granted: Amount | None = None
    general_notes: Annotated[str, Field(max_length=500, pattern=Visible), Prose] | None = None


class NewPhoto(_Request):
    """A picture of an item, named by the handle that its upload got in this session."""

    file: Annotated[str, Field(min_length=1, max_length=2000, examples=["up_AX3k0c1cXw"])]
    item: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=500, pattern=Visible), Prose] | None = None


class NewReturn(_Request):
    """A return as the shopper chose it; the session supplies the rest."""

    items: Annotated[list[NewReturnItem], Field(min_length=1, max_length=200)]
    reason: int | None = None
    message: Annotated[str, Field(max_length=1000, pattern=Visible), Prose] | None = None
    refund: NewRefund | None = None
    """Needed where `options.refund_required` says so."""
    delivery: NewDelivery
    parcels: Annotated[int, Field(ge=1, le=100)] = 1
    contact: NewContact | None = None
    customs: NewCustoms | None = None
    photos: Annotated[list[NewPhoto], Field(max_length=10)] | None = None


class Money(_Answer):
    """An amount; the currency only where upstream states it."""

    amount: Annotated[str, Field(examples=["29.95"])]
    currency: str | None = None


class Reason(_Answer):
    """Why an item comes back, in the language of the answer."""

    id: int
    description: str


class RefundOption(_Answer):
    """One way to get the money back."""

    code: str
    label: str
    message_required: bool


class OpeningHours(_Answer):
    """One opening interval in the point's own time zone; weekday 1 is Monday."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    opens: Annotated[str, Field(examples=["09:00"])]
    closes: Annotated[str, Field(examples=["17:30"])]


class ServicePoint(_Answer):
    """Where a parcel can be handed in; `distance` in metres."""

    id: int
    code: str
    name: str
    carrier: str
    street: str
    house_number: str
    postal_code: str
    city: str
    country: str
    latitude: float | None
    longitude: float | None
    distance: int | None
    kind: str | None
    phone: str | None
    open_tomorrow: bool
    open_upcoming_week: bool
    time_zone: str | None
    """IANA name; None where it is not known, and then `open_now` is not known either."""
    opening_hours: list[OpeningHours]
    """Hours of the current week, holidays included; on a weekday without hours that is not unknown it is closed."""
    unknown_weekdays: list[int] = []
    """Weekdays whose hours are not known; 1 is Monday."""
    open_now: bool | None
    """None where that is not known."""
    closes_at: datetime | None
    """When it closes, while it is open and known to close this week."""
    next_open_at: datetime | None
    """When it opens, while it is closed and known to open this week."""


class ServicePoints(_Answer):
    """Points near a place, nearest first."""

    service_points: list[ServicePoint]
    stale: bool


class FreshServicePoint(ServicePoint):
    """A point as it is now, and whether it takes parcels."""

    available: bool


class Store(_Answer):
    """A shop that takes returns over the counter; `distance` in metres from the parcel's address."""

    id: int
    name: str
    street: str
    house_number: str
    postal_code: str
    city: str
    country: str
    distance: int | None


class Carrier(_Answer):
    """A carrier that brings parcels back."""

    code: str
    name: str
    logo: str | None


class DeliveryOption(_Answer):
    """One way to send the parcel back, and the members that the body of a return then needs."""

    code: DeliveryOptionCode
    needs: list[DeliveryMember]
    accepts: list[DeliveryMember]
    possible: bool
    why_not: str | None


class PortalBrand(_Answer):
    """How the shop looks and where it can be reached."""

    domain: str
    name: str
    color: str | None
    secondary_color: str | None
    website: str | None
    logo: str | None
    support_url: str | None
    return_policy_url: str | None
    support_email: str | None
    hide_powered_by: bool


class Portal(_Answer):
    """A shop's public return settings."""

    brand: PortalBrand
    language: str | None
    languages: list[str]
    helper_text: str | None
    background_image: str | None
    reasons: list[Reason]
    refund_options: list[RefundOption]
    delivery_options: list[DeliveryOptionCode]
    fee: Money | None
    stores: list[Store]
    stale: bool
    """Whether the settings are older than they should be, because the upstream fails."""


class Parcel(_Answer):
    """The parcel that went out."""

    order_number: str
    tracking_number: str
    carrier: str | None
    max_parcels: int


class ShipFrom(_Answer):
    """The shopper's address, masked except for city, postal code and country, because a lookup proves little."""

    name: str
    street: str
    postal_code: str
    city: str
    country: str
    email: str
    phone: str


class Item(_Answer):
    """An item of the order; `remaining` units can still be returned."""

    id: Annotated[str, Field(description="Opaque; names the line, in every session of the parcel the same.")]
    product_id: Annotated[
        str, Field(description="As the shipping service says it; may be empty or shared by items.")
    ] = ""
    name: str
    image_url: str | None
    unit_price: Money | None
    quantity: int
    returnable: bool
    why_not: str | None = None
    """Why it cannot be returned: `not-returnable`, the shop does not take it back, or `incomplete`, too little of it is
    known. More reasons may come."""
    remaining: int


class NationalCarrier(_Answer):
    """The national postal carrier, for shoppers far from any drop-off point."""

    code: str | None
    name: str
    drop_off_finder: str | None
    contact: str | None


class PickupWindow(_Answer):
    """The days on which a courier can be asked for, both included, by the calendar of the shopper's address."""

    earliest: date
    latest: date


class Options(_Answer):
    """The shopper's choices."""

    reasons: list[Reason]
    refund_options: list[RefundOption]
    refund_required: bool
    """Whether a return has to name one of them."""
    delivery_options: list[DeliveryOption]
    pickup: PickupWindow | None
    """None where the shop has nothing picked up."""
    stores: list[Store]
    fee: Money | None
    shipping_method_ids: list[int]
    national_carrier: NationalCarrier | None


class DropOff(_Answer):
    """Where the parcel can be handed in nearby."""

    nearest: ServicePoint | None
    nearest_labelless: ServicePoint | None
    carriers: list[Carrier]


class Action(_Answer):
    """A call, and whether it can be made now; `why_not` is a problem code or `nothing-left-to-return`."""

    name: str
    method: Literal["GET", "POST", "DELETE"]
    href: str
    allowed: bool
    why_not: str | None = None


class ReturnState(StrEnum):
    """The state of a return. More states may come: treat an unknown one like `label_pending`."""

    CREATING = "creating"
    OUTCOME_UNKNOWN = "outcome_unknown"
    LABEL_PENDING = "label_pending"
    AWAITING_PAYMENT = "awaiting_payment"
    LABEL_READY = "label_ready"
    NO_LABEL_NEEDED = "no_label_needed"
    ACCEPTED = "accepted"
    LABEL_LOST = "label_lost"
    FAILED = "failed"


FINAL_STATES = frozenset(ReturnState) - {
    ReturnState.CREATING,
    ReturnState.OUTCOME_UNKNOWN,
    ReturnState.LABEL_PENDING,
    ReturnState.AWAITING_PAYMENT,
}
"""States after which no news is expected; a late poll may still find a label that counted as lost."""


class ReturnItem(_Answer):
    """Units of one item on their way back."""

    id: str
    name: str
    quantity: int
    reason: int | None
    comment: str | None


class ReturnDelivery(_Answer):
    """How the parcel travels back, as it was chosen."""

    option: DeliveryOptionCode
    service_point: int | None
    carrier: str | None
    store: int | None
    pickup_date: date | None


class ReturnParcel(_Answer):
    """One parcel of the return; its tracking number comes with the label."""

    id: int
    tracking_number: str | None


class Label(_Answer):
    """The document to print or to show; `href` only while it can be fetched."""

    state: Literal["pending", "ready", "not_needed", "unavailable"]
    href: str | None
    expires_at: datetime | None
    delayed: bool = False
    """Whether the label takes longer than usual, because the upstream does not tell its state."""


class Return(_Answer):
    """A return, and the calls that can be made for it."""

    id: Annotated[str, Field(examples=["rtn_3vQ1m0bJ9dJxPq4l2Zk7sA"])]
    state: ReturnState
    revision: int
    created_at: datetime
    updated_at: datetime
    items: list[ReturnItem]
    delivery: ReturnDelivery
    sendcloud_return_id: int | None
    parcels: list[ReturnParcel]
    payment_url: str | None
    label: Label
    customs_declaration: str | None
    drop_off: ServicePoint | None
    retry_after: int | None
    actions: list[Action]


class Upload(_Answer):
    """A stored picture: `photos` of a return names it by `file`; `name` is the form field it came in."""

    file: str
    name: str


class Uploads(_Answer):
    """The stored pictures in their order; each is forgotten after 48 hours unless a return names it."""

    uploads: list[Upload]


class SessionAnswer(_Answer):
    """Everything the first screen needs."""

    session_token: str | None = None
    expires_at: datetime
    brand: PortalBrand
    parcel: Parcel
    ship_from: ShipFrom
    items: list[Item]
    options: Options
    drop_off: DropOff
    returns: list[Return]
    actions: list[Action]


class Handoff(_Answer):
    """A link to continue this session on another device, once and before it expires."""

    token: str
    link: str | None = Field(description="The page with the token in its fragment, which browsers send to no server.")
    qr_code: str | None = Field(description="The link as a picture: a data URI of an SVG image.")
    expires_at: datetime


class ProblemError(_Answer):
    """A fault of one member of the request."""

    pointer: str
    code: str
    detail: str


class Preview(_Answer):
    """What a creation with this body would be refused for; `missing` points at members that are still absent."""

    valid: bool
    problems: list[ProblemError]
    fee: Money | None
    missing: list[str]


class Problem(_Answer):
    """RFC 9457 problem document; clients decide on `code`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    request_id: str
    errors: list[ProblemError] = []
    alternatives: list[ServicePoint] | None = None
    """Other points of the same carrier, where the chosen one is not available."""


class ProblemKind(_Answer):
    """The meaning of a problem code."""

    code: str
    status: int
    title: str
    detail: str = Field(description="What helps; the problem document has the same text.")
    retryable: bool
    when: str = Field(description="What has happened.")
    front_end: str = Field(description="What a front end does about it.")
    calls: list[str] = Field(description="Method and path of the calls that name it; empty: any call may answer it.")


class Health(_Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"
