"""A Cluster grows by a master and its replica, the way docs/operations.md says."""

from collections.abc import Awaitable, Callable

from redis.crc import key_slot

from tests.support.processes import LOCAL, eventually
from tests.support.topologies import FORMED_SECONDS, MASTERS, SLOTS, Deployment, Server

MOVED_SECONDS = 60.0
SHARE = SLOTS // MASTERS // (MASTERS + 1)
"""Slots that each master gives away, so that all have as many afterwards."""
SKIPPED = key_slot(b"upstream") % (SLOTS // MASTERS) // SHARE * SHARE
"""Slots that each master keeps before them, so that the one with the budget moves, which every lookup needs."""

Move = Callable[[Server, Server, range], Awaitable[None]]
"""Moves slots from one master to another one."""


async def grow(here: Deployment, master: Server, replica: Server, move: Move) -> None:
    """The replica first, then the slots: a master without a replica could make nothing durable."""
    for newcomer in (master, replica):
        await here.data[0].command("CLUSTER", "MEET", LOCAL, newcomer.port, newcomer.options["cluster-port"])
    name = await master.command("CLUSTER", "MYID")

    async def is_met() -> bool:
        return all([name in await server.command("CLUSTER", "NODES") for server in (*here.data, replica)])

    async def is_in_step() -> bool:
        return bool((await replica.client.role())[3] == "connected")

    await eventually(is_met, FORMED_SECONDS)
    await replica.command("CLUSTER", "REPLICATE", name)
    await eventually(is_in_step, FORMED_SECONDS)
    for number, source in enumerate(here.data[:MASTERS]):
        first = number * SLOTS // MASTERS + SKIPPED
        await move(source, master, range(first, first + SHARE))


async def by_key(source: Server, target: Server, slots: range) -> None:
    """As `valkey-cli --cluster rebalance` does it: slot by slot, and the keys of each in batches."""
    giver, taker = [await server.command("CLUSTER", "MYID") for server in (source, target)]
    for slot in slots:
        await target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", giver)
        await source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", taker)
        while keys := await source.command("CLUSTER", "GETKEYSINSLOT", slot, 10):
            await source.command("MIGRATE", LOCAL, target.port, "", 0, 1000, "KEYS", *keys)
        for owner in (target, source):
            await owner.command("CLUSTER", "SETSLOT", slot, "NODE", taker)


async def at_once(source: Server, target: Server, slots: range) -> None:
    """As Valkey 9 does it by itself: all slots change hands in one moment."""
    taker = await target.command("CLUSTER", "MYID")
    await source.command("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slots[0], slots[-1], "NODE", taker)

    async def have_moved() -> bool:
        held = await source.command("CLUSTER", "SLOTS")
        return any((first, last, node[1]) == (slots[0], slots[-1], target.port) for first, last, node, *_ in held)

    await eventually(have_moved, MOVED_SECONDS)
