"""Erasing a shopper's records: what keeps units from being returned twice stays, and nothing personal."""

from dataclasses import replace

from app.errors import ReturnNotFound, ReturnStillOpen
from app.events.event import EventType
from app.models.returns import FINAL_STATES
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import Returns


async def erase(returns: Returns, parcel_key: str, return_id: str) -> VersionedReturn:
    """The return without anything personal, stored durably; one that was erased before is as it was.

    Raises:
        ReturnStillOpen: its content is needed until its state is final.
        ReturnNotFound: this parcel has no such return.
    """
    # This read settles a creation whose request has died.
    await returns.get(parcel_key, return_id)
    found = await returns.rewrite(parcel_key, return_id, _erased, EventType.ERASED)
    if found is None:
        raise ReturnNotFound("its claim has ended")
    return found


def _erased(found: VersionedReturn) -> ReturnRecord:
    if found.record.state not in FINAL_STATES:
        raise ReturnStillOpen(f"it is {found.record.state}")
    bare = found.record.erased()
    return bare if bare == found.record else replace(found, record=bare).changed()
