"""The one Redis client: scripts that are safe to send twice, and every failure as one error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.errors import StoreUnavailable

TIMEOUT_SECONDS = 0.25
CONNECTIONS = 64
RETRY_AFTER_SECONDS = 2

# Each versioned record is a hash: r = revision, o = the operation that wrote it, v = its bytes.
_READ = """
local time = redis.call('TIME')
local answer = {time[1] * 1000 + math.floor(time[2] / 1000)}
for i, key in ipairs(KEYS) do
  local record = redis.call('HMGET', key, 'r', 'v')
  answer[2 * i] = record[1] or 0
  answer[2 * i + 1] = record[2] or ''
end
return answer
"""

# ARGV: operation, then for each key: expected revision, ttl in ms, value ('' deletes).
# The first key is always written, so its operation tells a repeated script from a lost race.
_COMMIT = """
if redis.call('HGET', KEYS[1], 'o') == ARGV[1] then return 1 end
for i, key in ipairs(KEYS) do
  if (redis.call('HGET', key, 'r') or '0') ~= ARGV[3 * i - 1] then return 0 end
end
for i, key in ipairs(KEYS) do
  if ARGV[3 * i + 1] == '' then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'r', ARGV[3 * i - 1] + 1, 'o', ARGV[1], 'v', ARGV[3 * i + 1])
    redis.call('PEXPIRE', key, ARGV[3 * i])
  end
end
return 1
"""

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


@dataclass(frozen=True)
class Versioned:
    """A record's bytes as read, and the revision to hand back when it is changed; revision 0 means absent."""

    revision: int
    value: bytes


@dataclass(frozen=True)
class Change:
    """What one key becomes if it still has the revision that was read; no value deletes it."""

    key: str
    expected: int
    value: bytes | None
    ttl: int
    """Seconds the key lives from now on."""


class Store:
    """Redis as this service uses it; every method raises StoreUnavailable when the answer cannot be known."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._read = client.register_script(_READ)
        self._commit = client.register_script(_COMMIT)
        self._release = client.register_script(_RELEASE)

    @classmethod
    def connect(cls, url: str) -> "Store":
        """A store on a standalone server; no connection is made before the first call."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        return cls(Redis(connection_pool=pool))

    async def aclose(self) -> None:
        """Closes every connection."""
        with _failures_mapped():
            await self._client.aclose(close_connection_pool=True)

    async def ping(self) -> None:
        """Returns if the server answers."""
        with _failures_mapped():
            await self._client.ping()

    async def now(self) -> float:
        """The store's clock in seconds since the epoch: the one clock all replicas share."""
        with _failures_mapped():
            seconds, microseconds = await self._client.time()
        return float(seconds) + float(microseconds) / 1_000_000

    async def get(self, key: str) -> bytes | None:
        """The bytes under this key, or None if it is known to be absent."""
        with _failures_mapped():
            return cast("bytes | None", await self._client.get(key))

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keeps the bytes for `ttl` seconds."""
        with _failures_mapped():
            await self._client.set(key, value, px=int(ttl * 1000))

    async def delete(self, key: str) -> None:
        """Forgets the key; an absent one is fine."""
        with _failures_mapped():
            await self._client.delete(key)

    async def acquire(self, key: str, owner: str, ttl: float) -> bool:
        """Whether `owner` holds this lease now; asking again with the same owner gives the same answer."""
        with _failures_mapped():
            holder = await self._client.set(key, owner, nx=True, get=True, px=int(ttl * 1000))
        return holder is None or holder == owner.encode()

    async def release(self, key: str, owner: str) -> None:
        """Gives the lease back if `owner` still holds it."""
        with _failures_mapped():
            await self._release(keys=[key], args=[owner])

    async def read(self, *keys: str) -> tuple[float, list[Versioned]]:
        """The store's clock (seconds) and the versioned records under these keys, all of one hash slot."""
        with _failures_mapped():
            now_ms, *fields = await self._read(keys=keys)
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return now_ms / 1000, [Versioned(int(revision), value) for revision, value in pairs]

    async def commit(self, operation: str, changes: Sequence[Change]) -> bool:
        """Makes all changes at once, or none if a record changed since it was read (False).

        Sending it twice is harmless: `operation` names this very commit, and the first change must keep its record.
        """
        arguments: list[str | int | bytes] = [operation]
        for change in changes:
            arguments += [change.expected, change.ttl * 1000, change.value or b""]
        with _failures_mapped():
            return bool(await self._commit(keys=[change.key for change in changes], args=arguments))


@contextmanager
def _failures_mapped() -> Iterator[None]:
    # TypeError and AttributeError: redis-py lets them out when a peer closed a pooled connection (redis-py#4287).
    try:
        yield
    except (RedisError, OSError, TypeError, AttributeError) as error:
        raise StoreUnavailable(type(error).__name__, retry_after=RETRY_AFTER_SECONDS) from error
