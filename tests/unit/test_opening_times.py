"""The shapes in which opening times come."""

import pytest

from app.sendcloud.leniency.opening_times import opening_times

HOURS = "09:00 - 17:00"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"0": [HOURS], "6": []}, {"0": (HOURS,), "6": ()}),
        ({"0": [HOURS], "1": None}, {"0": (HOURS,)}),
        ({"0": HOURS, "1": "closed"}, {"0": (HOURS,), "1": ("closed",)}),
        ({"0": [HOURS, 9], "1": 9, "2": [{"from": "09:00"}]}, {"0": (HOURS, "?"), "1": ("?",), "2": ("?",)}),
        ({"monday": [HOURS], "Tue": [HOURS], "SUNDAY": []}, {"0": (HOURS,), "1": (HOURS,), "6": ()}),
        ({"0": [HOURS], "holidays": ["closed"]}, {"0": (HOURS,)}),
        ("24/7", {str(day): ("24/7",) for day in range(7)}),
    ],
)
def test_days(said: object, expected: dict[str, tuple[str, ...]]) -> None:
    """Each day has its texts, in any known shape; a value that is no text is marked as unreadable."""
    assert opening_times(said) == expected


@pytest.mark.parametrize("said", [None, {}, [], [HOURS], 7, True, {"0": None}, {"7": [HOURS], "1": []}, {"x": [HOURS]}])
def test_nothing_said(said: object) -> None:
    """Where no day is named, or numbers may begin with any day, nothing is known."""
    assert opening_times(said) is None
