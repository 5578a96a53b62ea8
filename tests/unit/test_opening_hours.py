"""When a service point is open, in its own time zone."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.service_points.opening_hours import UNKNOWN, Opening, WeekHours, opening, week_hours
from app.service_points.time_zones import in_one_week, time_zone

DAY = 24 * 60
WEEK = 7 * DAY
CLOSED: dict[str, list[str]] = {str(day): [] for day in range(7)}
EVERY_DAY = {day: ["00:00 - 24:00"] for day in CLOSED}
NEVER_CLOSES = {day: ["00:00 - 23:59"] for day in CLOSED}
WEEKDAYS = {str(day): ["09:00 - 12:30", "13:30 - 18:00"] for day in range(5)}
NIGHTS = {"4": ["18:00 - 02:00"], "5": ["18:00 - 02:00"]}
CLOCK_CHANGES = [
    ("Europe/Amsterdam", "2026-03-29T01:00Z"),
    ("Europe/Amsterdam", "2026-10-25T01:00Z"),
    ("Europe/London", "2026-03-29T01:00Z"),
    ("Europe/London", "2026-10-25T01:00Z"),
    ("Atlantic/Canary", "2026-03-29T01:00Z"),
    ("Atlantic/Canary", "2026-10-25T01:00Z"),
    ("Atlantic/Azores", "2026-03-29T01:00Z"),
    ("Atlantic/Azores", "2026-10-25T01:00Z"),
    ("America/Chicago", "2026-03-08T08:00Z"),
    ("America/Chicago", "2026-11-01T07:00Z"),
    ("Pacific/Chatham", "2026-09-26T14:00Z"),
    ("Pacific/Chatham", "2026-04-04T14:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("America/Santiago", "2026-09-06T04:00Z"),
    ("America/Santiago", "2026-04-05T03:00Z"),
]


def at(zone: str, times: Mapping[str, list[str]], now: str) -> tuple[bool | None, str | None, str | None]:
    """The answer with its moments in ISO 8601."""
    found = opening(week_hours(times), ZoneInfo(zone), datetime.fromisoformat(now))
    return found.open_now, iso(found.closes_at), iso(found.next_open_at)


def iso(moment: datetime | None) -> str | None:
    """The moment up to the minute, with its offset from UTC."""
    return None if moment is None else moment.isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("country", "latitude", "longitude", "zone"),
    [
        ("NL", 52.37, 4.90, "Europe/Amsterdam"),
        ("nl", 52.37, 4.90, "Europe/Amsterdam"),
        ("GB", 54.60, -5.93, "Europe/London"),
        ("IE", 53.35, -6.26, "Europe/Dublin"),
        ("CH", 46.20, 6.15, "Europe/Zurich"),
        ("NO", 69.65, 18.96, "Europe/Oslo"),
        ("DE", 47.66, 9.18, "Europe/Berlin"),
        ("FR", 48.86, 2.35, "Europe/Paris"),
        ("FR", 41.92, 8.74, "Europe/Paris"),
        ("ES", 40.42, -3.70, "Europe/Madrid"),
        ("ES", 36.72, -4.42, "Europe/Madrid"),
        ("ES", 39.57, 2.65, "Europe/Madrid"),
        ("ES", 28.12, -15.43, "Atlantic/Canary"),
        ("ES", 27.81, -17.92, "Atlantic/Canary"),
        ("PT", 41.15, -8.61, "Europe/Lisbon"),
        ("PT", 37.02, -7.93, "Europe/Lisbon"),
        ("PT", 32.65, -16.91, "Atlantic/Madeira"),
        ("PT", 37.74, -25.67, "Atlantic/Azores"),
        ("PT", 39.45, -31.13, "Atlantic/Azores"),
        ("UA", 46.48, 30.73, "Europe/Kyiv"),
        ("UA", 47.10, 37.55, "Europe/Kyiv"),
        ("BR", -8.11, -35.01, "America/Recife"),
        ("NZ", -36.85, 174.76, "Pacific/Auckland"),
        ("NZ", -43.95, -176.56, "Pacific/Chatham"),
        ("US", 40.71, -74.01, "America/New_York"),
        ("US", 32.78, -96.80, "America/Chicago"),
        ("US", 39.74, -104.99, "America/Denver"),
        ("US", 33.45, -112.07, "America/Phoenix"),
        ("US", 47.61, -122.33, "America/Los_Angeles"),
        ("US", 52.0, 179.5, "America/Adak"),
        ("CA", 49.28, -123.12, "America/Vancouver"),
        ("CA", 46.81, -71.21, "America/Toronto"),
        ("AU", -27.47, 153.03, "Australia/Brisbane"),
        ("AU", -31.95, 115.86, "Australia/Perth"),
        ("BR", -23.55, -46.63, "America/Sao_Paulo"),
        ("BR", -3.12, -60.02, "America/Manaus"),
    ],
)
def test_time_zone(country: str, latitude: float, longitude: float, zone: str) -> None:
    """A point is in the zone of the nearest known city of its country, islands included."""
    assert time_zone(country, latitude, longitude) == ZoneInfo(zone)


@pytest.mark.parametrize(("country", "zone"), [("NL", "Europe/Amsterdam"), ("DE", "Europe/Berlin")])
def test_country_of_one_zone(country: str, zone: str) -> None:
    """A country that keeps one time needs no place."""
    assert time_zone(country, None, None) == time_zone(country, 52.0, None) == ZoneInfo(zone)


@pytest.mark.parametrize(
    ("country", "latitude", "longitude"),
    [
        ("", None, None),
        ("XX", 52.0, 5.0),
        ("Netherlands", 52.0, 5.0),
        ("ES", None, None),
        ("PT", 38.7, None),
        ("US", None, -74.0),
        ("ES", 0.0, 0.0),
        ("FR", -20.88, 55.45),
        ("NL", 4.90, 52.37),
        ("RU", 55.76, 37.62),
        ("NL", float("nan"), 5.0),
        ("NL", 52.0, float("inf")),
        ("US", float("-inf"), float("nan")),
    ],
)
def test_no_guess(country: str, latitude: float | None, longitude: float | None) -> None:
    """An unknown country, a missing or impossible place and a country that is hard to tell give no zone."""
    assert time_zone(country, latitude, longitude) is None


@given(st.text(), st.none() | st.floats(), st.none() | st.floats())
def test_any_place(country: str, latitude: float | None, longitude: float | None) -> None:
    """Any country and any place give a time zone or none, and never an error."""
    assert isinstance(time_zone(country, latitude, longitude), ZoneInfo | None)


@pytest.mark.parametrize(
    ("zone", "now", "closes_at", "next_open_at"),
    [
        ("Europe/Amsterdam", "2026-07-06T10:59:59Z", None, "2026-07-06T13:30+02:00"),
        ("Europe/Amsterdam", "2026-07-06T06:59:59Z", None, "2026-07-06T09:00+02:00"),
        ("Europe/Amsterdam", "2026-07-06T07:00Z", "2026-07-06T12:30+02:00", None),
        ("Europe/Amsterdam", "2026-07-06T10:29:59Z", "2026-07-06T12:30+02:00", None),
        ("Europe/Amsterdam", "2026-07-06T10:30Z", None, "2026-07-06T13:30+02:00"),
        ("Europe/Amsterdam", "2026-07-06T16:00Z", None, "2026-07-07T09:00+02:00"),
        ("Europe/Amsterdam", "2026-07-10T11:00Z", None, "2026-07-10T13:30+02:00"),
        ("Europe/London", "2026-07-06T16:30Z", "2026-07-06T18:00+01:00", None),
        ("Atlantic/Canary", "2026-07-06T16:30Z", "2026-07-06T18:00+01:00", None),
        ("Atlantic/Azores", "2026-07-06T08:59Z", None, "2026-07-06T09:00+00:00"),
        ("Atlantic/Azores", "2026-12-31T18:59Z", "2026-12-31T18:00-01:00", None),
        ("Pacific/Auckland", "2026-07-05T21:00Z", "2026-07-06T12:30+12:00", None),
        ("Pacific/Chatham", "2026-07-05T20:15Z", "2026-07-06T12:30+12:45", None),
        ("Pacific/Chatham", "2026-07-05T20:14Z", None, "2026-07-06T09:00+12:45"),
    ],
)
def test_shop_hours(zone: str, now: str, closes_at: str | None, next_open_at: str | None) -> None:
    """A shop with a lunch break opens and closes by its own clock, wherever who asks may be."""
    assert at(zone, CLOSED | WEEKDAYS, now) == (closes_at is not None, closes_at, next_open_at)


@pytest.mark.parametrize(
    ("times", "now", "closes_at", "next_open_at"),
    [
        (NIGHTS, "2026-07-10T23:59+02:00", "2026-07-11T02:00+02:00", None),
        (NIGHTS, "2026-07-11T01:59+02:00", "2026-07-11T02:00+02:00", None),
        (NIGHTS, "2026-07-11T02:00+02:00", None, "2026-07-11T18:00+02:00"),
        ({"0": ["18:00 - 00:00"]}, "2026-07-06T23:59+02:00", "2026-07-07T00:00+02:00", None),
        ({"0": ["18:00 - 24:00"]}, "2026-07-06T23:59+02:00", "2026-07-07T00:00+02:00", None),
        ({"0": ["18:00 - 24:00"], "1": ["00:00 - 02:00"]}, "2026-07-06T20:00+02:00", "2026-07-07T02:00+02:00", None),
        ({"0": ["09:00 - 12:00", "12:00 - 15:00"]}, "2026-07-06T11:00+02:00", "2026-07-06T15:00+02:00", None),
        ({"0": ["09:00 - 18:00", "10:00 - 12:00"]}, "2026-07-06T11:00+02:00", "2026-07-06T18:00+02:00", None),
        ({"0": ["09:00 - 14:00", "12:00 - 18:00"]}, "2026-07-06T10:00+02:00", "2026-07-06T18:00+02:00", None),
        ({"0": ["10:00 - 09:00"]}, "2026-07-06T09:30+02:00", None, "2026-07-06T10:00+02:00"),
        ({"0": ["10:00 - 09:00"]}, "2026-07-07T08:30+02:00", "2026-07-07T09:00+02:00", None),
    ],
)
def test_stretches(times: dict[str, list[str]], now: str, closes_at: str | None, next_open_at: str | None) -> None:
    """Hours that pass midnight, touch or overlap are one stretch."""
    assert at("Europe/Amsterdam", CLOSED | times, now) == (closes_at is not None, closes_at, next_open_at)


@pytest.mark.parametrize("times", [EVERY_DAY, NEVER_CLOSES])
@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Atlantic/Azores"])
@pytest.mark.parametrize("now", ["2026-03-28T12:00Z", "2026-07-06T12:00Z", "2026-07-12T23:30Z", "2026-10-25T01:00Z"])
def test_never_closes(zone: str, now: str, times: dict[str, list[str]]) -> None:
    """A point that never closes has no closing time; 23:59 is midnight."""
    assert at(zone, times, now) == (True, None, None)


def test_times_are_read_in_linear_time() -> None:
    """Texts of a time and a run of blanks, as many as are read of a week, are read at once; they took a second."""
    times = {day: [f"{hour}:00{' ' * 490}x" for hour in range(12)] for day in CLOSED}
    started = time.process_time()
    found = week_hours(times)
    assert (found, time.process_time() - started < 0.3) == (UNKNOWN, True)


def test_never_opens() -> None:
    """A point that is closed on all days has no opening time."""
    assert at("Europe/Amsterdam", CLOSED, "2026-07-06T12:00Z") == (False, None, None)


@pytest.mark.parametrize(
    ("times", "now", "expected"),
    [
        ({"0": ["09:00 - 17:00"]}, "2026-07-06T18:00+02:00", (False, None, None)),
        ({"0": ["09:00 - 17:00"], "1": ["?"]}, "2026-07-06T18:00+02:00", (False, None, None)),
        ({"0": ["09:00 - 17:00"], "2": ["09:00 - 17:00"]}, "2026-07-06T18:00+02:00", (False, None, None)),
        ({"0": [], "1": ["09:00 - 17:00"]}, "2026-07-06T18:00+02:00", (False, None, "2026-07-07T09:00+02:00")),
        ({"0": ["09:00 - 17:00"]}, "2026-07-06T16:00+02:00", (True, "2026-07-06T17:00+02:00", None)),
        ({"0": ["09:00 - 17:00"]}, "2026-07-07T12:00+02:00", (None, None, None)),
        ({"1": ["09:00 - 17:00"]}, "2026-07-06T12:00+02:00", (None, None, None)),
        ({"0": ["18:00 - 24:00"]}, "2026-07-06T20:00+02:00", (True, None, None)),
        ({"0": ["18:00 - 02:00"]}, "2026-07-07T01:00+02:00", (True, None, None)),
        ({"0": ["18:00 - 02:00"]}, "2026-07-07T03:00+02:00", (None, None, None)),
    ],
)
def test_unknown_days(
    times: dict[str, list[str]], now: str, expected: tuple[bool | None, str | None, str | None]
) -> None:
    """A day of which the hours are not known costs what depends on it, and the other days stay as they are."""
    assert at("Europe/Amsterdam", times, now) == expected


@pytest.mark.parametrize(
    ("times", "now", "expected"),
    [
        (WEEKDAYS, "2026-07-10T18:00+02:00", (False, None, None)),
        (WEEKDAYS, "2026-07-12T23:59+02:00", (False, None, None)),
        ({"6": ["18:00 - 24:00"]}, "2026-07-12T20:00+02:00", (True, None, None)),
        ({"6": ["18:00 - 02:00"]}, "2026-07-12T20:00+02:00", (True, None, None)),
        ({"6": ["18:00 - 02:00"]}, "2026-07-06T01:59+02:00", (None, None, None)),
        ({"6": ["18:00 - 02:00"]}, "2026-07-06T02:00+02:00", (False, None, "2026-07-12T18:00+02:00")),
        ({"6": ["18:00 - 02:00"], "0": ["00:00 - 01:00"]}, "2026-07-06T00:30+02:00", (True, None, None)),
    ],
)
def test_only_this_week(
    times: dict[str, list[str]], now: str, expected: tuple[bool | None, str | None, str | None]
) -> None:
    """Nothing is said about what follows Sunday, or about last Sunday's night that may end on Monday."""
    assert at("Europe/Amsterdam", CLOSED | times, now) == expected


