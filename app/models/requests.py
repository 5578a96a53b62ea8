"""Request bodies: the objects that front ends send."""

from typing import Annotated, Literal

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema
from typing_extensions import override

from app.domain import DeliveryOptionCode
from app.models.fields import Amount, Code, Id, IsoDate, Json, Language, Prose, Request, Visible


class SessionStart(Request):
    """How the id of a new session is delivered."""

    token_delivery: Literal["cookie", "body"] = "cookie"  # noqa: S105  a choice, not a token
    """`cookie` for pages on the service's own site; `body` for apps, servers and pages of other sites."""

    @property
    def in_cookie(self) -> bool:
        """Whether the session id travels in the cookie alone."""
        return self.token_delivery == "cookie"  # noqa: S105  as above


class NewSession(SessionStart):
    """A lookup: the order or tracking number, and the postal code that the parcel went to."""

    identifier: Annotated[str, Field(min_length=1, max_length=100, pattern=Visible, examples=["LABEL-0001"]), Code]
    """The order number or the tracking number."""
    postal_code: Annotated[str, Field(min_length=1, max_length=20, pattern=Visible, examples=["5611 AA"]), Code]
    """The postal code that the parcel was sent to."""
    language: Language = None
    """A BCP 47 tag; the session answers in it where the shop speaks it."""


class NewHandoff(Request):
    """Where the session continues on the other device."""

    page: (
        Annotated[str, Field(max_length=500, pattern=r'^https?://[!"$-~]+$', examples=["http://localhost:8000/page/"])]
        | None
    ) = None
    """The page that the link opens: at an allowed origin, or at the origin of this call. Without it, no link."""


class RedeemedHandoff(SessionStart):
    """The token of a handoff."""

    token: Annotated[str, Field(max_length=100)]
    """As it stands in the fragment of the link, after `#handoff=`."""


class NewReturnItem(Request):
    """Units of one item; the same item twice is summed."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    """The `id` of the item in the session."""
    quantity: Annotated[int, Field(ge=1, le=9999)]
    """Number of units that come back."""
    reason: Id | None = None
    """The `id` of a reason of the session; needed here or for the whole return."""
    comment: Annotated[str, Field(max_length=500, pattern=Visible), Prose] | None = None
    """The shopper's comment on this item."""
    hs_code: Annotated[str, Field(pattern=r"^[0-9]{4,12}$"), Code] | None = None
    """The tariff number, for international returns."""
    origin_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$"), Code] | None = None
    """Country of origin (ISO 3166-1 alpha-2), for international returns."""
    weight: Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,3})?$"), Code] | None = None
    """Kilograms of one unit, for international returns."""


class NewRefund(Request):
    """The shopper's choice of refund."""

    type: Annotated[str, Field(min_length=1, max_length=60, examples=["money"])]
    """The `code` of a refund option of the session."""
    message: Annotated[str, Field(max_length=1000, pattern=Visible), Prose] | None = None
    """Needed where the refund option has `message_required`."""


CarrierCode = Annotated[str, Field(min_length=1, max_length=60), Code]


class DropOffPoint(Request):
    """The shopper takes the parcel with its label to a service point."""

    option: Literal["drop_off_point"]
    """How the parcel travels back."""
    service_point: Id
    """The `id` of a service point."""
    carrier: CarrierCode | None = None
    """The carrier of that point; its own where this is left out."""


class DropOffLabelless(Request):
    """The shopper takes the parcel to a service point, which prints the label."""

    option: Literal["drop_off_labelless"]
    """How the parcel travels back."""
    service_point: Id | None = None
    """The `id` of a service point that takes parcels without a label."""
    carrier: CarrierCode | None = None
    """One of the parcel's carriers."""


class InStore(Request):
    """The shopper takes the items to a store of the shop."""

    option: Literal["in_store"]
    """How the items travel back."""
    store: Id
    """The `id` of a store of the session."""


class Pickup(Request):
    """A carrier collects the parcel."""

    option: Literal["pickup"]
    """How the parcel travels back."""
    carrier: CarrierCode | None = None
    """One of the parcel's carriers."""
    pickup_date: IsoDate | None = None
    """The day on which the shopper wants it collected."""


_CHOICES: TypeAdapter[object] = TypeAdapter(
    Annotated[DropOffPoint | DropOffLabelless | InStore | Pickup, Field(discriminator="option")]
)


