"""Records of earlier releases in the upstream's words, read for as long as any may exist."""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from app.domain import Address, OpenedOrder, Order, OrderLine, ServicePoint
from app.sendcloud.translation import opened_order, service_point


def opened_order_of_schema_1(outgoing: Mapping[str, JsonValue]) -> OpenedOrder:
    """The order in a session of schema 1, which held the upstream's own words; needed as long as a session lives."""
    return opened_order(json.dumps(outgoing).encode())


def outgoing_of_schema_1(order: Order, access_token: str, service_points_token: str) -> dict[str, JsonValue]:
    """The order in the upstream's words, which the release before reads in a session.

    That release needs a price for each line, so lines without one are left out.
    """
    national = order.national_carrier
    return {
        "access_token": access_token,
        "service_points_token": service_points_token or "none",
        "data": {
            "parcel": _parcel(order),
            "products": [_product(line) for line in order.lines if line.price is not None],
            "carriers": [
                {"code": carrier.code, "name": carrier.name, "logo": {"full": carrier.logo or ""}}
                for carrier in order.carriers
            ],
            "service_point": _point(order.service_point),
            "labelless_service_point": _point(order.labelless_service_point),
            "shop_distances": [{"id": store, "distance": metres} for store, metres in order.store_distances.items()],
            "national_carrier": national.model_dump() if national else None,
            "national_carrier_contact": national.contact if national else None,
            "shipping_method_ids": [*order.shipping_method_ids],
        },
    }


def _parcel(order: Order) -> dict[str, JsonValue]:
    return _sender(order.address) | {
        "id": order.parcel_id,
        "tracking_number": order.tracking_number,
        "order_number": order.number,
        "to_coordinates": order.coordinates.model_dump() if order.coordinates else None,
        "collo_count": order.max_parcels,
        "carrier": {"code": order.carrier or ""},
    }


def _sender(address: Address) -> dict[str, JsonValue]:
    return {
        "name": address.name,
        "company_name": address.company_name,
        "address": f"{address.street} {address.house_number}".strip(),
        "address_2": address.address_2,
        "address_divided": {"street": address.street, "house_number": address.house_number},
        "house_number": address.house_number,
        "postal_code": address.postal_code,
        "city": address.city,
        "to_state": address.state,
        "country": {"iso_2": address.country, "name": address.country_name},
        "email": address.email,
        "telephone": address.phone,
    }


def _product(line: OrderLine) -> dict[str, JsonValue]:
    return {
        "id": line.product_id,
        "name": line.name,
        "price": str(line.price),
        "image_url": line.image_url,
        "quantity": line.quantity,
        "returnable": line.returnable,
    }


def _point(point: ServicePoint | None) -> JsonValue:
    return point.model_dump(mode="json") if point else None


def service_point_of_schema_1(point: ServicePoint) -> ServicePoint:
    """The drop-off point in a return of schema 1, whose texts are not cleaned; needed as long as returns are kept."""
    return service_point(point.model_dump_json().encode())
