"""What shoppers do, at a quiet rate: each activity begins at random moments, whatever became of those before."""
# ruff: noqa: S311  chance, not secrecy

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx

from bench.soak.books import CAUSE, Books
from tests.support.processes import fresh
from tests.support.raw_client import request
from tests.support.shopper import Shopper, shopper

PARCELS = ("LABEL", "INSTANT", "ITEMS", "SLOWLABEL", "COLLI")
FAULTS = ("CREATE500", "CREATERESET", "CREATEFIN", "FAIL", "FLAKY", "LOOKUP500", "LOOKUPBAD", "PDFCUT", "PDFTRUNCATED")
PHOTO = b"\x89PNG\r\n\x1a\n" + bytes(300_000)
REMEMBERED = 50
LEAVES_WITHIN = 0.3
"""Seconds."""


class Load:
    """Callers of the gateway; `start` sets them going, `stop` waits until the last one is done."""

    def __init__(self, http: httpx.AsyncClient, port: int, books: Books, rate: float) -> None:
        self._http = http
        self._port = port
        self._books = books
        self._rate = rate
        self._known: deque[tuple[Shopper, str]] = deque(maxlen=REMEMBERED)
        """Shoppers with the path of their last return."""
        self._going = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._starters: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins each activity so often a second, times the rate; some journeys are made before."""
        await asyncio.gather(*(self._done(self._journey) for _ in PARCELS))
        often: dict[Callable[[], Awaitable[None]], float] = {
            self._journey: 0.4,
            self._portal: 1.0,
            self._resumed: 2.0,
            self._points: 1.0,
            self._label: 0.4,
            self._handoff: 0.2,
            self._upload: 0.05,
            self._fault: 0.06,
            self._leaver: 0.06,
        }
        self._starters = [asyncio.create_task(self._repeat(do, each * self._rate)) for do, each in often.items()]

    async def stop(self) -> None:
        """Begins nothing more and waits for what is under way."""
        self._going = False
        for starter in self._starters:
            starter.cancel()
        await asyncio.gather(*self._starters, *self._tasks, return_exceptions=True)

    async def _repeat(self, do: Callable[[], Awaitable[None]], often: float) -> None:
        while self._going:
            await asyncio.sleep(random.expovariate(often))
            task = asyncio.create_task(self._done(do))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _done(self, do: Callable[[], Awaitable[None]]) -> None:
        name = do.__name__.removeprefix("_")
        try:
            await do()
        except (httpx.HTTPError, AssertionError, LookupError, TimeoutError) as error:
            self._books.broken_off[name, type(error).__name__, self._books.cause()] += 1
        self._books.done[name] += 1

    async def _journey(self) -> None:
        order = fresh(random.choice(PARCELS))
        someone = await shopper(self._http, order, delivery=random.choice(("body", "cookie")))
        body = someone.body(random.choice(("drop_off_point", "pickup")))
        await self._http.post("/v1/returns/preview", json=body, headers=someone.headers)
        path = await self._create(someone, body)
        if random.choice((True, False)):
            await someone.settled(path)
        else:
            async with asyncio.timeout(60), someone.events(path) as events:
                async for _ in events:
                    pass
        self._known.append((someone, path))
        await self._download(someone, path)

    async def _create(self, someone: Shopper, body: dict[str, Any]) -> str:
        """The path of the return, which is answered even if its outcome is unknown."""
        return str((await someone.create(body)).headers["location"])

    async def _download(self, someone: Shopper, path: str) -> None:
        label = await someone.get(f"{path}/label")
        self._books.wrong += label.is_success and not label.content.startswith(b"%PDF-")

    async def _portal(self) -> None:
        brand, language = random.choice(("demo", "mode-paris", "buecherei")), random.choice(("en-GB", "de-DE", "fr-FR"))
        await self._http.get(f"/v1/brands/{brand}/portal", params={"language": language})

    def _somebody(self) -> tuple[Shopper, str]:
        return random.choice(self._known)

    async def _resumed(self) -> None:
        someone, _ = self._somebody()
        answer = await someone.get("/v1/session")
        self._books.wrong += answer.is_success and answer.json()["parcel"] != someone.screen["parcel"]

    async def _points(self) -> None:
        someone, _ = self._somebody()
        north, east = random.uniform(51.40, 51.48), random.uniform(5.40, 5.52)
        await someone.get(f"/v1/service-points?latitude={north}&longitude={east}&radius=5000")

    async def _label(self) -> None:
        await self._download(*self._somebody())

    async def _handoff(self) -> None:
        someone, _ = self._somebody()
        made = await self._http.post("/v1/session/handoff", json={}, headers=someone.headers)
        wanted = {"token": made.json()["token"], "token_delivery": "body"}
        redeemed = await self._http.post("/v1/handoffs", json=wanted)
        self._books.wrong += redeemed.json()["parcel"] != someone.screen["parcel"]

    async def _upload(self) -> None:
        someone, _ = self._somebody()
        files = [("photos", ("a.png", PHOTO)) for _ in range(3)]
        await self._http.post("/v1/uploads", files=files, headers=someone.headers)

    async def _fault(self) -> None:
        CAUSE.set(random.choice(FAULTS))
        someone = await shopper(self._http, fresh(CAUSE.get()))
        path = await self._create(someone, someone.body("pickup"))
        if (await someone.get(path, Prefer="wait=10")).is_success:
            await self._download(someone, path)

    async def _leaver(self) -> None:
        someone, path = self._somebody()
        ways = ("/v1/session", "/v1/service-points", f"{path}/events", f"{path}/label", path)
        _, writer = await request(self._port, random.choice(ways), someone.headers | {"Prefer": "wait=20"})
        await asyncio.sleep(random.uniform(0, LEAVES_WITHIN))
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
