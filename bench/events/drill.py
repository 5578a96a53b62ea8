"""One drill: returns of shops with an endpoint each, made and told by replicas that are killed at random."""

import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bench.chaos.fleet import REPLICAS, SETTINGS, Fleet
from bench.chaos.run import DURABLE
from bench.chaos.shoppers import Crowd, Visit
from tests.support.builds import PRESENT
from tests.support.processes import fresh
from tests.support.receiver import Post, running_receiver, shops_entry
from tests.support.sandbox import running_sandbox
from tests.support.topologies import Server, running_servers

CLIENTS = 6
CALM_SECONDS = (6.0, 14.0)
"""Between two kills."""
ARRIVED_SECONDS = 900.0
"""After the last return; an endpoint that was dead is tried again after as long a pause as its events are old."""
FAILS = 0.2
"""How often the endpoint that fails now and then does so."""
MADE = ("return.created", "return.label_ready")
"""What is told of a return that has its label."""

HEALTHY = ("demo", "guide")
ENDPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "well",
        "guide": "well, too",
        "buecherei": "slow: answers after a second",
        "mode-paris": "fails one time in five",
        "ohne-erstattung": "dead until half of the returns are made: never answers",
    }
)
"""How the endpoint of each shop is."""


class Arrival(NamedTuple):
    """An event that an endpoint took."""

    brand: str
    event_id: str
    return_id: str
    type: str
    happened: float
    arrived: float
    """Both in seconds since the epoch."""


@dataclass
class Endpoints:
    """The endpoints of all shops, and what they took."""

    chance: random.Random
    revived: asyncio.Event = field(default_factory=asyncio.Event)
    """The dead one lives."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """One of them took an event."""
    posts: Counter[str] = field(default_factory=Counter)
    taken: list[Arrival] = field(default_factory=list)

    def answer(self, brand: str) -> Callable[[Post], Awaitable[int]]:
        """The answers of a shop's endpoint."""

        async def answered(post: Post) -> int:
            self.posts[brand] += 1
            if ENDPOINTS[brand].startswith("slow"):
                await asyncio.sleep(1)
            if ENDPOINTS[brand].startswith("dead"):
                await self.revived.wait()
            if ENDPOINTS[brand].startswith("fails") and self.chance.random() < FAILS:
                return 500
            self.taken.append(_arrival(brand, post))
            self.news.set()
            return 204

        return answered


@dataclass(frozen=True)
class Drill:
    """What happened."""

    seed: int
    seconds: float
    visits: Sequence[Visit]
    kills: Sequence[float]
    """When replicas were killed (seconds since the epoch)."""
    posts: Counter[str]
    taken: Sequence[Arrival]
    lost: Sequence[tuple[str, str]]
    """Return and type of each event that never came."""

    @property
    def first(self) -> Sequence[Arrival]:
        """Each event as it came first."""
        return list({each.event_id: each for each in reversed(self.taken)}.values())

    @property
    def twice(self) -> int:
        """Events that an endpoint took more than once."""
        return sum(count > 1 for count in Counter(each.event_id for each in self.taken).values())

    def seconds_of(self, brands: Sequence[str], *, killed: bool = False) -> list[float]:
        """How long events of these shops took; those under way when a replica was killed, or (by default) the rest."""
        return [
            each.arrived - each.happened
            for each in self.first
            if each.brand in brands and self._was_under_way(each) is killed
        ]

    def _was_under_way(self, event: Arrival) -> bool:
        return any(event.happened < kill < event.arrived for kill in self.kills)

    @property
    def is_clean(self) -> bool:
        """Whether the service kept its promises."""
        few_twice = self.twice < 0.05 * len(self.first)
        return not self.lost and few_twice and percentile(self.seconds_of(HEALTHY), 95) < 2  # noqa: PLR2004  promised


def percentile(values: Sequence[float], share: int) -> float:
    """The value that so many percent of the values do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] if ordered else 0.0


async def drill(seed: int, returns: int) -> Drill:
    """So many returns while replicas are killed, then calm until every event has come."""
    chance = random.Random(seed)  # noqa: S311  chance, not secrecy
    endpoints, kills, started = Endpoints(chance), list[float](), time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bff-events-")))
        store = Server(folder / "store", DURABLE)
        await stack.enter_async_context(running_servers([store]))
        sandbox = await stack.enter_async_context(running_sandbox())
        settings = SETTINGS | {"shops": await _shops(stack, folder, endpoints)}
        fleet = Fleet(store, sandbox, chance, stack, settings=settings)
        for _ in range(REPLICAS):
            await fleet.start(PRESENT)
        crowd = Crowd(fleet, chance)
        trouble = asyncio.create_task(_killed_now_and_then(fleet, chance, kills))
        await _come(crowd, returns, endpoints)
        trouble.cancel()
        with suppress(asyncio.CancelledError):
            await trouble
        expected = {each for visit in crowd.visits for each in _told(visit)}

        def missing() -> set[tuple[str, str]]:
            return expected - {(each.return_id, each.type) for each in endpoints.taken}

        with suppress(TimeoutError):
            async with asyncio.timeout(ARRIVED_SECONDS):
                while missing():
                    endpoints.news.clear()
                    await endpoints.news.wait()
        lost = sorted(missing())
    seconds = time.monotonic() - started
    return Drill(seed, seconds, crowd.visits, kills, endpoints.posts, endpoints.taken, lost)


async def _shops(stack: AsyncExitStack, folder: Path, endpoints: Endpoints) -> Path:
    file = folder / "shops.toml"
    entries = []
    for brand in ENDPOINTS:
        receiver = await stack.enter_async_context(running_receiver())
        receiver.answer = endpoints.answer(brand)
        entries.append(shops_entry(brand, receiver.url))
    file.write_text("".join(entries))
    return file


async def _come(crowd: Crowd, returns: int, endpoints: Endpoints) -> None:
    places = asyncio.Semaphore(CLIENTS)
    left = returns
    brands = list(ENDPOINTS)
    crowd.visits += [Visit(fresh("INSTANT"), brands[number % len(brands)]) for number in range(returns)]

    async def finished(visit: Visit) -> None:
        nonlocal left
        async with places:
            await crowd.finish(visit)
        left -= 1
        if left <= returns // 2:
            endpoints.revived.set()

    await asyncio.gather(*map(finished, crowd.visits))


async def _killed_now_and_then(fleet: Fleet, chance: random.Random, kills: list[float]) -> None:
    while True:
        await asyncio.sleep(chance.uniform(*CALM_SECONDS))
        kills.append(time.time())
        await fleet.kill()


def _told(visit: Visit) -> list[tuple[str, str]]:
    """Return and type of the events that a shop is told of this visit."""
    return_id = visit.location.rpartition("/")[2]
    if visit.is_unknown:
        return [(return_id, "return.outcome_unknown")]
    return [(return_id, each) for each in MADE] if visit.label else []


def _arrival(brand: str, post: Post) -> Arrival:
    event = json.loads(post.body)
    happened = datetime.fromisoformat(event["timestamp"]).timestamp()
    return Arrival(brand, post.event_id, event["data"]["return_id"], event["type"], happened, time.time())
