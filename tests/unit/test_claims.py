"""Exactly once: which events are possible where, who may report them, and whose units are whose."""

from collections import Counter
from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from app.errors import ClaimLost, FindingRefused, TooManyCalls, UnitsClaimed
from app.returns.claims import (
    FAILED_COUNTED_SECONDS,
    MAX_FAILED,
    TRANSITIONS,
    UNKNOWN_FREED_AFTER,
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

LEASE = 30.0
ORDERED: Mapping[str, int] = {"shirt": 3, "hat": 1}
ABSENT = None
TABLE: Mapping[tuple[Phase | None, Event], Phase | None] = {
    (Phase.INTENT, Event.FIRST_BYTE): Phase.SENT,
    (Phase.INTENT, Event.NOT_TAKEN): ABSENT,
    (Phase.INTENT, Event.OWNER_DEAD): ABSENT,
    (Phase.SENT, Event.NOT_TAKEN): ABSENT,
    (Phase.SENT, Event.ACCEPTED): Phase.DONE,
    (Phase.SENT, Event.REFUSED): Phase.FAILED,
    (Phase.SENT, Event.LOST): Phase.OUTCOME_UNKNOWN,
    (Phase.SENT, Event.OWNER_DEAD): Phase.OUTCOME_UNKNOWN,
    (Phase.OUTCOME_UNKNOWN, Event.NOT_TAKEN): ABSENT,
    (Phase.OUTCOME_UNKNOWN, Event.ACCEPTED): Phase.DONE,
    (Phase.OUTCOME_UNKNOWN, Event.REFUSED): Phase.FAILED,
    (Phase.OUTCOME_UNKNOWN, Event.LOST): Phase.OUTCOME_UNKNOWN,
    (Phase.DONE, Event.ACCEPTED): Phase.DONE,
    (Phase.FAILED, Event.REFUSED): Phase.FAILED,
    (Phase.FAILED, Event.ACCEPTED): Phase.DONE,
    (ABSENT, Event.NOT_TAKEN): ABSENT,
    (ABSENT, Event.ACCEPTED): Phase.DONE,
    (ABSENT, Event.REFUSED): Phase.FAILED,
    (ABSENT, Event.LOST): Phase.OUTCOME_UNKNOWN,
    (Phase.INTENT, Event.ACCEPTED): Phase.DONE,
    (Phase.INTENT, Event.REFUSED): Phase.FAILED,
    (Phase.INTENT, Event.LOST): Phase.OUTCOME_UNKNOWN,
}
"""Where the owner's events lead; the last six are news of a claim, or of its first byte, that the store forgot."""
FINDINGS: Mapping[Event, Mapping[Phase, Phase]] = {
    Event.FOUND: {Phase.OUTCOME_UNKNOWN: Phase.DONE},
    Event.NEVER_MADE: {Phase.OUTCOME_UNKNOWN: Phase.FAILED},
    Event.CANCELLED: {Phase.OUTCOME_UNKNOWN: Phase.FAILED, Phase.DONE: Phase.FAILED},
}
"""Where an operator's findings lead."""
OUTCOMES = [Event.NOT_TAKEN, Event.ACCEPTED, Event.REFUSED, Event.LOST]
OWN_EVENTS = sorted(set(Event) - {Event.ANNOUNCEMENT_FAILED, Event.ALIVE_AFTER_ALL} - FINDINGS.keys())
IMPOSSIBLE = sorted(set(product([ABSENT, *Phase], OWN_EVENTS)) - TABLE.keys(), key=str)


def claim(phase: Phase = Phase.INTENT, *, owner: str = "me", lease_until: float = LEASE, **units: int) -> Claim:
    """A claim of one shirt, or of the units named."""
    return Claim(phase=phase, owner=owner, lease_until=lease_until, units=units or {"shirt": 1})


def standing(phase: Phase | None) -> dict[str, Claim]:
    """The claims of a parcel whose only return stands there."""
    return {} if phase is ABSENT else {"rtn_1": claim(phase)}


@pytest.mark.parametrize(("before", "event", "after"), [(*step, after) for step, after in TABLE.items()])
def test_possible_transition(before: Phase | None, event: Event, after: Phase | None) -> None:
    """Each event leads where the table says, and takes owner, lease and units along."""
    assert advanced(standing(before), "rtn_1", event, claim(), now=0) == standing(after)


@pytest.mark.parametrize(("before", "event"), [step for step, after in TABLE.items() if step[0] and after])
def test_the_lease_is_renewed_at_the_first_byte(before: Phase, event: Event) -> None:
    """The owner's new lease replaces the stored one when the first byte leaves, and at no other event."""
    after = advanced(standing(before), "rtn_1", event, claim(lease_until=2 * LEASE), now=0)
    assert after["rtn_1"].lease_until == (2 * LEASE if event is Event.FIRST_BYTE else LEASE)


@pytest.mark.parametrize(("phase", "event"), IMPOSSIBLE)
def test_impossible_transition(phase: Phase | None, event: Event) -> None:
    """An event that the table does not have is refused and changes nothing."""
    claims = standing(phase)
    with pytest.raises(ClaimLost):
        advanced(claims, "rtn_1", event, claim(), now=0)
    assert claims == standing(phase)


def test_no_transition_is_left_out() -> None:
    """The module knows these transitions, an operator's, that of a failed announcement and its way back, no others."""
    others: dict[tuple[Phase | None, Event], Phase | None] = {
        (Phase.DONE, Event.ANNOUNCEMENT_FAILED): Phase.FAILED,
        (Phase.FAILED, Event.ALIVE_AFTER_ALL): Phase.DONE,
    }
    others |= {(phase, event): after for event, rows in FINDINGS.items() for phase, after in rows.items()}
    assert {**TABLE, **others} == TRANSITIONS


@pytest.mark.parametrize(("phase", "event"), list(product([ABSENT, *Phase], FINDINGS)))
def test_findings(phase: Phase | None, event: Event) -> None:
    """A finding settles an unknown return or cancels an accepted one, but cannot say that one was never made."""
    claims, now = standing(phase), LEASE + UNKNOWN_FREED_AFTER
    after = FINDINGS[event].get(Phase.OUTCOME_UNKNOWN if phase is Phase.SENT else phase) if phase else None
    if after is None:
        with pytest.raises(FindingRefused):
            resolved(claims, "rtn_1", event, answered=False, now=now)
    else:
        assert resolved(claims, "rtn_1", event, answered=False, now=now) == standing(after)


@pytest.mark.parametrize(
    ("phase", "event"),
    [
        (Phase.OUTCOME_UNKNOWN, Event.NEVER_MADE),
        (Phase.OUTCOME_UNKNOWN, Event.CANCELLED),
        # Found by a person, who may have been wrong.
        (Phase.DONE, Event.CANCELLED),
    ],
)
@pytest.mark.parametrize("now", [LEASE, LEASE + UNKNOWN_FREED_AFTER - 1])
def test_freeing_the_units_of_an_unknown_return_takes_time(phase: Phase, event: Event, now: float) -> None:
    """Within fifteen minutes of a creation without an answer no finding frees its units: the panel may not show it."""
    with pytest.raises(FindingRefused) as refused:
        resolved(standing(phase), "rtn_1", event, answered=False, now=now)
    assert refused.value.retry_after == LEASE + UNKNOWN_FREED_AFTER - now


def test_an_accepted_return_can_be_cancelled_at_once() -> None:
    """A return that the upstream is known to have needs no wait before it is cancelled."""
    assert resolved(standing(Phase.DONE), "rtn_1", Event.CANCELLED, answered=True, now=0) == standing(Phase.FAILED)


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)))
def test_owner_rule(phase: Phase, event: Event) -> None:
    """Only the owner of a claim reports the outcome of its POST, in every phase."""
    with pytest.raises(ClaimLost):
        advanced(standing(phase), "rtn_1", event, claim(owner="somebody else"), now=0)


