"""Three replicas on one store: they are killed, frozen and replaced by the next build, the store is restarted."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

from tests.support.builds import PRESENT, Build
from tests.support.output import ANSWER_CUT
from tests.support.processes import LOCAL, Process, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.topologies import Server

REPLICAS = 3
SETTINGS = {
    "timed": True,
    "lookup_deadline": 5,
    "create_deadline": 2,
    "create_lease": 4,
    "poll_deadline": 2,
    "poll_interval": 0.3,
    "label_budget": 30,
}
FROZEN_SECONDS = (1.0, 6.0)
"""Shorter and longer than the lease of a creation."""


class Replica(NamedTuple):
    """A process, the build it runs, and a client that outlives it."""

    build: Build
    http: httpx.AsyncClient
    process: Process
    life: AsyncExitStack


@dataclass
class Fleet:
    """The replicas that shoppers may choose from."""

    store: Server
    sandbox: SandboxProcess
    chance: random.Random
    ends: AsyncExitStack
    """Ends all at its end; each replica has to have behaved."""
    faults_of_ours: Counter[bool] = field(default_factory=Counter)
    """Answers 500, by whether it was the present build that gave them."""
    answers: int = 0
    settings: Mapping[str, object] = field(default_factory=lambda: SETTINGS)
    replicas: list[Replica] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the store is."""
        return f"redis://{LOCAL}:{self.store.port}/0"

    def any(self) -> httpx.AsyncClient:
        """A client of one of the replicas."""
        return self.chance.choice(self.replicas).http

    async def start(self, build: Build) -> None:
        """One replica more."""
        life = AsyncExitStack()
        bff = await life.enter_async_context(running_bff(self.url, self.sandbox, build=build, **self.settings))
        self.ends.push_async_callback(life.aclose)
        # A document breaks off when the store goes away. What the build before logs is no concern of this run.
        bff.process.expected += ANSWER_CUT if build == PRESENT else [""]
        client = httpx.AsyncClient(base_url=bff.http.base_url, trust_env=False, timeout=30)
        client.event_hooks["response"].append(self._counting(build))
        await self.ends.enter_async_context(client)
        self.replicas.append(Replica(build, client, bff.process, life))

    async def kill(self) -> None:
        """One dies, and another one of its build starts."""
        doomed = self.replicas.pop(self.chance.randrange(len(self.replicas)))
        await self._end(doomed, signal.SIGKILL)
        await self.start(doomed.build)

    async def freeze(self) -> None:
        """One stands still for a while, and goes on as if nothing had been."""
        frozen = self.chance.choice(self.replicas)
        frozen.process.send(signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(*FROZEN_SECONDS))
        frozen.process.send(signal.SIGCONT)

    async def upgrade(self) -> None:
        """The oldest replica of the build before makes way for one of the present build."""
        old = next(each for each in self.replicas if each.build != PRESENT)
        self.replicas.remove(old)
        await self._end(old, signal.SIGTERM)
        await self.start(PRESENT)

    async def restart_store(self) -> None:
        """The store ends and starts again with all that it had acknowledged."""
        await self.store.stop(signal.SIGTERM)
        await self.store.start()

    async def _end(self, replica: Replica, number: signal.Signals) -> None:
        await replica.process.stop(number)
        await replica.life.aclose()

    def _counting(self, build: Build) -> Callable[[httpx.Response], Awaitable[None]]:
        async def count(response: httpx.Response) -> None:
            self.answers += 1
            if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
                self.faults_of_ours[build == PRESENT] += 1

        return count
