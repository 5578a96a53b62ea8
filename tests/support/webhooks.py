"""Sendcloud's webhooks, signed as Sendcloud signs them."""

import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

KEY = "signature-key-of-an-integration"
FREEING = "guide"
"""The shop in which cancelled parcels free units."""
ENTRIES = f"""
[shops.demo.upstream_events]
signature_keys = ["{KEY}"]

[shops.{FREEING}.upstream_events]
signature_keys = ["the-next-signature-key", "{KEY}"]
cancellation_frees = true

[shops.mode-paris]
"""


def signature(body: bytes, key: str = KEY) -> dict[str, str]:
    """The header that signs this body."""
    return {"Sendcloud-Signature": hmac.new(key.encode(), body, "sha256").hexdigest()}


def return_created(order: str, items: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """The webhook about a return of these items; `changes` are members of its `data`."""
    data = {"id": 4711, "brand_id": 1, "order_number": order, "items": items}
    return {"action": "return_created", "timestamp": time.time(), "data": data | changes}


def parcel_status_changed(order: str, parcel_id: int, status: int, at: float) -> dict[str, Any]:
    """The webhook about a parcel that reached this status then."""
    parcel = {"id": parcel_id, "order_number": order, "status": {"id": status, "message": "In words"}}
    carried = {"carrier": {"code": "postnl"}, "tracking_number": "3SABC", "name": "Sam Jansen"}
    return {"action": "parcel_status_changed", "timestamp": round(at * 1000), "parcel": parcel | carried}


@dataclass(frozen=True)
class Integration:
    """Sendcloud, as it calls for one shop."""

    http: httpx.AsyncClient
    brand: str = "demo"

    async def tells(self, webhook: Any, **headers: str) -> httpx.Response:
        """The answer to this webhook, signed unless other headers are given."""
        body = json.dumps(webhook).encode()
        return await self.sends(body, headers or signature(body))

    async def sends(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """The answer to this body."""
        path = f"/v1/brands/{self.brand}/upstream-events"
        return await self.http.post(path, content=body, headers=headers | {"Content-Type": "application/json"})
