"""The indexes of returns: the parcel of a return by its id, and the parcels of an order by its number."""

import asyncio

from app.redis.encryption import Keyring
from app.redis.store import Store
from app.returns.store.records import RETURN_ID, ReturnRecord

PARCELS_OF_AN_ORDER = 100
"""How many parcels of an order are found by its number: those whose last return is the newest."""


class Index:
    """Finds returns that were made within the last `seconds`; every method raises StoreUnavailable."""

    def __init__(self, store: Store, keyring: Keyring, seconds: int) -> None:
        self._store = store
        self._keyring = keyring
        self._seconds = seconds

    async def add(self, parcel_key: str, record: ReturnRecord, order_number: str) -> None:
        """Notes durably which parcel and which order the return is of; an order without a number is not found."""
        entries = [self._store.put(index_key(record.id), parcel_key.encode(), self._seconds, durable=True)]
        if order_number:
            entries.append(self._add_parcel(parcel_key, record.brand, order_number))
        await asyncio.gather(*entries)

    async def parcel_of(self, return_id: str) -> str | None:
        """The key of the parcel that this return belongs to; None if the index has no such return."""
        if not RETURN_ID.fullmatch(return_id):
            return None
        indexed = await self._store.get(index_key(return_id))
        return indexed.decode() if indexed else None

    async def parcels_of(self, brand: str, order_number: str) -> list[str]:
        """The keys of the parcels of this order that returns were made of."""
        return await self._store.newest(self._order_key(brand, order_number))

    async def _add_parcel(self, parcel_key: str, brand: str, order_number: str) -> None:
        key = self._order_key(brand, order_number)
        await self._store.keep_newest(key, parcel_key, PARCELS_OF_AN_ORDER, self._seconds, durable=True)

    def _order_key(self, brand: str, order_number: str) -> str:
        return f"o:{{{self._keyring.name('order of returns', brand, order_number.strip().casefold())}}}"


def index_key(return_id: str) -> str:
    """The key under which the parcel of a return is stored."""
    return f"i:{{{return_id}}}"