@pytest.mark.parametrize(
    ("zone", "one", "other", "same"),
    [
        ("Europe/Amsterdam", "2026-07-06T00:00+02:00", "2026-07-12T23:59+02:00", True),
        ("Europe/Amsterdam", "2026-07-12T23:59+02:00", "2026-07-13T00:00+02:00", False),
        ("Europe/Amsterdam", "2026-07-06T12:00+02:00", "2026-07-13T12:00+02:00", False),
        ("Europe/Amsterdam", "2025-07-07T12:00+02:00", "2026-07-06T12:00+02:00", False),
        ("Europe/Amsterdam", "2026-12-31T12:00+01:00", "2027-01-01T12:00+01:00", True),
        ("America/New_York", "2026-07-12T23:00Z", "2026-07-13T03:00Z", True),
        ("Pacific/Auckland", "2026-07-12T11:00Z", "2026-07-12T13:00Z", False),
        (None, "2026-07-12T11:00Z", "2026-07-12T13:00Z", False),
        (None, "2026-07-12T11:00Z", "2026-07-13T11:00Z", False),
        (None, "2026-07-06T12:00Z", "2026-07-12T09:59Z", True),
        (None, "2026-07-07T12:00Z", "2026-07-11T12:00Z", True),
    ],
)
def test_one_week(zone: str | None, one: str, other: str, same: bool) -> None:  # noqa: FBT001  a column of the table
    """Weeks begin on Monday by the point's own clock; without a zone the week must be the same for any place."""
    moments = datetime.fromisoformat(one), datetime.fromisoformat(other)
    assert in_one_week(*moments, ZoneInfo(zone) if zone else None) is same


