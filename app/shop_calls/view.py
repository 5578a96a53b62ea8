"""What a shop sees of a return and of the claims on its parcel."""

from app.models.fields import utc_datetime
from app.models.shop_calls import Holder, ShopReturn
from app.returns.claims import Claim, Phase
from app.returns.store.records import VersionedReturn


def shop_return(found: VersionedReturn) -> ShopReturn:
    """The return as its shop sees it."""
    record = found.record
    return ShopReturn(
        id=record.id,
        state=record.state,
        revision=record.revision,
        created_at=utc_datetime(record.created_at),
        updated_at=utc_datetime(record.updated_at),
        items=record.items,
        delivery=record.delivery,
        sendcloud_return_id=record.sendcloud_return_id,
        parcels=list(record.parcels),
        refund_type=record.refund_type,
        fee=record.fee,
    )


def holder(return_id: str, claim: Claim, finding: str | None) -> Holder:
    """The claim of this return as its shop sees it."""
    return Holder.model_validate(
        {
            "return_id": return_id,
            "phase": claim.phase.value,
            "holds_units": claim.phase is not Phase.FAILED,
            "lease_until": utc_datetime(claim.lease_until),
            "finding": finding,
        }
    )
