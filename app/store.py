"""The one Redis client: scripts that are safe to send twice, and every failure as one error."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.errors import StoreUnavailable

TIMEOUT_SECONDS = 0.3
CONNECTIONS = 32
WAIT_FOR_CONNECTION_SECONDS = 2.0
"""A burst waits for its turn; only the answer of the server is urgent."""
RETRY_AFTER_SECONDS = 2
CHANNEL = "returns"
QUIET_SECONDS = 10.0
"""After this long without news the connection is asked whether it still lives."""

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

# ARGV: operation, channel, news ('' for none), then for each key: expected revision, ttl in ms, value ('' deletes).
# The first key is always written, so its operation tells a repeated script from a lost race.
_COMMIT = """
if redis.call('HGET', KEYS[1], 'o') == ARGV[1] then return 1 end
for i, key in ipairs(KEYS) do
  if (redis.call('HGET', key, 'r') or '0') ~= ARGV[3 * i + 1] then return 0 end
end
for i, key in ipairs(KEYS) do
  if ARGV[3 * i + 3] == '' then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'r', ARGV[3 * i + 1] + 1, 'o', ARGV[1], 'v', ARGV[3 * i + 3])
    redis.call('PEXPIRE', key, ARGV[3 * i + 2])
  end
end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return 1
"""

# ARGV: amount, then quantity and window (ms) of each limit. Fields: `<window>:<n>` = spent in the nth 24th of that
# window, `until` = nothing before. 25 of them count, so that no moment of the window is left out.
_SPEND = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms = tonumber(redis.call('HGET', KEYS[1], 'until') or 0)
local remaining, wait, longest = math.huge, math.max(until_ms - now, 0), 0
local granted = wait == 0
local fields = redis.call('HGETALL', KEYS[1])
for i = 2, #ARGV, 2 do
  local quantity, window = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local width, slots, spent = window / 24, {}, 0
  local oldest = math.floor(now / width) - 24
  for f = 1, #fields, 2 do
    local of, slot = string.match(fields[f], '^(%d+):(%d+)$')
    if of == ARGV[i + 1] then
      slot = tonumber(slot)
      if slot < oldest then
        redis.call('HDEL', KEYS[1], fields[f])
      else
        spent = spent + fields[f + 1]
        slots[#slots + 1] = {slot, tonumber(fields[f + 1])}
      end
    end
  end
  local missing = spent + ARGV[1] - quantity
  if missing > 0 then granted = false end
  table.sort(slots, function(one, other) return one[1] < other[1] end)
  for n, slot in ipairs(slots) do
    if missing > 0 then wait = math.max(wait, (slot[1] + 25) * width - now) end
    missing = missing - slot[2]
  end
  remaining = math.min(remaining, math.max(quantity - spent, 0))
  longest = math.max(longest, window)
end
if granted then
  for i = 3, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[i] .. ':' .. math.floor(now / (ARGV[i] / 24)), ARGV[1])
  end
  redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(2 * longest, until_ms - now)))
  remaining = remaining - ARGV[1]
end
return {granted and 1 or 0, remaining, math.ceil(wait)}
"""
_PAUSE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now + ARGV[1] > tonumber(redis.call('HGET', KEYS[1], 'until') or 0) then
  redis.call('HSET', KEYS[1], 'until', now + ARGV[1])
  redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), ARGV[1]))
