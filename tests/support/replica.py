"""A server with a replica that has every write at once."""

from collections.abc import Sequence

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from typing_extensions import override

from app.redis.connections.connection import Command, Reply, Server
from app.redis.connections.topology import Map, Range, Topology
from tests.support.processes import LOCAL


class Replicated(Topology):
    """The server at this port; `awaited` has the keys whose writes were waited for."""

    def __init__(self, port: int) -> None:
        super().__init__(Server(LOCAL, port), self._found, replicated=True)
        self.awaited: list[str | None] = []
        self._everything = Map([Range(0, REDIS_CLUSTER_HASH_SLOTS - 1, (LOCAL, port))])

    @override
    async def run(self, key: str | None, commands: Sequence[Command], seconds: float) -> Sequence[Reply]:
        asked = [each for each in commands if each[0] != "WAIT"]
        replies = await super().run(key, asked, seconds)
        if len(asked) == len(commands):
            return replies
        self.awaited.append(key)
        return [*replies, 1]

    async def _found(self, _: object) -> Map:
        return self._everything
