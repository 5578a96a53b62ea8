"""The returns of a parcel in Redis: sealed records, and claims that change only by compare-and-set."""

import secrets
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple, Protocol, Self

from pydantic import TypeAdapter

from app.domain import Contact, Moment, Units
from app.errors import ReturnNotFound, StoreUnavailable, UnitsClaimed
from app.events.event import EventType, Expected, ParcelEvents
from app.models.returns import ReturnState
from app.redis.derived_values import DerivedValues
from app.redis.encryption import Keyring, parsing
from app.redis.store import ANY, Change, Store, Versioned
from app.returns.checks.fingerprints import Fingerprints
from app.returns.claims import (
    Claim,
    announcement_failed,
    expire_leases,
    lasting_location,
    limited,
    restored,
    shown,
)
from app.returns.store.deliveries import delivered_key, loaded_delivery
from app.returns.store.keys import KeyRecord, claims_key, first_seen_key, record_key, released_key, summary_key
from app.returns.store.records import (
    RETURN_ID,
    CleanPoint,
    ParcelReturns,
    ReturnRecord,
    VersionedReturn,
    is_orphan,
    news,
    unanswered,
)
from app.returns.store.unit_names import FIRST_SEEN, UnitNames, loaded_first_seen
from app.telemetry.logs import log
from app.telemetry.metrics import CONFLICTS

RACES = 50
"""How often a lost compare-and-set of a parcel's claims is repeated."""
SCHEMA = 1
OPENED_RECORDS = 512
OPENED_BYTES = 8 * 1024 * 1024
"""How many records stay parsed in memory, and the bytes they were parsed from; parsed, they take fifteen times that."""

_CLAIMS: TypeAdapter[dict[str, Claim]] = TypeAdapter(dict[str, Claim])

ClaimsChange = Callable[[Mapping[str, Claim], float], dict[str, Claim]]
"""Makes the next claims from the present ones and the store's clock (seconds)."""
RecordChange = Callable[[VersionedReturn], ReturnRecord]
"""Makes the next record from a return as read."""


