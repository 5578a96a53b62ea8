"""Whether a service point is open: the hours that it states, and the moments at which that changes."""

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from itertools import chain, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.models.service_points import OpeningHours
from app.telemetry.metrics import OPENING_HOURS_DROPPED

MAX_TEXTS = 12
"""The most texts of one day that are read."""
HOUR, NOON, MIDNIGHT = 60, 12 * 60, 24 * 60
LAST_MINUTE = MIDNIGHT - 1
"""Upstream writes "00:00 - 23:59" for points that never close."""
EVERY_DAY = frozenset(range(1, 8))
_TIME = r"([0-9]{1,2})(?:[:.h]?([0-9]{2})(?::[0-9]{2})?|h)?(?:\s*([ap]\.?m\.?(?![a-z])))?"
_INTERVAL = re.compile(rf"(?<![0-9:.]){_TIME}\s*(?:[-\u2010-\u2015\u2212~]|to)\s*{_TIME}\s*(?![0-9:.])", re.IGNORECASE)
_ALL_DAY = re.compile(r"(?:open )?24 ?(?:/ ?7|h|hrs?|hours)", re.IGNORECASE)
_BETWEEN = " ,;&|/"
_DAY = 24 * 60
"""In minutes, and so is the next one."""
_WEEK = 7 * _DAY


class WeekHours(NamedTuple):
    """Opening hours of one week, in order. A day without any is closed, unless it is `unknown` (1 is Monday)."""

    hours: list[OpeningHours]
    unknown: frozenset[int] = frozenset()


class Opening(NamedTuple):
    """Whether a point is open, and when that changes; None if that is not known or does not happen this week."""

    open_now: bool | None
    closes_at: datetime | None
    next_open_at: datetime | None


UNKNOWN = WeekHours([], EVERY_DAY)


def week_hours(times: Mapping[str, Sequence[str]]) -> WeekHours:
    """The hours in the texts of each day, "0" for Monday; a day that is missing or cannot be read is unknown.

    An interval that closes earlier than it opens ends on the next day: that is our reading, upstream says nothing.
    """
    read = {weekday: _day(weekday, times.get(str(weekday - 1))) for weekday in sorted(EVERY_DAY)}
    return WeekHours(
        [hours for day in read.values() for hours in day or []],
        frozenset(weekday for weekday, day in read.items() if day is None),
    )


def _day(weekday: int, texts: Sequence[str] | None) -> list[OpeningHours] | None:
    if texts is None:
        return None
    stated = [_intervals(text) for text in dict.fromkeys(texts)]
    readable = [spans for spans in stated if spans is not None]
    OPENING_HOURS_DROPPED.inc(len(stated) - len(readable))
    if readable != stated or len(stated) > MAX_TEXTS:
        return None
    spans = sorted(set(chain.from_iterable(readable)))
    return [OpeningHours(weekday=weekday, opens=_clock(opens), closes=_clock(closes)) for opens, closes in spans]


def _intervals(text: str) -> list[tuple[int, int]] | None:
    """All intervals of a text in minutes; None if there is none, or if the text has anything else."""
    if _ALL_DAY.fullmatch(text.strip()):
        return [(0, MIDNIGHT)]
    found = [_span(*match.groups()) for match in _INTERVAL.finditer(text)]
    spans = [span for span in found if span is not None]
    rest = _INTERVAL.sub("", text).strip(_BETWEEN)
    return spans if spans and len(spans) == len(found) and not rest else None


def _span(*stated: str | None) -> tuple[int, int] | None:
    """Opening and closing in minutes; None if either is no time of day, or if no time is between them."""
    opens, closes = _minutes(*stated[:3]), _minutes(*stated[3:])
    if opens is None or closes is None or opens in {closes, MIDNIGHT}:
        return None
    if stated[5] and not stated[2]:
        opens = _shared(opens, closes)
    return opens, MIDNIGHT if closes == LAST_MINUTE else closes


def _shared(opens: int, closes: int) -> int:
    """The opening time of a text like "1 - 5 PM", where it is in the afternoon, too; in "9 - 5 PM" it is not."""
    return opens + NOON if HOUR <= opens < NOON and opens + NOON < closes else opens


