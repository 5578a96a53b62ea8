"""Which server has a key: the one there is, the master that Sentinels name, or a Cluster's node by hash slot."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ReadOnlyError

from app.errors import StoreUnavailable
from app.node import (
    FOREIGN,
    PROBE_SECONDS,
    RETRY_AFTER_SECONDS,
    Circuit,
    Command,
    Node,
    Reply,
    Server,
    ask,
    reason,
)

HOPS = 4
"""How often a command may be sent on to another node."""
PORT, SENTINEL_PORT = 6379, 26379
SWITCHED = "+switch-master"
RECONNECT_SECONDS = 1.0
_URL = re.compile(r"(?P<scheme>rediss?|unix)(?P<kind>\+cluster|\+sentinel|)://((?P<who>[^@/]*)@)?(?P<where>.+)")

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
"""The newest map that can be had, given addresses from earlier maps. Raises one of `FOREIGN` if nobody can tell."""
Watch = Callable[["Topology"], Sequence[Coroutine[None, None, None]]]
"""What runs in the background as long as a topology is open."""


class Topology:
    """The servers behind one URL; a circuit for each, so that the failure of one is no failure of the others."""

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
        self._doubted = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections_in_use(self) -> int:
        """How many connections are lent out now, the listening one included."""
        return sum(node.in_use for node in self._nodes.values())

    async def run(self, key: str | None, commands: Sequence[Command], seconds: float) -> Sequence[Reply]:
        """The replies of the server that has the key (None: of any), errors it answered with among them.

        Raises:
            StoreUnavailable, RedisError, OSError, ...: it cannot be known; one of `FOREIGN`.
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
                # The slot is on its way there: for this one question, and no other.
                replies = (await self._replies(node, [("ASKING",), *commands], seconds))[1:]
        return replies

    async def node(self, slot: int | None) -> Node:
        """The node that has this slot; for None any one, rather one that answers."""
        ranges = (self._map or await self._first_map()).ranges
        if slot is None:
            nodes = [self._node(each.address) for each in ranges]
            return next((node for node in nodes if not node.circuit.is_open), nodes[0])
        holders = (each.address for each in ranges if each.first <= slot <= each.last)
        address = self._moved.get(slot) or next(holders, None)
        if address is None:
            self.doubt()
            raise StoreUnavailable("nobody has the slot", retry_after=RETRY_AFTER_SECONDS)
        return self._node(address)

    def doubt(self) -> None:
        """Looks in the background where the keys are now, and again while doubts come in, but not all the time."""
        if self.replicated and not self._doubted:
            self._doubted = True
            self._start(self._look_later())

    async def look(self) -> Map:
        """Where the keys are now. Raises one of `FOREIGN` if nobody can tell."""
        # One at a time: what was asked first must not be believed last.
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
        if any(_is_no_master(reply) for reply in replies):
            self.doubt()
        return replies

    async def _first_map(self) -> Map:
        clock = asyncio.get_running_loop().time
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

    async def _look_later(self) -> None:
        with contextlib.suppress(*FOREIGN):
            await self.look()
        await asyncio.sleep(PROBE_SECONDS)
        self._doubted = False

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _node(self, address: Address) -> Node:
        if address not in self._nodes:
            self._nodes[address] = Node(self._server._replace(host=address[0], port=address[1]))
        return self._nodes[address]


