"""The returns of a parcel in Redis: sealed records, and claims that change only by compare-and-set."""

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import NamedTuple

from pydantic import TypeAdapter

from app.domain import Selection, ServicePoint, Units
from app.errors import (
    BffError,
    ClaimLost,
    IdempotencyKeyReused,
    ReturnInProgress,
    ReturnNotFound,
    ReturnOutcomeUnknown,
    ReturnRefused,
    ReturnReleased,
    StoreUnavailable,
    UnitsClaimed,
)
from app.models import Return, ReturnState
from app.redis.derived_values import DerivedValues
from app.redis.encryption import Keyring, RecordUnreadable, parsing
from app.redis.store import ANY, Change, Store, Versioned
from app.returns.claims import (
    AFTER_FIRST_BYTE,
    Claim,
    Event,
    Phase,
    advanced,
    announcement_failed,
    claimed,
    expire_leases,
    lasting_location,
    limited,
    location_of,
    remembered,
    resolved,
    restored,
    shown,
    units_held,
)
from app.returns.fingerprints import Fingerprints
from app.returns.records import KeyRecord, ReturnRecord, VersionedReturn
from app.telemetry.logs import log
from app.telemetry.metrics import CONFLICTS

SCHEMA = 1
RETURN_ID = re.compile(r"rtn_[A-Za-z0-9_-]{22}")
OPENED_RECORDS = 512
"""How many stay parsed in memory, each with what it was parsed from."""
RACES = 50
"""How often a lost race for a parcel's claims is run again."""
SETTLE_SECONDS = 5.0
"""How long a request waits for the store to take the outcome; it is stored later all the same."""
SETTLE_PAUSE_SECONDS = 0.25

WITHOUT_ANSWER = frozenset({ReturnState.CREATING, ReturnState.OUTCOME_UNKNOWN, ReturnState.FAILED})
_CLAIMS: TypeAdapter[dict[str, Claim]] = TypeAdapter(dict[str, Claim])
_FIRST_SEEN: TypeAdapter[dict[str, int]] = TypeAdapter(dict[str, int])


RecordChange = Callable[[VersionedReturn], ReturnRecord]
"""From a return as read to its next record."""


@dataclass(frozen=True)
class Attempt:
    """One request's right to post a return, and all that is needed to store it again should the store forget it."""

    scope: str
    record: ReturnRecord
    claim: Claim

    @property
    def return_id(self) -> str:
        """The return it is about."""
        return self.record.id

    def sending_to(self, drop_off: ServicePoint | None) -> "Attempt":
        """The attempt with the service point that its parcel will be dropped off at."""
        return replace(self, record=self.record.model_copy(update={"drop_off": drop_off}))


class Step(NamedTuple):
    """What becomes of a parcel's claims and of one of its returns, together."""

    claims: Callable[[Mapping[str, Claim], float], dict[str, Claim]]
    """From the claims and the store's clock (seconds) to the next claims."""
    record: RecordChange
    forgotten: ReturnRecord | None = None
    """Taken for the record if the store has none."""
    durable: bool = False
    """Whether it has to outlive its server."""
    beside: Sequence[Change] = ()
    """What is stored in the parcel's slot with it."""


class ParcelReturns(NamedTuple):
    """The returns of a parcel, oldest first; the units that they leave free; the store's clock (seconds)."""

    returns: list[VersionedReturn]
    free: Units
    now: float


