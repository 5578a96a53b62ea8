"""What need not be made again while that from which it was made stays the same."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class DerivedValues(Generic[K, T]):
    """The newest value of each key with its parts, for the `size` keys used last; never older than its parts."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[K, tuple[object, T]] = OrderedDict()

    def get(self, key: K, parts: object, make: Callable[[], T]) -> T:
        """The value made from these parts; `make` is called if the last one was made from others."""
        kept = self._kept.get(key)
        value = make() if kept is None or kept[0] != parts else kept[1]
        # With the parts of now, although they may be equal: the same ones are compared at no cost the next time.
        self._kept[key] = parts, value
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value

    def last(self, key: K) -> T | None:
        """The value made last, whatever has become of its parts; None if there is none."""
        kept = self._kept.get(key)
        return kept and kept[1]

    def forget(self, key: K) -> None:
        """Forgets the value of this key."""
        self._kept.pop(key, None)
