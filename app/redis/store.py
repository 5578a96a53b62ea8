"""The one Redis client: scripts that are safe to send twice, and every failure as one error."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol, cast

from redis.crc import key_slot
from redis.exceptions import NoScriptError, OutOfMemoryError

from app.errors import StoreUnavailable
from app.redis import scripts
from app.redis.bulk_writer import BulkWriter
from app.redis.connections.connection import TIMEOUT_SECONDS, Argument, Command, Reply, Stated
from app.redis.connections.failures import FOREIGN, reason
from app.redis.connections.server import RETRY_AFTER_SECONDS
from app.redis.connections.topology import Topology
from app.telemetry.metrics import STORE_CALLS

_ANSWERED, _UNAVAILABLE = STORE_CALLS.labels("answered"), STORE_CALLS.labels("unavailable")
CHANNEL = "returns"
REPLICAS = 1
"""How many replicas must have a durable write."""
REPLICATION_SECONDS = 0.15
DURABLE_SECONDS = 5.0
"""How long a durable write is repeated."""
DURABLE_PAUSE_SECONDS = 0.1


ANY = -1
"""The expected revision of a change that overwrites any record."""


class Limit(NamedTuple):
    """At most this much within any `window` (seconds)."""

    quantity: int
    window: float


@dataclass(frozen=True)
class Allowance:
    """How much was granted, how much remains after it, and the seconds until a refused amount would fit.

    `at` is the moment it was decided: seconds since the epoch on the store's clock.
    """

    granted: int
    remaining: int
    wait: float
    at: float


@dataclass(frozen=True)
class Versioned:
    """A record's bytes as read, and the revision to hand back when it is changed; revision 0 means absent."""

    revision: int
    value: bytes


@dataclass(frozen=True)
class Change:
    """The new value of one key, if it still has the expected revision (or `ANY`); None deletes the key."""

    key: str
    expected: int
    value: bytes | None
    ttl: int
    """Seconds the key lives from now on."""


class Script(Protocol):
    """A script that runs where its keys are, all of one hash slot."""

    async def __call__(self, keys: Sequence[str], args: Sequence[Argument], *, durable: bool = False) -> Stated:
        """The script's reply. Raises StoreUnavailable when it cannot be known."""


