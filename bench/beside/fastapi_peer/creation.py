"""A return that is wanted: whether it can be, and how the upstream is told."""

from typing import Any

from pydantic import BaseModel, Field

from bench.beside.fastapi_peer.lookup import LookupData


class Chosen(BaseModel):
    """An item that goes back."""

    id: str
    quantity: int = Field(ge=1)
    reason: int


class Refund(BaseModel):
    """How the shopper is paid back."""

    type: str
    message: str = ""


class Delivery(BaseModel):
    """How the parcel comes back."""

    option: str
    service_point: int | None = None


class NewReturn(BaseModel):
    """What a front end sends."""

    items: list[Chosen] = Field(min_length=1)
    refund: Refund
    delivery: Delivery


def problems_of(wanted: NewReturn, data: LookupData) -> list[str]:
    """Why it cannot be."""
    left = {each.id: each.quantity for each in data.products if each.returnable}
    return [f"{each.id}: not so many can go back" for each in wanted.items if each.quantity > left.get(each.id, 0)]


def incoming(wanted: NewReturn, data: LookupData) -> dict[str, Any]:
    """The body of E4."""
    parcel, products = data.parcel, {each.id: each for each in data.products}
    return {
        "reason": wanted.items[0].reason,
        "message": "",
        "outgoing_parcel": parcel.id,
        "refund": {"refund_type": {"code": wanted.refund.type}, "message": wanted.refund.message},
        "delivery_option": wanted.delivery.option,
        "products": [
            {
                "product_id": each.id,
                "quantity": each.quantity,
                "description": products[each.id].name,
                "value": float(products[each.id].price or 0),
                "return_reason": each.reason,
            }
            for each in wanted.items
        ],
        "incoming_parcel": {
            "from_name": parcel.name,
            "from_company_name": parcel.company_name,
            "from_address_1": parcel.address_divided.street,
            "from_house_number": parcel.house_number,
            "from_city": parcel.city,
            "from_postal_code": parcel.postal_code,
            "from_country": parcel.country.iso_2,
            "from_email": parcel.email,
            "from_telephone": parcel.telephone,
            "collo_count": parcel.collo_count,
        },
        "service_point": {"id": wanted.delivery.service_point},
    }
