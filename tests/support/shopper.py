"""A shopper with a front end: looks an order up, returns something, waits for the label."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

POSTAL_CODES = {"demo": "5611 AA", "mode-paris": "75004", "buecherei": "10115", "guide": "5617 BC"}
JOURNEY_SECONDS = 40.0


def key() -> str:
    """A fresh idempotency key."""
    return secrets.token_hex(16)


@dataclass
class Shopper:
    """One session at one BFF; `screen` is what the first screen was drawn from."""

    http: httpx.AsyncClient
    screen: dict[str, Any]
    headers: dict[str, str] = field(repr=False)

    def body(self, option: str = "drop_off_point", **changes: Any) -> dict[str, Any]:
        """A return of one unit of the first item that can go back."""
        item = next(each for each in self.screen["items"] if each["returnable"])
        choice: dict[str, Any] = {"option": option}
        if option == "drop_off_point":
            choice["service_point"] = self.screen["drop_off"]["nearest"]["id"]
        if option == "in_store":
            choice["store"] = self.screen["options"]["stores"][0]["id"]
        reason = self.screen["options"]["reasons"][0]["id"]
        return {
            "items": [{"id": item["id"], "quantity": 1, "reason": reason}],
            "refund": {"type": self.screen["options"]["refund_options"][0]["code"]},
            "delivery": choice,
        } | changes

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET with the session."""
        return await self.http.get(path, headers=self.headers | headers)

    async def create(self, body: dict[str, Any] | None = None, idempotency_key: str | None = None) -> httpx.Response:
        """POST /v1/returns with a fresh key unless one is given."""
        sent = self.headers | {"Idempotency-Key": idempotency_key or key()}
        return await self.http.post("/v1/returns", json=body or self.body(), headers=sent)

    async def settled(self, path: str) -> dict[str, Any]:
        """The return once nothing more is to be polled, asked for as often as Retry-After allows."""
        deadline = asyncio.get_running_loop().time() + JOURNEY_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            response = await self.get(path)
            assert response.status_code == httpx.codes.OK, response.text
            if "retry-after" not in response.headers:
                settled: dict[str, Any] = response.json()
                return settled
            await asyncio.sleep(int(response.headers["retry-after"]))
        raise AssertionError("the return never settled")


async def look_up(
    http: httpx.AsyncClient, order: str, *, brand: str = "demo", delivery: str = "body", **changes: Any
) -> httpx.Response:
    """The answer to a lookup."""
    wanted = {"identifier": order, "postal_code": POSTAL_CODES[brand], "token_delivery": delivery}
    return await http.post(f"/v1/brands/{brand}/sessions", json=wanted | changes)


async def shopper(http: httpx.AsyncClient, order: str, *, brand: str = "demo", delivery: str = "body") -> Shopper:
    """A shopper whose lookup succeeded, by bearer token or by cookie.

    httpx's cookie jar keeps Secure cookies from http://127.0.0.1, so in cookie mode the header is set by hand.
    """
    response = await look_up(http, order, brand=brand, delivery=delivery)
    assert response.status_code == httpx.codes.CREATED, response.text
    screen = response.json()
    if delivery == "body":
        return Shopper(http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
    return Shopper(http, screen, {"Cookie": response.headers["set-cookie"].partition(";")[0]})