@pytest.mark.parametrize("event", OWN_EVENTS)
def test_a_stranger_restores_nothing_that_stands(event: Event) -> None:
    """An attempt that never held the stored claim does not replace it with its own."""
    claims = standing(Phase.INTENT)
    with pytest.raises(ClaimLost):
        advanced(claims, "rtn_1", event, claim(Phase.SENT, owner="somebody else", hat=9), now=0)
    assert claims == standing(Phase.INTENT)


@pytest.mark.parametrize("event", [Event.ACCEPTED, Event.REFUSED, Event.LOST])
@pytest.mark.parametrize("now", [0, LEASE, 10 * LEASE])
def test_forgotten_claim_is_restored(event: Event, now: float) -> None:
    """News after the first byte brings a claim back that the store forgot, with its owner, lease and units."""
    ours = claim(shirt=2, hat=1)
    after = advanced({"rtn_2": claim(Phase.DONE)}, "rtn_1", event, ours, now=now)
    assert after.pop("rtn_1") == ours.model_copy(update={"phase": TABLE[Phase.SENT, event]})
    assert after == {"rtn_2": claim(Phase.DONE)}


def test_restored_units_are_held_again() -> None:
    """Units of a return that may exist are held again after the store had lost them."""
    after = advanced({}, "rtn_1", Event.LOST, claim(), now=0)
    with pytest.raises(UnitsClaimed) as caught:
        claimed(after, "rtn_2", claim(), {"shirt": 1}, now=0)
    assert caught.value.location == location_of("rtn_1")


