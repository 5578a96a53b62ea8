"""Checks of a return's body, and the request it becomes. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from app.domain import (
    Address,
    Order,
    OrderLine,
    Photo,
    Refund,
    ReturnedLine,
    ReturnRequest,
    ServicePoint,
    ShopSettings,
)
from app.errors import FieldProblem
from app.models import NewContact, NewPhoto, NewReturn, NewReturnItem
from app.returns.delivery import delivery_options, pickup_window

SENDER_NEEDS = ("name", "street", "postal_code", "city", "email")
"""Members that the upstream needs of the sender, besides the country."""
EU = frozenset(re.findall("..", "ATBEBGCYCZDEDKEEESFIFRGRHRHUIEITLTLULVMCMTNLPLPTROSESISK"))
"""Countries of the EU's customs territory, ISO 3166 (Monaco belongs to it)."""
NO_FILES: Mapping[str, str] = MappingProxyType({})


def lines(body: NewReturn) -> list[NewReturnItem]:
    """The items, where those that differ only in quantity are summed into one."""
    summed: Counter[NewReturnItem] = Counter()
    for item in body.items:
        summed[item.model_copy(update={"quantity": 1})] += item.quantity
    return [item.model_copy(update={"quantity": quantity}) for item, quantity in summed.items()]


def units(body: NewReturn) -> Counter[str]:
    """How many units of each item come back."""
    wanted: Counter[str] = Counter()
    for item in body.items:
        wanted[item.id] += item.quantity
    return wanted


def problems(
    body: NewReturn,
    order: Order,
    settings: ShopSettings,
    now: float,
    files: Mapping[str, str] = NO_FILES,
) -> list[FieldProblem]:
    """Everything that is wrong with the body for this parcel, this shop and the session's `files`, all at once.

    `now` is in seconds since the epoch.
    """
    checks: tuple[Callable[[NewReturn, Order, ShopSettings], Iterator[FieldProblem]], ...]
    checks = (_items, _reasons, _refund, _delivery, _contact, _parcels)
    found = [problem for check in checks for problem in check(body, order, settings)]
    return [*found, *_pickup_date(body, order, now), *_photos(body, files)]


def held_units(body: NewReturn, order: Order, left: Mapping[str, int]) -> list[FieldProblem]:
    """The items of which other returns hold too many units; `left` counts by item id what they do not hold."""
    wanted, in_all = units(body), order.units.lines
    return [
        FieldProblem(f"#/items/{index}/quantity", "units-claimed", "Another return holds some of these units.")
        for index, item in enumerate(body.items)
        if left.get(item.id, 0) < wanted[item.id] <= in_all.get(item.id, 0)
    ]


def _items(body: NewReturn, order: Order, _settings: ShopSettings) -> Iterator[FieldProblem]:
    known = order_lines(order)
    wanted, in_all = units(body), order.units.lines
    for index, item in enumerate(body.items):
        line = known.get(item.id)
        if line is None:
            yield FieldProblem(f"#/items/{index}/id", "unknown-item", "The order has no such item.")
        elif not line.returnable:
            yield FieldProblem(f"#/items/{index}/id", "not-returnable", "The shop does not take this item back.")
        elif wanted[item.id] > in_all[item.id]:
            yield FieldProblem(f"#/items/{index}/quantity", "too-many", "More units than were ordered.")


def _reasons(body: NewReturn, _order: Order, settings: ShopSettings) -> Iterator[FieldProblem]:
    offered = {reason.id for reason in settings.reasons}
    if body.reason is not None and body.reason not in offered:
        yield FieldProblem("#/reason", "unknown-reason", "The shop does not offer this reason.")
    for index, item in enumerate(body.items):
        if item.reason is None and body.reason is None:
            where = f"#/items/{index}"
            yield FieldProblem(where, "missing", "A reason is needed, here or for all.", f"{where}/reason")
        elif item.reason is not None and item.reason not in offered:
            yield FieldProblem(f"#/items/{index}/reason", "unknown-reason", "The shop does not offer this reason.")


def _refund(body: NewReturn, _order: Order, settings: ShopSettings) -> Iterator[FieldProblem]:
    offered = {option.code: option for option in settings.refund_options}
    if body.refund is None:
        if offered:
            yield FieldProblem("#", "missing", "The shop asks how to refund.", "#/refund")
    elif body.refund.type not in offered:
        yield FieldProblem("#/refund/type", "not-offered", "The shop does not offer this refund.")
    elif offered[body.refund.type].message_required and not (body.refund.message or "").strip():
        yield FieldProblem("#/refund", "missing", "This refund needs a message.", "#/refund/message")


