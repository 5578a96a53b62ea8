"""The returns of a parcel in Redis: sealed records, and claims that change only by compare-and-set."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from app.domain import Units
from app.errors import ReturnNotFound, StoreUnavailable, UnitsClaimed
from app.models.returns import ReturnState
from app.redis.store import ANY, Change, Store, Versioned
from app.returns.claims import (
    Claim,
    Event,
    Phase,
    announcement_failed,
    expire_leases,
    lasting_location,
    limited,
    resolved,
    restored,
    shown,
)
from app.returns.store.layout import (
    ParcelLayout,
    claims_key,
    first_seen_key,
    loaded_claims,
    loaded_first_seen,
    record_key,
    released_key,
    summary_key,
    without_record,
)
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.telemetry.logs import log
from app.telemetry.metrics import CONFLICTS

RETURN_ID = re.compile(r"rtn_[A-Za-z0-9_-]{22}")
RACES = 50
"""How often a lost compare-and-set of a parcel's claims is repeated."""

RecordChange = Callable[[VersionedReturn], ReturnRecord]
"""Makes the next record from a return as read."""


class Step(NamedTuple):
    """A change of a parcel's claims and of one of its returns, made together."""

    claims: Callable[[Mapping[str, Claim], float], dict[str, Claim]]
    """Makes the next claims from the present ones and the store's clock (seconds)."""
    record: RecordChange
    forgotten: ReturnRecord | None = None
    """Stands in for the record if the store has none."""
    durable: bool = False
    """Whether the change must outlive its server."""
    beside: Sequence[Change] = ()
    """Further changes in the parcel's slot, made in the same commit."""


class ParcelReturns(NamedTuple):
    """The returns of a parcel, oldest first; the units that they leave free; the store's clock (seconds)."""

    returns: list[VersionedReturn]
    free: Units
    now: float


