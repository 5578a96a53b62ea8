"""Opening times of any known shape, brought into one: the texts of each day."""

from collections.abc import Mapping
from types import MappingProxyType

from app.sendcloud.leniency import cleaning

UNREADABLE = "?"
"""Stands for a value that is not text: the day has hours, and they cannot be read."""
_DAYS = MappingProxyType({name: str(day) for day, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))})
_NUMBERS = frozenset(_DAYS.values())


def opening_times(said: object) -> Mapping[str, tuple[str, ...]] | None:
    """The texts by day, "0" for Monday; a day without a statement is left out. None if no day is named.

    Documented is an object with the days "0" to "6". One text counts for every day, and days may be named in English.
    Numbers up to "7" could begin with any day, so they are not read.
    """
    if isinstance(said, str):
        said = dict.fromkeys(sorted(_NUMBERS), said)
    if not isinstance(said, dict) or "7" in said:
        return None
    named = {_day(name): value for name, value in said.items() if value is not None}
    return {day: _texts(value) for day, value in named.items() if day in _NUMBERS} or None


def _day(name: str) -> str:
    return name if name in _NUMBERS else _DAYS.get(name.casefold()[:3], "")


def _texts(value: object) -> tuple[str, ...]:
    each = value if isinstance(value, list) else [value]
    return tuple(cleaning.text(text) if isinstance(text, str) else UNREADABLE for text in each)
