"""The queue: which letters of each brand wait, and from which moment on each may be tried."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from app.redis.store import Store

LETTER_KEPT_SECONDS = 7 * 86400
"""A letter is kept so long after its event, and so long again once it is given up."""
REVIVED_AT_ONCE = 1000
"""The store answers nothing else meanwhile."""
LEASE_SECONDS = 30.0
"""A letter that was taken is due again after this, unless its replica has told what became of it."""

# The queues of all brands share one slot, so that one call looks at all of them. Scores are moments in milliseconds.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# ARGV: letter, milliseconds from now on, lifetime in ms. What is due stays due, as another commit may have written it;
# but of this moment, so that a replica whose lease has passed does not take the letter for its own.
_DUE_IN = (
    _NOW
    + """
local due = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or math.huge)
redis.call('ZADD', KEYS[1], due > now and now + ARGV[2] or now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
"""
)
# ARGV: letter, end of the lease. A letter that was queued or taken again since then is left to the others.
_IF_STILL_TAKEN = """
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1])) ~= tonumber(ARGV[2]) then return end
"""
# ARGV: as above, milliseconds from now on, lifetime in ms.
_POSTPONE = (
    _IF_STILL_TAKEN
    + _NOW
    + """
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
"""
)
# KEYS: queue and switch of each brand. ARGV: lease in ms, how many letters in all, and how many of each brand.
_TAKE = (
    _NOW
    + """
local answer, left = {now}, tonumber(ARGV[2])
for i = 1, #KEYS, 2 do
  local room = math.min(left, ARGV[2 + (i + 1) / 2])
  local due = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', now, 'LIMIT', 0, room)
  left = left - #due
  for _, letter in ipairs(due) do redis.call('ZADD', KEYS[i], now + ARGV[1], letter) end
  answer[#answer + 1] = #due > 0 and redis.call('GET', KEYS[i + 1]) or ''
  answer[#answer + 1] = due
end
return answer
"""
)
# KEYS: queue, dead letters. ARGV: as above, lifetime in ms.
_BURY = (
    _IF_STILL_TAKEN
    + _NOW
    + """
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZREM', KEYS[1], ARGV[1])
"""
)
# KEYS: queue, dead letters, switch. ARGV: lifetime in ms, how many at most.
_REVIVE = (
    _NOW
    + """
local dead = redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1)
for _, letter in ipairs(dead) do redis.call('ZADD', KEYS[1], now, letter) end
if #dead > 0 then redis.call('ZREMRANGEBYRANK', KEYS[2], 0, #dead - 1) end
redis.call('DEL', KEYS[3])
if #dead > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return #dead
"""
)
# KEYS: dead letters. ARGV: how many.
_DEAD = "return redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')"
_DROP = _IF_STILL_TAKEN + "redis.call('ZREM', KEYS[1], ARGV[1])"


class Name(NamedTuple):
    """The name of a letter: where it lies, and which event it is."""

    parcel_key: str
    event_id: str


class Taken(NamedTuple):
    """A letter that this replica alone may deliver, for `LEASE_SECONDS`."""

    brand: str
    name: Name
    switched_off: str
    """The name of the endpoint that was switched off; empty if none was."""
    now: float
    """Seconds since the epoch on the store's clock."""
    lease_until_ms: int
    """Milliseconds since then."""


class Queue:
    """The letters of all brands that wait; every method raises StoreUnavailable when the store cannot tell."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._due_in = store.script(_DUE_IN)
        self._take = store.script(_TAKE)
        self._postpone = store.script(_POSTPONE)
        self._bury = store.script(_BURY)
        self._revive = store.script(_REVIVE)
        self._drop = store.script(_DROP)
        self._dead = store.script(_DEAD)

    async def add(self, brand: str, name: Name, seconds: float, *, durable: bool = True) -> None:
        """Makes a letter due in so many seconds, whether or not it is there; one that is due already stays so."""
        await self._due_in([_due(brand)], [_member(name), _ms(seconds), _LIFETIME], durable=durable)

    async def postpone(self, taken: Taken, seconds: float) -> None:
        """Makes the letter due in so many seconds, if it is still taken."""
        await self._postpone([_due(taken.brand)], [*_still(taken), _ms(seconds), _LIFETIME])

    async def take(self, room: Mapping[str, int], at_most: int) -> Sequence[Taken]:
        """For each brand so many of the letters that are due, oldest first, and no more in all than `at_most`.

        No other replica gets them for `LEASE_SECONDS`.
        """
        keys = [key for brand in room for key in (_due(brand), _switch(brand))]
        now_ms, *found = await self._take(keys, [_ms(LEASE_SECONDS), at_most, *room.values()])
        return [
            Taken(brand, _name(letter), off.decode(), now_ms / 1000, now_ms + _ms(LEASE_SECONDS))
            for brand, off, letters in zip(room, found[::2], found[1::2], strict=True)
            for letter in letters
        ]

    async def drop(self, taken: Taken) -> None:
        """Forgets a letter that was delivered or never written, if it is still taken."""
        await self._drop([_due(taken.brand)], _still(taken))

    async def bury(self, taken: Taken) -> None:
        """Gives the letter up, if it is still taken."""
        await self._bury([_due(taken.brand), _dead(taken.brand)], [*_still(taken), _LIFETIME])

    async def dead(self, brand: str, count: int) -> Sequence[tuple[Name, float]]:
        """So many dead letters of the brand, the oldest first, each with the moment it was given up (seconds)."""
        flat = await self._dead([_dead(brand)], [count])
        return [(_name(letter), float(at_ms) / 1000) for letter, at_ms in zip(flat[::2], flat[1::2], strict=True)]

    async def revive(self, brand: str) -> int:
        """Makes the oldest dead letters due now, `REVIVED_AT_ONCE` at most, and the endpoint good again; how many."""
        return int(await self._revive([_due(brand), _dead(brand), _switch(brand)], [_LIFETIME, REVIVED_AT_ONCE]))

    async def switch_off(self, brand: str, endpoint: str) -> None:
        """Notes that the endpoint of this name takes no events any more."""
        await self._store.put(_switch(brand), endpoint.encode(), LETTER_KEPT_SECONDS)


_LIFETIME = LETTER_KEPT_SECONDS * 1000


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _still(taken: Taken) -> list[str | int]:
    return [_member(taken.name), taken.lease_until_ms]


def _member(name: Name) -> str:
    return f"{name.parcel_key}/{name.event_id}"


def _name(member: object) -> Name:
    parcel_key, _, event_id = cast("bytes", member).decode().partition("/")
    return Name(parcel_key, event_id)


def _due(brand: str) -> str:
    return f"e:{{events}}:due:{brand}"


def _dead(brand: str) -> str:
    return f"e:{{events}}:dead:{brand}"


def _switch(brand: str) -> str:
    return f"e:{{events}}:off:{brand}"
