"""The breaker: when it opens, what it lets through, when it closes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sendcloud.policy.breaker import (
    FAILURES_IN_A_ROW,
    LEAST_CALLS,
    OPEN_SECONDS,
    PROBE_SECONDS,
    WINDOW_SECONDS,
    Breaker,
    State,
)

RESULTS: dict[str, bool | None] = {"+": True, "-": False, "?": None}


def told(results: str, pause: float = 0.0, subjects: int = 1000) -> tuple[Breaker, float]:
    """A breaker after calls that ended so, one every `pause` seconds: + well, - badly, ? unknown; and the moment.

    They are about so many subjects in turn.
    """
    breaker, now = Breaker(), 100.0
    for number, result in enumerate(results):
        now += pause
        breaker.end(breaker.begin(), now, number % subjects, ok=RESULTS[result])
    return breaker, now


@pytest.mark.parametrize(
    ("results", "pause", "state"),
    [
        ("----", 0, State.CLOSED),
        ("-----", 0, State.OPEN),
        ("-----", 3600, State.OPEN),
        ("----+----", 0, State.CLOSED),
        ("----?-", 0, State.OPEN),
        ("?????????", 0, State.CLOSED),
        ("+-" * 9 + "+", 0.1, State.CLOSED),
        ("+-" * 10, 0.1, State.OPEN),
        ("++-" * 30, 0.1, State.CLOSED),
        ("+-" * 40, 0.6, State.CLOSED),
        ("-" * 4 + "+" * 12 + "-+" * 20, 0.1, State.CLOSED),
    ],
)
def test_when_it_opens(results: str, pause: float, state: State) -> None:
    """Five failures in a row, or half of at least twenty calls within ten seconds; the unknown does not count."""
    breaker, now = told(results, pause)
    assert breaker.state(now) is state


@pytest.mark.parametrize(
    ("results", "subjects", "state"),
    [
        ("-" * 100, 1, State.CLOSED),
        ("-" * 100, 2, State.CLOSED),
        ("-----", 3, State.OPEN),
        ("+-" * 50, 2, State.CLOSED),
        ("+-" * 50, 4, State.CLOSED),
        ("+-" * 10, 10, State.OPEN),
    ],
)
def test_one_subject_fails_for_itself_alone(results: str, subjects: int, state: State) -> None:
    """Only two failures of each object count, so that five, or ten of twenty calls, concern several objects."""
    breaker, now = told(results, 0.1, subjects)
    assert breaker.state(now) is state


def test_a_probe_of_one_subject_keeps_it_open_only_once() -> None:
    """A second failed probe of one key says nothing, and the next call may probe; after that, failures count again."""
    breaker, now = told("-----")
    for wait in (OPEN_SECONDS, 0, 0):
        now += OPEN_SECONDS
        breaker.end(breaker.begin(), now, "odd", ok=False)
        assert breaker.wait(now) == wait
    breaker.end(breaker.begin(), now, "even", ok=True)
    assert breaker.state(now) is State.CLOSED
    for subject in ("odd", "odd", 1, 2):
        breaker.end(breaker.begin(), now, subject, ok=False)
    assert breaker.state(now) is State.CLOSED
    breaker.end(breaker.begin(), now, 3, ok=False)
    assert breaker.state(now) is State.OPEN


def test_nothing_passes_while_it_is_open() -> None:
    """An open breaker refuses calls and tells how long it stays open."""
    breaker, now = told("-----")
    assert breaker.wait(now) == OPEN_SECONDS
    assert breaker.wait(now + OPEN_SECONDS - 1) == 1
    assert breaker.state(now + OPEN_SECONDS - 0.001) is State.OPEN


@pytest.mark.parametrize(
    ("result", "wait", "state"), [("+", 0, State.CLOSED), ("-", OPEN_SECONDS, State.OPEN), ("?", 0, State.HALF_OPEN)]
)
def test_one_probe_decides(result: str, wait: float, state: State) -> None:
    """After the pause one call goes through: success closes it, failure opens it again, the unknown frees the try."""
    breaker, now = told("-----")
    now += OPEN_SECONDS
    assert (breaker.state(now), breaker.wait(now)) == (State.HALF_OPEN, 0)
    probe = breaker.begin()
    assert breaker.wait(now) == PROBE_SECONDS
    breaker.end(probe, now, "probe", ok=RESULTS[result])
    assert (breaker.wait(now), breaker.state(now)) == (wait, state)


def test_a_new_beginning() -> None:
    """Once it has closed, what happened before does not count any more."""
    breaker, now = told("+-" * 5 + "----")
    now += OPEN_SECONDS
    for subject, result in enumerate("+" + "+-" * 9):
        breaker.end(breaker.begin(), now, subject, ok=RESULTS[result])
    assert breaker.state(now) is State.CLOSED


@pytest.mark.parametrize("result", RESULTS)
def test_late_news_change_nothing(result: str) -> None:
    """Calls that began before it opened tell nothing about now, not even while the probe is under way."""
    breaker, now = Breaker(), 100.0
    old = breaker.begin()
    for subject in range(FAILURES_IN_A_ROW):
        breaker.end(breaker.begin(), now, subject, ok=False)
    breaker.end(old, now, "old", ok=RESULTS[result])
    assert breaker.wait(now) == OPEN_SECONDS
    now += OPEN_SECONDS
    breaker.begin()
    breaker.end(old, now, "old", ok=RESULTS[result])
    assert (breaker.wait(now), breaker.state(now)) == (PROBE_SECONDS, State.HALF_OPEN)


@given(st.lists(st.tuples(st.sampled_from("+----?"), st.sampled_from([0.0, 0.1, 0.4, 1.0, 6.0])), min_size=40))
def test_it_follows_its_rules_whatever_happens(calls: list[tuple[str, float]]) -> None:
    """The breaker opens, closes and admits calls exactly as a naive model of its rules does."""
    breaker, now = Breaker(), 100.0
    ended: list[tuple[float, bool]] = []
    open_until: float | None = None
    for subject, (result, pause) in enumerate(calls):
        now += pause
        may = open_until is None or now >= open_until
        assert (breaker.wait(now) == 0) is may
        if not may or result == "?":
            if may:
                breaker.end(breaker.begin(), now, subject, ok=None)
            continue
        ok = result == "+"
        breaker.end(breaker.begin(), now, subject, ok=ok)
        ended.append((now, ok))
        recent = [each for moment, each in ended if moment > now - WINDOW_SECONDS]
        in_a_row = len(ended) >= FAILURES_IN_A_ROW and not any(each for _, each in ended[-FAILURES_IN_A_ROW:])
        many = not ok and len(recent) >= LEAST_CALLS and 2 * recent.count(False) >= len(recent)
        if open_until is not None or in_a_row or many:
            open_until = None if ok else now + OPEN_SECONDS
            ended.clear()
        assert (breaker.state(now) is State.CLOSED) is (open_until is None)
