"""What befalls the master of a store, and what an operator does to it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

from redis.exceptions import RedisError

from tests.support.processes import eventually
from tests.support.topologies import SERVICE, Deployment, Server

SUCCEEDED_SECONDS = 60.0
FROZEN_SECONDS = 6.0

Trouble = Callable[[Deployment, Server], Awaitable[None]]
"""Trouble of a deployment with one of its masters."""


async def killed(deployment: Deployment, master: Server) -> None:
    """A master dies and is started again once a replica has its place."""
    await master.stop(signal.SIGKILL)
    await succeeded(deployment, master)
    await master.start()


async def frozen(deployment: Deployment, master: Server) -> None:
    """A master hangs for longer than it takes to replace it, and then goes on as if nothing had been."""
    assert master in deployment.data
    master.send(signal.SIGSTOP)
    await asyncio.sleep(FROZEN_SECONDS)
    master.send(signal.SIGCONT)


async def planned(deployment: Deployment, master: Server) -> None:
    """An operator swaps a master and a replica, the way docs/operations.md says."""
    if deployment.sentinels:
        await master.command("CLIENT", "PAUSE", 10_000, "WRITE")
        await deployment.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
    else:
        await (await replica_of(deployment, master)).command("CLUSTER", "FAILOVER")
    await succeeded(deployment, master)
    with suppress(RedisError, OSError):
        await master.command("CLIENT", "UNPAUSE")


async def replica_of(deployment: Deployment, master: Server) -> Server:
    """A replica that follows this master."""
    for replica in await deployment.replicas():
        if (await replica.client.role())[2] == master.port:
            return replica
    raise AssertionError("a master without a replica")


async def succeeded(deployment: Deployment, old: Server) -> None:
    """Returns once another server has this master's place."""

    async def by_another() -> bool:
        masters = await deployment.masters()
        return old not in masters and len(masters) == deployment.masters_wanted

    await eventually(by_another, SUCCEEDED_SECONDS)
