"""Reads Sendcloud's webhooks of version 2 (openapi/sendcloud.yaml): whether one is signed, and what it says."""

import hmac
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, TypeAdapter

from app.domain import RedactedModel
from app.errors import BadUpstream
from app.made_returns import ParcelMoved, ReturnMade, TrackingStatus, UpstreamEvent
from app.sendcloud.leniency import answers
from app.sendcloud.leniency.numbers import Count, Id, Integer, ParcelId
from app.sendcloud.schemas import OptionalCode, Text

SIGNATURE = "sendcloud-signature"
_MILLISECONDS_FROM = 10**11
"""A timestamp is in seconds or, from this number on, in milliseconds: both are documented."""
# The ids as clients quote them, what each means for a return, and that 2000 is final: inferred.
_STATUSES: Mapping[TrackingStatus, frozenset[int]] = MappingProxyType(
    {
        "announced": frozenset({1, 13, 1000, 1001}),
        "in_transit": frozenset({3, 5, 7, 12, 22, 32, 91, 92, 62989, 62990}),
        "problem": frozenset({4, 8, 15, 31, 80, 1002, 62991, 62992, 62996, 62997}),
        "delivered": frozenset({11, 93}),
        "cancelled": frozenset({2000}),
    }
)


class _Item(RedactedModel):
    description: Text
    quantity: Count


class _Return(RedactedModel):
    id: Id
    order_number: Text
    items: list[_Item] = Field(default_factory=list)
    """Empty if one of them cannot be read, because the others could be all of another return."""


class _Status(RedactedModel):
    id: Integer


class _Carrier(RedactedModel):
    code: OptionalCode = None


class _Parcel(RedactedModel):
    id: ParcelId
    order_number: Text = ""
    tracking_number: Text = ""
    status: _Status
    carrier: _Carrier = _Carrier()


class _Webhook(RedactedModel):
    action: str
    timestamp: Annotated[float, Field(gt=0, lt=10**14)]
    data: _Return | None = None
    parcel: _Parcel | None = None


_WEBHOOK = TypeAdapter(_Webhook)


def is_signed(key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the signature is the hex HMAC-SHA256 of the raw body under this key (documented, with an example)."""
    expected = hmac.new(key.encode(), body, "sha256").hexdigest()
    return hmac.compare_digest(expected.encode(), headers.get(SIGNATURE, "").strip().lower().encode())


def event(body: bytes) -> UpstreamEvent | None:
    """What a signed webhook says; None for one that cannot be read, or that says nothing about a return."""
    try:
        webhook = answers.read(_WEBHOOK, body)
    except BadUpstream:
        return None
    at = webhook.timestamp / 1000 if webhook.timestamp >= _MILLISECONDS_FROM else webhook.timestamp
    if webhook.action == "return_created" and webhook.data:
        return _made(webhook.data, at)
    if webhook.action == "parcel_status_changed" and webhook.parcel:
        return _moved(webhook.parcel, at)
    return None


def _made(made: _Return, at: float) -> ReturnMade:
    units: Counter[str] = Counter()
    for item in made.items:
        units[item.description] += item.quantity
    return ReturnMade(sendcloud_return_id=made.id, order_number=made.order_number, units=units, at=at)


def _moved(parcel: _Parcel, at: float) -> ParcelMoved:
    return ParcelMoved(
        parcel_id=parcel.id,
        order_number=parcel.order_number,
        status=next((status for status, ids in _STATUSES.items() if parcel.status.id in ids), "other"),
        carrier=parcel.carrier.code,
        tracking_number=parcel.tracking_number or None,
        at=at,
    )