def test_units_that_were_not_ordered_cannot_be_claimed() -> None:
    """A line that the order does not have has no free units."""
    with pytest.raises(UnitsClaimed):
        claimed({}, "rtn_1", claim(socks=1), ORDERED, now=0)


def test_forgotten_claim_may_not_post() -> None:
    """A claim that the store lost before its first byte stays lost: another return may hold its units."""
    with pytest.raises(ClaimLost):
        advanced({}, "rtn_1", Event.FIRST_BYTE, claim(), now=0)


@pytest.mark.parametrize("phase", [Phase.DONE, Phase.FAILED])
def test_failed_announcement(phase: Phase) -> None:
    """A failed announcement frees the units of a return, from any poll, and once only."""
    claims = standing(phase)
    after = announcement_failed(claims, "rtn_1", now=10 * LEASE)
    assert after["rtn_1"].phase is Phase.FAILED
    assert not units_held(after)
    assert claims == standing(phase)


@pytest.mark.parametrize("phase", [Phase.INTENT, Phase.SENT, Phase.OUTCOME_UNKNOWN])
def test_only_a_created_return_can_fail_to_be_announced(phase: Phase) -> None:
    """News about a label changes nothing for a claim whose return is not known to exist."""
    assert announcement_failed(standing(phase), "rtn_1", now=0) == standing(phase)


@pytest.mark.parametrize("phase", [ABSENT, *Phase])
def test_only_a_failed_return_comes_back_to_life(phase: Phase | None) -> None:
    """A label that works after all makes a failed return hold its units again, and changes nothing for any other."""
    claims = {**standing(phase), "rtn_2": claim(Phase.OUTCOME_UNKNOWN, hat=1)}
    after = restored(claims, "rtn_1", ORDERED, now=0)
    assert after == claims | standing(Phase.DONE if phase is Phase.FAILED else phase)


def test_units_that_were_returned_again_stay_with_the_later_return() -> None:
    """A failed return whose units another one holds by now stays failed, and the other one is named."""
    claims = {"rtn_1": claim(Phase.FAILED, hat=1), "rtn_2": claim(Phase.DONE, hat=1)}
    with pytest.raises(UnitsClaimed) as caught:
        restored(claims, "rtn_1", ORDERED, now=0)
    assert caught.value.location == location_of("rtn_2")


def test_failed_announcement_of_nothing() -> None:
    """A return that is gone has no announcement that could fail; nothing is made of it."""
    assert announcement_failed({"rtn_2": claim(Phase.DONE)}, "rtn_1", now=0) == {"rtn_2": claim(Phase.DONE)}


@pytest.mark.parametrize(
    ("phase", "buried"),
    [
        (Phase.INTENT, ABSENT),
        (Phase.SENT, Phase.OUTCOME_UNKNOWN),
        (Phase.DONE, Phase.DONE),
        (Phase.FAILED, Phase.FAILED),
        (Phase.OUTCOME_UNKNOWN, Phase.OUTCOME_UNKNOWN),
    ],
)
def test_dead_owner(phase: Phase, buried: Phase | None) -> None:
    """When the lease ends, an unsent claim is freed and a sent one becomes unknown; other phases stay."""
    assert expire_leases(standing(phase), LEASE) == standing(buried)
    assert expire_leases(standing(phase), LEASE - 0.001) == standing(phase)


