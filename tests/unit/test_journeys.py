"""Steps of journeys are counted by brand, for as many brands as there is room."""

from collections.abc import Iterator

import pytest

from app.telemetry.journeys import STEPS, JourneySteps
from app.telemetry.metrics import JOURNEY_STEPS

LOOKUP = ("POST", "/v1/brands/{brand}/sessions", 201)


@pytest.fixture(name="journeys")
def counting_two_brands() -> Iterator[JourneySteps]:
    """Room for two brands; nothing is counted before or afterwards."""
    JOURNEY_STEPS.clear()
    yield JourneySteps(2)
    JOURNEY_STEPS.clear()


def _counted() -> dict[tuple[str, str], float]:
    """The present counts by brand and step."""
    samples = [sample for metric in JOURNEY_STEPS.collect() for sample in metric.samples]
    return {(each.labels["brand"], each.labels["step"]): each.value for each in samples if each.name.endswith("_total")}


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (LOOKUP, "lookup_found"),
        (("POST", "/v1/returns", 202), "return_made"),
        (("GET", "/v1/returns/{return_id}/label", 200), "label_delivered"),
        (("GET", "/v1/session", 503), "server_error"),
    ],
)
def test_answers_are_steps(journeys: JourneySteps, answer: tuple[str, str, int], step: str) -> None:
    """An answer that brings a shopper further counts for his brand, and so does a server error."""
    journeys.answered("a", *answer)
    assert _counted() == {("a", step): 1}
    assert step in STEPS


@pytest.mark.parametrize("answer", [("GET", "/v1/session", 200), ("POST", "/v1/returns", 409), (*LOOKUP[:2], 0)])
def test_other_answers_are_none(journeys: JourneySteps, answer: tuple[str, str, int]) -> None:
    """Answers that lead nowhere and requests without an answer are no steps."""
    journeys.answered("a", *answer)
    journeys.answered(None, *LOOKUP)
    assert _counted() == {}


def test_brands_beyond_the_room_are_counted_together(journeys: JourneySteps) -> None:
    """There are never more series than there is room for, and one for all others."""
    for brand in "abcd":
        journeys.answered(brand, *LOOKUP)
    assert {brand for brand, _ in _counted()} == {"a", "b", "other"}


def test_a_busy_brand_takes_the_place_of_a_quiet_one(journeys: JourneySteps) -> None:
    """A brand twice as busy as the least busy named one takes its place."""
    for brand in "aaabccc":
        journeys.answered(brand, *LOOKUP)
    assert _counted() == {("a", "lookup_found"): 3, ("c", "lookup_found"): 2, ("other", "lookup_found"): 1}
