"""The topology of a URL: one server, the master that Sentinels name, or a Cluster's nodes."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from app.redis.connections.connection import Command, Server, Stated
from app.redis.connections.failures import FOREIGN, misreads_mapped
from app.redis.connections.server import Node, ask
from app.redis.connections.topology import Address, Map, Range, Topology

PORT, SENTINEL_PORT = 6379, 26379
SWITCHED = "+switch-master"
RECONNECT_SECONDS = 1.0
_URL = re.compile(r"(?P<scheme>rediss?|unix)(?P<kind>\+cluster|\+sentinel|)://((?P<who>[^@/]*)@)?(?P<where>.+)")


def topology(url: str) -> Topology:
    """The topology of a URL that the settings have found well-formed; no connection is made yet."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("no URL of a store")
    # Made once, because reading the roots holds the event loop for tens of milliseconds.
    tls = ssl.create_default_context() if match["scheme"] == "rediss" else None
    server = _server(match["who"] or "", tls)
    if match["scheme"] == "unix":
        return _standalone(server, (match["where"], 0))
    hosts, _, path = match["where"].partition("/")
    service, _, db = path.rpartition("/")
    if match["kind"] == "+sentinel":
        return _sentinel(server._replace(db=int(db)), _addresses(hosts, SENTINEL_PORT), service)
    if match["kind"] == "+cluster":
        return _cluster(server, _addresses(hosts, PORT))
    return _standalone(server._replace(db=int(db or 0)), _addresses(hosts, PORT)[0])


def _server(credentials: str, tls: ssl.SSLContext | None) -> Server:
    """A server whose address is not known yet."""
    user, _, password = credentials.partition(":")
    return Server("", 0, unquote(user) or None, unquote(password) or None, tls=tls)


def _standalone(server: Server, address: Address) -> Topology:
    async def find(_: Iterable[Address]) -> Map:
        return _everything_at(address)

    return Topology(server, find, replicated=False)


def _sentinel(server: Server, sentinels: Sequence[Address], service: str) -> Topology:
    # The URL's user is one of the data servers; Sentinels are asked without a user.
    asked = [Server(host, port, tls=server.tls) for host, port in sentinels]

    async def find(_: Iterable[Address]) -> Map:
        answers = await _answers(asked, [("SENTINEL", "MASTER", service)])
        with misreads_mapped():
            facts = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, (fields,) in answers]
            # One that was cut off still names the master of an earlier epoch.
            newest = max(facts, key=lambda each: int(each[b"config-epoch"]))
            return _everything_at((newest[b"ip"].decode(), int(newest[b"port"])))

    async def watch(here: Topology, sentinel: Server) -> None:
        while True:
            with contextlib.suppress(*FOREIGN):
                async with contextlib.aclosing(Node(sentinel).listen(SWITCHED)) as news:
                    async for switched in news:
                        # At the beginning too: a switch may have happened before we listened.
                        if not switched or switched.partition(b" ")[0] == service.encode():
                            await here.look()
            await asyncio.sleep(RECONNECT_SECONDS)

    return Topology(server, find, lambda here: [watch(here, each) for each in asked], replicated=True)


def _cluster(server: Server, seeds: Sequence[Address]) -> Topology:
    async def find(known: Iterable[Address]) -> Map:
        asked = [server._replace(host=host, port=port) for host, port in dict.fromkeys([*known, *seeds])]
        answers = await _answers(asked, [("CLUSTER", "INFO"), ("CLUSTER", "SLOTS")])
        with misreads_mapped():
            maps = [(_standing(info), _cluster_map(slots, host)) for host, (info, slots) in answers]
            return max(maps, key=lambda each: (each[0], _covered(each[1])))[1]

    return Topology(server, find, replicated=True)


async def _answers(servers: Iterable[Server], commands: Sequence[Command]) -> list[tuple[str, list[Stated]]]:
    """The answers that come, with the hosts they come from; all are asked at once, so a hung one costs little."""
    asked = list(servers)
    found = await asyncio.gather(*(ask(server, commands) for server in asked), return_exceptions=True)
    pairs = zip(asked, found, strict=True)
    answers = [(server.host, each) for server, each in pairs if isinstance(each, list)]
    if not answers:
        raise next(each for each in found if isinstance(each, BaseException))
    return answers


def _cluster_map(slots: Sequence[Stated], asked_host: str) -> Map:
    """From CLUSTER SLOTS: first slot, last slot, master, replicas; a node without a name is where we asked."""

    def address(node: Sequence[Stated]) -> Address:
        name = (node[0] or b"").decode()
        return (asked_host if name in {"", "?"} else name, node[1])

    ranges = [Range(first, last, address(master)) for first, last, master, *_ in slots]
    return Map(ranges, [address(node) for _, _, *nodes in slots for node in nodes])


def _covered(found: Map) -> int:
    return sum(each.last - each.first + 1 for each in found.ranges)


def _standing(info: bytes) -> tuple[bool, int]:
    """Whether the node works, then its epoch: a node that was cut off raises its own epoch with every vote it calls."""
    facts = dict(line.split(b":", 1) for line in info.split() if b":" in line)
    return facts[b"cluster_state"] == b"ok", int(facts[b"cluster_current_epoch"])


def _everything_at(address: Address) -> Map:
    return Map([Range(0, REDIS_CLUSTER_HASH_SLOTS - 1, address)])


def _addresses(hosts: str, port: int) -> list[Address]:
    pairs = (each.partition(":") for each in hosts.split(","))
    return [(host, int(given or port)) for host, _, given in pairs]
