"""Shoppers who come to one shop, go through whole journeys, and come again once where they are told to."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.models.returns import FINAL_STATES
from tests.support.processes import fresh
from tests.support.sandbox import POSTAL_CODES
from tests.support.shopper import JOURNEY_SECONDS, Shopper, key


class GaveUp(Exception):
    """A journey that ended early; the text says at which answer."""


@dataclass
class Shop:
    """Shoppers at one address, and what they were told."""

    http: httpx.AsyncClient
    patience: float = 100.0
    """Seconds a shopper waits for an answer that is neither held nor a creation."""
    sessions: list[Shopper] = field(default_factory=list)
    """Those that were acknowledged."""
    orders: set[str] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    gave_up: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    """When lookups and creations succeeded."""
    slowest: float = 0.0
    """Seconds of the longest answer."""

    async def journey(self) -> None:
        """One shopper from the lookup to the label, who repeats a call once where told to."""
        try:
            async with asyncio.timeout(JOURNEY_SECONDS):
                await self._journey()
            self.told["complete"] += 1
        except (GaveUp, TimeoutError, httpx.TransportError) as error:
            self.gave_up.append(f"{type(error).__name__} {error}")

    async def _journey(self) -> None:
        order = fresh("LABEL")
        self.orders.add(order)
        wanted = {"identifier": order, "postal_code": POSTAL_CODES["demo"], "token_delivery": "body"}
        screen = self._successful(await self._asked("POST", "/v1/brands/demo/sessions", json=wanted)).json()
        someone = Shopper(self.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
        self.sessions.append(someone)
        self._successful(await self._asked("GET", "/v1/service-points", someone))
        path = await self._created(someone)
        await self._settled(someone, path)
        label = self._successful(await self._asked("GET", f"{path}/label", someone))
        assert label.content.startswith(b"%PDF-")

    async def _created(self, someone: Shopper) -> str:
        """The location of the return, which may exist even without an answer."""
        idempotency = {"Idempotency-Key": key()}
        answer = await self._asked("POST", "/v1/returns", someone, json=someone.body(), headers=idempotency)
        if answer.status_code not in {httpx.codes.CONFLICT, httpx.codes.GATEWAY_TIMEOUT}:
            self._successful(answer)
        if "location" not in answer.headers:
            raise GaveUp(_text(answer))
        return str(answer.headers["location"])

    async def _settled(self, someone: Shopper, path: str) -> None:
        """Returns once the label is ready."""
        state = ""
        while state not in FINAL_STATES:
            answer = self._successful(await self._asked("GET", path, someone, headers={"Prefer": "wait=10"}))
            state = answer.json()["state"]
            if state == "outcome_unknown":
                raise GaveUp(state)
        assert state == "label_ready"

    async def _asked(self, method: str, path: str, someone: Shopper | None = None, **sent: Any) -> httpx.Response:
        """The answer, the second one if the first failed and said when to ask again."""
        sent["headers"] = sent.get("headers", {}) | (someone.headers if someone else {})
        answer = await self._answer(method, path, **sent)
        if answer.is_error and "retry-after" in answer.headers:
            self.told["repeated"] += 1
            await asyncio.sleep(int(answer.headers["retry-after"]))
            answer = await self._answer(method, path, **sent)
        return answer

    async def _answer(self, method: str, path: str, **sent: Any) -> httpx.Response:
        started = time.monotonic()
        waits = "Prefer" in sent["headers"] or path == "/v1/returns"
        answer = await self.http.request(method, path, timeout=100 if waits else self.patience, **sent)
        if "Prefer" not in sent["headers"]:
            self.slowest = max(self.slowest, time.monotonic() - started)
        if answer.is_error:
            self.told[_text(answer)] += 1
        elif method == "POST":
            self.moments.append(time.monotonic())
        return answer

    def _successful(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_error:
            raise GaveUp(f"{answer.request.method} {_text(answer)}")
        return answer

    async def lost(self) -> int:
        """How many acknowledged sessions cannot be resumed."""
        resumed = [await someone.get("/v1/session") for someone in self.sessions]
        return sum(not answer.is_success for answer in resumed)

    @property
    def longest_gap(self) -> float:
        """Seconds in which no lookup and no creation succeeded."""
        return max(after - before for before, after in zip(self.moments, self.moments[1:], strict=False))


def _text(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.json()['code']}"
