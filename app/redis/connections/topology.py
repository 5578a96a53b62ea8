"""Which server has a key, by a map of hash slots that is asked for again when in doubt."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import NamedTuple

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ReadOnlyError

from app.errors import StoreUnavailable
from app.redis.connections.connection import Command, Reply, Server
from app.redis.connections.failures import FOREIGN, reason
from app.redis.connections.server import PROBE_SECONDS, RETRY_AFTER_SECONDS, Circuit, Node

HOPS = 4
"""How often a command may be redirected."""

Address = tuple[str, int]


class Range(NamedTuple):
    """The server that has these hash slots, the last one included."""

    first: int
    last: int
    address: Address


class Map(NamedTuple):
    """Where all keys are, and where else to ask the next time."""

    ranges: Sequence[Range]
    known: Sequence[Address] = ()


Find = Callable[[Iterable[Address]], Awaitable[Map]]
"""Finds the newest map, given addresses from earlier ones. Raises one of `FOREIGN` if no server answers."""
Watch = Callable[["Topology"], Sequence[Coroutine[None, None, None]]]
"""Background work of an open topology."""


class Topology:
    """The servers behind one URL; each has a circuit of its own, so that one failure does not spread to the others."""

    def __init__(self, server: Server, find: Find, watch: Watch | None = None, *, replicated: bool) -> None:
        self.replicated = replicated
        """Whether there are replicas that a write can wait for."""
        self._server = server
        self._find = find
        self._watch = watch
        self._nodes: dict[Address, Node] = {}
        self._map: Map | None = None
        self._moved: dict[int, Address] = {}
        self._circuit = Circuit()
        self._looking = asyncio.Lock()
        self._asking_first = asyncio.Lock()
        self._doubted = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections_in_use(self) -> int:
        """How many connections are in use now, the listening one included."""
        return sum(node.in_use for node in self._nodes.values())

    async def run(self, key: str | None, commands: Sequence[Command], seconds: float) -> Sequence[Reply]:
        """The replies of the server that has the key (None: of any server); its error replies are among them.

        Raises:
            StoreUnavailable, RedisError, OSError, ...: no reply can be had; one of `FOREIGN`.
        """
        slot = None if key is None else key_slot(key.encode())
        node = await self.node(slot)
        replies = await self._replies(node, commands, seconds)
        for _ in range(HOPS):
            elsewhere = replies[0]
            if not isinstance(elsewhere, AskError):
                break
            node = self._node((elsewhere.host or node.server.host, elsewhere.port))
            if isinstance(elsewhere, MovedError):
                self._moved[elsewhere.slot_id] = (node.server.host, node.server.port)
                self.doubt()
                replies = await self._replies(node, commands, seconds)
            else:
                # The slot is moving there: this one command is asked for there, and no other.
                replies = (await self._replies(node, [("ASKING",), *commands], seconds))[1:]
        return replies

    async def node(self, slot: int | None) -> Node:
        """The node that has this slot; for None any node, preferably one that answers."""
        ranges = (self._map or await self._first_map()).ranges
        if slot is None:
            nodes = [self._node(each.address) for each in ranges]
            return next((node for node in nodes if not node.circuit.is_open), nodes[0])
        holders = (each.address for each in ranges if each.first <= slot <= each.last)
        address = self._moved.get(slot) or next(holders, None)
        if address is None:
            self.doubt()
            raise StoreUnavailable("no node has the slot", retry_after=RETRY_AFTER_SECONDS)
        return self._node(address)

    async def masters(self) -> list[Node]:
        """Every node that has slots."""
        ranges = (self._map or await self._first_map()).ranges
        return [self._node(address) for address in dict.fromkeys(each.address for each in ranges)]

    async def first_on_each(self, names: Iterable[str]) -> Mapping[Node, str]:
        """For each server, the first of these names that it keeps."""
        ranges = (self._map or await self._first_map()).ranges
        servers = {each.address for each in ranges}
        found: dict[Node, str] = {}
        for name in names:
            slot = key_slot(name.encode())
            for holder in (each.address for each in ranges if each.first <= slot <= each.last):
                found.setdefault(self._node(holder), name)
            if len(found) == len(servers):
                break
        return found

    async def first_beside(self, key: str, names: Iterable[str]) -> str:
        """The first of these names that the server of this key keeps; any of them while its slot is being moved."""
        found = await self.first_on_each(names)
        return found.get(await self.node(key_slot(key.encode()))) or next(iter(found.values()))

    def doubt(self, replica: Node | None = None) -> None:
        """Asks in the background for a new map, and again while doubts come in, but not more often than probes.

        A server that says it is a replica is connected to again, because by now its name may lead to another one.
        """
        if not self._doubted:
            self._doubted = True
            self._start(self._look_later(replica))

    async def look(self) -> Map:
        """Asks for the newest map. Raises one of `FOREIGN` if no server answers."""
        # One at a time: an older answer must not replace a newer one.
        async with self._looking:
            self._map = found = await self._find(self._map.known if self._map else [])
            self._moved.clear()
            gone = self._nodes.keys() - {each.address for each in found.ranges}
            for address in gone:
                await self._nodes.pop(address).aclose()
        return found

    async def aclose(self) -> None:
        """Closes every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for node in self._nodes.values():
            await node.aclose()

    async def _replies(self, node: Node, commands: Sequence[Command], seconds: float) -> Sequence[Reply]:
        try:
            replies = await node.run(commands, seconds)
        except (StoreUnavailable, *FOREIGN):
            self.doubt()
            raise
        if any(map(_is_no_master, replies)):
            self.doubt(node if any(isinstance(reply, ReadOnlyError) for reply in replies) else None)
        return replies

    async def _first_map(self) -> Map:
        clock = asyncio.get_running_loop().time
        # One of the first callers asks, and the others wait for its answer.
        async with self._asking_first:
            if self._map:
                return self._map
            self._circuit.check(clock())
            try:
                found = await self.look()
            except FOREIGN as error:
                self._circuit.missed(reason(error), clock())
                raise
            self._circuit.answered()
        if self._watch and not self._tasks:
            for work in self._watch(self):
                self._start(work)
        return found

    async def _look_later(self, replica: Node | None) -> None:
        try:
            with contextlib.suppress(*FOREIGN):
                await self.look()
            if replica:
                self._nodes = {address: node for address, node in self._nodes.items() if node is not replica}
                await replica.aclose()
            await asyncio.sleep(PROBE_SECONDS)
        finally:
            self._doubted = False

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _node(self, address: Address) -> Node:
        if address not in self._nodes:
            self._nodes[address] = Node(self._server._replace(host=address[0], port=address[1]))
        return self._nodes[address]


def _is_no_master(reply: Reply) -> bool:
    refused = isinstance(reply, ReadOnlyError | ClusterDownError)
    return refused or (isinstance(reply, Exception) and reason(reply) == "NOREPLICAS")
