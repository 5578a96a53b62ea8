"""The returns of an order, of which only the number is known."""

from contextlib import suppress
from typing import NamedTuple

from app.errors import ReturnNotFound
from app.returns.store.index import Index
from app.returns.store.records import VersionedReturn
from app.returns.store.returns import Returns


class ParcelReturn(NamedTuple):
    """A return, and the key of its parcel."""

    parcel_key: str
    found: VersionedReturn


async def returns_of_order(index: Index, returns: Returns, brand: str, order_number: str) -> list[ParcelReturn]:
    """The returns of all parcels of this order, the oldest first; those whose claim has ended are not found."""
    found = []
    for parcel_key in await index.parcels_of(brand, order_number):
        _, claims = await returns.claims(parcel_key)
        for return_id in claims:
            with suppress(ReturnNotFound):
                found.append(ParcelReturn(parcel_key, await returns.get(parcel_key, return_id)))
    return sorted(found, key=lambda each: each.found.record.created_at)