class Returns:
    """Returns by parcel; a session of another parcel finds none of them."""

    def __init__(self, store: Store, layout: ParcelLayout) -> None:
        self._store = store
        self._layout = layout

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
        if not _is_orphan(record, self._layout.standing(claims, now).get(return_id)):
            return VersionedReturn(record, version, now)
        buried = await self.change(parcel_key, return_id, Step(expire_leases, _outcome_unknown))
        if buried is None:
            raise ReturnNotFound("nothing was ever sent")
        return buried

    async def of_parcel(self, parcel_key: str, ordered: Units) -> ParcelReturns:
        """Every return of the parcel, and how many of the ordered units they leave free."""
        now, alive, first_seen, records = await self._claims_and_records(parcel_key)
        found = []
        for return_id, kept in records.items():
            if return_id in alive and kept.revision:
                record = self._layout.record(parcel_key, return_id, kept)
                orphan = _is_orphan(record, alive[return_id])
                found.append(
                    await self.get(parcel_key, return_id) if orphan else VersionedReturn(record, kept.revision, now)
                )
        by_age = sorted(found, key=lambda each: each.record.created_at)
        free = self._layout.free(parcel_key, ordered, alive, first_seen) if alive else ordered
        return ParcelReturns(by_age, free, now)

    async def _claims_and_records(
        self, parcel_key: str
    ) -> tuple[float, Mapping[str, Claim], Mapping[str, int], Mapping[str, Versioned]]:
        """The store's clock, a parcel's claims, its first numbers of units and the records to show, of one moment."""
        # Reads the claims together with the records they named last time, which rarely change.
        known = shown(self._layout.remembered_claims(parcel_key))
        while True:
            names = [record_key(parcel_key, return_id) for return_id in known]
            now, (kept, seen, *records) = await self._store.read(
                claims_key(parcel_key), first_seen_key(parcel_key), *names
            )
            claims = self._layout.remember_claims(parcel_key, kept)
            if shown(claims) <= known:
                standing = expire_leases(self._layout.unended(claims, now), now)
                return now, standing, loaded_first_seen(seen), dict(zip(known, records, strict=True))
            known = shown(claims)

    async def update(self, parcel_key: str, found: VersionedReturn, record: ReturnRecord) -> VersionedReturn:
        """The return with news about its label; a change that another replica stored meanwhile wins."""
        operation = secrets.token_urlsafe(12)
        after = replace(found, record=record)
        changes = self._layout.record_changes(parcel_key, after, seen=record.revision > found.record.revision)
        if await self._store.commit(operation, changes, record.id):
            return replace(after, version=found.version + 1)
        return await self.get(parcel_key, record.id)

    async def announcement_failed(self, parcel_key: str, return_id: str) -> VersionedReturn:
        """The return as failed, its units free again.

        Raises:
            ReturnNotFound: the return is gone.
        """
        step = Step(
            lambda claims, now: announcement_failed(claims, return_id, now=now),
            lambda found: found.became(ReturnState.FAILED, next_poll_at=None),
        )
        found = await self.change(parcel_key, return_id, step)
        if found is None:
            raise ReturnNotFound("the return is gone")
        return found

    async def released(self, parcel_key: str, return_id: str) -> str | None:
        """An operator's finding about the return; None if there is none."""
        _, (kept,) = await self._store.read(released_key(parcel_key, return_id))
        return kept.value.decode() if kept.revision else None

    async def release(
        self, parcel_key: str, return_id: str, event: Event, finding: str, change: RecordChange
    ) -> VersionedReturn | None:
        """The return after an operator recorded a finding, which is kept as long as the claim.

        Raises:
            ClaimLost: the state of the claim does not allow this finding.
        """
        note = Change(released_key(parcel_key, return_id), ANY, finding.encode(), self._layout.whole_life)
        step = Step(
            lambda claims, now: resolved(claims, return_id, event, now=now), change, durable=True, beside=[note]
        )
        return await self.change(parcel_key, return_id, step)

    async def claims(self, parcel_key: str) -> tuple[float, Mapping[str, Claim]]:
        """The store's clock and the claims of a parcel."""
        now, (kept,) = await self._store.read(claims_key(parcel_key))
        return now, self._layout.standing(kept, now)

    async def restore(self, parcel_key: str, return_id: str, change: RecordChange, ordered: Units) -> None:
        """Takes the failed announcement of this return back, unless another return holds its units by now."""
        _, (seen,) = await self._store.read(first_seen_key(parcel_key))
        limits, first_seen = self._layout.named(parcel_key, ordered), loaded_first_seen(seen)

        def back(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
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
            after = step.claims(before, now)
            if not version:
                record = step.forgotten or record
            found, changes = None, [self._layout.claims_change(parcel_key, claims, after, now), *step.beside]
            if record:
                stays = return_id in after or lasting_location(before, return_id) is not None
                found, changed = self._changed(parcel_key, VersionedReturn(record, version, now), step, stays=stays)
                changes += changed
            if await self._store.commit(operation, changes, return_id, durable=step.durable):
                return found if return_id in after else None
        raise StoreUnavailable("lost every race for the claims", retry_after=1)

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
        """The store's clock, the claims, and the return with its version, or its summary once the content is gone."""
        names = record_key(parcel_key, return_id), summary_key(parcel_key, return_id)
        now, (claims, kept, summary) = await self._store.read(claims_key(parcel_key), *names)
        stored = kept if kept.revision else summary
        record = self._layout.record(parcel_key, return_id, stored) if stored.revision else None
        return now, claims, kept.revision, record


def _is_orphan(record: ReturnRecord, claim: Claim | None) -> bool:
    """Whether the request that was creating this return is dead."""
    running = claim is not None and claim.phase in {Phase.INTENT, Phase.SENT}
    return record.state is ReturnState.CREATING and not running


def _outcome_unknown(found: VersionedReturn) -> ReturnRecord:
    # Its owner may have stored the outcome since we read it.
    orphaned = found.record.state is ReturnState.CREATING
    return found.became(ReturnState.OUTCOME_UNKNOWN) if orphaned else found.record
