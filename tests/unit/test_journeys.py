"""Steps of journeys are counted by brand."""

from collections.abc import Iterator

import pytest

from app.telemetry.journeys import JourneySteps
from app.telemetry.metrics import JOURNEY_STEPS

LOOKUP = ("POST", "/v1/brands/{brand}/sessions", 201)


@pytest.fixture(name="journeys")
def counting_from_nothing() -> Iterator[JourneySteps]:
    """Nothing is counted before or afterwards."""
    JOURNEY_STEPS.clear()
    yield JourneySteps()
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


@pytest.mark.parametrize("answer", [("GET", "/v1/session", 200), ("POST", "/v1/returns", 409), (*LOOKUP[:2], 0)])
def test_other_answers_are_none(journeys: JourneySteps, answer: tuple[str, str, int]) -> None:
    """Answers that lead nowhere and requests without an answer are no steps."""
    journeys.answered("a", *answer)
    journeys.answered(None, *LOOKUP)
    assert _counted() == {}
