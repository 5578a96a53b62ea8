"""The hours that service points state, in their many spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.service_points import OpeningHours
from app.service_points.opening_hours import EVERY_DAY, UNKNOWN, week_hours
from app.telemetry.metrics import REGISTRY

READABLE = [
    ("09:00 - 17:00", ["09:00-17:00"]),
    ("09:00-17:00", ["09:00-17:00"]),
    (" 9:00  -  17:00\n", ["09:00-17:00"]),
    ("09:00 \N{EN DASH} 17:00", ["09:00-17:00"]),
    ("09:00\N{EM DASH}17:00", ["09:00-17:00"]),
    ("09:00:00 - 17:00:00", ["09:00-17:00"]),
    ("09.00-17.00", ["09:00-17:00"]),
    ("9h00 - 17h30", ["09:00-17:30"]),
    ("9h-17h", ["09:00-17:00"]),
    ("0900-1700", ["09:00-17:00"]),
    ("9 - 17", ["09:00-17:00"]),
    ("9:00 to 17:00", ["09:00-17:00"]),
    ("0:00 - 6:30", ["00:00-06:30"]),
    ("9:00 AM - 5:00 PM", ["09:00-17:00"]),
    ("9am-5pm", ["09:00-17:00"]),
    ("9 a.m. - 5 p.m.", ["09:00-17:00"]),
    ("12:30 PM - 5 PM", ["12:30-17:00"]),
    ("12:00 AM - 12:30 PM", ["00:00-12:30"]),
    ("0:00 - 12:30 PM", ["00:00-12:30"]),
    ("9:00 - 12:30 PM", ["09:00-12:30"]),
    ("9 - 5 PM", ["09:00-17:00"]),
    ("1 - 5 PM", ["13:00-17:00"]),
    ("9 AM - 17:00", ["09:00-17:00"]),
    ("00:00-24:00", ["00:00-24:00"]),
    ("00:00 - 23:59", ["00:00-24:00"]),
    ("00:00:00 - 23:59:59", ["00:00-24:00"]),
    ("12:00 AM - 11:59 PM", ["00:00-24:00"]),
    ("10:00 - 23:59", ["10:00-24:00"]),
    ("18:00 - 00:00", ["18:00-00:00"]),
    ("18:00 - 02:00", ["18:00-02:00"]),
    ("24/7", ["00:00-24:00"]),
    ("24h", ["00:00-24:00"]),
    ("Open 24 hours", ["00:00-24:00"]),
    ("10:00-12:00, 14:00-18:00", ["10:00-12:00", "14:00-18:00"]),
    ("10:00-12:00 14:00-18:00", ["10:00-12:00", "14:00-18:00"]),
    ("14:00 - 18:00; 10:00 - 12:00", ["10:00-12:00", "14:00-18:00"]),
    ("10:00 - 14:00 / 12:00 - 18:00", ["10:00-14:00", "12:00-18:00"]),
]
UNREADABLE = [
    "",
    "?",
    "closed",
    "gesloten",
    "by appointment",
    "09:00 - 17:00 by appointment",
    "09:00 - 17:00, closed for lunch",
    "09:00",
    "09:00 - ",
    "09:60 - 17:00",
    "24:00 - 02:00",
    "09:00 - 24:01",
    "09:00 - 25:00",
    "09:00 - 17:00 - 18:00",
    "\u0660\u0669:00 - 17:00",
    "00:00 - 00:00",
    "00:00-00:00",
    "09:00 - 09:00",
    "2026-07-06",
    "17 July",
]


def dropped() -> float:
    """How many opening hours could not be read so far."""
    return REGISTRY.get_sample_value("bff_opening_hours_dropped_total") or 0


@pytest.mark.parametrize(("text", "expected"), READABLE)
def test_readable(text: str, expected: list[str]) -> None:
    """Intervals are read however they are written; 23:59 is midnight."""
    found = week_hours({"0": [text]})
    assert [f"{hours.opens}-{hours.closes}" for hours in found.hours] == expected
    assert {hours.weekday for hours in found.hours} == {1}
    assert found.unknown == EVERY_DAY - {1}


@pytest.mark.parametrize("text", UNREADABLE)
def test_unreadable(text: str) -> None:
    """A text that is not read whole costs its day, and its day alone; it is counted."""
    before = dropped()
    found = week_hours({"0": ["09:00 - 12:00", text], "1": ["09:00 - 17:00"]})
    assert found.hours == [OpeningHours(weekday=2, opens="09:00", closes="17:00")]
    assert found.unknown == EVERY_DAY - {2}
    assert dropped() == before + 1


def test_order() -> None:
    """Hours come by ISO weekday and time, each once, in any order upstream."""
    times = {"6": ["18:00 - 02:00"], "0": ["13:30 - 17:15", "09:00 - 12:00", "9:00-12:00"], "1": []}
    found = week_hours(times)
    assert found.hours == [
        OpeningHours(weekday=1, opens="09:00", closes="12:00"),
        OpeningHours(weekday=1, opens="13:30", closes="17:15"),
        OpeningHours(weekday=7, opens="18:00", closes="02:00"),
    ]
    assert found.unknown == {3, 4, 5, 6}


@pytest.mark.parametrize("day", ["7", "-1", "00", "monday", "", "\u0663"])
def test_no_such_day(day: str) -> None:
    """Hours of a day that does not exist say nothing about any other."""
    assert week_hours({day: ["09:00 - 17:00", "18:00 - 19:00"]}) == UNKNOWN


def test_too_many_texts() -> None:
    """A day with more texts than a point can have is not read in part."""
    assert week_hours({"0": [f"{hour:02}:00 - {hour:02}:30" for hour in range(13)]}) == UNKNOWN


@given(st.dictionaries(st.text() | st.sampled_from("0123456"), st.lists(st.text() | st.sampled_from(UNREADABLE))))
def test_any_text(times: dict[str, list[str]]) -> None:
    """No text is an error, and a day with hours is none that is not known."""
    found = week_hours(times)
    assert not found.unknown & {hours.weekday for hours in found.hours}
