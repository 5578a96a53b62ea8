"""Steps of shoppers' journeys, counted by brand: the busiest brands by name, all others together."""

from collections import Counter

from app.telemetry.metrics import JOURNEY_STEPS

BRANDS = 50
"""How many brands have series of their own."""
OTHERS = "other"
_STEPS = {
    ("POST", "/v1/brands/{brand}/sessions", 201): "lookup_found",
    ("POST", "/v1/returns", 202): "return_made",
    ("GET", "/v1/returns/{return_id}/label", 200): "label_delivered",
}
STEPS = (*_STEPS.values(), "server_error")


class JourneySteps:
    """Counts the steps of journeys; a brand that becomes twice as busy as a named one takes its place."""

    def __init__(self, brands: int = BRANDS) -> None:
        self._room = brands
        self._answers: Counter[str] = Counter()
        self._named: set[str] = set()

    def answered(self, brand: str | None, method: str, route: str, status: int) -> None:
        """Counts an answer to a request of this brand, if it is a step or a server error (status 0: no answer)."""
        step = "server_error" if status >= 500 else _STEPS.get((method, route, status))  # noqa: PLR2004  RFC 9110
        if brand and step:
            JOURNEY_STEPS.labels(self._label(brand), step).inc()

    def _label(self, brand: str) -> str:
        self._answers[brand] += 1
        if brand not in self._named and len(self._named) == self._room:
            least = min(self._named, key=self._answers.__getitem__)
            if self._answers[brand] < 2 * self._answers[least]:
                return OTHERS
            self._forget(least)
        self._named.add(brand)
        return brand

    def _forget(self, brand: str) -> None:
        self._named.discard(brand)
        for step in STEPS:
            JOURNEY_STEPS.remove(brand, step)
