"""LRU cache whose entries are rebuilt when their inputs change."""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    parts: object
    value: T
    weight: int


class DerivedValues(Generic[K, T]):
    """The newest value of each key with the inputs (`parts`) it was made from, for the keys used last.

    It holds at most `size` values, which weigh at most `max_weight` together.
    """

    def __init__(self, size: int, max_weight: float = math.inf) -> None:
        self._size = size
        self._max_weight = max_weight
        self._weight = 0
        self._kept: OrderedDict[K, _Kept[T]] = OrderedDict()

    def get(self, key: K, parts: object, make: Callable[[], T], weigh: Callable[[T], int] = lambda _: 0) -> T:
        """The value made from these parts; `make` is called if the kept one was made from other parts."""
        kept = self._kept.get(key)
        if kept is not None and kept.parts == parts:
            # These parts replace equal ones: comparing an object with itself costs nothing the next time.
            kept.parts = parts
            self._kept.move_to_end(key)
            return kept.value
        value = make()
        self.forget(key)
        self._kept[key] = _Kept(parts, value, weigh(value))
        self._weight += self._kept[key].weight
        while len(self._kept) > self._size or self._weight > self._max_weight:
            self.forget(next(iter(self._kept)))
        return value

    def last(self, key: K) -> T | None:
        """The value made last, even if its parts have changed; None if there is none."""
        kept = self._kept.get(key)
        return kept.value if kept else None

    def forget(self, key: K) -> None:
        """Forgets the value of this key."""
        kept = self._kept.pop(key, None)
        if kept:
            self._weight -= kept.weight
