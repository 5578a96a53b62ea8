"""What a 429 silences: what was asked for, and the whole class only once several different calls were told the same."""

from collections import OrderedDict
from collections.abc import Hashable

SEVERAL = 3
"""Different calls that are told to wait at the same time: it is about us and not about what was asked for."""
REMEMBERED = 1024


class BusySignals:
    """The 429s that one class of calls met, each until its time is up."""

    def __init__(self) -> None:
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds until this may be asked for again; 0 means now."""
        return max(0.0, self._until.get(key, now) - now)

    def note(self, key: Hashable, now: float, seconds: float) -> bool:
        """Takes note of a 429 that asks for so many seconds; whether it is about the whole class by now."""
        self._until[key] = now + seconds
        self._until.move_to_end(key)
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
        return sum(until > now for until in self._until.values()) >= SEVERAL
