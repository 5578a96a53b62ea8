"""Made-up answers of the upstream and a shopper's choice that fits them; keywords replace single members."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from app.domain import Moment, OpenedOrder, Order, Refund, ReturnRequest, ServicePoint, ShopSettings
from app.models.requests import NewReturn
from app.models.returns import ReturnDelivery
from app.returns.checks.fingerprints import CURRENT, FIRST, Fingerprints
from app.returns.store.records import ReturnRecord
from app.sendcloud import translation
from app.sessions.session import Session

NOON = datetime(2026, 7, 6, 10, tzinfo=UTC).timestamp()
AT_NOON = Moment(NOON)
"""A Monday noon in Amsterdam, in seconds since the epoch."""
UNCHANGED: Mapping[str, object] = MappingProxyType({})
INCOMING_PARCEL = {
    "from_name": "Sam Jansen",
    "from_company_name": "Jansen Fietsen",
    "from_address_1": "Kerkstraat",
    "from_address_2": "Achterhuis",
    "from_house_number": "12",
    "from_city": "Eindhoven",
    "from_postal_code": "5611 AA",
    "from_country": "NL",
    "from_country_state": "NL-NB",
    "from_email": "sam@example.com",
    "from_telephone": "+31600000000",
    "collo_count": 1,
}
"""What the upstream is told of one parcel back from the address of `outgoing`."""


def product(**changes: object) -> dict[str, object]:
    """A line of the order: two returnable shirts."""
    return {"id": "shirt", "name": "Blue shirt M", "price": "29.95", "quantity": 2, "returnable": True, **changes}


def point(**changes: object) -> dict[str, object]:
    """A drop-off point of PostNL as the upstream tells it."""
    return {
        "id": 20000001,
        "code": "217000",
        "name": "Boekhandel De Linde",
        "street": "Markt",
        "house_number": "1",
        "postal_code": "5611AB",
        "city": "EINDHOVEN",
        "country": "NL",
        "carrier": "postnl",
        "latitude": "51.441000",
        "longitude": "5.475000",
        "distance": 381,
        "formatted_opening_times": {"0": ["10:00 - 18:00"]},
        **changes,
    }


def service_point(**changes: object) -> ServicePoint:
    """A drop-off point of PostNL."""
    return translation.service_point(json.dumps(point(**changes)).encode())


def outgoing(parcel: Mapping[str, object] = UNCHANGED, **data: object) -> dict[str, Any]:
    """What the upstream tells of a parcel of two colli with shirts and a gift card that stays.

    `data` replaces what stands beside the parcel.
    """
    sample_parcel = {
        "id": 133700001,
        "name": "Sam Jansen",
        "company_name": "Jansen Fietsen",
        "address": "Kerkstraat 12",
        "address_2": "Achterhuis",
        "address_divided": {"street": "Kerkstraat", "house_number": "12"},
        "house_number": "12",
        "postal_code": "5611 AA",
        "city": "Eindhoven",
        "to_state": "NL-NB",
        "country": {"iso_2": "NL"},
        "email": "sam@example.com",
        "telephone": "+31600000000",
        "tracking_number": "3STEST000000001",
        "order_number": "A-1001",
        "collo_count": 2,
        "carrier": {"code": "postnl"},
    }
    sample_data = {
        "parcel": {**sample_parcel, **parcel},
        "products": [product(), product(id="card", name="Gift card", price="25.00", quantity=1, returnable=False)],
        "carriers": [{"code": "postnl", "name": "PostNL"}, {"code": "dhl", "name": "DHL"}],
        "service_point": point(),
        "labelless_service_point": point(id=20000002),
        "shop_distances": [{"id": 7, "distance": 91200.4}],
    }
    return {"data": {**sample_data, **data}, "access_token": "access", "service_points_token": "points"}


def opened_order(parcel: Mapping[str, object] = UNCHANGED, **data: object) -> OpenedOrder:
    """The order of `outgoing`, with its tokens."""
    return translation.opened_order(json.dumps(outgoing(parcel, **data)).encode())


def order(parcel: Mapping[str, object] = UNCHANGED, **data: object) -> Order:
    """The order of `outgoing`."""
    return opened_order(parcel, **data).order


def session(**changes: object) -> Session:
    """A session for the order of `outgoing`."""
    opened = dict(opened_order())
    sample = opened | {
        "brand": "my-shop",
        "parcel_key": "parcel",
        "languages": ["en-GB"],
        "expires_at": 4_000_000_000.0,
    }
    return Session.model_validate(sample | changes)


def portal_settings(
    *, stores: bool = True, brand: Mapping[str, object] = UNCHANGED, **portal: object
) -> dict[str, Any]:
    """What the upstream tells of a shop that offers everything there is; `portal` replaces members of its portal."""
    sample_portal = {
        "brand": {"id": 501, "name": "My Shop", "domain": "my-shop", **brand},
        "reasons": [{"id": 11, "description": "Changed my mind"}, {"id": 22, "description": "Does not fit"}],
        "languages": ["en-GB", "nl-NL"],
        "refund_options": [
            {"code": "money", "label": "Money back"},
            {"code": "exchange", "label": "Exchange", "require_message": True},
        ],
        "return_fee": "4.95",
        "delivery_options": ["drop_off_point", "drop_off_labelless", "in_store", "pickup"],
    }
    store = {"id": 7, "company_name": "My Shop Utrecht", "address_1": "Domplein", "house_number": "1"}
    return {"portal": {**sample_portal, **portal}, "return_locations": [store] if stores else []}


def shop_settings(*, stores: bool = True, brand: Mapping[str, object] = UNCHANGED, **portal: object) -> ShopSettings:
    """The settings of `portal_settings`."""
    said = portal_settings(stores=stores, brand=brand, **portal)
    return translation.settings("my-shop", json.dumps(said).encode())


def body(**changes: object) -> NewReturn:
    """One shirt back for money, dropped off at the nearest point."""
    sample = {
        "items": [{"id": "shirt", "quantity": 1}],
        "reason": 11,
        "refund": {"type": "money"},
        "delivery": {"option": "drop_off_point", "service_point": 20000001},
    }
    return NewReturn.model_validate({**sample, **changes})


def forms(word: str) -> Fingerprints:
    """The fingerprints of a body that this word stands for."""
    return {FIRST: word, CURRENT: word}


def return_request(**changes: object) -> ReturnRequest:
    """A return of nothing in particular for money, dropped off at a point."""
    sample = {
        "parcel_id": 133700001,
        "reason": 11,
        "refund": Refund(code="money"),
        "delivery_option": "drop_off_point",
        "first_mile": "dropoff",
        "lines": [],
        "sender": order().address,
    }
    return ReturnRequest.model_validate({**sample, **changes})


def return_record(**changes: object) -> ReturnRecord:
    """A return of nothing in particular under a fresh id, just begun."""
    sample = {
        "id": "rtn_" + secrets.token_urlsafe(16),
        "brand": "my-shop",
        "created_at": 0,
        "updated_at": 0,
        "items": [],
        "delivery": ReturnDelivery(option="pickup", service_point=None, carrier=None, store=None, pickup_date=None),
        "drop_off": None,
    }
    return ReturnRecord.model_validate({**sample, **changes})