class NewDelivery(Request):
    """How the parcel travels back; `option` decides what else is needed."""

    option: DeliveryOptionCode
    """How the parcel travels back."""
    service_point: Id | None = None
    """The `id` of a service point."""
    carrier: CarrierCode | None = None
    """One of the parcel's carriers."""
    store: Id | None = None
    """The `id` of a store of the session."""
    pickup_date: IsoDate | None = None
    """The day on which the shopper wants the parcel collected."""

    @classmethod
    @override
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        """One schema for each option, so that a client's compiler asks for what that option needs."""
        return {**handler(_CHOICES.core_schema), "title": cls.__name__, "description": cls.__doc__}


class DeliveryDraft(NewDelivery):
    """How the parcel travels back, as far as the shopper has chosen."""

    @classmethod
    @override
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        return handler(schema)


Correction = Annotated[str, Field(min_length=1, max_length=200, pattern=Visible), Prose]
CorrectionOrNothing = Annotated[str, Field(max_length=200, pattern=Visible), Prose]
"""An optional member of an address; an empty text empties it."""


class NewContact(Request):
    """Corrections of the address that the parcel went to; absent members stay. The country cannot change."""

    name: Correction | None = None
    """First and last name."""
    company_name: CorrectionOrNothing | None = None
    """An empty text removes it."""
    street: Correction | None = None
    """Without the house number."""
    house_number: CorrectionOrNothing | None = None
    """With its addition; an empty text removes it."""
    address_2: CorrectionOrNothing | None = None
    """The second line of the address; an empty text removes it."""
    postal_code: Annotated[Correction, Code] | None = None
    """As the country writes it."""
    city: Correction | None = None
    """The town."""
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$"), Code] | None = None
    """E-mail address for messages about the return."""
    phone: Annotated[CorrectionOrNothing, Code] | None = None
    """An empty text removes it."""


class NewCustoms(Request):
    """Customs information about an international return."""

    invoice_number: Annotated[str, Field(min_length=1, max_length=40, pattern=Visible), Code]
    """The number of the shop's invoice."""
    export_type: Literal["private", "commercial_b2c", "commercial_b2b"] = "private"
    """Whether the goods were a private or a commercial export."""
    invoice_date: IsoDate | None = None
    """The date of the invoice."""
    freight_costs: Amount | None = None
    """Transport costs, in the currency of the invoice."""
    insurance_costs: Amount | None = None
    """Insurance costs, in the currency of the invoice."""
    other_costs: Amount | None = None
    """Other costs, in the currency of the invoice."""
    discount_granted: Amount | None = None
    """Discount, in the currency of the invoice."""
    general_notes: Annotated[str, Field(max_length=500, pattern=Visible), Prose] | None = None
    """Anything else for the customs officer."""


class NewPhoto(Request):
    """A picture of an item."""

    file: Annotated[str, Field(min_length=1, max_length=2000, examples=["up_AX3k0c1cXw"])]
    """The `file` that its upload answered in this session."""
    item: Annotated[str, Field(min_length=1, max_length=100)]
    """The `id` of the item that the picture shows."""
    description: Annotated[str, Field(max_length=500, pattern=Visible), Prose] | None = None
    """Description of the picture."""


class NewReturn(Request):
    """A return as the shopper chose it; the session supplies the rest."""

    items: Annotated[list[NewReturnItem], Field(min_length=1, max_length=200)]
    """The items that come back."""
    reason: Id | None = None
    """The reason of all items that name none themselves."""
    message: Annotated[str, Field(max_length=1000, pattern=Visible), Prose] | None = None
    """The shopper's message to the shop."""
    refund: NewRefund | None = None
    """Needed where `options.refund_required` says so."""
    delivery: NewDelivery
    """How the parcel travels back."""
    parcels: Annotated[int, Field(ge=1, le=100)] = 1
    """In how many parcels, `parcel.max_parcels` of the session at most."""
    contact: NewContact | None = None
    """Corrections of the sender's address."""
    customs: NewCustoms | None = None
    """For returns that cross a customs border."""
    photos: Annotated[list[NewPhoto], Field(max_length=10)] | None = None
    """Uploaded pictures of the items."""


class ReturnDraft(NewReturn):
    """A return as far as the shopper has chosen; a preview says what is missing."""

    delivery: DeliveryDraft
    """How the parcel travels back."""
