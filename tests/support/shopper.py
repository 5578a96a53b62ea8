"""A shopper with a front end: looks an order up, returns something, waits for the label."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from typing_extensions import override

from app.models.returns import FINAL_STATES
from tests.support.processes import fresh

POSTAL_CODES = {"demo": "5611 AA", "mode-paris": "75004", "buecherei": "10115", "guide": "5617 BC"} | {
    "paketfrei": "10117",
    "grossstadt": "10119",
    "ohne-erstattung": "10179",
}
JOURNEY_SECONDS = 40.0
COOKIE = "__Host-return_session"
SHOP = "https://shop.example"
"""The origin of the front end that may call."""
ELSEWHERE = "https://elsewhere.example"
TRIES = 3


class ComesAgain(httpx.Auth):
    """Has a client repeat a call that was turned away with 503, when it was told to: `client.auth = ComesAgain()`.

    The store of a busy machine may be late, and the answer 503; what a fault of ours causes comes again.
    """

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        response = yield request
        for _ in range(TRIES):
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(int(response.headers["retry-after"]))
            response = yield request


def key() -> str:
    """A fresh idempotency key."""
    return secrets.token_hex(16)


def return_of(screen: dict[str, Any], option: str) -> dict[str, Any]:
    """What a front end sends for one unit of the first item on this screen that can go back."""
    item = next(each for each in screen["items"] if each["returnable"])
    choice: dict[str, Any] = {"option": option}
    if option == "drop_off_point":
        choice["service_point"] = screen["drop_off"]["nearest"]["id"]
    if option == "in_store":
        choice["store"] = screen["options"]["stores"][0]["id"]
    reason = next((reason["id"] for reason in screen["options"]["reasons"]), None)
    refunds = [{"type": refund["code"]} for refund in screen["options"]["refund_options"]]
    return {
        "items": [{"id": item["id"], "quantity": 1, "reason": reason}],
        **({"refund": refunds[0]} if refunds else {}),
        "delivery": choice,
    }


@dataclass
class Shopper:
    """One session at one BFF; `screen` is what the first screen was drawn from."""

    http: httpx.AsyncClient
    screen: dict[str, Any]
    headers: dict[str, str] = field(repr=False)

    def body(self, option: str = "drop_off_point", **changes: Any) -> dict[str, Any]:
        """A return of one unit of the first item that can go back."""
        return return_of(self.screen, option) | changes

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET with the session."""
        return await self.http.get(path, headers=self.headers | headers)

    async def create(self, body: dict[str, Any] | None = None, idempotency_key: str | None = None) -> httpx.Response:
        """POST /v1/returns with a fresh key unless one is given."""
        sent = self.headers | {"Idempotency-Key": idempotency_key or key()}
        return await self.http.post("/v1/returns", json=body or self.body(), headers=sent)

    async def settled(self, path: str) -> dict[str, Any]:
        """The return once its state is final, waited for as a front end does."""
        deadline = asyncio.get_running_loop().time() + JOURNEY_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            response = await self.get(path, Prefer="wait=10")
            assert response.status_code == httpx.codes.OK, response.text
            settled: dict[str, Any] = response.json()
            if settled["state"] in FINAL_STATES:
                return settled
        raise AssertionError("the return never settled")

    @asynccontextmanager
    async def events(self, path: str, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
        """The events of a return as they come, each as its fields."""
        async with self.http.stream("GET", f"{path}/events", headers=self.headers | headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream"), response.status_code
            yield _events(response)


async def prove_that_polling_works(http: httpx.AsyncClient) -> None:
    """Has a label made: without another one, no failure of an announcement is believed."""
    someone = await shopper(http, fresh("INSTANT"))
    await someone.settled((await someone.create()).headers["location"])


def told(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    return response.status_code, response.json()["code"]


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


def credential(token: str, delivery: str) -> dict[str, str]:
    """The header that presents this session id."""
    return {"Authorization": f"Bearer {token}"} if delivery == "body" else {"Cookie": f"{COOKIE}={token}"}


async def new_token(http: httpx.AsyncClient) -> str:
    """The id of a new session, by bearer token."""
    return str((await shopper(http, fresh("LABEL"))).screen["session_token"])


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and "data" in fields:
            yield fields
            fields = {}
