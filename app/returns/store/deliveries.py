"""When parcels were delivered, as Redis keeps it: known only where the upstream told it, and never for ever."""

from functools import lru_cache
from typing import Literal

from app.domain import DAY_SECONDS, LONGEST_WINDOW, RedactedModel
from app.redis.encryption import Keyring, parsing

LONGEST_WINDOW_KEPT_SECONDS = LONGEST_WINDOW * DAY_SECONDS
AFTERWARDS_KEPT_SECONDS = 180 * DAY_SECONDS
"""How long a delivery stays known after the window, so that items do not come back again because it is forgotten."""


class Delivery(RedactedModel):
    """The delivery of a parcel."""

    format: Literal[1] = 1
    at: float
    """Seconds since the epoch, on the upstream's clock."""


def key_of_parcel(keyring: Keyring, brand: str, parcel_id: int) -> str:
    """The key of the parcel with this id: the name under which everything about it is kept."""
    return keyring.name("parcel", brand, f"id:{parcel_id}")


def delivered_key(parcel_key: str) -> str:
    """The key of a parcel's delivery."""
    return f"p:{{{parcel_key}}}:delivered"


def kept_until(delivered_at: float, window: int) -> float:
    """Until when the delivery is kept for a shop with a window of this many days."""
    return delivered_at + window * DAY_SECONDS + AFTERWARDS_KEPT_SECONDS


# Kept, because every first screen of a parcel reads the same bytes again.
@lru_cache(1024)
def loaded_delivery(kept: bytes) -> float | None:
    """The stored moment; None if nothing is stored."""
    with parsing():
        return Delivery.model_validate_json(kept).at if kept else None