def _delivery(body: NewReturn, order: Order, settings: ShopSettings) -> Iterator[FieldProblem]:
    delivery = body.delivery
    offered = {option.code: option for option in delivery_options(settings, order)}
    option = offered.get(delivery.option)
    if option is None or not option.possible:
        yield FieldProblem("#/delivery/option", "not-offered", "This parcel cannot travel back that way.")
        return
    for need in option.needs:
        if getattr(delivery, need) is None:
            yield FieldProblem("#/delivery", "missing", f"This way back needs a {need}.", f"#/delivery/{need}")
    for name in sorted(delivery.model_fields_set - {"option", *option.needs, *option.accepts}):
        if getattr(delivery, name) is not None:
            yield FieldProblem(f"#/delivery/{name}", "not-applicable", "This way back has no use for it.")
    if delivery.carrier is not None and delivery.carrier not in {carrier.code for carrier in order.carriers}:
        yield FieldProblem("#/delivery/carrier", "not-offered", "This carrier does not take the parcel.")
    if delivery.store is not None and delivery.store not in {place.id for place in settings.stores}:
        yield FieldProblem("#/delivery/store", "not-offered", "The shop has no such store.")


def _pickup_date(body: NewReturn, order: Order, now: float) -> Iterator[FieldProblem]:
    day, window = body.delivery.pickup_date, pickup_window(order, now)
    if body.delivery.option == "pickup" and day and not window.earliest <= day <= window.latest:
        yield FieldProblem("#/delivery/pickup_date", "invalid", "No courier can be asked for on this day.")


def _photos(body: NewReturn, files: Mapping[str, str]) -> Iterator[FieldProblem]:
    items = {item.id for item in body.items}
    for index, photo in enumerate(body.photos or []):
        if photo.file not in files:
            yield FieldProblem(f"#/photos/{index}/file", "unknown-upload", "This session has uploaded no such file.")
        if photo.item not in items:
            yield FieldProblem(f"#/photos/{index}/item", "unknown-item", "The item is not among those that come back.")


def _contact(body: NewReturn, order: Order, _settings: ShopSettings) -> Iterator[FieldProblem]:
    stated = sender(body.contact, order.address)
    for name in SENDER_NEEDS:
        if not getattr(stated, name):
            where = f"#/contact/{name}"
            yield FieldProblem(where, "missing", f"The order has no {name.replace('_', ' ')} of the sender.", where)


def _parcels(body: NewReturn, order: Order, _settings: ShopSettings) -> Iterator[FieldProblem]:
    if body.parcels > order.max_parcels:
        yield FieldProblem("#/parcels", "too-many", "More parcels than went out.")


def return_request(
    body: NewReturn, parcel_id: int, order: Order, point: ServicePoint | None, files: Mapping[str, str] = NO_FILES
) -> ReturnRequest:
    """What a body without problems asks for; sender, parcel and carrier come from the session.

    `files` has the upstream's file names by the handles that `photos` names.
    """
    reasons = [reason for reason in [body.reason, *(item.reason for item in body.items)] if reason is not None]
    date = body.delivery.pickup_date
    return ReturnRequest(
        parcel_id=parcel_id,
        reason=reasons[0],
        message=body.message or "",
        refund=body.refund and Refund(code=body.refund.type, message=body.refund.message or ""),
        delivery_option=body.delivery.option,
        lines=_returned(body, order),
        sender=sender(body.contact, order.address),
        parcels=body.parcels,
        service_point=point.id if point else None,
        carrier=body.delivery.carrier or (point.carrier if point else None),
        pickup_date=date.isoformat() if date else None,
        photos=tuple(_photo(photo, files, order) for photo in body.photos or []),
        customs=body.customs.model_dump(mode="json", exclude_none=True) if body.customs else None,
    )


def _returned(body: NewReturn, order: Order) -> tuple[ReturnedLine, ...]:
    by_id = order_lines(order)
    return tuple(
        ReturnedLine(
            line=by_id[item.id],
            quantity=item.quantity,
            reason=item.reason,
            comment=item.comment,
            hs_code=item.hs_code,
            origin_country=item.origin_country,
            weight=item.weight,
        )
        for item in lines(body)
    )


def _photo(photo: NewPhoto, files: Mapping[str, str], order: Order) -> Photo:
    product_id = order_lines(order)[photo.item].product_id
    return Photo(filename=files[photo.file], product_id=product_id, description=photo.description or "")


def order_lines(order: Order) -> Mapping[str, OrderLine]:
    """The lines of the order by their ids."""
    return {line.id: line for line in order.lines}


def sender(contact: NewContact | None, address: Address) -> Address:
    """The address the parcel went to, with the shopper's corrections."""
    corrected = contact.model_dump(exclude_none=True) if contact else {}
    return address.model_copy(update=corrected)


def hints(body: NewReturn, order: Order, settings: ShopSettings) -> list[str]:
    """Pointers to what will probably be asked for; upstream does not say, so these are hints and no problems."""
    address = order.address
    abroad = address.country not in EU and address.country_name not in {store.country for store in settings.stores}
    customs = ["#/customs"] if abroad and body.customs is None else []
    return customs if sender(body.contact, address).phone else [*customs, "#/contact/phone"]
