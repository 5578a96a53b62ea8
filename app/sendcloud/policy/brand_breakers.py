"""A breaker for each brand under one for the whole class, so that one shop's failures do not stop the others."""

from collections import OrderedDict
from collections.abc import Hashable

from app.sendcloud.policy.breaker import Breaker, State

BRANDS = 1024
"""How many brands are remembered: those that called last."""

Begun = list[tuple[Breaker, int]]
"""The breakers that a call passed, with their generations."""


class BrandBreakers:
    """The breakers of one class of calls.

    A brand's breaker counts failures by what was asked for. The one above counts brands; a failure to connect counts by
    what was asked for there too, since it says the same about every brand.
    """

    def __init__(self) -> None:
        self._whole = Breaker()
        self._by_brand: OrderedDict[str, Breaker] = OrderedDict()

    def state(self, now: float) -> State:
        """The state of the class; it is also open if the breakers of all brands are."""
        brands = min((breaker.state(now) for breaker in self._by_brand.values()), default=State.CLOSED)
        return max(self._whole.state(now), brands)

    @property
    def brands(self) -> int:
        """How many brands have called."""
        return len(self._by_brand)

    def open_brands(self, now: float) -> int:
        """How many brands have a breaker that is not closed."""
        return sum(breaker.state(now) is not State.CLOSED for breaker in self._by_brand.values())

    def wait(self, brand: str, now: float) -> float:
        """Seconds until a call of this brand makes sense; 0 means now."""
        return max(self._whole.wait(now), self._of(brand).wait(now))

    def begin(self, brand: str) -> Begun:
        """Notes the start of a call."""
        return [(breaker, breaker.begin()) for breaker in (self._of(brand), self._whole)]

    def end(self, begun: Begun, now: float, failure_keys: tuple[Hashable, Hashable], *, ok: bool | None) -> None:
        """Notes how the call ended, with its failure keys for the brand's breaker and for the one above."""
        for (breaker, generation), failure_key in zip(begun, failure_keys, strict=True):
            breaker.end(generation, now, failure_key, ok=ok)

    def _of(self, brand: str) -> Breaker:
        breaker = self._by_brand.get(brand)
        if breaker is None:
            breaker = self._by_brand[brand] = Breaker()
        self._by_brand.move_to_end(brand)
        if len(self._by_brand) > BRANDS:
            self._by_brand.popitem(last=False)
        return breaker