class Store:
    """Redis as this service uses it; every method raises StoreUnavailable when the answer cannot be known."""

    def __init__(self, servers: Topology) -> None:
        self._servers = servers
        self._buffers = list[bytearray]()
        self._read = self.script(scripts.READ)
        self._commit = self.script(scripts.COMMIT)
        self._erase = self.script(scripts.ERASE)
        self._release = self.script(scripts.RELEASE)
        self._replace = self.script(scripts.REPLACE)
        self._spend = self.script(scripts.SPEND)
        self._pause = self.script(scripts.PAUSE)
        self._prolong = self.script(scripts.PROLONG)
        self._keep_newest = self.script(scripts.KEEP_NEWEST)
        self._mark = self.script(scripts.MARK)
        self._marks = self.script(scripts.MARKS)

    @property
    def connections_in_use(self) -> int:
        """How many connections are in use now, the listening one included."""
        return self._servers.connections_in_use

    async def aclose(self) -> None:
        """Closes every connection."""
        with _failures_mapped():
            await self._servers.aclose()

    def script(self, source: str) -> Script:
        """The script as a function. It may run twice, so it must be safe to repeat."""
        digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

        async def call(keys: Sequence[str], args: Sequence[Argument], *, durable: bool = False) -> Reply:
            # A durable write is one pipeline with one deadline, and its server may not have the script yet.
            if not durable:
                with suppress(NoScriptError):
                    return await self._run(keys[0], ("EVALSHA", digest, len(keys), *keys, *args))
            return await self._run(keys[0], ("EVAL", source, len(keys), *keys, *args), durable=durable)

        return call

    async def ping(self) -> None:
        """Returns if the server answers; of a Cluster, if any one does."""
        await self._run(None, ("PING",))

    async def now(self) -> float:
        """The store's clock in seconds since the epoch, which all replicas share."""
        seconds, microseconds = await self._run(None, ("TIME",))
        return float(seconds) + float(microseconds) / 1_000_000

    async def get(self, key: str, seconds: float = TIMEOUT_SECONDS) -> bytes | None:
        """The bytes under this key, or None if it is known to be absent; large values need more `seconds`."""
        return cast("bytes | None", await self._run(key, ("GET", key), seconds))

    async def get_and_prolong(self, key: str, ttl: int) -> bytes | None:
        """The bytes under this key, which live `ttl` seconds from now on; None if the key is known to be absent."""
        return cast("bytes | None", await self._run(key, ("GETEX", key, "EX", ttl)))

    async def replace(self, key: str, kept: bytes, value: bytes, ttl: int) -> bytes:
        """Durably replaces `kept` (b"": nothing) with `value`, if it is there; the value under the key afterwards."""
        return cast("bytes", await self._replace(keys=[key], args=[kept, value, ttl], durable=True))

    async def first_on_each(self, names: Iterable[str]) -> list[str]:
        """For each server, the first of these names that it keeps."""
        with _failures_mapped():
            return list((await self._servers.first_on_each(names)).values())

    async def first_beside(self, key: str, names: Iterable[str]) -> str:
        """The first of these names that the server of this key keeps."""
        with _failures_mapped():
            return await self._servers.first_beside(key, names)

    async def put(
        self, key: str, value: bytes, ttl: float, seconds: float = TIMEOUT_SECONDS, *, durable: bool = False
    ) -> None:
        """Keeps the bytes for `ttl` seconds; `seconds` as for `get`, `durable` as for `commit`."""
        await self._run(key, ("SET", key, value, "PX", int(ttl * 1000)), seconds, durable=durable)

    @asynccontextmanager
    async def bulk_writer(self, key: str, seconds: float) -> AsyncIterator[BulkWriter]:
        """A writer to the server of this key, `seconds` as for `put`; without `flush` the last values may be lost."""
        async with AsyncExitStack() as lent:
            with _failures_mapped():
                node = await self._servers.node(key_slot(key.encode()))
                link = await lent.enter_async_context(node.lent())
                connection = await link.connection()
            writer = BulkWriter(connection, seconds, partial(self.put, seconds=seconds), self._buffers)
            lent.callback(writer.abandon)
            yield writer

    async def delete(self, key: str, *, durable: bool = False) -> bool:
        """Deletes the key, `durable` as for `commit`; whether it existed, which a repetition may deny."""
        return bool(await self._erase(keys=[key], args=[], durable=durable))

    async def prolong(self, keys: Sequence[str], ttl: int) -> None:
        """Makes existing keys of one hash slot live `ttl` seconds from now on."""
        await self._prolong(keys=keys, args=[ttl])

    async def keep_newest(self, key: str, value: str, size: int, ttl: float, *, durable: bool = False) -> list[str]:
        """Adds the value to a list of the newest `size`; the values that fall out. It lives at least `ttl` seconds."""
        reply = await self._keep_newest(keys=[key], args=[value, size, int(ttl * 1000)], durable=durable)
        return [each.decode() for each in cast("list[bytes]", reply)]

    async def newest(self, key: str) -> list[str]:
        """The values that `keep_newest` keeps, the newest first."""
        reply = await self._run(key, ("LRANGE", key, 0, -1))
        return [each.decode() for each in cast("list[bytes]", reply)]

    async def drop(self, key: str, value: str) -> None:
        """Takes the value off a list."""
        await self._run(key, ("LREM", key, 0, value))

    async def acquire(self, key: str, owner: str, ttl: float) -> bool:
        """Whether `owner` holds this lease now; asking again with the same owner gives the same answer."""
        holder = await self._run(key, ("SET", key, owner, "NX", "GET", "PX", int(ttl * 1000)))
        return holder is None or holder == owner.encode()

    async def release(self, key: str, owner: str) -> None:
        """Gives the lease back if `owner` still holds it."""
        await self._release(keys=[key], args=[owner])

    async def spend(self, key: str, amount: int, limit: Limit) -> Allowance:
        """Spends `amount` if it fits under the limit, on the store's clock; otherwise nothing.

        A command that is sent twice may count twice, which errs on the safe side.
        """
        return await self._spent(amount, amount, {key: limit})

    async def spend_some(self, amount: int, limits: Mapping[str, Limit]) -> Allowance:
        """Spends as much of `amount` as fits under the limit of each of these keys, all of one hash slot."""
        return await self._spent(amount, 1, limits)

    async def _spent(self, amount: int, least: int, limits: Mapping[str, Limit]) -> Allowance:
        numbers = [number for limit in limits.values() for number in (limit.quantity, round(limit.window * 1000))]
        granted, remaining, wait_ms, now_ms = await self._spend(keys=list(limits), args=[amount, least, *numbers])
        return Allowance(granted, remaining, wait_ms / 1000, now_ms / 1000)

    async def pause(self, key: str, seconds: float) -> None:
        """Lets nothing be spent under this key for that long; an earlier pause that ends later stays."""
        await self._pause(keys=[key], args=[round(seconds * 1000)])

    async def mark(self, member: str, keys: Sequence[str], ttl: float) -> None:
        """Notes the present moment for this member under keys of one hash slot; each keeps the two newest members."""
        await self._mark(keys=keys, args=[member, int(ttl * 1000)])

    async def marks(self, *keys: str) -> tuple[float, list[dict[str, float]]]:
        """The store's clock, then for each of these keys its members with their moments, all in seconds."""
        now_ms, *found = await self._marks(keys=keys, args=[])
        return now_ms / 1000, [
            {member.decode(): float(at_ms) / 1000 for member, at_ms in zip(flat[::2], flat[1::2], strict=True)}
            for flat in found
        ]

    async def read(self, *keys: str) -> tuple[float, list[Versioned]]:
        """The store's clock (seconds) and the versioned records under these keys, all of one hash slot."""
        now_ms, *fields = await self._read(keys=keys, args=[])
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return now_ms / 1000, [Versioned(int(revision), value) for revision, value in pairs]

    async def commit(self, operation: str, changes: Sequence[Change], news: str = "", *, durable: bool = False) -> bool:
        """Makes all changes at once and publishes `news`, or makes none if a record changed meanwhile (False).

        Sending it twice is harmless: `operation` names this very commit, and the first change must not delete.
        A durable commit is acknowledged by a replica, where there are any, or this raises after 5 seconds.
        """
        arguments: list[Argument] = [operation, CHANNEL, news]
        for change in changes:
            arguments += [change.expected, change.ttl * 1000, change.value or b""]
        return bool(await self._commit(keys=[change.key for change in changes], args=arguments, durable=durable))

    async def names(self, pattern: str) -> AsyncIterator[str]:
        """The keys of this form on every server, some perhaps twice. Too slow for requests."""
        with _failures_mapped():
            for node in await self._servers.masters():
                cursor: bytes | None = b"0"
                while cursor is not None:
                    scan: Command = ("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
                    (reply,) = await node.run([scan], TIMEOUT_SECONDS)
                    after, keys = _stated(reply)
                    for key in keys:
                        yield key.decode()
                    cursor = None if after == b"0" else after

    async def listen(self) -> AsyncIterator[str]:
        """News as it is published; "" means that some may have been missed, as at the beginning."""
        with _failures_mapped():
            node = await self._servers.node(None)
            async with aclosing(node.listen(CHANNEL)) as listening:
                async for news in listening:
                    yield news.decode()

    async def _run(
        self, key: str | None, command: Command, seconds: float = TIMEOUT_SECONDS, *, durable: bool = False
    ) -> Stated:
        started, timer = time.perf_counter(), _ANSWERED
        # Written out, because every request comes here several times and a context manager would double the cost.
        try:
            if durable and self._servers.replicated:
                return await self._until_replicated(key, command)
            (reply,) = await self._servers.run(key, [command], seconds)
            return _stated(reply)
        except NoScriptError:
            raise
        except StoreUnavailable:
            timer = _UNAVAILABLE
            raise
        except FOREIGN as error:
            timer = _UNAVAILABLE
            raise StoreUnavailable(reason(error), retry_after=RETRY_AFTER_SECONDS) from error
        finally:
            timer.observe(time.perf_counter() - started)

    async def _until_replicated(self, key: str | None, command: Command) -> Reply:
        """The reply once a replica has the write; errors are waited out, because a failover may be under way.

        A full server is not waited for: it refuses at once and stays full.
        """
        clock = asyncio.get_running_loop().time
        wait = ("WAIT", REPLICAS, int(REPLICATION_SECONDS * 1000))
        seconds = TIMEOUT_SECONDS + REPLICATION_SECONDS
        deadline = clock() + DURABLE_SECONDS - seconds
        while True:
            try:
                reply, replicas = await self._servers.run(key, [command, wait], seconds)
                stated, replicas = _stated(reply), _stated(replicas)
            except OutOfMemoryError:
                raise
            except (StoreUnavailable, *FOREIGN):
                if clock() > deadline:
                    raise
            else:
                if replicas >= REPLICAS:
                    return stated
                if clock() > deadline:
                    raise StoreUnavailable("too few replicas", retry_after=RETRY_AFTER_SECONDS)
            await asyncio.sleep(DURABLE_PAUSE_SECONDS)


def _stated(reply: Reply) -> Stated:
    """The reply; an error reply is raised."""
    if isinstance(reply, Exception):
        raise reply
    return reply


@contextmanager
def _failures_mapped() -> Iterator[None]:
    try:
        yield
    except NoScriptError:
        raise
    except FOREIGN as error:
        raise StoreUnavailable(reason(error), retry_after=RETRY_AFTER_SECONDS) from error
