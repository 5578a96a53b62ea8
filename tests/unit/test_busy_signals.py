"""What a 429 silences."""

from app.sendcloud.policy.busy_signals import REMEMBERED, SEVERAL_CALLS, BusySignals


def test_what_was_told_to_wait_waits() -> None:
    """A call waits until its time is up; other calls, and the same call of another brand, do not."""
    busy = BusySignals()
    busy.note("shop", "a", 100.0, 60)
    assert (busy.wait("shop", "a", 130.0), busy.wait("shop", "a", 160.0)) == (30.0, 0.0)
    assert (busy.wait("shop", "b", 130.0), busy.wait("other", "a", 130.0)) == (0.0, 0.0)


def test_several_calls_of_a_brand_are_about_the_brand() -> None:
    """Once several different calls of a brand wait, all its calls do, until fewer are left; other brands go on."""
    busy = BusySignals()
    for number in range(SEVERAL_CALLS):
        assert busy.wait("shop", "new", 100.0) == 0
        busy.note("shop", number, 100.0, 10 + number)
    assert (busy.wait("shop", "new", 100.0), busy.wait("other", "new", 100.0)) == (10.0, 0.0)
    assert busy.wait("shop", "new", 110.0) == 0


def test_several_brands_are_about_the_class() -> None:
    """429s of one of several brands do not concern the others; those of two brands, or of the only one, do."""
    busy = BusySignals()
    for number in range(10):
        busy.note("shop", number, 100.0, 60)
    assert (busy.is_general(100.0, 1), busy.is_general(100.0, 2), busy.is_general(161.0, 1)) == (True, False, False)
    busy.note("other", "a", 100.0, 60)
    assert busy.is_general(100.0, 2)


def test_signals_are_bounded() -> None:
    """The oldest busy signals are forgotten first."""
    busy = BusySignals()
    for number in range(REMEMBERED + 1):
        busy.note(f"shop-{number}", "a", 100.0, 60)
    assert (busy.wait("shop-0", "a", 100.0), busy.wait("shop-1", "a", 100.0)) == (0.0, 60.0)
