"""Steps of shoppers' journeys, counted by brand."""

from app.telemetry.brands import BrandCounter
from app.telemetry.metrics import JOURNEY_STEPS

_STEPS = {
    ("POST", "/v1/brands/{brand}/sessions", 201): "lookup_found",
    ("POST", "/v1/returns", 202): "return_made",
    ("GET", "/v1/returns/{return_id}/label", 200): "label_delivered",
}


class JourneySteps:
    """Counts the steps of journeys."""

    def __init__(self) -> None:
        self._steps = BrandCounter(JOURNEY_STEPS)

    def answered(self, brand: str | None, method: str, route: str, status: int) -> None:
        """Counts an answer to a request of this brand, if it is a step or a server error (status 0: no answer)."""
        step = "server_error" if status >= 500 else _STEPS.get((method, route, status))  # noqa: PLR2004  RFC 9110
        if brand and step:
            self._steps.count(brand, step)
