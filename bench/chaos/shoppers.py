"""Shoppers who repeat what may be repeated, with the same key, until they have an answer that stands."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import httpx

from app.models.returns import FINAL_STATES
from bench.chaos.fleet import Fleet
from tests.support.processes import fresh
from tests.support.shopper import Shopper, key, look_up

CLIENTS = 14
PARCELS = ("LABEL", "INSTANT", "SLOWLABEL")
"""Orders of which one unit of the first line can go back."""
RIVALS = 0.3
"""How often somebody else wants the same unit at the same time, in a session of his own."""
LONGEST_WAIT_SECONDS = 3.0


@dataclass
class Visit:
    """One shopper's wish to return the one unit of an order, and what came of it."""

    order: str
    brand: str = "demo"
    key: str = field(default_factory=key)
    someone: Shopper | None = None
    status: int = 0
    code: str = ""
    location: str = ""
    label: bool = False

    @property
    def is_made(self) -> bool:
        """Whether the shopper was told that the return is made."""
        return self.status == httpx.codes.ACCEPTED

    @property
    def is_unknown(self) -> bool:
        """Whether nobody could tell the shopper what came of it."""
        return self.code == "return-outcome-unknown"


@dataclass
class Crowd:
    """Shoppers at the replicas of a fleet, each at any of them with each call."""

    fleet: Fleet
    chance: random.Random
    visits: list[Visit] = field(default_factory=list)
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    """To creations, by status and code."""
    is_open: bool = True

    async def come(self) -> None:
        """One order after the other, until the shop closes; each is brought to its end."""
        while self.is_open:
            order = fresh(self.chance.choice(PARCELS))
            wanting = [Visit(order) for _ in range(1 + (self.chance.random() < RIVALS))]
            self.visits += wanting
            await asyncio.gather(*map(self.finish, wanting))
            await asyncio.sleep(self.chance.uniform(0.1, 0.5))

    async def finish(self, visit: Visit) -> None:
        """From the lookup to the label, or to an answer that ends the visit before."""
        visit.someone = visit.someone or await self._looked_up(visit)
        await self._created(visit, visit.someone)
        if visit.is_made:
            visit.label = await self._has_label(visit, visit.someone)

    async def _looked_up(self, visit: Visit) -> Shopper:
        while True:
            http = self.fleet.any()
            try:
                answer = await look_up(http, visit.order, brand=visit.brand)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.is_success:
                screen = answer.json()
                return Shopper(http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
            await self._waited(answer)

    async def _created(self, visit: Visit, someone: Shopper) -> None:
        while True:
            try:
                answer = await Shopper(self.fleet.any(), someone.screen, someone.headers).create(
                    idempotency_key=visit.key
                )
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            told = answer.json()
            self.answers[answer.status_code, told.get("code", "")] += 1
            if not told.get("retryable"):
                visit.status, visit.code = answer.status_code, told.get("code", "")
                visit.location = answer.headers.get("location", "")
                return
            await self._waited(answer)

    async def _has_label(self, visit: Visit, someone: Shopper) -> bool:
        """Whether the return ends with a label that can be read, or needs none."""
        while True:
            here = Shopper(self.fleet.any(), someone.screen, someone.headers)
            try:
                answer = await here.get(visit.location, Prefer="wait=5")
                if answer.is_success and answer.json()["state"] in FINAL_STATES:
                    if answer.json()["state"] != "label_ready":
                        return bool(answer.json()["state"] == "accepted")
                    label = await here.get(f"{visit.location}/label")
                    if label.content.startswith(b"%PDF-"):
                        return True
                    answer = label
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.UNAUTHORIZED}:
                return False
            await self._waited(answer)

    async def _waited(self, answer: httpx.Response) -> None:
        seconds = float(answer.headers.get("retry-after", 0.2))
        await asyncio.sleep(min(LONGEST_WAIT_SECONDS, seconds))
