"""The reach of a 429: one call; its brand, if several calls got one; the class, if several brands did."""

from collections import Counter, OrderedDict
from collections.abc import Hashable

SEVERAL_CALLS = 3
"""When this many different calls of a brand must wait at the same time, the brand is meant, not one order."""
SEVERAL_BRANDS = 2
REMEMBERED = 1024


class BusySignals:
    """The 429s that calls of one class got, each until its wait is over."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, Hashable], float] = OrderedDict()

    def wait(self, brand: str, failure_key: Hashable, now: float) -> float:
        """Seconds until this call may be made again; 0 means now."""
        if not self._until:
            return 0.0
        of_brand = sorted(until for (each, _), until in self._until.items() if each == brand and until > now)
        until = self._until.get((brand, failure_key), now)
        if len(of_brand) >= SEVERAL_CALLS:
            until = max(until, of_brand[-SEVERAL_CALLS])
        return max(0.0, until - now)

    def note(self, brand: str, failure_key: Hashable, now: float, seconds: float) -> None:
        """Notes a 429 that asks for so many seconds."""
        self._until[brand, failure_key] = now + seconds
        self._until.move_to_end((brand, failure_key))
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)

    def is_general(self, now: float, brands: int) -> bool:
        """Whether the 429s concern the whole class: several of so many brands must wait, or the only one must."""
        calls = Counter(brand for (brand, _), until in self._until.items() if until > now)
        busy = sum(count >= SEVERAL_CALLS for count in calls.values())
        return len(calls) >= SEVERAL_BRANDS or (brands == 1 and busy == 1)