def test_dead_before_the_first_byte() -> None:
    """An owner whose lease ended before its first byte must not send it any more."""
    with pytest.raises(ClaimLost):
        advanced(standing(Phase.INTENT), "rtn_1", Event.FIRST_BYTE, claim(), now=LEASE)


def test_no_second_first_byte() -> None:
    """A first byte is sent once: its own owner is refused the second time."""
    sent = advanced(standing(Phase.INTENT), "rtn_1", Event.FIRST_BYTE, claim(), now=0)
    with pytest.raises(ClaimLost):
        advanced(sent, "rtn_1", Event.FIRST_BYTE, claim(), now=0)


@pytest.mark.parametrize(
    ("event", "phase"),
    [(Event.ACCEPTED, Phase.DONE), (Event.REFUSED, Phase.FAILED), (Event.LOST, Phase.OUTCOME_UNKNOWN)],
)
def test_late_owner(event: Event, phase: Phase) -> None:
    """The owner's answer counts even if it comes after the lease."""
    assert advanced(standing(Phase.SENT), "rtn_1", event, claim(), now=LEASE + 1) == standing(phase)


def test_refusals_outlive_the_day_that_counts_them() -> None:
    """A refusal stays as long as any claim, for so long its key can be repeated."""
    refused = standing(Phase.FAILED)
    assert expire_leases(refused, LEASE + 10 * FAILED_COUNTED_SECONDS) == refused


def test_of_many_failed_returns_the_newest_are_shown() -> None:
    """A list of returns has all that did not fail, and of those that did the newest."""
    failed = {f"rtn_{n}": claim(Phase.FAILED, lease_until=n) for n in range(MAX_FAILED + 2)}
    others = {f"rtn_{phase}": claim(phase, lease_until=0) for phase in Phase if phase is not Phase.FAILED}
    assert shown(failed | others) == failed.keys() - {"rtn_0", "rtn_1"} | others.keys()
    assert shown({}) == set()


@pytest.mark.parametrize(("phase", "location"), [(phase, phase is not Phase.INTENT) for phase in Phase])
def test_a_place_that_can_be_told(phase: Phase, location: bool) -> None:  # noqa: FBT001  a column of the table
    """A return of which nothing was sent may vanish, so its location is not told."""
    assert lasting_location(standing(phase), "rtn_1") == (location_of("rtn_1") if location else None)
    assert lasting_location(standing(phase), "rtn_2") is None


def test_others_bury_the_dead_too() -> None:
    """Every event of one return also settles the dead owners of the others."""
    claims = {"rtn_1": claim(lease_until=LEASE), "rtn_2": claim(Phase.SENT, lease_until=2 * LEASE)}
    assert list(advanced(claims, "rtn_2", Event.ACCEPTED, claim(), now=LEASE)) == ["rtn_2"]


def test_claims_are_not_changed_in_place() -> None:
    """Every function on claims returns a new map."""
    claims = standing(Phase.SENT)
    expire_leases(claims, LEASE)
    advanced(claims, "rtn_1", Event.ACCEPTED, claim(), now=0)
    advanced(claims, "rtn_9", Event.ACCEPTED, claim(), now=0)
    announcement_failed(claims, "rtn_1", now=0)
    claimed(claims, "rtn_2", claim(), {"shirt": 2}, now=0)
    assert claims == standing(Phase.SENT)


def test_free_units_are_claimed() -> None:
    """Units that no other return holds go to the new one, of several lines at once."""
    new = claim(shirt=1, hat=2)
    after = claimed(standing(Phase.DONE), "rtn_2", new, {"shirt": 2, "hat": 2}, now=0)
    assert after == {**standing(Phase.DONE), "rtn_2": new}