@pytest.mark.parametrize(
    ("zone", "times", "now", "closes_at", "next_open_at"),
    [
        ("Europe/Amsterdam", ["01:00 - 05:00"], "2026-03-29T01:30+01:00", "2026-03-29T05:00+02:00", None),
        ("Europe/Amsterdam", ["01:00 - 02:30"], "2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", None),
        ("Europe/Amsterdam", ["02:30 - 05:00"], "2026-03-29T01:59+01:00", None, "2026-03-29T03:00+02:00"),
        (
            "Europe/Amsterdam",
            ["02:15 - 02:45", "04:00 - 05:00"],
            "2026-03-28T12:00+01:00",
            None,
            "2026-03-29T04:00+02:00",
        ),
        ("Europe/London", ["00:30 - 03:00"], "2026-03-29T00:59+00:00", "2026-03-29T03:00+01:00", None),
        ("Atlantic/Canary", ["01:30 - 03:00"], "2026-03-29T00:30+00:00", None, "2026-03-29T02:00+01:00"),
        ("Atlantic/Azores", ["00:00 - 02:00"], "2026-03-28T23:59-01:00", None, "2026-03-29T01:00+00:00"),
        ("Pacific/Chatham", ["02:00 - 04:00"], "2026-09-27T02:44+12:45", "2026-09-27T04:00+13:45", None),
    ],
)
def test_skipped_hour(zone: str, times: list[str], now: str, closes_at: str | None, next_open_at: str | None) -> None:
    """In spring the skipped hour is not there: a point opens or closes at the jump, or not at all that day."""
    assert at(zone, CLOSED | {"6": times}, now) == (closes_at is not None, closes_at, next_open_at)


