"""Bodies to copy; in the sandbox each works for the order that its summary names."""

from collections.abc import Mapping
from types import MappingProxyType

from app.models.fields import Json


def _example(summary: str, value: Json) -> Json:
    return {"summary": summary, "value": value}


_SHIRT: Json = {"id": "1234", "quantity": 1, "reason": 11}
_MONEY: Json = {"type": "money"}
_POINT: Json = {"option": "drop_off_point", "service_point": 20000001}

NEW_SESSIONS: Mapping[str, Json] = MappingProxyType(
    {
        "cookie": _example("A page on the service's own site", {"identifier": "LABEL-0001", "postal_code": "5611 AA"}),
        "bearer": _example(
            "An app, a server, or a page of another site",
            {"identifier": "LABEL-0001", "postal_code": "5611 AA", "language": "nl-NL", "token_delivery": "body"},
        ),
    }
)
NEW_HANDOFFS: Mapping[str, Json] = MappingProxyType(
    {
        "token": _example("A token for an app", {}),
        "link": _example("A link and a QR code for a page", {"page": "http://localhost:8000/page/"}),
    }
)
REDEEMED_HANDOFFS: Mapping[str, Json] = MappingProxyType(
    {"token": _example("The token that createHandoff answered", {"token": "ho_4nRkX0aVw1fQ7mZ2sY8tLg"})}
)
NEW_RETURNS: Mapping[str, Json] = MappingProxyType(
    {
        "money": _example(
            "Money back, dropped off at a service point", {"items": [_SHIRT], "refund": _MONEY, "delivery": _POINT}
        ),
        "store": _example(
            "Over the counter of a store (STORE-0001)",
            {"items": [_SHIRT], "refund": {"type": "credit"}, "delivery": {"option": "in_store", "store": 7}},
        ),
        "pickup": _example(
            "Collected at the door",
            {"items": [_SHIRT], "refund": _MONEY, "delivery": {"option": "pickup", "carrier": "postnl"}},
        ),
        "labelless": _example(
            "The service point prints the label (LABELLESS-0001)",
            {"items": [_SHIRT], "refund": _MONEY, "delivery": {"option": "drop_off_labelless"}},
        ),
        "international": _example(
            "Across a customs border (INTL-0001)",
            {
                "items": [{**_SHIRT, "hs_code": "610910", "origin_country": "PT", "weight": "0.250"}],
                "refund": _MONEY,
                "delivery": {"option": "pickup"},
                "contact": {"phone": "+441632960001"},
                "customs": {
                    "invoice_number": "2026-1001",
                    "export_type": "commercial_b2c",
                    "invoice_date": "2026-05-31",
                },
            },
        ),
        "photos": _example(
            "With a picture that uploadPhotos stored",
            {
                "items": [{**_SHIRT, "comment": "The seam is torn."}],
                "refund": _MONEY,
                "delivery": _POINT,
                "photos": [{"file": "up_AX3k0c1cXw", "item": "1234", "description": "The torn seam"}],
            },
        ),
    }
)
RESOLUTIONS: Mapping[str, Json] = MappingProxyType(
    {
        "accepted": _example("The panel shows the return", {"outcome": "accepted"}),
        "never-made": _example("The panel shows no such return", {"outcome": "never-made", "panel_checked": True}),
        "cancelled": _example("The return was cancelled in the panel", {"outcome": "cancelled"}),
    }
)
ORDERS_OF_SHOPS: Mapping[str, Json] = MappingProxyType(
    {"by number": _example("An order by its number", {"order_number": "LABEL-0001"})}
)
