"""An upstream without budget and observer."""

from collections.abc import Mapping

from app.sendcloud.policy.bulkheads import Deadlines
from app.sendcloud.policy.call_policy import CallPolicy, guards
from app.sendcloud.protocol import Call, Method


class Unlimited:
    """A quota without end that remembers its pauses."""

    def __init__(self) -> None:
        self.turns: list[Method] = []
        self.pauses: list[tuple[str, float]] = []

    async def turn(self, call_class: str, method: Method, max_wait: float) -> None:  # noqa: ARG002  all classes alike
        """It is always your turn."""
        assert max_wait > 0
        self.turns.append(method)

    async def pause(self, call_class: str, seconds: float) -> None:
        """Takes note of it."""
        self.pauses.append((call_class, seconds))


class Seen:
    """Every try and every second try, as they were told."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.retries: list[str] = []

    def called(self, lane: str, outcome: str, seconds: float) -> None:
        """Takes note of it."""
        assert seconds >= 0
        self.outcomes.append((lane, outcome))

    def retried(self, lane: str) -> None:
        """Takes note of it."""
        self.retries.append(lane)


def unlimited(deadlines: Deadlines | None = None) -> Mapping[Call, CallPolicy]:
    """Guards of calls whose quota does not matter."""
    return guards(deadlines or Deadlines(), Unlimited(), Seen())
