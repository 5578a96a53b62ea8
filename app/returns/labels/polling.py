"""One poll of the upstream for a label: when it is due, which replica makes it, and what its answer changes."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from app.domain import Units
from app.errors import (
    BadUpstream,
    ClaimLost,
    StoreUnavailable,
    UpstreamError,
    UpstreamGone,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.made_returns import LabelFailed, LabelPending, LabelReady, LabelStatus
from app.models.returns import ReturnParcel, ReturnState
from app.redis.store import Store
from app.returns.labels.evidence import BELIEVED_AFTER, Control, Evidence
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import Returns
from app.telemetry.metrics import ANNOUNCEMENT_FAILURES, LABELS_SETTLED
from app.upstream import Upstream

GROWTH = (1.0, 2.0, 3.0, 5.0, 8.0)
"""Pauses between polls, as multiples of the first one."""
JITTER = 0.2
MAX_PARCELS = 100
LOST_AFTER = 24 * 3600.0
"""Seconds of refusals after which a label counts as lost while other polls are answered."""
RARE_LOOK = 6 * 3600.0
"""Seconds between polls for a label that counts as lost."""
REFUSED = (UpstreamUnauthorized, UpstreamRejected, BadUpstream)
"""A poll was answered 4xx, or so that nothing can be read; a transient error is none of these."""
GONE = (UpstreamUnauthorized, UpstreamGone)
"""It was answered 401, 403, 404 or 410, which may free units; other refusals may not."""


class Schedule(NamedTuple):
    """When labels are polled, in seconds."""

    interval: float
    """Before the first poll (`BFF_POLL_INTERVAL`); the pauses grow to eight times that."""
    lease: float
    """After this, a replica that took the lease of a poll counts as dead."""
    budget: float
    """How long a new label is polled even if no caller waits."""
    label_ttl: int
    """How long a label can be fetched."""

    def next_look_at(self, polls: int, now: float, wait: float | None = None) -> float:
        """The moment of the next poll: after a longer pause each time, jittered, and not within `wait` seconds."""
        pause = self.interval * GROWTH[min(polls, len(GROWTH) - 1)]
        jittered = pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  spreads load, guards nothing
        return now + max(jittered, wait or 0)


@dataclass(frozen=True)
class Polling:
    """Polls under the lease of their return, so that one replica at a time makes them."""

    store: Store
    returns: Returns
    sendcloud: Upstream
    evidence: Evidence
    schedule: Schedule

    async def look(self, parcel_key: str, return_id: str) -> VersionedReturn:
        """The return after one poll of the upstream, if one is due and no other replica is polling."""
        async with self._lease(parcel_key, return_id) as is_ours:
            # Read under the lease, because its last holder has moved the next poll.
            found = await self.returns.get(parcel_key, return_id)
            return await self._looked(parcel_key, found) if is_ours and found.due_in == 0 else found

    async def fresh_download_token(self, parcel_key: str, return_id: str, dead: str) -> str | None:
        """A download token other than the refused one, after one poll; None if there is none.

        Only the URLs that the poll brings change, whatever else its answer says.
        """
        async with self._lease(parcel_key, return_id) as is_ours:
            found = await self.returns.get(parcel_key, return_id)
            if is_ours and found.record.download_token == dead:
                status = await self._poll(found.record)
                if isinstance(status, LabelReady):
                    customs_path = status.customs_path or found.record.customs_path
                    news = {"download_token": status.download_token, "customs_path": customs_path}
                    found = await self.returns.update(parcel_key, found, found.record.model_copy(update=news))
        return None if found.record.download_token == dead else found.record.download_token

    async def recheck(self, parcel_key: str, return_id: str, ordered: Units) -> None:
        """Polls a return whose announcement failed, before its units are claimed again; restores one that is alive.

        Raises:
            UpstreamUnavailable: it cannot be known now whether the announcement failed.
        """
        async with self._lease(parcel_key, return_id) as is_ours:
            if not is_ours:
                raise UpstreamUnavailable("another request polls the failed return", retry_after=1)
            found = await self.returns.get(parcel_key, return_id)
            if not found.record.announcement_failed:
                return
            status = await self._polled_again(found)
            if not isinstance(status, LabelFailed):
                # Restored or released meanwhile: the claims of its units are what counts.
                with contextlib.suppress(ClaimLost):
                    await self.returns.restore(parcel_key, return_id, partial(self._restored, status), ordered)

    async def _polled_again(self, failed: VersionedReturn) -> LabelStatus:
        try:
            status = await self._poll(failed.record)
        except UpstreamError as error:
            if not (isinstance(error, GONE) and _is_forgotten(failed)):
                raise UpstreamUnavailable("no poll of the failed return", retry_after=error.retry_after) from error
            status = LabelFailed()
        return LabelPending() if isinstance(status, LabelFailed) and failed.record.is_on_its_way else status

    @asynccontextmanager
    async def _lease(self, parcel_key: str, return_id: str) -> AsyncIterator[bool]:
        """Yields whether this call, and no other of the fleet, may poll the return now."""
        lease, owner = f"p:{{{parcel_key}}}:r:{return_id}:lease", secrets.token_urlsafe(12)
        is_ours = await self.store.acquire(lease, owner, self.schedule.lease)
        try:
            yield is_ours
        finally:
            if is_ours:
                await self.store.release(lease, owner)

    async def _poll(self, record: ReturnRecord) -> LabelStatus:
        """The answer to one poll, noted as evidence for the fleet."""
        status = await self.sendcloud.poll_label(record.brand, record.poller_token or "")
        if isinstance(status, LabelFailed):
            await self.evidence.failed(record.id)
            return status
        # Without this note, failures are merely believed later.
        with contextlib.suppress(StoreUnavailable):
            notes = [self.evidence.answered(record.brand, record.id)]
            if isinstance(status, LabelReady):
                control = Control(return_id=record.id, poller_token=record.poller_token or "")
                notes.append(self.evidence.keep_control(record.brand, control))
            await asyncio.gather(*notes)
        return status

    async def _looked(self, parcel_key: str, found: VersionedReturn) -> VersionedReturn:
        started = asyncio.get_running_loop().time()
        record = found.record
        if record.failing_since is not None:
            await self._poll_control(record)
        try:
            status = await self._poll(record)
        except UpstreamError as error:
            if isinstance(error, REFUSED) and not error.transient:
                return await self.returns.update(parcel_key, found, await self._refused(found))
            # Nothing is known about the label now, so the return stays as it is and is polled later.
            return await self.returns.update(parcel_key, found, self._again(found, error.retry_after))
        found = replace(found, now=found.now + asyncio.get_running_loop().time() - started)
        if isinstance(status, LabelFailed):
            return await self._failed(parcel_key, found)
        if isinstance(status, LabelReady):
            _settled("ready", found)
        return await self.returns.update(parcel_key, found, self._alive(status, found))

    async def _poll_control(self, record: ReturnRecord) -> None:
        """Polls a return whose label is ready, to tell a second 500 of another return from an outage."""
        control = await self.evidence.control(record.brand)
        if control is None or control.return_id == record.id:
            return
        with contextlib.suppress(UpstreamError):
            status = await self.sendcloud.poll_label(record.brand, control.poller_token)
            if isinstance(status, LabelFailed):
                await self.evidence.failed(control.return_id)
            else:
                await self.evidence.answered(record.brand, control.return_id)

    async def _failed(self, parcel_key: str, found: VersionedReturn) -> VersionedReturn:
        """The return after a 500; it has failed once there is evidence that polling itself works."""
        record = found.record
        polls = await self.evidence.polls(record.brand)
        since = polls.now if record.failing_since is None else record.failing_since
        is_lost = record.state is ReturnState.LABEL_LOST
        if not (is_lost or record.is_on_its_way) and polls.prove_failure(record.id, since, self.schedule.interval):
            ANNOUNCEMENT_FAILURES.labels("believed").inc()
            _settled("failed", found)
            return await self.returns.announcement_failed(parcel_key, found)
        is_delayed = record.failing_since is not None
        ANNOUNCEMENT_FAILURES.labels("doubted" if is_delayed else "first").inc()
        wait = RARE_LOOK if is_lost else BELIEVED_AFTER * self.schedule.interval
        news = {"failing_since": since, "delayed": is_delayed}
        return await self.returns.update(parcel_key, found, self._again(found, wait, **news))

    async def _refused(self, found: VersionedReturn) -> ReturnRecord:
        """The record after a poll was refused; its label is lost once the token is over, or after a day of refusals."""
        record = found.record
        since = found.now if record.refused_since is None else record.refused_since
        is_lost = record.state is ReturnState.LABEL_LOST or _has_expired(found)
        if not is_lost and found.now - since >= LOST_AFTER:
            is_lost = (await self.evidence.polls(record.brand)).show_that_polling_works(record.id)
        again = self._again(found, RARE_LOOK if is_lost else None, refused_since=since)
        if not is_lost or record.state is not ReturnState.LABEL_PENDING:
            return again
        return replace(found, record=again).became(ReturnState.LABEL_LOST, delayed=False)

    def _again(self, found: VersionedReturn, wait: float | None = None, **news: object) -> ReturnRecord:
        """The record with its next poll; a change of `delayed` makes a new revision, because the shopper sees it."""
        polls = found.record.polls + 1
        next_poll_at = self.schedule.next_look_at(polls, found.now, wait)
        news |= {"polls": polls, "next_poll_at": next_poll_at}
        if news.get("delayed", found.record.delayed) is not found.record.delayed:
            news |= {"revision": found.record.revision + 1, "updated_at": found.now}
        return found.record.model_copy(update=news)

    def _alive(self, status: LabelStatus, found: VersionedReturn) -> ReturnRecord:
        """The record after its poll was answered 200 or 202."""
        if isinstance(status, LabelReady):
            return self._ready(found, status)
        again = self._again(found, failing_since=None, refused_since=None, delayed=False)
        is_back = found.record.state in {ReturnState.FAILED, ReturnState.LABEL_LOST}
        return replace(found, record=again).became(ReturnState.LABEL_PENDING) if is_back else again

    def _restored(self, status: LabelStatus, found: VersionedReturn) -> ReturnRecord:
        if not found.record.announcement_failed:
            raise ClaimLost("the return was released meanwhile")
        return self._alive(status, found)

    def _ready(self, found: VersionedReturn, status: LabelReady) -> ReturnRecord:
        tracking = {parcel.id: parcel.tracking for parcel in found.record.parcels}
        labelled = tuple(
            ReturnParcel(**dict(parcel), tracking=tracking.get(parcel.id)) for parcel in status.parcels[:MAX_PARCELS]
        )
        # The answer may name only some of them, and as long as one is on its way the units are held.
        named = {parcel.id for parcel in labelled}
        is_partly_named = found.record.has_unnamed_parcels or status.unnamed_parcels > len(tracking.keys() - named)
        return found.became(
            ReturnState.LABEL_READY,
            has_unnamed_parcels=is_partly_named,
            parcels=labelled + tuple(parcel for parcel in found.record.parcels if parcel.id not in named),
            download_token=status.download_token,
            customs_path=status.customs_path,
            label_expires_at=found.now + self.schedule.label_ttl,
            next_poll_at=None,
            delayed=False,
        )


def _has_expired(found: VersionedReturn) -> bool:
    """Whether the poller's token has expired."""
    expires_at = found.record.poller_expires_at
    return expires_at is not None and expires_at < found.now


def _is_forgotten(failed: VersionedReturn) -> bool:
    """Whether a refused poll says nothing new about a failed return: its token has expired, or a day has passed."""
    return _has_expired(failed) or failed.now - failed.record.updated_at >= LOST_AFTER


def _settled(outcome: str, found: VersionedReturn) -> None:
    LABELS_SETTLED.labels(outcome).observe(max(0, found.now - found.record.created_at))
