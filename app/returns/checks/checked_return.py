"""A body checked once: all its faults, and the return that it asks for. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from app.domain import (
    Address,
    Contact,
    Moment,
    Order,
    Photo,
    Refund,
    ReturnedLine,
    ReturnRequest,
    ServicePoint,
    ShopSettings,
    WhyNot,
)
from app.errors import FieldProblem
from app.models.requests import NewContact, NewReturn
from app.models.returns import ReturnItem
from app.models.shop import Money, Store
from app.portal.view import money, stores
from app.returns.checks.fingerprints import lines
from app.returns.checks.return_methods import RETURN_METHODS, delivery_options, pickup_window

SENDER_NEEDS = ("name", "street", "postal_code", "city", "email")
"""Members that the upstream needs of the sender, besides the country."""
EU = frozenset(re.findall("..", "ATBEBGCYCZDEDKEEESFIFRGRHRHUIEITLTLULVMCMTNLPLPTROSESISK"))
"""Countries of the EU's customs territory, ISO 3166 (Monaco belongs to it)."""
NO_FILES: Mapping[str, str] = MappingProxyType({})
_WHY_NOT: Mapping[WhyNot, tuple[str, str]] = MappingProxyType(
    {
        "not-returnable": ("not-returnable", "The shop does not take this item back."),
        "incomplete": ("not-returnable", "Too little is known about this item."),
        "excluded-by-policy": ("excluded-by-policy", "The shop's return policy excludes this item."),
        "window-over": ("window-over", "The time to return this item is over."),
    }
)
"""Code and detail of a fault, by why the line cannot be returned."""


