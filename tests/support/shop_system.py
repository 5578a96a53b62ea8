"""A shop's own system, which calls with the key of its shop."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import httpx

GUESSED = "shop-with-a-guessed-key"
"""A brand at which an address has two lookups a minute."""
KEYS = {brand: f"the key of {brand}'s warehouse" for brand in ("demo", "guide", GUESSED)}
PARTNER_KEY = "the key of a partner"


def digest(text: str) -> str:
    """The digest of this key, as the file of shops has it."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_shops(path: Path) -> Path:
    """Writes a file of shops, each with one system of its own, and `demo` with a partner."""
    more = {"demo": f'partners = {{ acme = "{digest(PARTNER_KEY)}" }}', GUESSED: "lookup_limit = 2"}
    path.write_text(
        "".join(
            f'[shops.{brand}]\nshop_keys = {{ warehouse = "{digest(key)}" }}\n{more.get(brand, "")}\n'
            for brand, key in KEYS.items()
        )
    )
    return path


@dataclass(frozen=True)
class ShopSystem:
    """A system that asks for the returns of one shop."""

    http: httpx.AsyncClient
    key: str | None = KEYS["demo"]
    brand: str = "demo"

    async def get(self, return_id: str, of_it: str = "") -> httpx.Response:
        """What the shop is told about this return."""
        return await self.http.get(f"/v1/shops/{self.brand}/returns/{return_id}{of_it}", headers=self.headers)

    async def resolve(self, return_id: str, outcome: str, **more: bool) -> httpx.Response:
        """The answer to this outcome of the return."""
        path, body = f"/v1/shops/{self.brand}/returns/{return_id}/resolve", {"outcome": outcome, **more}
        return await self.http.post(path, json=body, headers=self.headers)

    async def erase(self, return_id: str) -> httpx.Response:
        """The answer to the erasure of this return."""
        path = f"/v1/shops/{self.brand}/returns/{return_id}/erase"
        return await self.http.post(path, headers=self.headers)

    async def of_order(self, order_number: str, call: str) -> httpx.Response:
        """The answer to this call about an order: `search` or `erase`."""
        path, body = f"/v1/shops/{self.brand}/returns/{call}", {"order_number": order_number}
        return await self.http.post(path, json=body, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        """The header with the key, if it has one."""
        return {} if self.key is None else {"X-Partner-Key": self.key}
