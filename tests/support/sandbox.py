"""The sandbox upstream as a real process on free ports."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.output import slow_steps
from tests.support.processes import LOCAL, NO_TLS, START_SECONDS, Process, free_port, running


@dataclass(frozen=True)
class SandboxProcess:
    """A running sandbox: the two bases to give to a client, its ledger and its switches."""

    process: Process
    panel_port: int
    service_points_port: int
    _control: httpx.AsyncClient

    @property
    def panel_url(self) -> str:
        """Base of the panel host, for `BFF_UPSTREAM_URL`."""
        return f"http://{LOCAL}:{self.panel_port}/api/v2"

    @property
    def service_points_url(self) -> str:
        """Base of the service points host, for `BFF_SERVICE_POINTS_URL`."""
        return f"http://{LOCAL}:{self.service_points_port}/api/v2"

    async def ledger(self, **wanted: str) -> list[dict[str, Any]]:
        """The requests seen so far, narrowed by `kind`, `brand` and `order`."""
        response = await self._control.get("ledger", params=wanted)
        requests: list[dict[str, Any]] = response.raise_for_status().json()["requests"]
        return requests

    async def reset(self) -> None:
        """Empty the ledger and end every fault; orders and returns stay."""
        (await self._control.delete("ledger")).raise_for_status()
        await self.fault("none")

    async def pay(self, order: str, brand: str = "demo") -> None:
        """Mark this order's returns paid."""
        (await self._control.post(f"paid/{order}", params={"brand": brand})).raise_for_status()

    async def fault(self, mode: str) -> None:
        """Plays this fault of docs/sandbox.md from now on; `none` ends it."""
        (await self._control.post("faults", json={"mode": mode})).raise_for_status()


@dataclass(frozen=True)
class Customer:
    """A shopper who looked an order up in the sandbox and may return it, without our service in between."""

    panel: httpx.AsyncClient
    portal: str
    """Path of the brand's return portal."""
    lookup: dict[str, Any]
    """What the lookup answered."""

    @property
    def bearer(self) -> dict[str, str]:
        """The header that the access token goes into."""
        return {"Authorization": f"Bearer {self.lookup['access_token']}"}

    def body(self, **changes: Any) -> dict[str, Any]:
        """A complete E4 body for one piece of the first product, with these members replaced."""
        parcel, product = self.lookup["data"]["parcel"], self.lookup["data"]["products"][0]
        point = self.lookup["data"]["service_point"]
        person = {name: parcel[name] for name in ("name", "company_name", "house_number", "city", "postal_code")}
        person |= {"email": parcel["email"], "telephone": parcel["telephone"], "country": parcel["country"]["iso_2"]}
        body = {
            "reason": 11,
            "message": "",
            "outgoing_parcel": parcel["id"],
            "refund": {"refund_type": {"code": "money"}, "message": ""},
            "delivery_option": "drop_off_point",
            "products": [{"product_id": product["id"], "quantity": 1, "description": product["name"], "value": 29.95}],
            "incoming_parcel": {f"from_{name}": value for name, value in person.items()}
            | {"from_address_1": parcel["address_divided"]["street"], "collo_count": 1},
            "service_point": {"id": point["id"] if point else 20000001},
        }
        return body | changes

    async def create(self, **changes: Any) -> httpx.Response:
        """E4 with `body(**changes)`."""
        return await self.panel.post(f"{self.portal}/incoming", json=self.body(**changes), headers=self.bearer)

    async def label_ready(self, created: httpx.Response) -> dict[str, Any]:
        """The 200 answer of the poller, polled without waiting."""
        url = created.raise_for_status().json()["poller_url"]
        while (polled := await self.panel.get(url)).status_code != httpx.codes.OK:
            assert polled.status_code == httpx.codes.ACCEPTED, polled
        ready: dict[str, Any] = polled.json()
        return ready


POSTAL_CODES = {"demo": "5611 AA", "mode-paris": "75004", "buecherei": "10115", "guide": "5617 BC"} | {
    "paketfrei": "10117",
    "grossstadt": "10119",
    "ohne-erstattung": "10179",
}


async def customer_of(panel: httpx.AsyncClient, order: str, brand: str = "demo") -> Customer:
    """The customer who ordered this, after looking it up; `panel` has the panel URL as its base."""
    portal = f"brand/{brand}/return-portal"
    asked = {"identifier": order, "postal_code": POSTAL_CODES[brand]}
    lookup = (await panel.get(f"{portal}/outgoing", params=asked)).raise_for_status().json()
    return Customer(panel, portal, lookup)


@asynccontextmanager
async def running_sandbox(*, covered: bool = False, **options: float | str | bool) -> AsyncIterator[SandboxProcess]:
    """A sandbox process, stopped at the end; `token_lifetime=2` stands for `--token-lifetime 2`, True for a switch.

    `covered` goes to `running`.
    """
    panel_port, service_points_port = free_port(), free_port()
    ports = {"port": panel_port, "service_points_port": service_points_port}
    given = {f"--{name.replace('_', '-')}": value for name, value in {**ports, **options}.items()}
    flags = [flag if value is True else f"{flag}={value}" for flag, value in given.items()]
    command = [sys.executable, "-m", "app.sandbox.upstream", *flags]
    url = f"http://{LOCAL}:{panel_port}/_sandbox/"
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS, trust_env=False, timeout=START_SECONDS) as control:

        async def answers() -> bool:
            try:
                return (await control.get("health")).is_success
            except httpx.TransportError:
                return False

        async with running(command, answers, slow_steps, covered=covered, forked=True) as process:
            yield SandboxProcess(process, panel_port, service_points_port, control)