def _minutes(hour: str | None, minute: str | None, half: str | None) -> int | None:
    hours, minutes = int(hour or 0), int(minute or 0)
    if half and hours <= NOON // HOUR:
        hours = hours % 12 + (12 if half[0] in "pP" else 0)
    total = hours * HOUR + minutes
    return total if minutes < HOUR and total <= MIDNIGHT else None


def _clock(minutes: int) -> str:
    return f"{minutes // HOUR:02}:{minutes % HOUR:02}"


def opening(week: WeekHours, zone: ZoneInfo, now: datetime) -> Opening:
    """Whether the point is open at `now` (aware), and the moment at which that changes, in the zone, to the minute.

    The hours are those of the week of `now`, and nothing is said about what comes after its Sunday. The clock on the
    point's wall decides, and nothing else: it is open in each minute in which that clock shows opening hours. So hours
    that the clock skips in spring are not there, and hours that it shows twice in autumn count twice. Intervals that
    touch or overlap are one. What depends on an unknown day is None.
    """
    start = now.astimezone(UTC).replace(second=0, microsecond=0)
    end = _minutes_left(zone, start)
    opens = sorted(_stretches(map(_in_week, week.hours), zone, start, end))
    unknown = sorted(_stretches(_unknown(week), zone, start, end))
    if not opens or opens[0][0] > 0:
        return _closed(opens, unknown, partial(_local, start, zone=zone))
    closes = 0
    for since, until in opens:
        if since <= closes:
            closes = max(closes, until)
    told = closes < end and not any(since <= closes < until for since, until in unknown)
    return Opening(open_now=True, closes_at=_local(start, closes, zone) if told else None, next_open_at=None)


def _closed(
    opens: Sequence[tuple[int, int]], unknown: Sequence[tuple[int, int]], local: Callable[[int], datetime]
) -> Opening:
    """A point that is not open now, as far as that is known."""
    unknown_from = unknown[0][0] if unknown else math.inf
    opens_at = local(opens[0][0]) if opens and opens[0][0] <= unknown_from else None
    return Opening(open_now=None if unknown_from == 0 else False, closes_at=None, next_open_at=opens_at)


def _unknown(week: WeekHours) -> Iterator[tuple[int, int]]:
    """The stretches of the week whose hours are not known, in minutes since Monday 00:00."""
    for weekday in week.unknown:
        yield (weekday - 1) * _DAY, weekday * _DAY
    # Where hours of Sunday end on Monday, those of the last Sunday may have, too; they belong to another week.
    for _, closes in map(_in_week, week.hours):
        if closes > _WEEK:
            yield 0, closes - _WEEK


def _stretches(week: Iterable[tuple[int, int]], zone: ZoneInfo, start: datetime, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of the week that are not over, in minutes from the start; cut at `end` and where clocks change."""
    spans = [*week]
    for since, until in pairwise(sorted({0, _clock_change(zone, start, end), end})):
        wall = _local(start, since, zone)
        monday = since - wall.weekday() * _DAY - wall.hour * 60 - wall.minute
        for opens, closes in spans:
            first, last = max(monday + opens, since), min(monday + closes, until)
            if first < last:
                yield first, last


def _in_week(hours: OpeningHours) -> tuple[int, int]:
    """Opening and closing in minutes since Monday 00:00; an interval that passes midnight closes on the next day."""
    opens, closes = (int(at[:2]) * 60 + int(at[3:]) for at in (hours.opens, hours.closes))
    midnight = (hours.weekday - 1) * _DAY
    return midnight + opens, midnight + closes + (_DAY if closes < opens else 0)


def _minutes_left(zone: ZoneInfo, start: datetime) -> int:
    """Minutes to the end of Sunday."""
    local = start.astimezone(zone)
    monday = datetime.combine(local.date() + timedelta(days=7 - local.weekday()), time(), zone)
    return int((monday - start) / timedelta(minutes=1))


def _clock_change(zone: ZoneInfo, start: datetime, end: int) -> int:
    """Minutes to the next change of the UTC offset, at most to the end; clocks do not change twice in a week."""
    before = start.astimezone(zone).utcoffset()
    return bisect_left(range(end), True, key=lambda minute: _local(start, minute, zone).utcoffset() != before)


def _local(start: datetime, minutes: int, zone: ZoneInfo) -> datetime:
    return (start + timedelta(minutes=minutes)).astimezone(zone)