class ParcelLayout:
    """Translates between the objects of this service and the bytes that Redis holds for a parcel.

    All keys of a parcel share one hash slot, so that one commit changes claims, records and keys together.

    `return_ttl`, `claim_ttl` and `lease` are seconds.
    """

    def __init__(self, keyring: Keyring, return_ttl: int, claim_ttl: int, lease: float, clean: CleanPoint) -> None:
        self.lease = lease
        self.keyring = keyring
        self.units = UnitNames(keyring)
        self._return_ttl = return_ttl
        self._claim_ttl = claim_ttl
        self._clean = clean
        self._records: DerivedValues[tuple[str, str], ReturnRecord] = DerivedValues(OPENED_RECORDS, OPENED_BYTES)
        self._claims: DerivedValues[str, Mapping[str, Claim]] = DerivedValues(OPENED_RECORDS, OPENED_BYTES)

    @property
    def whole_life(self) -> int:
        """Seconds that a new key and its return live: as long as their claim, whose lease begins at most twice."""
        return self.claim_life(0)

    @property
    def unsent_life(self) -> int:
        """Seconds that a key lives of which nothing was sent: longer than its claim, which ends with the lease."""
        return max(1, ceil(2 * self.lease))

    def claim_life(self, age: int) -> int:
        """The remaining seconds of the whole life of a return that was created `age` seconds ago, at least one."""
        return max(1, self._claim_ttl + ceil(2 * self.lease) - age)

    # Claims

    def standing(self, parcel_key: str, kept: Versioned, now: float) -> dict[str, Claim]:
        """The stored claims that have not ended, with expired leases taken into account."""
        return expire_leases(self.unended(self.remember_claims(parcel_key, kept), now), now)

    def unended(self, claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
        """The claims that have not ended; each ends by itself."""
        return {name: each for name, each in claims.items() if each.lease_until + self._claim_ttl > now}

    def remembered_claims(self, parcel_key: str) -> Mapping[str, Claim]:
        """The claims as this process read them last; empty if it never did."""
        return self._claims.last(parcel_key) or {}

    def remember_claims(self, parcel_key: str, kept: Versioned) -> Mapping[str, Claim]:
        """The stored claims, parsed only when they change."""
        return self._claims.get(parcel_key, kept.value, lambda: loaded_claims(kept), lambda _: len(kept.value))

    def claims_change(self, parcel_key: str, read: Versioned, claims: dict[str, Claim], now: float) -> Change:
        """Stores these claims over the ones that were read."""
        until = max((each.lease_until + self._claim_ttl for each in claims.values()), default=now + self.lease)
        return Change(claims_key(parcel_key), read.revision, _CLAIMS.dump_json(claims), max(1, ceil(until - now)))

    def first_seen_change(self, parcel_key: str, read: Versioned, first_seen: Mapping[str, int]) -> Change:
        """Stores the first known number of units of each line."""
        return Change(
            first_seen_key(parcel_key), read.revision, FIRST_SEEN.dump_json(dict(first_seen)), self.whole_life
        )

    # Records

    def record(self, parcel_key: str, return_id: str, kept: Versioned) -> ReturnRecord:
        """The stored record, opened only when it changes.

        Raises:
            RecordUnreadable: none of our keys opens it, or it has another form.
        """

        def opened() -> ReturnRecord:
            with parsing():
                return ReturnRecord.loaded(
                    self.keyring.unseal(kept.value, parcel_key, _context(return_id)), self._clean
                )

        return self._records.get((parcel_key, return_id), kept.value, opened, lambda _: len(kept.value))

    def record_changes(self, parcel_key: str, found: VersionedReturn, *, seen: bool = True) -> list[Change]:
        """Stores the record; its life counts from the last change that the shopper could see, not from the last poll.

        A change that the shopper can see (`seen`) goes into the summary, too, which lives as long as the claim.
        """
        record, age = found.record, int(found.now - found.record.updated_at)
        life = self.claim_life(int(found.now - record.created_at))
        name = record_key(parcel_key, record.id)
        changes = [
            Change(name, found.version, self._sealed(parcel_key, record), max(1, min(self._return_ttl - age, life)))
        ]
        if seen:
            changes.append(
                Change(summary_key(parcel_key, record.id), ANY, self._sealed(parcel_key, record.summary()), life)
            )
        return changes

    def _sealed(self, parcel_key: str, record: ReturnRecord) -> bytes:
        return self.keyring.seal(record.dumped(), parcel_key, _context(record.id))

    # Idempotency keys

    def used_key(self, parcel_key: str, key: str) -> str:
        """The key of the record of this idempotency key."""
        return f"p:{{{parcel_key}}}:key:{self.keyring.name('key', parcel_key, key)}"

    def used_change(self, parcel_key: str, key: str, read: Versioned, use: KeyRecord) -> Change:
        """Stores the return and body that this idempotency key is used for."""
        return Change(self.used_key(parcel_key, key), read.revision, use.model_dump_json().encode(), self.whole_life)

    def keyed(self, parcel_key: str, fingerprints: Fingerprints) -> Fingerprints:
        """The fingerprints as they are stored: keyed, because the body behind a bare hash could be guessed."""
        return {version: self.keyring.name("body", parcel_key, each) for version, each in fingerprints.items()}


def loaded_claims(kept: Versioned) -> dict[str, Claim]:
    """The stored claims, including those that have ended."""
    with parsing():
        return _CLAIMS.validate_json(kept.value) if kept.revision else {}


def without_record(parcel_key: str, return_id: str) -> list[Change]:
    """Deletes the record and its summary."""
    return [Change(key(parcel_key, return_id), ANY, None, 1) for key in (record_key, summary_key)]


def _context(return_id: str) -> str:
    return f"return|{return_id}|{SCHEMA}"


def _as_they_are(claims: Mapping[str, Claim], _now: float) -> dict[str, Claim]:
    return dict(claims)


class Forgotten(NamedTuple):
    """A return of which the store may have lost that it was sent, as the creating request knows it."""

    record: ReturnRecord
    use: Change
    """Stores the use of its idempotency key."""
    index_again: Callable[[], Awaitable[None]]
    """Stores the entries that lead to it."""


class Step(NamedTuple):
    """A change of a parcel's claims and of one of its returns, made together."""

    claims: ClaimsChange
    record: RecordChange
    forgotten: Forgotten | None = None
    """Stands in for the return if the store does not know that it was sent."""
    durable: bool = False
    """Whether the change must outlive its server."""
    beside: Sequence[Change] = ()
    """Further changes in the parcel's slot, made in the same commit."""
    found_out: EventType | None = None
    """The event of a change that the state of the return does not tell."""
    expected: Expected | None = None
    """The event to look for later, in case this process dies."""
    is_over: Callable[[ReturnRecord], bool] = lambda _: False
    """Whether the change was made before or comes too late, so that what stands is only stored once more, durably."""

    def unless_over(self, record: ReturnRecord | None) -> Self:
        """The step, or one that changes nothing if it is over for this return."""
        is_over = record is not None and self.is_over(record)
        return self._replace(claims=_as_they_are, record=lambda found: found.record) if is_over else self


class Commit(Protocol):
    """Commits changes of a parcel's returns together with what is told about them, as `Outbox.commit` does."""

    async def __call__(
        self, events: ParcelEvents, operation: str, changes: Sequence[Change], news: str, *, durable: bool = False
    ) -> bool:
        """Whether all changes were made; none were if a record changed meanwhile."""


class Returns:
    """Returns by parcel; a session of another parcel finds none of them."""

    def __init__(self, store: Store, layout: ParcelLayout, commit: Commit) -> None:
        self._store = store
        self._layout = layout
        self._commit = commit

    async def get(self, parcel_key: str, return_id: str) -> VersionedReturn:
        """The return as stored; if its creating request died, it becomes unknown, or is deleted if nothing was sent.

        Raises:
            ReturnNotFound: this parcel has no such return.
        """
        if not RETURN_ID.fullmatch(return_id):
            raise ReturnNotFound("malformed return id")
        now, claims, version, record = await self._stored(parcel_key, return_id)
        if record is None:
            raise ReturnNotFound("no such return of this parcel")
        if not is_orphan(record, self._layout.standing(parcel_key, claims, now).get(return_id)):
            return VersionedReturn(record, version, now)
        buried = await self.change(parcel_key, return_id, Step(expire_leases, unanswered))
        if buried is None:
            raise ReturnNotFound("nothing was ever sent")
        return buried

    async def of_parcel(self, parcel_key: str, ordered: Units) -> ParcelReturns:
        """The returns of the parcel, of failed ones the newest, and how many of the ordered units all leave free."""
        moment, alive, first_seen, records = await self._claims_and_records(parcel_key)
        found = []
        # In the order of the claims, which decides between returns of one millisecond.
        for return_id in alive:
            kept = records.get(return_id)
            if kept and kept.revision:
                record = self._layout.record(parcel_key, return_id, kept)
                orphan = is_orphan(record, alive[return_id])
                found.append(
                    await self.get(parcel_key, return_id)
                    if orphan
                    else VersionedReturn(record, kept.revision, moment.now)
                )
        by_age = sorted(found, key=lambda each: each.record.created_at)
        free = self._layout.units.free(parcel_key, ordered, alive, first_seen) if alive else ordered
        return ParcelReturns(by_age, free, moment, alive.keys() - records.keys())

    async def unlisted(self, parcel_key: str, parcel: ParcelReturns) -> list[VersionedReturn]:
        """The failed returns that the list leaves out and whose content is still there."""
        if not parcel.unlisted:
            return []
        now, kept = await self._store.read(*(record_key(parcel_key, return_id) for return_id in parcel.unlisted))
        return [
            VersionedReturn(self._layout.record(parcel_key, return_id, each), each.revision, now)
            for return_id, each in zip(parcel.unlisted, kept, strict=True)
            if each.revision
        ]

    async def _claims_and_records(
        self, parcel_key: str
    ) -> tuple[Moment, Mapping[str, Claim], Mapping[str, int], Mapping[str, Versioned]]:
        """The moment, a parcel's claims, its first numbers of units and the records to show, all read together."""
        # Reads the claims together with the records they named last time, which rarely change.
        known = shown(self._layout.remembered_claims(parcel_key))
        while True:
            names = [record_key(parcel_key, return_id) for return_id in known]
            now, (kept, seen, delivered, *records) = await self._store.read(
                claims_key(parcel_key), first_seen_key(parcel_key), delivered_key(parcel_key), *names
            )
            claims = self._layout.remember_claims(parcel_key, kept)
            if shown(claims) <= known:
                standing = expire_leases(self._layout.unended(claims, now), now)
                moment = Moment(now, loaded_delivery(delivered.value))
                return moment, standing, loaded_first_seen(seen.value), dict(zip(known, records, strict=True))
            known = shown(claims)

    async def update(self, parcel_key: str, found: VersionedReturn, record: ReturnRecord) -> VersionedReturn:
        """The return with news about its label; a change that another replica stored meanwhile wins."""
        operation = secrets.token_urlsafe(12)
        after = replace(found, record=record)
        changes = self._layout.record_changes(parcel_key, after, seen=record.revision > found.record.revision)
        events = ParcelEvents(parcel_key, news(found, after))
        if await self._commit(events, operation, changes, record.id):
            return replace(after, version=found.version + 1)
        return await self.get(parcel_key, record.id)

    async def announcement_failed(self, parcel_key: str, polled: VersionedReturn) -> VersionedReturn:
        """The return as failed, its units free again; a change that was stored since it was read wins.

        Raises:
            ReturnNotFound: the return is gone.
        """
        step = Step(
            lambda claims, now: announcement_failed(claims, polled.record.id, now=now),
            lambda found: found.became(ReturnState.FAILED, next_poll_at=None),
            # The lease of the poll may have ended, and a later poll may have brought the label.
            is_over=lambda record: record != polled.record,
        )
        found = await self.change(parcel_key, polled.record.id, step)
        if found is None:
            raise ReturnNotFound("the return is gone")
        return found

    async def contact(self, parcel_key: str, return_id: str) -> Contact | None:
        """Whom the shop can write to about the return; None if that is not kept, or not any more.

        Raises:
            RecordUnreadable: none of our keys opens the return, or it has another form.
        """
        _, (kept,) = await self._store.read(record_key(parcel_key, return_id))
        return self._layout.record(parcel_key, return_id, kept).contact if kept.revision else None

    async def findings(self, parcel_key: str, return_ids: Collection[str]) -> Mapping[str, str]:
        """The findings that were recorded about these returns (at least one), by return."""
        _, kept = await self._store.read(*(released_key(parcel_key, return_id) for return_id in return_ids))
        return {name: each.value.decode() for name, each in zip(return_ids, kept, strict=True) if each.revision}

    async def rewrite(
        self, parcel_key: str, return_id: str, change: RecordChange, event: EventType | None = None
    ) -> VersionedReturn | None:
        """The return after a change that leaves all claims as they are, stored until a replica has it."""
        return await self.change(parcel_key, return_id, Step(_as_they_are, change, durable=True, found_out=event))

    async def release(
        self, parcel_key: str, return_id: str, finding: str, claims: ClaimsChange, record: RecordChange
    ) -> VersionedReturn | None:
        """The return after a finding was recorded, which is kept as long as the claim."""
        note = Change(released_key(parcel_key, return_id), ANY, finding.encode(), self._layout.whole_life)
        event = EventType.CANCELLED if finding == "cancelled" else EventType.SETTLED
        step = Step(claims, record, durable=True, beside=[note], found_out=event)
        return await self.change(parcel_key, return_id, step)

    async def claims(self, parcel_key: str) -> tuple[float, Mapping[str, Claim]]:
        """The store's clock and the claims of a parcel."""
        now, (kept,) = await self._store.read(claims_key(parcel_key))
        return now, self._layout.standing(parcel_key, kept, now)

    async def restore(
        self, parcel_key: str, return_id: str, change: RecordChange, ordered: Units | None = None
    ) -> None:
        """Takes the failed announcement of this return back, unless another return holds its units by now.

        Without the ordered units, those count that were seen first.
        """
        _, (seen,) = await self._store.read(first_seen_key(parcel_key))
        first_seen = loaded_first_seen(seen.value)
        named = None if ordered is None else self._layout.units.named(parcel_key, ordered)

        def back(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
            # A line whose first number is not known, as a build before this one left it, takes its units back in doubt.
            own = claims[return_id].units if return_id in claims else {}
            limits = dict.fromkeys(own, sys.maxsize) | dict(first_seen) if named is None else named
            return restored(claims, return_id, limited(claims, limits, first_seen), now=now)

        try:
            await self.change(parcel_key, return_id, Step(back, change, durable=True))
        except UnitsClaimed:
            CONFLICTS.labels("restored").inc()
            log.error("a return is alive and its units are claimed again", return_id=return_id)

    async def change(self, parcel_key: str, return_id: str, step: Step) -> VersionedReturn | None:
        """The return after claims and record changed together; None if its claim is gone.

        The record stays if its location was told; if nothing was sent, it is deleted with its claim.
        """
        operation = secrets.token_urlsafe(12)
        for _ in range(RACES):
            now, claims, version, record = await self._stored(parcel_key, return_id)
            before = self._layout.unended(loaded_claims(claims), now)
            beside, was_told = [*step.beside], lasting_location(before, return_id) is not None
            if step.forgotten and not was_told:
                record = step.forgotten.record
                beside += await self._remembered(step.forgotten, before)
            step = step.unless_over(record)
            after = step.claims(before, now)
            found, changes = None, [self._layout.claims_change(parcel_key, claims, after, now), *beside]
            events = ParcelEvents(parcel_key, [], step.expected)
            if record:
                known = VersionedReturn(record, version, now)
                found, changed = self._changed(parcel_key, known, step, stays=return_id in after or was_told)
                changes += changed
                events = events._replace(events=news(known, found, step.found_out))
            if await self._commit(events, operation, changes, return_id, durable=step.durable):
                return found if return_id in after else None
        raise StoreUnavailable("lost every race for the claims", retry_after=1)

    async def _remembered(self, forgotten: Forgotten, claims: Mapping[str, Claim]) -> list[Change]:
        """Stores the use of the idempotency key again, unless a return has it that was sent."""
        # A store that lost the first byte has lost the key with it, and perhaps the entries before it.
        await forgotten.index_again()
        _, (kept,) = await self._store.read(forgotten.use.key)
        used = KeyRecord.loaded(kept.value)
        is_taken = used is not None and lasting_location(claims, used.return_id) is not None
        return [] if is_taken else [replace(forgotten.use, expected=kept.revision)]

    def _changed(
        self, parcel_key: str, found: VersionedReturn, step: Step, *, stays: bool
    ) -> tuple[VersionedReturn | None, list[Change]]:
        """The return after the step, None if it goes with its claim, and what the store has to change for that."""
        if stays:
            after = replace(found, record=step.record(found))
            return replace(after, version=found.version + 1), self._layout.record_changes(parcel_key, after)
        is_unsent = found.record.state is ReturnState.CREATING
        return None, without_record(parcel_key, found.record.id) if is_unsent else []

    async def _stored(self, parcel_key: str, return_id: str) -> tuple[float, Versioned, int, ReturnRecord | None]:
        """The store's clock, the claims, and the return with its version, or without its content once that is gone."""
        names = record_key(parcel_key, return_id), summary_key(parcel_key, return_id)
        now, (claims, kept, summary) = await self._store.read(claims_key(parcel_key), *names)
        stored = kept if kept.revision else summary
        record = self._layout.record(parcel_key, return_id, stored) if stored.revision else None
        return now, claims, kept.revision, record
