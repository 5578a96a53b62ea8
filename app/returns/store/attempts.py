"""Attempts to create a return: an idempotency key and units are claimed, the POST is announced, its outcome stored."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from app.domain import Selection, ServicePoint
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
)
from app.events.event import Expected
from app.models.returns import ReturnState
from app.redis.encryption import RecordUnreadable
from app.redis.store import ANY, Change, Store, Versioned
from app.returns.checks.fingerprints import Fingerprints
from app.returns.claims import (
    AFTER_FIRST_BYTE,
    Claim,
    Event,
    Phase,
    advanced,
    claimed,
    lasting_location,
    limited,
    location_of,
    remembered,
)
from app.returns.store.index import Index
from app.returns.store.keys import KeyRecord, claims_key, first_seen_key
from app.returns.store.records import ReturnRecord, VersionedReturn, expected
from app.returns.store.returns import (
    RACES,
    Commit,
    Forgotten,
    ParcelLayout,
    RecordChange,
    Returns,
    Step,
)
from app.returns.store.unit_names import loaded_first_seen
from app.telemetry.logs import log
from app.telemetry.metrics import CONFLICTS

SETTLE_SECONDS = 5.0
"""How long a request waits for the store to take the outcome, which is stored later even if the request gives up."""
SETTLE_PAUSE_SECONDS = 0.25
LATE_SECONDS = 1.0
"""After the lease, until a return is looked at whose creating request may have died."""

WITHOUT_ANSWER = frozenset({ReturnState.CREATING, ReturnState.OUTCOME_UNKNOWN, ReturnState.FAILED})


@dataclass(frozen=True)
class Attempt:
    """One request's right to post a return, with all that restores the return if the store loses it."""

    parcel_key: str
    record: ReturnRecord
    claim: Claim
    order_number: str
    use: Change
    """Stores the use of its idempotency key."""

    @property
    def return_id(self) -> str:
        """The return that the attempt is about."""
        return self.record.id

    def sending_to(self, drop_off: ServicePoint | None) -> "Attempt":
        """The attempt with the service point that its parcel will be dropped off at."""
        return replace(self, record=self.record.model_copy(update={"drop_off": drop_off}))


