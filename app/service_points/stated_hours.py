"""The hours that a service point states, as intervals of a week."""

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from prometheus_client import Counter

from app.models.service_points import OpeningHours
from app.telemetry.metrics import REGISTRY

DROPPED = Counter("bff_opening_hours_dropped", "Opening hours that could not be read.", registry=REGISTRY)
MAX_TEXTS = 12
"""The most texts of one day that are read."""
HOUR, NOON, MIDNIGHT = 60, 12 * 60, 24 * 60
LAST_MINUTE = MIDNIGHT - 1
"""Upstream writes "00:00 - 23:59" for points that never close."""
EVERY_DAY = frozenset(range(1, 8))
_TIME = r"([0-9]{1,2})(?:[:.h]?([0-9]{2})(?::[0-9]{2})?|h)?\s*([ap]\.?m\.?(?![a-z]))?"
_INTERVAL = re.compile(rf"(?<![0-9:.]){_TIME}\s*(?:[-\u2010-\u2015\u2212~]|to)\s*{_TIME}(?![0-9:.])", re.IGNORECASE)
_ALL_DAY = re.compile(r"(?:open )?24 ?(?:/ ?7|h|hrs?|hours)", re.IGNORECASE)
_BETWEEN = " ,;&|/"


class WeekHours(NamedTuple):
    """Opening hours of one week, in order. A day without any is closed, unless it is `unknown` (1 is Monday)."""

    hours: list[OpeningHours]
    unknown: frozenset[int] = frozenset()


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
    DROPPED.inc(len(stated) - len(readable))
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
