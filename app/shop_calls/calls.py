"""The work behind a shop's own calls."""

from dataclasses import dataclass
from typing import NamedTuple

from app.errors import FieldProblem, InvalidRequest, ReturnNotFound
from app.models.shop_calls import ParcelUnits, Resolution
from app.redis.store import Store
from app.returns.findings import Finding, indexed_parcel_key, record_finding
from app.returns.store.records import VersionedReturn
from app.returns.store.returns import Returns
from app.shop_calls.view import holder

_PANEL_NOT_CHECKED = FieldProblem("#/panel_checked", "panel-not-checked", "Look into the panel first, then say true.")


class ShopsReturn(NamedTuple):
    """A return of the shop that asks, and the key of its parcel."""

    parcel_key: str
    found: VersionedReturn


@dataclass(frozen=True)
class ShopCalls:
    """The returns of a shop, found by their ids alone; those of another shop do not exist for it."""

    store: Store
    returns: Returns

    async def find(self, brand: str, return_id: str) -> ShopsReturn:
        """The return as stored.

        Raises:
            ReturnNotFound: this shop has no such return, or it is no longer kept.
        """
        parcel_key = await indexed_parcel_key(self.store, return_id)
        if parcel_key is None:
            raise ReturnNotFound("not in the index")
        found = await self.returns.get(parcel_key, return_id)
        if found.record.brand != brand:
            raise ReturnNotFound("a return of another shop")
        return ShopsReturn(parcel_key, found)

    async def units(self, brand: str, return_id: str) -> ParcelUnits:
        """Which returns hold units of the parcel that this return belongs to.

        Raises:
            ReturnNotFound: as for `find`.
        """
        parcel_key, _ = await self.find(brand, return_id)
        _, claims = await self.returns.claims(parcel_key)
        findings = await self.returns.findings(parcel_key, claims) if claims else {}
        by_age = sorted(claims.items(), key=lambda each: each[1].lease_until)
        return ParcelUnits(holders=[holder(name, claim, findings.get(name)) for name, claim in by_age])

    async def resolve(self, brand: str, return_id: str, wanted: Resolution, *, by: str) -> VersionedReturn:
        """The return after this outcome was recorded, now or by an earlier call.

        Raises:
            InvalidRequest: `never-made` is recorded only once the panel has been checked.
            FindingRefused: the return does not allow this outcome, or not yet.
            ReturnNotFound: as for `find`.
        """
        finding = Finding(wanted.outcome)
        if finding is Finding.NEVER_MADE and not wanted.panel_checked:
            raise InvalidRequest("the panel was not looked into", errors=[_PANEL_NOT_CHECKED])
        parcel_key, _ = await self.find(brand, return_id)
        await record_finding(self.returns, parcel_key, return_id, finding, by=by)
        return await self.returns.get(parcel_key, return_id)
