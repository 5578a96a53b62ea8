"""Who is asked for the map of servers, and how often."""

import asyncio
from collections.abc import Iterable

from app.redis.connections.connection import Server
from app.redis.connections.topology import Address, Map, Range, Topology
from app.redis.store import Store

EVERYTHING = Range(0, 16383, ("localhost", 1))


async def test_first_calls_at_a_hung_cluster_share_one_question() -> None:
    """Calls that come before anybody has answered fail together, they do not ask one after the other."""
    questions = 0

    async def find(_: Iterable[Address]) -> Map:
        nonlocal questions
        questions += 1
        await asyncio.sleep(0)
        raise TimeoutError

    store = Store(Topology(Server(""), find, replicated=True))
    failures = await asyncio.gather(*(store.get("a") for _ in range(20)), return_exceptions=True)
    assert {str(failure) for failure in failures} == {"TimeoutError"}
    assert questions == 1


async def test_first_calls_share_one_map() -> None:
    """Calls that come before the map is there all use the one that the first of them brings."""
    questions = 0

    async def find(_: Iterable[Address]) -> Map:
        nonlocal questions
        questions += 1
        await asyncio.sleep(0)
        return Map([EVERYTHING])

    topology = Topology(Server(""), find, replicated=True)
    nodes = await asyncio.gather(*(topology.node(slot) for slot in range(20)))
    assert (questions, len(set(nodes))) == (1, 1)
