"""Which request may post which units of a parcel: the exactly-once transitions as pure functions.

A parcel's claims are one small map, return id -> Claim. Each function takes the map and returns the next one;
`store.py` stores it.

| phase | the return | units | moved on by |
|---|---|---|---|
| `intent` | may be posted by its owner | held | the owner; the end of its lease |
| `sent` | is being posted | held | the owner; the end of its lease |
| `outcome_unknown` | may exist | held | the owner, late; an operator |
| `done` | exists | held | an operator; a poll that shows that its announcement failed |
| `failed` | was refused, or is over | free | the owner's late acceptance; news that it is alive |
| absent | was never sent, or has ended | free | a new claim; the owner, if the store lost the claim |

Every claim ends by itself, `claim_ttl` after its lease. docs/returns.md has the same table by event.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from math import ceil
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.errors import ClaimLost, FindingRefused, TooManyCalls, UnitsClaimed


class Phase(StrEnum):
    """The phase of a claim; a claim that is not in the map is absent."""

    INTENT = "intent"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    OUTCOME_UNKNOWN = "outcome_unknown"


class Event(StrEnum):
    """An event of a claim."""

    FIRST_BYTE = "the first byte of our POST is about to leave"
    NOT_TAKEN = "no byte of our POST left, or upstream turned it away unread (401, 429)"
    ACCEPTED = "upstream answered 2xx with an integer `return`"
    REFUSED = "upstream answered another 4xx that says no"
    LOST = "anything else happened after the first byte"
    OWNER_DEAD = "the lease ended"
    ANNOUNCEMENT_FAILED = "the label announcement failed for good"
    ALIVE_AFTER_ALL = "a return whose announcement failed was polled again and answered 200 or 202, or is on its way"
    FOUND = "an operator or the shop found the return upstream"
    NEVER_MADE = "one of them found, fifteen minutes later or more, that upstream never made it"
    CANCELLED = "it was cancelled upstream; where upstream's answer is missing, fifteen minutes later or more"


TRANSITIONS: Mapping[tuple[Phase | None, Event], Phase | None] = MappingProxyType(
    {
        (Phase.INTENT, Event.FIRST_BYTE): Phase.SENT,
        (Phase.INTENT, Event.NOT_TAKEN): None,
        (Phase.INTENT, Event.OWNER_DEAD): None,
        (Phase.SENT, Event.NOT_TAKEN): None,
        (Phase.SENT, Event.ACCEPTED): Phase.DONE,
        (Phase.SENT, Event.REFUSED): Phase.FAILED,
        (Phase.SENT, Event.LOST): Phase.OUTCOME_UNKNOWN,
        (Phase.SENT, Event.OWNER_DEAD): Phase.OUTCOME_UNKNOWN,
        (Phase.OUTCOME_UNKNOWN, Event.NOT_TAKEN): None,
        (Phase.OUTCOME_UNKNOWN, Event.ACCEPTED): Phase.DONE,
        (Phase.OUTCOME_UNKNOWN, Event.REFUSED): Phase.FAILED,
        (Phase.DONE, Event.ANNOUNCEMENT_FAILED): Phase.FAILED,
        (Phase.FAILED, Event.ALIVE_AFTER_ALL): Phase.DONE,
        (Phase.OUTCOME_UNKNOWN, Event.FOUND): Phase.DONE,
        (Phase.OUTCOME_UNKNOWN, Event.NEVER_MADE): Phase.FAILED,
        (Phase.OUTCOME_UNKNOWN, Event.CANCELLED): Phase.FAILED,
        (Phase.DONE, Event.CANCELLED): Phase.FAILED,
        # A late acceptance overrides an operator's finding.
        (Phase.FAILED, Event.ACCEPTED): Phase.DONE,
        # The store lost the claim, or that its first byte has left, and its owner knows the outcome.
        (None, Event.ACCEPTED): Phase.DONE,
        (None, Event.REFUSED): Phase.FAILED,
        (None, Event.LOST): Phase.OUTCOME_UNKNOWN,
        (Phase.INTENT, Event.ACCEPTED): Phase.DONE,
        (Phase.INTENT, Event.REFUSED): Phase.FAILED,
        (Phase.INTENT, Event.LOST): Phase.OUTCOME_UNKNOWN,
        # A repeated event: it was stored, and the store's answer got lost.
        (None, Event.NOT_TAKEN): None,
        (Phase.DONE, Event.ACCEPTED): Phase.DONE,
        (Phase.FAILED, Event.REFUSED): Phase.FAILED,
        (Phase.OUTCOME_UNKNOWN, Event.LOST): Phase.OUTCOME_UNKNOWN,
    }
)


UNKNOWN_FREED_AFTER = 15 * 60
"""Seconds after the lease. By then its owner's POST is over, and the upstream shows every return."""
AFTER_FIRST_BYTE = frozenset({Event.ACCEPTED, Event.REFUSED, Event.LOST})
FAILED_COUNTED_SECONDS = 24 * 3600
MAX_FAILED = 50
"""The most failed returns of a parcel within that time, and the most that a list shows."""


