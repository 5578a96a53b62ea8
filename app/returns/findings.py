"""Findings about a return from outside."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from app.errors import FindingRefused
from app.models.returns import ReturnState
from app.returns.claims import Claim, Event, Phase, resolved
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import Returns
from app.telemetry.logs import log


class Finding(StrEnum):
    """A finding about a return, of an operator or of its shop."""

    ACCEPTED = "accepted"
    NEVER_MADE = "never-made"
    CANCELLED = "cancelled"


class Report(NamedTuple):
    """A finding, and in words of ours who reports it; the upstream's number of the return, where it is known."""

    finding: Finding
    by: str
    sendcloud_return_id: int | None = None


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


async def record_finding(returns: Returns, parcel_key: str, return_id: str, report: Report) -> None:
    """Records the finding durably with the transitions of its claim, once; a creation under way loses no units.

    Raises:
        FindingRefused: the return is being created, or its claim does not allow this finding, or not yet.
        ReturnNotFound: this parcel has no such return.
    """
    # This read settles a creation whose request has died. An answer that arrives after it only means a wait.
    answered = (await returns.get(parcel_key, return_id)).record.was_accepted
    finding, by, number = report
    event, state = _MEANINGS[finding]

    def settled(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
        return resolved(claims, return_id, event, answered=answered, now=now)

    def found_out(found: VersionedReturn) -> ReturnRecord:
        known = {} if number is None else {"sendcloud_return_id": number}
        over = dict.fromkeys(("next_poll_at", "poller_token", "download_token", "customs_path", "payment_url"))
        return found.became(state, **over, **known)

    repeated = False
    try:
        await returns.release(parcel_key, return_id, finding, settled, found_out)
    except FindingRefused:
        if not await _is_recorded(returns, parcel_key, return_id, finding):
            raise
        # The answer to the first call may have got lost, before its line was written or a replica had the finding.
        await returns.rewrite(parcel_key, return_id, lambda found: found.record)
        repeated = True
    log.warning("return released", return_id=return_id, finding=finding, by=by, repeated=repeated)


async def _is_recorded(returns: Returns, parcel_key: str, return_id: str, finding: Finding) -> bool:
    """Whether this very finding was recorded before, and nothing has overridden it since."""
    recorded = await returns.findings(parcel_key, [return_id])
    _, claims = await returns.claims(parcel_key)
    claim = claims.get(return_id)
    after = Phase.DONE if finding is Finding.ACCEPTED else Phase.FAILED
    return claim is not None and claim.phase is after and recorded.get(return_id) == finding
