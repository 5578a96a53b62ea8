"""What a scenario found: figures, ratios of alternating rounds, and whether a goal is met."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Spread(NamedTuple):
    """A figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of these."""
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def of_ratios(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Spread":
        """The spread of each round's own ratio, where more is better; a peer that managed nothing counts as 1."""
        return cls.of([own / (their or 1) for own, their in zip(ours, theirs, strict=True)])

    @classmethod
    def of_savings(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Spread":
        """The same where less is better: how much more the peer took."""
        return cls.of_ratios(theirs, ours)


class Goal(NamedTuple):
    """What was aimed for, and whether this is it."""

    text: str
    met: bool
    at: float | None = None
    """Where it stands among ratios."""


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    row: str
    what: str
    ours: str
    theirs: str
    goals: Sequence[Goal]
    ratio: Spread | None = None
    errors: int = 0
    """Ours."""
    peer_errors: int = 0
    busy: str = ""
    """How busy the cores were: that of the system under test and the others, with us and with the peer."""


async def in_turns(measures: Mapping[str, Callable[[], Awaitable[T]]], rounds: int) -> dict[str, list[T]]:
    """What each measured, round by round: one after the other, and again, so that all see the same machine."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(await measure())
    return found


def at_least(ratio: Spread, limit: float) -> Goal:
    """A goal for a median."""
    return Goal(f"≥ {limit:g}x", ratio.median >= limit, limit)


def at_most(value: float, limit: float, unit: str) -> Goal:
    """A goal for a figure."""
    return Goal(f"≤ {limit:g} {unit}", value <= limit)
