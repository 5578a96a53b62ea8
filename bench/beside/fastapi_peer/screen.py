"""What the first screen is drawn from."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel

from bench.beside.fastapi_peer.lookup import LookupData, NationalCarrier, Parcel, ReturnCarrier
from bench.beside.fastapi_peer.points import Place, placed
from bench.beside.fastapi_peer.portal import Brand, Refund, brand_of, refunds_of
from bench.beside.fastapi_peer.settings import Reason, Settings, UpstreamStore


class ShipFrom(BaseModel):
    """Where the parcel starts, masked."""

    name: str
    street: str
    postal_code: str
    city: str
    country: str
    email: str
    phone: str


class Item(BaseModel):
    """Something that may go back."""

    id: str
    name: str
    image_url: str | None
    unit_price: Decimal | None
    quantity: int
    returnable: bool
    remaining: int


class Options(BaseModel):
    """What can be chosen."""

    reasons: list[Reason]
    refund_options: list[Refund]
    delivery_options: list[str]
    stores: list[UpstreamStore]
    fee: Decimal | None
    shipping_method_ids: list[int]
    national_carrier: NationalCarrier | None


class DropOff(BaseModel):
    """Where a parcel can be handed in."""

    nearest: Place | None
    nearest_labelless: Place | None
    carriers: list[ReturnCarrier]


class Screen(BaseModel):
    """The first screen."""

    session_token: str
    expires_at: datetime
    brand: Brand
    order_number: str
    tracking_number: str
    ship_from: ShipFrom
    items: list[Item]
    options: Options
    drop_off: DropOff


def drawn(token: str, expires_at: datetime, settings: Settings, data: LookupData) -> Screen:
    """The first screen of this order."""
    source = settings.portal
    return Screen(
        session_token=token,
        expires_at=expires_at,
        brand=brand_of(source),
        order_number=data.parcel.order_number,
        tracking_number=data.parcel.tracking_number,
        ship_from=_ship_from(data.parcel),
        items=[
            Item(
                **each.model_dump(exclude={"price"}),
                unit_price=each.price,
                remaining=each.quantity if each.returnable else 0,
            )
            for each in data.products
        ],
        options=Options(
            reasons=source.reasons,
            refund_options=refunds_of(source),
            delivery_options=source.delivery_options,
            stores=settings.return_locations,
            fee=source.return_fee,
            shipping_method_ids=data.shipping_method_ids,
            national_carrier=data.national_carrier,
        ),
        drop_off=DropOff(
            nearest=data.service_point and placed(data.service_point),
            nearest_labelless=data.labelless_service_point and placed(data.labelless_service_point),
            carriers=data.carriers,
        ),
    )


def _ship_from(parcel: Parcel) -> ShipFrom:
    return ShipFrom(
        name=_masked(parcel.name),
        street=_masked(parcel.address),
        postal_code=parcel.postal_code,
        city=parcel.city,
        country=parcel.country.iso_2,
        email="@".join(map(_masked, parcel.email.split("@"))),
        phone=_masked(parcel.telephone),
    )


def _masked(value: str) -> str:
    return " ".join(f"{word[0]}•••" for word in value.split())
