"""Counters by brand: the busiest brands by name, all others together."""

from collections import Counter as Counts
from collections.abc import Iterable, Sequence

from prometheus_client import Counter

BRANDS = 50
"""How many brands have series of their own."""
OTHERS = "other"


class BrandCounter:
    """Counts by brand and another label; a brand that becomes twice as busy as a named one takes its place.

    Values of the other label that are `alerted` are shown at 0 from the beginning, for the others and for each brand
    with a name, because an alert on `increase` does not see the value that a series begins with.
    """

    def __init__(self, counter: Counter, alerted: Sequence[str] = (), brands: int = BRANDS) -> None:
        self._counter = counter
        self._alerted = alerted
        self._room = brands
        self._counts: Counts[str] = Counts()
        self._named: set[str] = set()
        self._begin(OTHERS)

    def name(self, brands: Iterable[str]) -> None:
        """Gives these brands series of their own, while there is room."""
        for brand in brands:
            if len(self._named) == self._room:
                return
            if brand not in self._named:
                self._named.add(brand)
                self._begin(brand)

    def count(self, brand: str, value: str) -> None:
        """Counts this value once, under the brand or with the others."""
        self._counts[brand] += 1
        self.name([brand])
        self._counter.labels(brand if brand in self._named else OTHERS, value).inc()
        if brand not in self._named:
            self._replace_least(brand)

    def _replace_least(self, brand: str) -> None:
        """Names a brand that is twice as busy as the least busy named one; it is counted by name from now on."""
        least = min(self._named, key=self._counts.__getitem__)
        if self._counts[brand] >= 2 * self._counts[least]:
            self._named.discard(least)
            self._counter.remove_by_labels({"brand": least})
            self.name([brand])

    def _begin(self, brand: str) -> None:
        for value in self._alerted:
            self._counter.labels(brand, value)