@pytest.mark.parametrize(
    ("zone", "times", "now", "closes_at", "next_open_at"),
    [
        ("Europe/Amsterdam", ["01:00 - 05:00"], "2026-10-25T01:30+02:00", "2026-10-25T05:00+01:00", None),
        ("Europe/Amsterdam", ["02:00 - 03:00"], "2026-10-25T02:30+02:00", "2026-10-25T03:00+01:00", None),
        ("Europe/Amsterdam", ["02:15 - 02:45"], "2026-10-25T02:20+02:00", "2026-10-25T02:45+02:00", None),
        ("Europe/Amsterdam", ["02:15 - 02:45"], "2026-10-25T02:50+02:00", None, "2026-10-25T02:15+01:00"),
        ("Europe/Amsterdam", ["02:15 - 02:45"], "2026-10-25T02:20+01:00", "2026-10-25T02:45+01:00", None),
        ("Europe/Amsterdam", ["01:00 - 02:30"], "2026-10-25T02:40+02:00", None, "2026-10-25T02:00+01:00"),
        ("Europe/London", ["01:00 - 03:00"], "2026-10-25T01:30+01:00", "2026-10-25T03:00+00:00", None),
        ("Atlantic/Canary", ["01:30 - 03:00"], "2026-10-25T01:30+01:00", "2026-10-25T01:00+00:00", None),
        ("Atlantic/Azores", ["00:30 - 02:00"], "2026-10-25T00:59+00:00", "2026-10-25T00:00-01:00", None),
        ("Pacific/Chatham", ["02:45 - 04:00"], "2026-04-05T03:44+13:45", "2026-04-05T04:00+12:45", None),
    ],
)
def test_repeated_hour(zone: str, times: list[str], now: str, closes_at: str | None, next_open_at: str | None) -> None:
    """In autumn the repeated hour counts twice: a point can open and close in both of them."""
    assert at(zone, CLOSED | {"6": times}, now) == (closes_at is not None, closes_at, next_open_at)


