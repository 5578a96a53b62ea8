"""Returns as they are stored, in a form that the release before reads too."""

import json

import pytest

from app.models import ReturnState
from app.returns.records import ReturnRecord, VersionedReturn
from tests.support import samples

STATES_BEFORE = {
    "creating",
    "outcome_unknown",
    "label_pending",
    "awaiting_payment",
    "label_ready",
    "no_label_needed",
    "failed",
}
"""What the release before reads; any other state makes a record unreadable for it."""


def answered(state: ReturnState) -> ReturnRecord:
    """A return whose creation was answered in this state."""
    record = samples.return_record(state=state, next_poll_at=9.0)
    return record.model_copy(update={"first_answer": VersionedReturn(record, 1, 0).public()})


@pytest.mark.parametrize("now", ReturnState)
@pytest.mark.parametrize("first", ReturnState)
def test_a_record_survives_the_store(first: ReturnState, now: ReturnState) -> None:
    """What was stored is read as it was, the first answer and the next look included."""
    record = answered(first).model_copy(update={"state": now})
    assert ReturnRecord.loaded(record.dumped()) == record


@pytest.mark.parametrize("now", ReturnState)
@pytest.mark.parametrize("first", ReturnState)
def test_the_release_before_reads_every_record(first: ReturnState, now: ReturnState) -> None:
    """It finds a state that it knows, and polls nothing in one that it does not."""
    seen = json.loads(answered(first).model_copy(update={"state": now}).dumped())
    assert {seen["state"], seen["first_answer"]["state"]} <= STATES_BEFORE
    assert seen["state"] == now or (seen["state"], seen["next_poll_at"]) == ("label_pending", None)