@pytest.mark.parametrize("phase", [Phase.INTENT, Phase.SENT, Phase.DONE, Phase.OUTCOME_UNKNOWN])
def test_held_units_are_refused(phase: Phase) -> None:
    """Units held by another return are refused with the location of that return, even if other lines are free."""
    with pytest.raises(UnitsClaimed) as caught:
        claimed(standing(phase), "rtn_2", claim(hat=1, shirt=2), {"shirt": 2, "hat": 5}, now=0)
    assert caught.value.location == (None if phase is Phase.INTENT else "/v1/returns/rtn_1")


@pytest.mark.parametrize(("phase", "now"), [(Phase.FAILED, 0), (Phase.INTENT, LEASE)])
def test_freed_units_can_be_claimed(phase: Phase, now: float) -> None:
    """Units of a failed return, and of one that died before its first byte, are free."""
    assert "rtn_2" in claimed(standing(phase), "rtn_2", claim(), {"shirt": 1}, now=now)


def test_refusals_without_end() -> None:
    """A parcel whose returns are refused over and over may try again when the first of them is forgotten."""
    refused = {f"rtn_{n}": claim(Phase.FAILED, lease_until=n) for n in range(MAX_FAILED)}
    with pytest.raises(TooManyCalls) as caught:
        claimed(refused, "rtn_new", claim(), ORDERED, now=100)
    assert caught.value.retry_after == FAILED_COUNTED_SECONDS - 100
    assert "rtn_new" in claimed(refused, "rtn_new", claim(), ORDERED, now=FAILED_COUNTED_SECONDS)


def test_unknown_outcome_keeps_its_units() -> None:
    """Units of a return whose request died after its first byte stay held, because it may exist."""
    with pytest.raises(UnitsClaimed):
        claimed(standing(Phase.SENT), "rtn_2", claim(), {"shirt": 1}, now=LEASE)


def test_more_than_ordered_without_a_holder() -> None:
    """More units than were ordered are refused even when no return stands in the way."""
    with pytest.raises(UnitsClaimed) as caught:
        claimed({"rtn_1": claim(Phase.FAILED, shirt=9)}, "rtn_2", claim(shirt=3), {"shirt": 2}, now=0)
    assert caught.value.location is None


def test_location_names_a_holder_of_the_line() -> None:
    """A refused claim names a return that holds the line in question and was sent."""
    claims = {
        "rtn_1": claim(Phase.DONE, hat=1),
        "rtn_2": claim(Phase.FAILED),
        "rtn_3": claim(shirt=1),
        "rtn_4": claim(Phase.SENT, shirt=1),
    }
    with pytest.raises(UnitsClaimed) as caught:
        claimed(claims, "rtn_5", claim(), {"shirt": 2, "hat": 1}, now=0)
    assert caught.value.location == location_of("rtn_4")


def test_units_held() -> None:
    """Units add up over all returns but the failed ones."""
    claims = {str(number): claim(phase, shirt=1, hat=2) for number, phase in enumerate(Phase)}
    assert units_held(claims) == Counter(shirt=4, hat=8)


def test_claims_survive_json() -> None:
    """A claim is the same after it was stored and read."""
    assert Claim.model_validate_json(claim(Phase.SENT).model_dump_json()) == claim(Phase.SENT)


