"""Findings about a return from outside, and the parcel of a return of which the id alone is known."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from app.errors import ClaimLost
from app.models.returns import ReturnState
from app.redis.store import Store
from app.returns.claims import Event
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import RETURN_ID, Returns, index_key
from app.telemetry.logs import log


class Finding(StrEnum):
    """A person's finding about a return."""

    ACCEPTED = "accepted"
    NEVER_MADE = "never-made"
    CANCELLED = "cancelled"


class _Meaning(NamedTuple):
    event: Event
    state: ReturnState


_MEANINGS: Mapping[Finding, _Meaning] = MappingProxyType(
    {
        Finding.ACCEPTED: _Meaning(Event.FOUND, ReturnState.ACCEPTED),
        Finding.NEVER_MADE: _Meaning(Event.NEVER_MADE, ReturnState.FAILED),
        Finding.CANCELLED: _Meaning(Event.CANCELLED, ReturnState.FAILED),
    }
)


async def indexed_parcel_key(store: Store, return_id: str) -> str | None:
    """The key of the parcel that this return belongs to; None if the index has no such return.

    Raises:
        StoreUnavailable: the store cannot tell.
    """
    if not RETURN_ID.fullmatch(return_id):
        return None
    indexed = await store.get(index_key(return_id))
    return indexed.decode() if indexed else None


async def record_finding(returns: Returns, parcel_key: str, return_id: str, finding: Finding) -> None:
    """Records the finding with the transitions of its claim; no creation that is under way loses its units.

    Raises:
        ClaimLost: the return is being created, or its claim does not allow this finding, or not yet.
        ReturnNotFound: this parcel has no such return.
    """
    # This read settles a creation whose request has died; one that is under way is refused below.
    await returns.get(parcel_key, return_id)
    event, state = _MEANINGS[finding]

    def found_out(found: VersionedReturn) -> ReturnRecord:
        if found.record.state is ReturnState.CREATING:
            raise ClaimLost("the creation is still under way")
        return found.became(state, next_poll_at=None, poller_token=None, download_token=None)

    await returns.release(parcel_key, return_id, event, finding, found_out)
    log.warning("return released", return_id=return_id, finding=finding)
