"""When a poll's 500 is believed to be about its own return."""

import pytest

from app.returns.labels.evidence import BELIEVED_AFTER, BELIEVED_WITHOUT_EVIDENCE, Polls

SINCE = 100_000.0
SOON, LATER = SINCE + BELIEVED_AFTER, SINCE + BELIEVED_WITHOUT_EVIDENCE


@pytest.mark.parametrize(
    ("now", "failed", "of_brand", "believed"),
    [
        (SOON, {}, {"other": SINCE}, True),
        (SOON - 0.1, {}, {"other": SINCE}, False),
        (SOON, {}, {"other": SINCE - 1}, False),
        (SOON, {}, {"ours": SINCE + 1}, False),
        (SOON, {}, {}, False),
        (SOON, {"ours": SOON}, {"other": SINCE}, True),
        (SOON, {"third": SINCE + 5}, {"other": SINCE + 4}, False),
        (SOON, {"third": SINCE + 5}, {"other": SINCE + 6}, True),
        (LATER, {"ours": LATER}, {}, True),
        (LATER - 1, {"ours": LATER}, {}, False),
        (LATER, {"third": SINCE + 1}, {}, False),
        (LATER, {"third": SINCE - 1}, {}, True),
    ],
)
def test_belief(now: float, failed: dict[str, float], of_brand: dict[str, float], *, believed: bool) -> None:
    """Fifteen seconds with another return of the brand answered in between, or an hour in which no other one failed."""
    assert Polls(now, failed, of_brand, of_brand).prove_failure("ours", SINCE) is believed


@pytest.mark.parametrize(
    ("answered", "works"),
    [({}, False), ({"ours": 9_999.0}, False), ({"other": 9_999.0}, True), ({"other": 6_000.0}, False)],
)
def test_polling_works_while_others_are_answered(answered: dict[str, float], *, works: bool) -> None:
    """Another return of the fleet that was answered within the hour shows that polling works."""
    assert Polls(10_000.0, {}, answered, {}).show_that_polling_works("ours") is works
