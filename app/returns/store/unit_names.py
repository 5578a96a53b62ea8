"""The names of ordered units in claims: keyed, because a product says something about its owner."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from pydantic import TypeAdapter

from app.domain import Units
from app.redis.encryption import Keyring, parsing
from app.returns.claims import Claim, limited, units_held

FIRST_SEEN: TypeAdapter[dict[str, int]] = TypeAdapter(dict[str, int])
"""The first known number of units of each line, by its name in claims."""


NAMES = 4096
"""Names kept: every first screen asks for those of its order again."""


class UnitNames:
    """Translates between ordered units and the names that the claims of their parcel hold."""

    def __init__(self, keyring: Keyring) -> None:
        self._name: Callable[[str, str, str], str] = lru_cache(NAMES)(keyring.name)

    def named(self, parcel_key: str, units: Units) -> dict[str, int]:
        """The units by the keyed names that claims hold."""
        by_product = {self._product(parcel_key, product): count for product, count in units.products.items()}
        return by_product | {self._line(parcel_key, line): count for line, count in units.lines.items()}

    def free(
        self, parcel_key: str, ordered: Units, claims: Mapping[str, Claim], first_seen: Mapping[str, int]
    ) -> Units:
        """The ordered units that no claim holds."""
        limits = limited(claims, self.named(parcel_key, ordered), first_seen)
        held = units_held(claims)
        free = {name: limits[name] - held[name] for name in limits}
        return Units(
            {line: free[self._line(parcel_key, line)] for line in ordered.lines},
            {product: free[self._product(parcel_key, product)] for product in ordered.products},
        )

    def _product(self, parcel_key: str, product_id: str) -> str:
        # The name that releases before this one know, which counted by product alone.
        return self._name("line", parcel_key, product_id)

    def _line(self, parcel_key: str, line_id: str) -> str:
        return self._name("order line", parcel_key, line_id)


# Kept, because every first screen of a parcel reads the same bytes again; few, because orders may have 10,000 lines.
@lru_cache(128)
def loaded_first_seen(stored: bytes) -> Mapping[str, int]:
    """The first known numbers of units as they are stored; empty where none are."""
    with parsing():
        return FIRST_SEEN.validate_json(stored) if stored else {}
