"""The work behind a shop's own calls."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from app.errors import FieldProblem, InvalidRequest, ReturnNotFound, ReturnStillOpen
from app.models.shop_calls import ParcelUnits, Resolution
from app.returns.erasure import erase
from app.returns.findings import Finding, Report, record_finding
from app.returns.labels.evidence import Evidence
from app.returns.orders import ParcelReturn, returns_of_order
from app.returns.store.index import Index
from app.returns.store.records import VersionedReturn
from app.returns.store.returns import Returns
from app.shop_calls.view import holder
from app.telemetry.logs import log

_PANEL_NOT_CHECKED = FieldProblem("#/panel_checked", "panel-not-checked", "Look into the panel first, then say true.")


@dataclass(frozen=True)
class ShopCalls:
    """The returns of a shop, found by their ids or by orders; those of another shop do not exist for it."""

    index: Index
    returns: Returns
    evidence: Evidence
    erase_documents: Callable[[str], Awaitable[None]]
    """Deletes what is kept of the documents of a return, by its id."""

    async def find(self, brand: str, return_id: str) -> ParcelReturn:
        """The return as stored.

        Raises:
            ReturnNotFound: this shop has no such return, or it is no longer kept.
        """
        parcel_key = await self.index.parcel_of(return_id)
        if parcel_key is None:
            raise ReturnNotFound("not in the index")
        found = await self.returns.get(parcel_key, return_id)
        if found.record.brand != brand:
            raise ReturnNotFound("a return of another shop")
        return ParcelReturn(parcel_key, found)

    async def of_order(self, brand: str, order_number: str) -> list[ParcelReturn]:
        """The returns of this order, the oldest first."""
        return await returns_of_order(self.index, self.returns, brand, order_number)

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
        await record_finding(self.returns, parcel_key, return_id, Report(finding, by))
        return await self.returns.get(parcel_key, return_id)

    async def erase(self, brand: str, return_id: str, *, by: str) -> VersionedReturn:
        """The return without anything personal, now or by an earlier call.

        Raises:
            ReturnStillOpen: its state is not final.
            ReturnNotFound: as for `find`.
        """
        parcel_key, _ = await self.find(brand, return_id)
        return await self._erased(parcel_key, brand, return_id, by)

    async def erase_order(self, brand: str, order_number: str, *, by: str) -> Mapping[str, bool]:
        """The returns of this order by id, and whether each was erased; one that is still open was not."""
        erased = {}
        for parcel_key, found in await self.of_order(brand, order_number):
            erased[found.record.id] = False
            with suppress(ReturnStillOpen):
                await self._erased(parcel_key, brand, found.record.id, by)
                erased[found.record.id] = True
        return erased

    async def _erased(self, parcel_key: str, brand: str, return_id: str, by: str) -> VersionedReturn:
        found = await erase(self.returns, parcel_key, return_id)
        await self.erase_documents(return_id)
        await self.evidence.forget(brand, return_id)
        log.warning("return erased", return_id=return_id, by=by)
        return found
