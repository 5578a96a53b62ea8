"""The delay of an order's lookups as pure transitions, and a simulated attack on it."""

from collections.abc import Iterable, Iterator
from itertools import accumulate, cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.redis.limits.failed_lookups import (
    DELAYS,
    FORGOTTEN_SECONDS,
    Attempt,
    Failures,
    begun,
    delay,
    plain,
    taken_back,
)

DAY = 24 * 3600
START = 1_800_000_000.0


def attack(moments: Iterable[float]) -> Iterator[float]:
    """The moments at which failing lookups reach the upstream, if they are tried at these moments (seconds)."""
    failures = Failures()
    for now in moments:
        if not delay(failures, now):
            failures = begun(failures, now)
            yield now


def most_within_a_day(times: list[float]) -> int:
    """How many of these sorted times fall within 24 hours at most."""
    return max((sum(start <= time < start + DAY for time in times) for start in times), default=0)


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(0, 0), (1, 0), (2, 0), (3, 60), (4, 240), (5, 960), (6, 3840), (7, 15360), (8, 28800), (9, 28800), (999, 28800)],
)
def test_delay(count: int, seconds: int) -> None:
    """Three failures are free; from then on the delay grows fourfold up to eight hours, counted from the last one."""
    failures = Failures(count=count, last=START)
    assert delay(failures, START) == seconds
    assert delay(failures, START + seconds) == 0
    assert delay(failures, START + max(0, seconds - 1)) == min(seconds, 1)


@pytest.mark.parametrize(("age", "count"), [(0, 6), (FORGOTTEN_SECONDS - 1, 6), (FORGOTTEN_SECONDS, 1), (9 * DAY, 1)])
def test_failures_fade(age: float, count: int) -> None:
    """A day after the last failure all of them are forgotten."""
    assert begun(Failures(count=5, last=START - age), START) == Failures(count=count, last=START)


@given(st.integers(0, 20), st.floats(START - DAY, START, exclude_min=True))
def test_taken_back(count: int, last: float) -> None:
    """An attempt that did not fail leaves the failures as they were."""
    before = Failures(count=count, last=last)
    after = begun(before, START)
    assert taken_back(after, Attempt("key", START, last, after, 1)) == before


@pytest.mark.parametrize("apart", [0, 1])
def test_taken_back_out_of_turn(apart: float) -> None:
    """Each of two parallel attempts, even of one moment, takes back only itself; the other's failure keeps its time."""
    before = Failures(count=1, last=START - 60)
    one = begun(before, START)
    both = begun(one, START + apart)
    first = Attempt("key", START, before.last, one, 1)
    second = Attempt("key", START + apart, one.last, both, 2)
    assert taken_back(both, first) == Failures(count=2, last=both.last)
    assert taken_back(both, second) == one


def test_nothing_left_to_take_back() -> None:
    """An attempt that was forgotten meanwhile takes back nothing."""
    assert taken_back(Failures(), Attempt("key", START, 0.0, begun(Failures(), START), 1)) == Failures()


def test_a_thousand_addresses_around_the_clock() -> None:
    """Attempts every second for three days get ten lookups through on the first day, and three on each later one."""
    times = list(attack(START + second for second in range(3 * DAY) for _ in range(2)))
    days = [sum(START + day * DAY <= time < START + (day + 1) * DAY for time in times) for day in range(3)]
    print(f"lookups that reached the upstream on each day of the attack: {days}")  # noqa: T201  the attack's figure
    assert days == [10, 3, 3]
    assert most_within_a_day(times) == 10


PAUSES = st.sampled_from([0, 1, 60, 3600, *DELAYS, 13 * 3600, DAY - 1, DAY]) | st.floats(0, 3600)


@given(st.lists(PAUSES, min_size=1, max_size=6))
def test_no_rhythm_gets_more_through(pauses: list[float]) -> None:
    """At any pace of attempts, at most ten of them fail within any 24 hours."""
    moments = accumulate(islice(cycle(pauses), 300), initial=START)
    assert most_within_a_day(list(attack(moments))) <= 10


@pytest.mark.parametrize(
    "spelling",
    [
        "LABEL-0001",
        "label-0001",
        " LABEL-0001\t",
        "#LABEL 0001",
        "\uff2cABEL-0001",
        "L\u200bABEL0001",
        "L\u00c1BEL-0001",
    ],
)
def test_spellings(spelling: str) -> None:
    """Several spellings of one number count as one."""
    assert plain(spelling) == "label0001"


@pytest.mark.parametrize(("one", "other"), [("LABEL-0001", "LABEL-0002"), ("-", "--"), ("1", "11"), ("O1", "01")])
def test_other_numbers(one: str, other: str) -> None:
    """Other characters make another number; one of punctuation alone is taken as it is."""
    assert plain(one) != plain(other)
