"""What a 429 silences."""

from app.sendcloud.policy.busy_signals import REMEMBERED, SEVERAL, BusySignals


def test_what_was_told_to_wait_waits() -> None:
    """A key waits until its time is up, whatever others were told."""
    busy = BusySignals()
    busy.note("a", 100.0, 60)
    assert (busy.wait("a", 130.0), busy.wait("a", 160.0), busy.wait("b", 130.0)) == (30.0, 0.0, 0.0)


def test_several_at_the_same_time_are_about_everybody() -> None:
    """The class is meant once several different keys wait at the same time, not before and not one after the other."""
    busy = BusySignals()
    assert [busy.note("a", 100.0, 60) for _ in range(SEVERAL)] == [False] * SEVERAL
    assert [busy.note(key, 100.0, 60) for key in range(SEVERAL - 1)] == [False] * (SEVERAL - 2) + [True]
    assert not busy.note("late", 161.0, 60)


def test_keys_are_bounded() -> None:
    """The oldest signals are forgotten first."""
    busy = BusySignals()
    for number in range(REMEMBERED + 1):
        busy.note(number, 100.0, 60)
    assert (busy.wait(0, 100.0), busy.wait(1, 100.0)) == (0.0, 60.0)