CLOCK = st.integers(0, DAY - 2) | st.integers(0, 5 * 60) | st.sampled_from(range(0, DAY, 60))
HOURS = st.builds(
    lambda opens, closes: f"{opens // 60:02}:{opens % 60:02} - {closes // 60:02}:{closes % 60:02}",
    CLOCK,
    CLOCK | st.just(DAY),
)
DAYS = st.lists(HOURS | st.just("00:00 - 24:00"), max_size=3) | st.just(["?"])
WEEKS = st.fixed_dictionaries(dict.fromkeys(CLOSED, DAYS))
NEAR = st.integers(0, 14 * DAY) | st.integers(7 * DAY - 300, 7 * DAY + 300)


@cache
def shown(zone: str, change: str) -> tuple[datetime, Sequence[int]]:
    """The moment a week before the change, and the minute of the week that the wall shows in each minute after it."""
    first = datetime.fromisoformat(change) - timedelta(days=7)
    local = ((first + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)) for minute in range(23 * DAY))
    return first, [wall.weekday() * DAY + wall.hour * 60 + wall.minute for wall in local]


def states(week: WeekHours) -> list[bool | None]:
    """Whether the point is open in each minute of the week, from Monday 00:00; None where that is not known."""
    found: list[bool | None] = [None if minute // DAY + 1 in week.unknown else False for minute in range(WEEK)]
    spans = []
    for each in week.hours:
        opens, closes = (
            60 * int(hour) + int(minute) for hour, minute in (each.opens.split(":"), each.closes.split(":"))
        )
        first = (each.weekday - 1) * DAY + opens
        spans.append((first, first + ((closes - opens) % DAY or DAY)))
    for _, last in spans:
        found[: max(0, last - WEEK)] = [None] * max(0, last - WEEK)
    for first, last in spans:
        found[first : min(last, WEEK)] = [True] * (min(last, WEEK) - first)
    return found


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CLOCK_CHANGES), WEEKS, NEAR, st.integers(0, 59))
def test_agrees_with_the_wall(where: tuple[str, str], times: dict[str, list[str]], minute: int, second: int) -> None:
    """Around a change of the clock the answer is what looking at the wall minute by minute would say."""
    first, wall = shown(*where)
    hours = week_hours(times)
    week = states(hours)
    is_open = week[wall[minute]]
    sunday_ends = next(
        later for later in range(minute + 1, len(wall)) if wall[later] // DAY < wall[later - 1] // DAY - 5
    )
    changed = next((later for later in range(minute, sunday_ends) if week[wall[later]] is not is_open), None)
    told = is_open is not None and changed is not None and week[wall[changed]] is not None
    moment = first + timedelta(minutes=changed) if told and changed is not None else None
    now = first + timedelta(minutes=minute, seconds=second)
    open_now, *moments = opening(hours, ZoneInfo(where[0]), now)
    found = Opening(open_now, *(each and each.astimezone(UTC) for each in moments))
    assert found == Opening(is_open, *((moment, None) if is_open else (None, moment)))