class Returns:
    """Returns by parcel scope; whoever is not of that parcel finds none."""

    def __init__(self, store: Store, keyring: Keyring, return_ttl: int, claim_ttl: int, lease: float) -> None:
        self._store = store
        self._keyring = keyring
        self._return_ttl = return_ttl
        self._claim_ttl = claim_ttl
        self._lease = lease
        self._settling: set[asyncio.Task[VersionedReturn | None]] = set()
        self._records: DerivedValues[tuple[str, str], ReturnRecord] = DerivedValues(OPENED_RECORDS)
        self._claims: DerivedValues[str, Mapping[str, Claim]] = DerivedValues(OPENED_RECORDS)

    async def repeated(self, scope: str, key: str, fingerprints: Fingerprints) -> Return | None:
        """The first answer to this idempotency key, or None if the key is unused.

        Raises:
            IdempotencyKeyReused, ReturnInProgress, ReturnRefused, ReturnOutcomeUnknown: as the first request stands.
        """
        now, (claims, used) = await self._store.read(_claims_key(scope), self._used_key(scope, key))
        return_id = self._used_for(scope, (claims, used), fingerprints, now)
        if return_id is None:
            return None
        try:
            found = await self.get(scope, return_id)
        except ReturnNotFound:
            # Its owner died before it sent anything, since we looked: the key is as good as unused.
            return None
        if found.record.state is ReturnState.FAILED and await self.released(scope, return_id):
            raise ReturnReleased("released by the shop", location=location_of(return_id))
        if found.record.first_answer:
            return found.record.first_answer
        if found.record.state not in WITHOUT_ANSWER:
            # Its content is gone, the answer with it.
            return found.public()
        raise _without_answer(found.record, self._standing(claims, now))

    async def claim(
        self, scope: str, key: str, forms: Fingerprints, record: ReturnRecord, selection: Selection
    ) -> Attempt:
        """The right to post this return of the selected units, durably stored before anything leaves.

        Raises:
            UnitsClaimed: another return holds its units.
            TooManyCalls: too many returns of the parcel were refused.
            ReturnInProgress: the key was taken a moment ago.
        """
        owner = secrets.token_urlsafe(12)
        units, limits = self._named(scope, selection.wanted), self._named(scope, selection.ordered)
        names = _claims_key(scope), self._used_key(scope, key), _first_seen_key(scope)
        # Before the claim: whoever is to release it has to find it.
        await self._store.put(parcel_key(record.id), scope.encode(), self._kept(0))
        for _ in range(RACES):
            now, (claims, used, seen) = await self._store.read(*names)
            taken_for = self._used_for(scope, (claims, used), forms, now)
            if taken_for:
                location = lasting_location(self._standing(claims, now), taken_for)
                raise ReturnInProgress("the key was just taken", location=location, retry_after=1)
            claim = Claim(phase=Phase.INTENT, owner=owner, lease_until=now + self._lease, units=units)
            begun = record.model_copy(update={"created_at": now, "updated_at": now})
            standing, first_seen = self._standing(claims, now), _loaded_first_seen(seen)
            after = claimed(standing, record.id, claim, limited(standing, limits, first_seen), now=now)
            use = KeyRecord.of(self._sealed(scope, forms), record.id)
            # One commit for all: a key without its claim, or a claim without its return, could not be explained.
            if await self._store.commit(
                owner,
                [
                    self._claims_change(scope, claims, after, now),
                    Change(names[1], used.revision, use.model_dump_json().encode(), self._kept(0)),
                    Change(
                        names[2],
                        seen.revision,
                        _FIRST_SEEN.dump_json(remembered(standing, limits, first_seen)),
                        self._kept(0),
                    ),
                    *self._record_changes(scope, VersionedReturn(begun, 0, now)),
                ],
                durable=True,
            ):
                return Attempt(scope, begun, claim)
        raise StoreUnavailable("lost every race for the claims", retry_after=1)

    async def first_byte(self, attempt: Attempt) -> None:
        """Durably stores that the POST may be under way from here on, under a lease that begins now.

        Raises:
            ClaimLost: the lease has passed, on the store's clock or on ours; this request must not post.
        """
        clock = asyncio.get_running_loop().time
        lease_until = clock() + self._lease

        def sent(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
            ours = attempt.claim.model_copy(update={"lease_until": now + self._lease})
            return advanced(claims, attempt.return_id, Event.FIRST_BYTE, ours, now=now)

        def bound(found: VersionedReturn) -> ReturnRecord:
            return found.record.model_copy(update={"drop_off": attempt.record.drop_off})

        await self.change(attempt.scope, attempt.return_id, Step(sent, bound, durable=True))
        # Stored it is, but this process may have stood still since.
        if clock() >= lease_until:
            raise ClaimLost("the lease passed before the first byte")

    async def settle(self, attempt: Attempt, event: Event, change: RecordChange) -> VersionedReturn | None:
        """The return after its outcome was stored (None if it never came to be).

        Raises:
            RecordUnreadable: the return is kept under a key that we do not have; nothing more is tried.
            StoreUnavailable: the store does not take it now; it is tried on until it does.
        """
        # A task of its own: the caller may give up, but an outcome that is known must not get lost with it.
        task = asyncio.create_task(self._until_stored(attempt, event, change))
        self._settling.add(task)
        task.add_done_callback(self._settled)
        done, _ = await asyncio.wait({task}, timeout=SETTLE_SECONDS)
        if not done:
            raise StoreUnavailable("the outcome is not stored yet", retry_after=int(SETTLE_SECONDS))
        return task.result()

    async def get(self, scope: str, return_id: str) -> VersionedReturn:
        """The return as it stands; one whose request died is declared unknown, or forgotten if nothing was sent.

        Raises:
            ReturnNotFound: this parcel has no such return.
        """
        if not RETURN_ID.fullmatch(return_id):
            raise ReturnNotFound("malformed return id")
        now, claims, version, record = await self._stored(scope, return_id)
        if record is None:
            raise ReturnNotFound("no such return of this parcel")
        if not _is_orphan(record, self._standing(claims, now).get(return_id)):
            return VersionedReturn(record, version, now)
        buried = await self.change(scope, return_id, Step(expire_leases, _outcome_unknown))
        if buried is None:
            raise ReturnNotFound("nothing was ever sent")
        return buried

    async def of_parcel(self, scope: str, ordered: Units) -> ParcelReturns:
        """Every return of the parcel, and how many of the ordered units they leave free."""
        now, alive, first_seen, records = await self._claims_and_records(scope)
        found = []
        for return_id, kept in records.items():
            if return_id in alive and kept.revision:
                record = self._opened(scope, return_id, kept)
                orphan = _is_orphan(record, alive[return_id])
                found.append(
                    await self.get(scope, return_id) if orphan else VersionedReturn(record, kept.revision, now)
                )
        by_age = sorted(found, key=lambda each: each.record.created_at)
        return ParcelReturns(by_age, self._free(scope, ordered, alive, first_seen) if alive else ordered, now)

    def _free(self, scope: str, ordered: Units, claims: Mapping[str, Claim], first_seen: Mapping[str, int]) -> Units:
        limits = limited(claims, self._named(scope, ordered), first_seen)
        held = units_held(claims)
        free = {name: limits[name] - held[name] for name in limits}
        return Units(
            {line: free[self._line(scope, line)] for line in ordered.lines},
            {product: free[self._product(scope, product)] for product in ordered.products},
        )

    async def _claims_and_records(
        self, scope: str
    ) -> tuple[float, Mapping[str, Claim], Mapping[str, int], Mapping[str, Versioned]]:
        """The store's clock, the claims of a parcel, what was first seen and the records to show, of one moment."""
        # Together with those it had the last time, which mostly are those it has.
        known = shown(self._claims.last(scope) or {})
        while True:
            names = [_record_key(scope, return_id) for return_id in known]
            now, (kept, seen, *records) = await self._store.read(_claims_key(scope), _first_seen_key(scope), *names)
            claims = self._claims.get(scope, kept.value, partial(_loaded, kept))
            if shown(claims) <= known:
                standing = expire_leases(self._unended(claims, now), now)
                return now, standing, _loaded_first_seen(seen), dict(zip(known, records, strict=True))
            known = shown(claims)

    async def update(self, scope: str, found: VersionedReturn, record: ReturnRecord) -> VersionedReturn:
        """The return with news about its label; what somebody else stored meanwhile wins."""
        operation = secrets.token_urlsafe(12)
        after = replace(found, record=record)
        changes = self._record_changes(scope, after, seen=record.revision > found.record.revision)
        if await self._store.commit(operation, changes, record.id):
            return replace(after, version=found.version + 1)
        return await self.get(scope, record.id)

    async def announcement_failed(self, scope: str, return_id: str) -> VersionedReturn:
        """The return as failed, its units free again.

        Raises:
            ReturnNotFound: it is gone.
        """
        step = Step(
            lambda claims, now: announcement_failed(claims, return_id, now=now),
            lambda found: found.became(ReturnState.FAILED, next_poll_at=None),
        )
        found = await self.change(scope, return_id, step)
        if found is None:
            raise ReturnNotFound("the return is gone")
        return found

    async def released(self, scope: str, return_id: str) -> str | None:
        """What an operator found out about the return, if anybody had to."""
        _, (kept,) = await self._store.read(released_key(scope, return_id))
        return kept.value.decode() if kept.revision else None

    async def release(
        self, scope: str, return_id: str, event: Event, finding: str, change: RecordChange
    ) -> VersionedReturn | None:
        """The return after an operator said what became of it; the finding is kept as long as the claim.

        Raises:
            ClaimLost: that cannot be said of a return that stands so.
        """
        note = Change(released_key(scope, return_id), ANY, finding.encode(), self._kept(0))
        step = Step(
            lambda claims, now: resolved(claims, return_id, event, now=now), change, durable=True, beside=[note]
        )
        return await self.change(scope, return_id, step)

    async def claims(self, scope: str) -> tuple[float, Mapping[str, Claim]]:
        """The store's clock and the claims of a parcel."""
        now, (kept,) = await self._store.read(_claims_key(scope))
        return now, self._standing(kept, now)

    async def restore(self, scope: str, return_id: str, change: RecordChange, ordered: Units) -> None:
        """Takes back that the announcement of this return failed, unless another return holds its units by now."""
        _, (seen,) = await self._store.read(_first_seen_key(scope))
        limits, first_seen = self._named(scope, ordered), _loaded_first_seen(seen)

        def back(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
            return restored(claims, return_id, limited(claims, limits, first_seen), now=now)

        try:
            await self.change(scope, return_id, Step(back, change, durable=True))
        except UnitsClaimed:
            CONFLICTS.labels("restored").inc()
            log.error("a return is alive and its units are claimed again", return_id=return_id)

    async def aclose(self) -> None:
        """Stores the outcomes still open if the store takes them soon; others become unknown when their lease ends."""
        if self._settling:
            await asyncio.wait(self._settling, timeout=SETTLE_SECONDS)
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)

    def _settled(self, task: asyncio.Task[VersionedReturn | None]) -> None:
        self._settling.discard(task)
        # Whoever asked may have given up, and then nobody looks at the failure any more.
        if not task.cancelled():
            task.exception()

    async def _until_stored(self, attempt: Attempt, event: Event, change: RecordChange) -> VersionedReturn | None:
        while True:
            try:
                return await self._advance(attempt, event, change)
            except RecordUnreadable:
                raise
            except StoreUnavailable:
                await asyncio.sleep(SETTLE_PAUSE_SECONDS)

    async def _advance(self, attempt: Attempt, event: Event, change: RecordChange) -> VersionedReturn | None:
        was_released = False

        def advance(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
            nonlocal was_released
            before = claims.get(attempt.return_id)
            was_released = event is Event.ACCEPTED and before is not None and before.phase is Phase.FAILED
            return advanced(claims, attempt.return_id, event, attempt.claim, now=now)

        step = Step(
            advance,
            change,
            forgotten=attempt.record if event in AFTER_FIRST_BYTE else None,
            # What left and what came of it: whoever was told must not be told otherwise by a successor of the server.
            durable=True,
        )
        found = await self.change(attempt.scope, attempt.return_id, step)
        if was_released:
            CONFLICTS.labels("accepted").inc()
            log.error("a return was accepted after its release", return_id=attempt.return_id)
        return found

    async def change(self, scope: str, return_id: str, step: Step) -> VersionedReturn | None:
        """The return after claims and record changed together; None if its claim is gone.

        The record stays if its place was told; one of which nothing was sent goes with its claim.
        """
        operation = secrets.token_urlsafe(12)
        for _ in range(RACES):
            now, claims, version, record = await self._stored(scope, return_id)
            before = self._unended(_loaded(claims), now)
            after = step.claims(before, now)
            if not version:
                record = step.forgotten or record
            changes, found = [self._claims_change(scope, claims, after, now), *step.beside], None
            if record and (return_id in after or lasting_location(before, return_id)):
                found = VersionedReturn(record, version, now)
                found = replace(found, record=step.record(found))
                changes += self._record_changes(scope, found)
            elif record and record.state is ReturnState.CREATING:
                changes += self._without_record(scope, return_id)
            if await self._store.commit(operation, changes, return_id, durable=step.durable):
                return found and replace(found, version=version + 1) if return_id in after else None
        raise StoreUnavailable("lost every race for the claims", retry_after=1)

    def _used_for(
        self, scope: str, pair: tuple[Versioned, Versioned], fingerprints: Fingerprints, now: float
    ) -> str | None:
        """The return the key was used for; None also if nothing ever came of it."""
        claims, used = pair
        if not used.revision:
            return None
        with parsing():
            use = KeyRecord.model_validate_json(used.value)
        if use.return_id not in self._standing(claims, now):
            return None
        if not use.is_of(self._sealed(scope, fingerprints)):
            raise IdempotencyKeyReused("the key came with another body")
        return use.return_id

    def _opened(self, scope: str, return_id: str, kept: Versioned) -> ReturnRecord:
        def opened() -> ReturnRecord:
            with parsing():
                return ReturnRecord.loaded(self._keyring.unseal(kept.value, scope, _context(return_id)))

        return self._records.get((scope, return_id), kept.value, opened)

    async def _stored(self, scope: str, return_id: str) -> tuple[float, Versioned, int, ReturnRecord | None]:
        """The store's clock, the claims, and the return with its version; its summary once its content is gone."""
        names = _record_key(scope, return_id), _summary_key(scope, return_id)
        now, (claims, kept, summary) = await self._store.read(_claims_key(scope), *names)
        stored = kept if kept.revision else summary
        record = self._opened(scope, return_id, stored) if stored.revision else None
        return now, claims, kept.revision, record

    def _record_changes(self, scope: str, found: VersionedReturn, *, seen: bool = True) -> list[Change]:
        """The record to store; it lives on from the last change the shopper could see, not from the last look at it.

        What was `seen` to change stands in the summary too, which lives as long as the claim.
        """
        record, age = found.record, int(found.now - found.record.updated_at)
        kept = self._kept(int(found.now - record.created_at))
        name = _record_key(scope, record.id)
        changes = [Change(name, found.version, self._closed(scope, record), max(1, min(self._return_ttl - age, kept)))]
        if seen:
            changes.append(Change(_summary_key(scope, record.id), ANY, self._closed(scope, record.summary()), kept))
        return changes

    def _without_record(self, scope: str, return_id: str) -> list[Change]:
        return [Change(name(scope, return_id), ANY, None, 1) for name in (_record_key, _summary_key)]

    def _closed(self, scope: str, record: ReturnRecord) -> bytes:
        return self._keyring.seal(record.dumped(), scope, _context(record.id))

    def _kept(self, age: int) -> int:
        """Seconds that key and return are kept: to the end of their claim, which begins its lease at most twice."""
        return max(1, self._claim_ttl + ceil(2 * self._lease) - age)

    def _unended(self, claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
        """The claims that have not ended, each after a time of its own."""
        return {name: each for name, each in claims.items() if each.lease_until + self._claim_ttl > now}

    def _standing(self, kept: Versioned, now: float) -> dict[str, Claim]:
        return expire_leases(self._unended(_loaded(kept), now), now)

    def _claims_change(self, scope: str, read: Versioned, claims: dict[str, Claim], now: float) -> Change:
        until = max((each.lease_until + self._claim_ttl for each in claims.values()), default=now + self._lease)
        return Change(_claims_key(scope), read.revision, _CLAIMS.dump_json(claims), max(1, ceil(until - now)))

    def _used_key(self, scope: str, key: str) -> str:
        return f"p:{{{scope}}}:key:{self._keyring.name('key', scope, key)}"

    def _sealed(self, scope: str, fingerprints: Fingerprints) -> Fingerprints:
        # Bodies are short: without the key their hash would tell a reader of the store what they say.
        return {version: self._keyring.name("body", scope, each) for version, each in fingerprints.items()}

    def _named(self, scope: str, units: Units) -> dict[str, int]:
        """The units by the keyed names that claims hold."""
        by_product = {self._product(scope, product): count for product, count in units.products.items()}
        return by_product | {self._line(scope, line): count for line, count in units.lines.items()}

    def _product(self, scope: str, product_id: str) -> str:
        # The name that releases before this one know, which counted by product alone.
        return self._keyring.name("line", scope, product_id)

    def _line(self, scope: str, line_id: str) -> str:
        return self._keyring.name("order line", scope, line_id)


def _without_answer(record: ReturnRecord, claims: Mapping[str, Claim]) -> BffError:
    """Why the creating request has no answer to repeat."""
    if record.state is ReturnState.OUTCOME_UNKNOWN:
        return ReturnOutcomeUnknown("still unknown", location=location_of(record.id))
    if record.state is ReturnState.FAILED:
        return ReturnRefused("refused before", location=location_of(record.id))
    location = lasting_location(claims, record.id)
    return ReturnInProgress("the first request still runs", location=location, retry_after=1)


def _is_orphan(record: ReturnRecord, claim: Claim | None) -> bool:
    """Whether the request that was creating this return is dead."""
    running = claim is not None and claim.phase in {Phase.INTENT, Phase.SENT}
    return record.state is ReturnState.CREATING and not running


def _outcome_unknown(found: VersionedReturn) -> ReturnRecord:
    # Its owner may have told the outcome since we looked.
    orphaned = found.record.state is ReturnState.CREATING
    return found.became(ReturnState.OUTCOME_UNKNOWN) if orphaned else found.record


def _loaded(claims: Versioned) -> dict[str, Claim]:
    with parsing():
        return _CLAIMS.validate_json(claims.value) if claims.revision else {}


def _loaded_first_seen(kept: Versioned) -> Mapping[str, int]:
    with parsing():
        return _FIRST_SEEN.validate_json(kept.value) if kept.revision else {}


def _first_seen_key(scope: str) -> str:
    return f"p:{{{scope}}}:seen"


def _claims_key(scope: str) -> str:
    return f"p:{{{scope}}}:claim"


def parcel_key(return_id: str) -> str:
    """Where the parcel of a return stands."""
    return f"i:{{{return_id}}}"


def released_key(scope: str, return_id: str) -> str:
    """Where an operator's finding about a return stands."""
    return f"p:{{{scope}}}:released:{return_id}"


def _record_key(scope: str, return_id: str) -> str:
    return f"p:{{{scope}}}:r:{return_id}"


def _summary_key(scope: str, return_id: str) -> str:
    return f"p:{{{scope}}}:summary:{return_id}"


def _context(return_id: str) -> str:
    return f"return|{return_id}|{SCHEMA}"