def topology(url: str) -> Topology:
    """The topology of a URL that the settings have found well-formed; no connection is made yet."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("no URL of a store")
    user, _, password = (match["who"] or "").partition(":")
    server = Server("", 0, unquote(user) or None, unquote(password) or None, tls=match["scheme"] == "rediss")
    if match["scheme"] == "unix":
        return _standalone(server, (match["where"], 0))
    hosts, _, path = match["where"].partition("/")
    service, _, db = path.rpartition("/")
    if match["kind"] == "+sentinel":
        return _sentinel(server._replace(db=int(db)), _addresses(hosts, SENTINEL_PORT), service)
    if match["kind"] == "+cluster":
        return _cluster(server, _addresses(hosts, PORT))
    return _standalone(server._replace(db=int(db or 0)), _addresses(hosts, PORT)[0])


def _standalone(server: Server, address: Address) -> Topology:
    async def find(_: Iterable[Address]) -> Map:
        return _everything_at(address)

    return Topology(server, find, replicated=False)


def _sentinel(server: Server, sentinels: Sequence[Address], service: str) -> Topology:
    # The user of the URL is known to the data servers; Sentinels are asked without.
    asked = [Server(host, port, tls=server.tls) for host, port in sentinels]

    async def find(_: Iterable[Address]) -> Map:
        answers = await _answers(asked, [("SENTINEL", "MASTER", service)])
        facts = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, (fields,) in answers]
        # One that was cut off still names the master of an earlier epoch.
        newest = max(facts, key=lambda each: int(each[b"config-epoch"]))
        return _everything_at((newest[b"ip"].decode(), int(newest[b"port"])))

    async def watch(here: Topology, sentinel: Server) -> None:
        while True:
            with contextlib.suppress(*FOREIGN):
                async with contextlib.aclosing(Node(sentinel).listen(SWITCHED)) as news:
                    async for switched in news:
                        # At the beginning too: it may have happened while nobody listened.
                        if not switched or switched.split()[0] == service.encode():
                            await here.look()
            await asyncio.sleep(RECONNECT_SECONDS)

    return Topology(server, find, lambda here: [watch(here, each) for each in asked], replicated=True)


def _cluster(server: Server, seeds: Sequence[Address]) -> Topology:
    async def find(known: Iterable[Address]) -> Map:
        asked = [server._replace(host=host, port=port) for host, port in dict.fromkeys([*known, *seeds])]
        answers = await _answers(asked, [("CLUSTER", "INFO"), ("CLUSTER", "SLOTS")])
        maps = [(_epoch(info), _cluster_map(slots, host)) for host, (info, slots) in answers]
        return max(maps, key=lambda each: (each[0], _covered(each[1])))[1]

    return Topology(server, find, replicated=True)


async def _answers(servers: Iterable[Server], commands: Sequence[Command]) -> list[tuple[str, list[Any]]]:
    """What those servers answer that do, each with its host; asked side by side, so that a hung one costs little."""
    asked = list(servers)
    found = await asyncio.gather(*(ask(server, commands) for server in asked), return_exceptions=True)
    pairs = zip(asked, found, strict=True)
    answers = [(server.host, each) for server, each in pairs if isinstance(each, list)]
    if not answers:
        raise next(each for each in found if isinstance(each, BaseException))
    return answers


def _cluster_map(slots: Sequence[Any], asked_host: str) -> Map:
    """From CLUSTER SLOTS: first slot, last slot, master, replicas; a node without a name is where we asked."""

    def address(node: Sequence[Any]) -> Address:
        name = (node[0] or b"").decode()
        return (asked_host if name in {"", "?"} else name, node[1])

    ranges = [Range(first, last, address(master)) for first, last, master, *_ in slots]
    return Map(ranges, [address(node) for _, _, *nodes in slots for node in nodes])


def _covered(found: Map) -> int:
    return sum(each.last - each.first + 1 for each in found.ranges)


def _epoch(info: bytes) -> int:
    facts = dict(line.split(b":", 1) for line in info.split() if b":" in line)
    return int(facts[b"cluster_current_epoch"])


def _everything_at(address: Address) -> Map:
    return Map([Range(0, REDIS_CLUSTER_HASH_SLOTS - 1, address)])


def _addresses(hosts: str, port: int) -> list[Address]:
    pairs = (each.partition(":") for each in hosts.split(","))
    return [(host, int(given or port)) for host, _, given in pairs]


def _is_no_master(reply: Reply) -> bool:
    refused = isinstance(reply, ReadOnlyError | ClusterDownError)
    return refused or (isinstance(reply, Exception) and reason(reply) == "NOREPLICAS")