class Claim(BaseModel):
    """Units of some lines, held by one return; the lines are keyed hashes of item ids."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    phase: Phase
    owner: str
    lease_until: float
    """Seconds on the store's clock; after it, an owner that has not finished counts as dead."""
    units: dict[str, int]


def expire_leases(claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
    """The claims after every lease that has ended took effect."""
    alive = dict(claims)
    for return_id, claim in claims.items():
        if claim.lease_until <= now and (claim.phase, Event.OWNER_DEAD) in TRANSITIONS:
            _put(alive, return_id, claim, TRANSITIONS[claim.phase, Event.OWNER_DEAD])
    return alive


def announcement_failed(claims: Mapping[str, Claim], return_id: str, *, now: float) -> dict[str, Claim]:
    """The claims after the label announcement failed for good, which frees the units."""
    alive = expire_leases(claims, now)
    claim = alive.get(return_id)
    if claim and (claim.phase, Event.ANNOUNCEMENT_FAILED) in TRANSITIONS:
        _put(alive, return_id, claim, TRANSITIONS[claim.phase, Event.ANNOUNCEMENT_FAILED])
    return alive


def restored(
    claims: Mapping[str, Claim], return_id: str, ordered: Mapping[str, int], *, now: float
) -> dict[str, Claim]:
    """The claims after a return turned out to be alive, if its units are still free among those ordered per line.

    Raises:
        UnitsClaimed: another return holds them.
    """
    alive = expire_leases(claims, now)
    claim = alive.get(return_id)
    if claim and (claim.phase, Event.ALIVE_AFTER_ALL) in TRANSITIONS:
        _check_free(alive, claim.units, ordered)
        _put(alive, return_id, claim, TRANSITIONS[claim.phase, Event.ALIVE_AFTER_ALL])
    return alive


def resolved(
    claims: Mapping[str, Claim], return_id: str, event: Event, *, answered: bool, now: float
) -> dict[str, Claim]:
    """The claims after a finding was recorded. The claim stays to its end, so that its key is never free.

    `answered` says whether the upstream's acceptance has arrived here; a finding alone does not say so.

    Raises:
        FindingRefused: the phase of the claim does not allow the event, or not yet.
    """
    alive = expire_leases(claims, now)
    claim = alive.get(return_id)
    phase = claim.phase if claim else None
    if claim is None or (phase, event) not in TRANSITIONS:
        raise FindingRefused(f"not possible for a claim that is {phase or 'absent'}")
    after, wait = TRANSITIONS[phase, event], claim.lease_until + UNKNOWN_FREED_AFTER - now
    if not answered and after is Phase.FAILED and wait > 0:
        raise FindingRefused("not within fifteen minutes of the end of its lease", retry_after=ceil(wait))
    _put(alive, return_id, claim, after)
    return alive


def advanced(claims: Mapping[str, Claim], return_id: str, event: Event, ours: Claim, *, now: float) -> dict[str, Claim]:
    """The claims after this event of the owner of `ours`, whose lease replaces the stored one at the first byte.

    A claim that is absent although its first byte left was lost by the store, and its owner restores it.

    Raises:
        ClaimLost: the phase of the claim does not allow the event, or another owner holds the claim.
    """
    alive = expire_leases(claims, now)
    claim = alive.get(return_id)
    if claim and claim.owner != ours.owner:
        raise ClaimLost("another owner holds the claim")
    phase = claim.phase if claim else None
    if (phase, event) not in TRANSITIONS:
        raise ClaimLost(f"{event.name} is not possible for a claim that is {phase or 'absent'}")
    left = ours if event is Event.FIRST_BYTE else claim or ours
    _put(alive, return_id, left, TRANSITIONS[phase, event])
    return alive


def claimed(
    claims: Mapping[str, Claim], return_id: str, claim: Claim, ordered: Mapping[str, int], *, now: float
) -> dict[str, Claim]:
    """The claims with a new one, if its units are still free among those ordered per line.

    Raises:
        UnitsClaimed: `location` names the return that holds them.
        TooManyCalls: too many of its returns were refused.
    """
    alive = expire_leases(claims, now)
    forgotten_at = (each.lease_until + FAILED_COUNTED_SECONDS for each in alive.values() if each.phase is Phase.FAILED)
    counted = [moment for moment in forgotten_at if moment > now]
    if len(counted) >= MAX_FAILED:
        raise TooManyCalls(retry_after=ceil(min(counted) - now))
    _check_free(alive, claim.units, ordered)
    return {**alive, return_id: claim}


def _check_free(claims: Mapping[str, Claim], units: Mapping[str, int], ordered: Mapping[str, int]) -> None:
    held = units_held(claims)
    for line, quantity in units.items():
        if held[line] + quantity > ordered.get(line, 0):
            holders = [other for other, held_by in claims.items() if _holds(held_by, line)]
            location = next(filter(None, (lasting_location(claims, holder) for holder in holders)), None)
            raise UnitsClaimed("units are held by another return", location=location)


def units_held(claims: Mapping[str, Claim]) -> Counter[str]:
    """How many units of each line are held; a failed return holds none."""
    held: Counter[str] = Counter()
    for claim in claims.values():
        if claim.phase is not Phase.FAILED:
            held.update(claim.units)
    return held


def limited(claims: Mapping[str, Claim], ordered: Mapping[str, int], first_seen: Mapping[str, int]) -> dict[str, int]:
    """How many units of each line the claims may hold in all.

    The upstream may count returned units down by itself. If the first number of units is known, those of finished
    returns are therefore taken from that number, and the upstream's present number bounds the rest.
    """
    settled = units_held({name: each for name, each in claims.items() if each.phase is Phase.DONE})
    return {
        line: quantity if line not in first_seen else settled[line] + min(quantity, first_seen[line] - settled[line])
        for line, quantity in ordered.items()
    }


def remembered(
    claims: Mapping[str, Claim], ordered: Mapping[str, int], first_seen: Mapping[str, int]
) -> dict[str, int]:
    """The first numbers of units; a line that no return holds yet gets its present number."""
    held = units_held(claims)
    return {line: quantity for line, quantity in ordered.items() if not held[line]} | dict(first_seen)


def shown(claims: Mapping[str, Claim]) -> set[str]:
    """The returns that a list of the parcel's returns shows; of the failed ones, only the newest."""
    failed = sorted((each.lease_until, name) for name, each in claims.items() if each.phase is Phase.FAILED)
    return claims.keys() - {name for _, name in failed[:-MAX_FAILED]}


def lasting_location(claims: Mapping[str, Claim], return_id: str) -> str | None:
    """The path of a return; None while nothing of it was sent, because it may vanish."""
    claim = claims.get(return_id)
    return None if claim is None or claim.phase is Phase.INTENT else location_of(return_id)


def location_of(return_id: str) -> str:
    """The absolute path of a return."""
    return f"/v1/returns/{return_id}"


def _holds(claim: Claim, line: str) -> bool:
    return claim.phase is not Phase.FAILED and line in claim.units


def _put(claims: dict[str, Claim], return_id: str, claim: Claim, phase: Phase | None) -> None:
    if phase is None:
        claims.pop(return_id, None)
    else:
        claims[return_id] = claim.model_copy(update={"phase": phase})
