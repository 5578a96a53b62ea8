"""What a 429 silences: one call, its brand once several calls were told, the class once several brands were."""

from collections import Counter, OrderedDict
from collections.abc import Hashable

SEVERAL_CALLS = 3
"""Different calls of a brand that are told to wait at the same time: it is about the brand and not about one order."""
SEVERAL_BRANDS = 2
REMEMBERED = 1024


class BusySignals:
    """The 429s that one class of calls met, each until its time is up."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, Hashable], float] = OrderedDict()

    def wait(self, brand: str, failure_key: Hashable, now: float) -> float:
        """Seconds until this may be asked for again; 0 means now."""
        if not self._until:
            return 0.0
        of_brand = sorted(until for (each, _), until in self._until.items() if each == brand and until > now)
        until = self._until.get((brand, failure_key), now)
        if len(of_brand) >= SEVERAL_CALLS:
            until = max(until, of_brand[-SEVERAL_CALLS])
        return max(0.0, until - now)

    def note(self, brand: str, failure_key: Hashable, now: float, seconds: float) -> None:
        """Takes note of a 429 that asks for so many seconds."""
        self._until[brand, failure_key] = now + seconds
        self._until.move_to_end((brand, failure_key))
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)

    def is_general(self, now: float, brands: int) -> bool:
        """Whether the whole class is meant: several of so many brands are told to wait, or the only one there is."""
        calls = Counter(brand for (brand, _), until in self._until.items() if until > now)
        busy = sum(count >= SEVERAL_CALLS for count in calls.values())
        return len(calls) >= SEVERAL_BRANDS or (brands == 1 and busy == 1)