class Parcel(RuleBasedStateMachine):
    """After any sequence of claims, true events and time, units that may exist upstream never exceed the order."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[str, Claim] = {}
        self.now = 0.0
        self.begun: dict[str, Claim] = {}
        self.news: dict[str, Event] = {}
        self.may_exist: dict[str, Claim] = {}
        self.posted: set[str] = set()

    @rule(units=st.dictionaries(st.sampled_from(["shirt", "hat"]), st.integers(1, 3), min_size=1))
    def begin(self, units: dict[str, int]) -> None:
        """A request claims units, if they are free."""
        return_id = f"rtn_{len(self.begun)}"
        new = Claim(phase=Phase.INTENT, owner=return_id, lease_until=self.now + LEASE, units=units)
        try:
            self.claims = claimed(self.claims, return_id, new, ORDERED, now=self.now)
        except UnitsClaimed:
            held = units_held(expire_leases(self.claims, self.now))
            assert any(held[line] + quantity > ORDERED[line] for line, quantity in units.items())
        else:
            self.begun[return_id] = new

    @precondition(lambda self: self.begun)
    @rule(data=st.data())
    def post(self, data: st.DataObject) -> None:
        """A request posts, if it is still alive and has not posted."""
        return_id = data.draw(st.sampled_from(sorted(self.begun)))
        try:
            self.claims = advanced(self.claims, return_id, Event.FIRST_BYTE, self.begun[return_id], now=self.now)
        except ClaimLost:
            return
        assert return_id not in self.posted
        self.posted.add(return_id)
        self.may_exist[return_id] = self.claims[return_id]
        self.news[return_id] = data.draw(st.sampled_from(OUTCOMES))

    @precondition(lambda self: self.news)
    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        """The owner of a request that posted tells what became of it, for the first time or once more."""
        return_id = data.draw(st.sampled_from(sorted(self.news)))
        event = self.news[return_id]
        self.claims = advanced(self.claims, return_id, event, self.begun[return_id], now=self.now)
        if event in {Event.NOT_TAKEN, Event.REFUSED}:
            self.may_exist.pop(return_id, None)

    @precondition(lambda self: any(claim.phase is Phase.DONE for claim in self.claims.values()))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """The label of a return that exists will never come."""
        done = sorted(return_id for return_id, claim in self.claims.items() if claim.phase is Phase.DONE)
        return_id = data.draw(st.sampled_from(done))
        self.claims = announcement_failed(self.claims, return_id, now=self.now)
        self.may_exist.pop(return_id)
        del self.news[return_id]

    @rule(seconds=st.sampled_from([1.0, LEASE / 2, LEASE, FAILED_COUNTED_SECONDS]))
    def pass_by(self, seconds: float) -> None:
        """Time passes; some owners do not outlive it."""
        self.now += seconds

    @invariant()
    def never_more_than_ordered(self) -> None:
        """Held units, now or after leases end, and units that may exist upstream never exceed those ordered."""
        for claims in (self.claims, expire_leases(self.claims, self.now), self.may_exist):
            held = units_held(claims)
            assert all(held[line] <= quantity for line, quantity in ORDERED.items())

    @invariant()
    def what_may_exist_keeps_its_units(self) -> None:
        """A return that upstream may have keeps its units."""
        alive = expire_leases(self.claims, self.now)
        for return_id, sent in self.may_exist.items():
            assert alive[return_id].units == sent.units
            assert alive[return_id].phase in {Phase.SENT, Phase.DONE, Phase.OUTCOME_UNKNOWN}


def test_any_sequence_of_events() -> None:
    """No sequence over-claims units, frees what may exist, or sends a second first byte."""
    run_state_machine_as_test(Parcel, settings=settings(max_examples=120, stateful_step_count=25))


@pytest.mark.parametrize(
    ("phases", "named_now", "left"),
    [
        ({}, 3, 3),
        ({"done": 1}, 3, 2),  # the upstream counts nothing down
        ({"done": 1}, 2, 2),  # it has counted the finished return down
        ({"done": 1}, 1, 1),  # and another one that was made elsewhere
        ({"done": 3}, 0, 0),
        ({"sent": 1}, 3, 2),
        ({"sent": 1}, 2, 1),  # on its way: it may be counted down already or not
        ({"outcome_unknown": 1}, 3, 2),
        ({"done": 1, "intent": 1}, 2, 1),
        ({"failed": 1}, 3, 3),
    ],
)
def test_units_that_the_upstream_counts_down(phases: dict[str, int], named_now: int, left: int) -> None:
    """Of three shirts, returned ones are counted down exactly once."""
    claims = {
        str(number): Claim(phase=Phase(phase), owner="o", lease_until=1e9, units={"shirt": units})
        for number, (phase, units) in enumerate(phases.items())
    }
    limits = limited(claims, {"shirt": named_now}, {"shirt": 3})
    assert max(0, limits["shirt"] - units_held(claims)["shirt"]) == left


def test_what_was_first_seen_is_remembered() -> None:
    """A line is remembered as it was before the first return of it; what older releases hold is not known that well."""
    claims = {"1": Claim(phase=Phase.DONE, owner="o", lease_until=1e9, units={"old": 1})}
    seen = remembered(claims, {"old": 2, "new": 5, "known": 1}, {"known": 4})
    assert seen == {"new": 5, "known": 4}
    assert limited(claims, {"old": 2}, seen) == {"old": 2}