class Attempts:
    """The attempts of all parcels; at most one of them may post for the same units or with the same key."""

    def __init__(self, store: Store, layout: ParcelLayout, commit: Commit) -> None:
        self.returns = Returns(store, layout, commit)
        self.index = Index(store, layout.keyring, layout.whole_life)
        self._store = store
        self._layout = layout
        self._settling: set[asyncio.Task[VersionedReturn | None]] = set()

    async def repeated(self, parcel_key: str, key: str, fingerprints: Fingerprints) -> VersionedReturn | None:
        """The return whose first answer this idempotency key gets again, or None if the key is unused.

        Raises:
            IdempotencyKeyReused, ReturnInProgress, ReturnRefused, ReturnOutcomeUnknown: as the first request stands.
        """
        now, (claims, used) = await self._store.read(claims_key(parcel_key), self._layout.used_key(parcel_key, key))
        standing = self._layout.standing(parcel_key, claims, now)
        return_id = self._used_for(parcel_key, standing, used, fingerprints)
        if return_id is None:
            return None
        try:
            found = await self.returns.get(parcel_key, return_id)
        except ReturnNotFound:
            # After we read the claims, the key's owner died without having sent anything, so the key counts as unused.
            return None
        if found.record.state is ReturnState.FAILED and await self.returns.findings(parcel_key, [return_id]):
            raise ReturnReleased("released by the shop", location=location_of(return_id))
        if found.record.first_answer is None and found.record.state in WITHOUT_ANSWER:
            raise _without_answer(found.record, standing)
        return found

    async def claim(
        self, parcel_key: str, key: str, forms: Fingerprints, record: ReturnRecord, selection: Selection
    ) -> Attempt:
        """The right to post this return of the selected units, stored durably before anything is sent.

        Raises:
            UnitsClaimed: another return holds its units.
            TooManyCalls: too many returns of the parcel were refused.
            ReturnInProgress: the key was taken a moment ago.
        """
        layout, owner = self._layout, secrets.token_urlsafe(12)
        units, limits = (layout.units.named(parcel_key, each) for each in (selection.wanted, selection.ordered))
        names = claims_key(parcel_key), layout.used_key(parcel_key, key), first_seen_key(parcel_key)
        for _ in range(RACES):
            now, (claims, used, seen) = await self._store.read(*names)
            standing, first_seen = layout.standing(parcel_key, claims, now), loaded_first_seen(seen.value)
            taken_for = self._used_for(parcel_key, standing, used, forms)
            if taken_for:
                location = lasting_location(standing, taken_for)
                raise ReturnInProgress("the key was just taken", location=location, retry_after=1)
            claim = Claim(phase=Phase.INTENT, owner=owner, lease_until=now + layout.lease, units=units)
            begun = record.model_copy(update={"created_at": now, "updated_at": now})
            after = claimed(standing, record.id, claim, limited(standing, limits, first_seen), now=now)
            use = layout.used_change(parcel_key, key, used, KeyRecord.of(layout.keyed(parcel_key, forms), record.id))
            # One commit for all: a key without its claim, or a claim without its return, could not be explained.
            changes = [
                layout.claims_change(parcel_key, claims, after, now),
                replace(use, ttl=layout.unsent_life),
                layout.first_seen_change(parcel_key, seen, remembered(standing, limits, first_seen)),
                *layout.record_changes(parcel_key, VersionedReturn(begun, 0, now)),
            ]
            if await self._store.commit(owner, changes, durable=True):
                return Attempt(parcel_key, begun, claim, selection.order_number, use)
        raise StoreUnavailable("lost every race for the claims", retry_after=1)

    async def first_byte(self, attempt: Attempt) -> None:
        """Stores durably that the POST may be under way from now on, with a lease and a life that begin now.

        Raises:
            ClaimLost: the lease has passed, on the store's clock or on ours; this request must not post.
        """
        clock, lease = asyncio.get_running_loop().time, self._layout.lease
        lease_until = clock() + lease
        # Only now, because a return of which nothing is sent need not be found.
        await self.index.add(attempt.parcel_key, attempt.record, attempt.order_number)

        def sent(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
            ours = attempt.claim.model_copy(update={"lease_until": now + lease})
            return advanced(claims, attempt.return_id, Event.FIRST_BYTE, ours, now=now)

        def bound(found: VersionedReturn) -> ReturnRecord:
            return found.record.model_copy(update={"drop_off": attempt.record.drop_off})

        step = Step(
            sent,
            bound,
            durable=True,
            beside=[replace(attempt.use, expected=ANY)],
            expected=Expected(expected(attempt.record), lease + LATE_SECONDS),
        )
        await self.returns.change(attempt.parcel_key, attempt.return_id, step)
        # It is stored, but this process may have stood still since then.
        if clock() >= lease_until:
            raise ClaimLost("the lease passed before the first byte")

    async def settle(self, attempt: Attempt, event: Event, change: RecordChange) -> VersionedReturn | None:
        """The return after its outcome was stored; None if it was never created.

        Raises:
            ClaimLost: nothing was sent, and another request may post by now.
            ReturnOutcomeUnknown: something was sent, and a finding that was recorded meanwhile stands.
            RecordUnreadable: the return is kept under a key that we do not have; nothing more is tried.
            StoreUnavailable: the store does not take it now; the attempts to store it go on.
        """
        # A task of its own, because a known outcome must be stored even if the caller gives up.
        task = asyncio.create_task(self._until_stored(attempt, event, change))
        self._settling.add(task)
        task.add_done_callback(self._settled)
        done, _ = await asyncio.wait({task}, timeout=SETTLE_SECONDS)
        if not done:
            raise StoreUnavailable("the outcome is not stored yet", retry_after=int(SETTLE_SECONDS))
        return task.result()

    async def aclose(self) -> None:
        """Waits a few seconds for outcomes that are not stored yet; the rest become unknown when their leases end."""
        if self._settling:
            await asyncio.wait(self._settling, timeout=SETTLE_SECONDS)
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)

    def _settled(self, task: asyncio.Task[VersionedReturn | None]) -> None:
        self._settling.discard(task)
        # The caller may have given up, and then the task's error must be read here.
        if not task.cancelled():
            task.exception()

    async def _until_stored(self, attempt: Attempt, event: Event, change: RecordChange) -> VersionedReturn | None:
        was_released = False

        def advance(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
            nonlocal was_released
            before = claims.get(attempt.return_id)
            was_released |= event is Event.ACCEPTED and before is not None and before.phase is Phase.FAILED
            return advanced(claims, attempt.return_id, event, attempt.claim, now=now)

        index = partial(self.index.add, attempt.parcel_key, attempt.record, attempt.order_number)
        step = Step(
            advance,
            change,
            forgotten=Forgotten(attempt.record, attempt.use, index) if event in AFTER_FIRST_BYTE else None,
            # A server that takes over after a failover must not contradict an outcome that was told.
            durable=True,
            # Without this, a cancellation or an erasure since then would be taken back.
            is_over=lambda record: event is Event.ACCEPTED and record.was_accepted,
        )
        found = await self._advanced(attempt, event, step)
        if was_released:
            CONFLICTS.labels("accepted").inc()
            log.error("a return was accepted after its release", return_id=attempt.return_id)
        return found

    async def _advanced(self, attempt: Attempt, event: Event, step: Step) -> VersionedReturn | None:
        """The return after the step, which is repeated until the store takes it."""
        while True:
            try:
                return await self.returns.change(attempt.parcel_key, attempt.return_id, step)
            except RecordUnreadable:
                raise
            except StoreUnavailable:
                await asyncio.sleep(SETTLE_PAUSE_SECONDS)
            except ClaimLost as error:
                if event in AFTER_FIRST_BYTE:
                    raise ReturnOutcomeUnknown(str(error), location=location_of(attempt.return_id)) from error
                raise

    def _used_for(
        self, parcel_key: str, standing: Mapping[str, Claim], used: Versioned, fingerprints: Fingerprints
    ) -> str | None:
        """The return that the key was used for; None if it was not used, or if nothing was ever sent."""
        use = KeyRecord.loaded(used.value)
        if use is None or use.return_id not in standing:
            return None
        if not use.is_of(self._layout.keyed(parcel_key, fingerprints)):
            raise IdempotencyKeyReused("the key came with another body")
        return use.return_id


def _without_answer(record: ReturnRecord, claims: Mapping[str, Claim]) -> BffError:
    """Why the creating request has no answer to repeat."""
    if record.state is ReturnState.OUTCOME_UNKNOWN:
        return ReturnOutcomeUnknown("still unknown", location=location_of(record.id))
    if record.state is ReturnState.FAILED:
        return ReturnRefused("refused before", location=location_of(record.id))
    location = lasting_location(claims, record.id)
    return ReturnInProgress("the first request still runs", location=location, retry_after=1)