end
"""
_PROLONG = "for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Limit(NamedTuple):
    """At most this much within any `window` (seconds)."""

    quantity: int
    window: float


@dataclass(frozen=True)
class Allowance:
    """Whether something was granted, what remains after it, and the seconds until a refused amount would fit."""

    granted: bool
    remaining: int
    wait: float


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

    def __init__(self, pool: BlockingConnectionPool) -> None:
        self._pool = pool
        self._client = client = Redis(connection_pool=pool)
        self._read = client.register_script(_READ)
        self._commit = client.register_script(_COMMIT)
        self._release = client.register_script(_RELEASE)
        self._spend = client.register_script(_SPEND)
        self._pause = client.register_script(_PAUSE)
        self._prolong = client.register_script(_PROLONG)

    @classmethod
    def connect(cls, url: str) -> "Store":
        """A store on a standalone server; no connection is made before the first call."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=WAIT_FOR_CONNECTION_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # Once: all we send is safe to repeat, and under a burst a reply may lie unread longer than the timeout.
            retry=Retry(NoBackoff(), 1),
            # Spares new connections the HELLO; nothing here needs RESP3.
            protocol=2,
            driver_info=None,
        )
        return cls(pool)

    @property
    def connections_in_use(self) -> int:
        """How many connections are lent out now, the listening one included."""
        _, (in_use, _) = self._pool.get_connection_count()
        return in_use

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

    async def delete(self, key: str) -> bool:
        """Forgets the key; whether it was there."""
        with _failures_mapped():
            return bool(await self._client.delete(key))

    async def prolong(self, keys: Sequence[str], ttl: int) -> None:
        """Lets keys of one hash slot that are there live `ttl` seconds from now on."""
        with _failures_mapped():
            await self._prolong(keys=keys, args=[ttl])

    async def acquire(self, key: str, owner: str, ttl: float) -> bool:
        """Whether `owner` holds this lease now; asking again with the same owner gives the same answer."""
        with _failures_mapped():
            holder = await self._client.set(key, owner, nx=True, get=True, px=int(ttl * 1000))
        return holder is None or holder == owner.encode()

    async def release(self, key: str, owner: str) -> None:
        """Gives the lease back if `owner` still holds it."""
        with _failures_mapped():
            await self._release(keys=[key], args=[owner])

    async def spend(self, key: str, amount: int, *limits: Limit) -> Allowance:
        """Spends `amount` if it fits under every limit of this key, on the store's clock; else nothing.

        Sent twice it may count twice, which errs on the safe side.
        """
        arguments = [number for limit in limits for number in (limit.quantity, round(limit.window * 1000))]
        with _failures_mapped():
            granted, remaining, wait_ms = await self._spend(keys=[key], args=[amount, *arguments])
        return Allowance(bool(granted), remaining, wait_ms / 1000)

    async def pause(self, key: str, seconds: float) -> None:
        """Lets nothing of this key be spent for that long from now; an earlier, longer pause stays."""
        with _failures_mapped():
            await self._pause(keys=[key], args=[round(seconds * 1000)])

    async def read(self, *keys: str) -> tuple[float, list[Versioned]]:
        """The store's clock (seconds) and the versioned records under these keys, all of one hash slot."""
        with _failures_mapped():
            now_ms, *fields = await self._read(keys=keys)
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return now_ms / 1000, [Versioned(int(revision), value) for revision, value in pairs]

    async def commit(self, operation: str, changes: Sequence[Change], news: str = "") -> bool:
        """Makes all changes at once and tells `news` to all who listen; or none if a record changed meanwhile (False).

        Sending it twice is harmless: `operation` names this very commit, and the first change must keep its record.
        """
        arguments: list[str | int | bytes] = [operation, CHANNEL, news]
        for change in changes:
            arguments += [change.expected, change.ttl * 1000, change.value or b""]
        with _failures_mapped():
            return bool(await self._commit(keys=[change.key for change in changes], args=arguments))

    async def listen(self) -> AsyncIterator[str]:
        """News as it is told; "" means that some may have been missed, as at the beginning."""
        async with self._client.pubsub() as subscription:
            with _failures_mapped():
                await subscription.subscribe(CHANNEL)
            while True:
                with _failures_mapped():
                    message = await subscription.get_message(timeout=QUIET_SECONDS)
                    if message is None:
                        await subscription.ping()
                if message is not None and message["type"] in {"subscribe", "message"}:
                    yield message["data"].decode() if message["type"] == "message" else ""


@contextmanager
def _failures_mapped() -> Iterator[None]:
    # TypeError and AttributeError: redis-py lets them out when a peer closed a pooled connection (redis-py#4287).
    try:
        yield
    except (RedisError, OSError, TypeError, AttributeError) as error:
        raise StoreUnavailable(type(error).__name__, retry_after=RETRY_AFTER_SECONDS) from error