class CheckedReturn:
    """A body that was checked once for this order, this shop and the session's uploads.

    `files` has the upstream's file names by the handles that `photos` names.
    """

    def __init__(
        self, body: NewReturn, order: Order, settings: ShopSettings, moment: Moment, files: Mapping[str, str] = NO_FILES
    ) -> None:
        self._body = body
        self._order = order
        self._settings = settings
        self._moment = moment
        self._files = files
        self._known = {line.id: line for line in order.lines}
        self._lines = lines(body)
        self._sender = _sender(body.contact, order.address)
        self.units: Counter[str] = Counter()
        """The units of each line that come back."""
        for line in self._lines:
            self.units[line.id] += line.quantity
        checks: tuple[Callable[[], Iterator[FieldProblem]], ...]
        checks = (
            self._check_items,
            self._check_reasons,
            self._check_refund,
            self._check_delivery,
            self._check_contact,
            self._check_parcels,
            self._check_pickup_date,
            self._check_photos,
        )
        self.problems = [problem for check in checks for problem in check()]
        """All faults of the body."""

    def units_held(self, left: Mapping[str, int]) -> list[FieldProblem]:
        """The items of which other returns hold too many units; `left` has the units that none holds, by line."""
        ordered = self._order.units.lines
        return [
            FieldProblem(f"#/items/{index}/quantity", "units-claimed", "Another return holds some of these units.")
            for index, item in enumerate(self._body.items)
            if left.get(item.id, 0) < self.units[item.id] <= ordered.get(item.id, 0)
        ]

    def hints(self) -> list[str]:
        """Pointers to members that will probably be needed; hints only, because the upstream does not say."""
        address, at_home = self._order.address, {store.country for store in self._settings.stores}
        abroad = address.country not in EU and address.country_name not in at_home
        customs = ["#/customs"] if abroad and self._body.customs is None else []
        return customs if self._sender.phone else [*customs, "#/contact/phone"]

    def items(self) -> list[ReturnItem]:
        """The items that come back, as the shopper sees them. The body must have no problems."""
        return [
            ReturnItem(
                id=line.id,
                name=self._known[line.id].title,
                quantity=line.quantity,
                reason=line.reason if line.reason is not None else self._body.reason,
                comment=line.comment,
                unit_price=money(self._known[line.id].price, self._settings.currency),
            )
            for line in self._lines
        ]

    def store(self) -> Store | None:
        """The chosen store as the shopper sees it."""
        offered = stores(self._settings, self._order.store_distances)
        return next((store for store in offered if store.id == self._body.delivery.store), None)

    @property
    def fee(self) -> Money | None:
        """The shop's price of the return."""
        return money(self._settings.return_fee, self._settings.currency)

    @property
    def contact(self) -> Contact:
        """Whom the shop can write to about the return. The body must have no problems."""
        return Contact(name=self._sender.name, email=self._sender.email)

    def request(self, parcel_id: int, point: ServicePoint | None) -> ReturnRequest:
        """The return to create, handed in at this point. The body must have no problems."""
        body, delivery = self._body, self._body.delivery
        return ReturnRequest(
            parcel_id=parcel_id,
            reason=self._first_reason(),
            message=body.message or "",
            refund=self._refund(),
            delivery_option=delivery.option,
            first_mile=RETURN_METHODS[delivery.option].first_mile,
            lines=self._returned_lines(),
            sender=self._sender,
            parcels=body.parcels,
            service_point=point and point.id,
            carrier=self._order.carrier_named(delivery.carrier or (point.carrier if point else None)) or None,
            pickup_date=delivery.pickup_date and delivery.pickup_date.isoformat(),
            photos=self._photos(),
            customs=body.customs and body.customs.model_dump(mode="json", exclude_none=True),
        )

    def _refund(self) -> Refund | None:
        refund = self._body.refund
        return Refund(code=refund.type, message=refund.message or "") if refund else None

    def _first_reason(self) -> int | None:
        reasons = [self._body.reason, *(item.reason for item in self._body.items)]
        return next((reason for reason in reasons if reason is not None), None)

    def _returned_lines(self) -> tuple[ReturnedLine, ...]:
        return tuple(
            ReturnedLine(
                line=self._known[item.id],
                quantity=item.quantity,
                reason=item.reason,
                comment=item.comment,
                hs_code=item.hs_code,
                origin_country=item.origin_country,
                weight=item.weight,
            )
            for item in self._lines
        )

    def _photos(self) -> tuple[Photo, ...]:
        return tuple(
            Photo(
                filename=self._files[photo.file],
                product_id=self._known[photo.item].product_id,
                description=photo.description or "",
            )
            for photo in self._body.photos or []
        )

    def _check_items(self) -> Iterator[FieldProblem]:
        ordered = self._order.units.lines
        for index, item in enumerate(self._body.items):
            line = self._known.get(item.id)
            if line is None:
                yield FieldProblem(f"#/items/{index}/id", "unknown-item", "The order has no such item.")
            elif why_not := self._settings.why_not(line, self._moment):
                yield FieldProblem(f"#/items/{index}/id", *_WHY_NOT[why_not])
            elif self.units[item.id] > ordered[item.id]:
                yield FieldProblem(f"#/items/{index}/quantity", "too-many", "More units than were ordered.")

    def _check_reasons(self) -> Iterator[FieldProblem]:
        offered, of_all = {None, *(reason.id for reason in self._settings.reasons)}, self._body.reason
        if of_all not in offered:
            yield FieldProblem("#/reason", "unknown-reason", "The shop does not offer this reason.")
        for index, item in enumerate(self._body.items):
            where = f"#/items/{index}"
            if item.reason not in offered:
                yield FieldProblem(f"{where}/reason", "unknown-reason", "The shop does not offer this reason.")
            elif item.reason is None and of_all is None and self._settings.reasons:
                yield FieldProblem(where, "missing", "A reason is needed, here or for all.", f"{where}/reason")

    def _check_refund(self) -> Iterator[FieldProblem]:
        refund, offered = self._body.refund, {option.code: option for option in self._settings.refund_options}
        if refund is None:
            if offered:
                yield FieldProblem("#", "missing", "The shop asks how to refund.", "#/refund")
        elif refund.type not in offered:
            yield FieldProblem("#/refund/type", "not-offered", "The shop does not offer this refund.")
        elif offered[refund.type].message_required and not (refund.message or "").strip():
            yield FieldProblem("#/refund", "missing", "This refund needs a message.", "#/refund/message")

    def _check_delivery(self) -> Iterator[FieldProblem]:
        delivery = self._body.delivery
        offered = {option.code: option for option in delivery_options(self._settings, self._order) if option.possible}
        option = offered.get(delivery.option)
        if option is None:
            yield FieldProblem("#/delivery/option", "not-offered", "This parcel cannot travel back that way.")
            return
        stated = {name for name in delivery.model_fields_set if getattr(delivery, name) is not None}
        for need in option.needs:
            if need not in stated:
                yield FieldProblem("#/delivery", "missing", f"This way back needs a {need}.", f"#/delivery/{need}")
        for name in sorted(stated - {"option", *option.needs, *option.accepts}):
            yield FieldProblem(f"#/delivery/{name}", "not-applicable", "This way back has no use for it.")
        yield from self._check_places()

    def _check_places(self) -> Iterator[FieldProblem]:
        delivery = self._body.delivery
        carrier = self._order.carrier_named(delivery.carrier)
        if carrier not in {"", *(offered.code for offered in self._order.carriers)}:
            yield FieldProblem("#/delivery/carrier", "not-offered", "This carrier does not take the parcel.")
        if delivery.store not in {None, *(place.id for place in self._settings.stores)}:
            yield FieldProblem("#/delivery/store", "not-offered", "The shop has no such store.")

    def _check_pickup_date(self) -> Iterator[FieldProblem]:
        delivery, window = self._body.delivery, pickup_window(self._order, self._moment.now)
        day = delivery.pickup_date
        if delivery.option == "pickup" and day and not window.earliest <= day <= window.latest:
            yield FieldProblem("#/delivery/pickup_date", "invalid", "No courier can be asked for on this day.")

    def _check_contact(self) -> Iterator[FieldProblem]:
        for name in SENDER_NEEDS:
            if not getattr(self._sender, name):
                where = f"#/contact/{name}"
                yield FieldProblem(where, "missing", f"The order has no {name.replace('_', ' ')} of the sender.", where)

    def _check_parcels(self) -> Iterator[FieldProblem]:
        if self._body.parcels > self._order.max_parcels:
            yield FieldProblem("#/parcels", "too-many", "More parcels than went out.")

    def _check_photos(self) -> Iterator[FieldProblem]:
        for index, photo in enumerate(self._body.photos or []):
            where = f"#/photos/{index}"
            if photo.file not in self._files:
                yield FieldProblem(f"{where}/file", "unknown-upload", "This session has uploaded no such file.")
            if photo.item not in self.units:
                yield FieldProblem(f"{where}/item", "unknown-item", "The item is not among those that come back.")


def _sender(contact: NewContact | None, address: Address) -> Address:
    """The address the parcel went to, with the shopper's corrections."""
    corrected = contact.model_dump(exclude_none=True) if contact else {}
    return address.model_copy(update=corrected)
