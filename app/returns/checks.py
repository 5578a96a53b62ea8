"""From the shopper's choice to the upstream's incoming request: every local check, then the body. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from pydantic import JsonValue

from app import enrichment
from app.errors import FieldProblem
from app.models import DeliveryOptionCode, NewContact, NewCustoms, NewReturn, NewReturnItem
from app.sendcloud import schemas as upstream

FIRST_MILE: dict[DeliveryOptionCode, str | None] = {
    "drop_off_point": "dropoff",
    "drop_off_labelless": "dropoff",
    "pickup": "pickup",
    "in_store": None,
}
EU = frozenset(re.findall("..", "ATBEBGCYCZDEDKEEESFIFRGRHRHUIEITLTLULVMCMTNLPLPTROSESISK"))
"""Countries of one customs territory, ISO 3166 (Monaco belongs to it)."""
NO_FILES: Mapping[str, str] = MappingProxyType({})


def lines(body: NewReturn) -> list[NewReturnItem]:
    """The items with those that differ in quantity alone summed into one."""
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


def ordered(data: upstream.OutgoingData) -> Counter[str]:
    """How many units of each item were ordered; an item may stand on several lines."""
    quantities: Counter[str] = Counter()
    for product in data.products:
        quantities[product.id] += product.quantity
    return quantities


def problems(
    body: NewReturn,
    data: upstream.OutgoingData,
    settings: upstream.PortalSettings,
    files: Mapping[str, str] = NO_FILES,
) -> list[FieldProblem]:
    """Everything that is wrong with the body for this parcel, this shop and the session's `files`, all at once."""
    checks: tuple[Callable[[NewReturn, upstream.OutgoingData, upstream.PortalSettings], Iterator[FieldProblem]], ...]
    checks = (_items, _reasons, _refund, _delivery, _parcels)
    return [problem for check in checks for problem in check(body, data, settings)] + list(_photos(body, files))


def held_units(body: NewReturn, data: upstream.OutgoingData, held: Mapping[str, int]) -> list[FieldProblem]:
    """The items of which other returns hold too many units; `held` counts units by item id."""
    wanted, left = units(body), ordered(data)
    return [
        FieldProblem(f"#/items/{index}/quantity", "units-claimed", "Another return holds some of these units.")
        for index, item in enumerate(body.items)
        if wanted[item.id] <= left[item.id] < wanted[item.id] + held.get(item.id, 0)
    ]


def _items(body: NewReturn, data: upstream.OutgoingData, _settings: upstream.PortalSettings) -> Iterator[FieldProblem]:
    products = {product.id: product for product in data.products}
    wanted, left = units(body), ordered(data)
    for index, item in enumerate(body.items):
        product = products.get(item.id)
        if product is None:
            yield FieldProblem(f"#/items/{index}/id", "unknown-item", "The order has no such item.")
        elif not product.returnable:
            yield FieldProblem(f"#/items/{index}/id", "not-returnable", "The shop does not take this item back.")
        elif wanted[item.id] > left[item.id]:
            yield FieldProblem(f"#/items/{index}/quantity", "too-many", "More units than were ordered.")


def _reasons(
    body: NewReturn, _data: upstream.OutgoingData, settings: upstream.PortalSettings
) -> Iterator[FieldProblem]:
    offered = {reason.id for reason in settings.portal.reasons}
    if body.reason is not None and body.reason not in offered:
        yield FieldProblem("#/reason", "unknown-reason", "The shop does not offer this reason.")
    for index, item in enumerate(body.items):
        if item.reason is None and body.reason is None:
            where = f"#/items/{index}"
            yield FieldProblem(where, "missing", "A reason is needed, here or for all.", f"{where}/reason")
        elif item.reason is not None and item.reason not in offered:
            yield FieldProblem(f"#/items/{index}/reason", "unknown-reason", "The shop does not offer this reason.")


def _refund(body: NewReturn, _data: upstream.OutgoingData, settings: upstream.PortalSettings) -> Iterator[FieldProblem]:
    offered = {option.code: option for option in settings.portal.refund_options}
    if body.refund.type not in offered:
        yield FieldProblem("#/refund/type", "not-offered", "The shop does not offer this refund.")
    elif offered[body.refund.type].require_message and not (body.refund.message or "").strip():
        yield FieldProblem("#/refund", "missing", "This refund needs a message.", "#/refund/message")


def _delivery(
    body: NewReturn, data: upstream.OutgoingData, settings: upstream.PortalSettings
) -> Iterator[FieldProblem]:
    delivery = body.delivery
    offered = {option.code: option for option in enrichment.options(settings, data).delivery_options}
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
    if delivery.carrier is not None and delivery.carrier not in {carrier.code for carrier in data.carriers}:
        yield FieldProblem("#/delivery/carrier", "not-offered", "This carrier does not take the parcel.")
    if delivery.store is not None and delivery.store not in {place.id for place in settings.return_locations}:
        yield FieldProblem("#/delivery/store", "not-offered", "The shop has no such store.")


def _photos(body: NewReturn, files: Mapping[str, str]) -> Iterator[FieldProblem]:
    items = {item.id for item in body.items}
    for index, photo in enumerate(body.photos or []):
        if photo.file not in files:
            yield FieldProblem(f"#/photos/{index}/file", "unknown-upload", "This session has uploaded no such file.")
        if photo.item not in items:
            yield FieldProblem(f"#/photos/{index}/item", "unknown-item", "The item is not among those that come back.")


def _parcels(
    body: NewReturn, data: upstream.OutgoingData, _settings: upstream.PortalSettings
) -> Iterator[FieldProblem]:
    if body.parcels > enrichment.parcel(data).max_parcels:
        yield FieldProblem("#/parcels", "too-many", "More parcels than went out.")


def new_return(
    body: NewReturn,
    parcel_id: int,
    data: upstream.OutgoingData,
    point: upstream.ServicePoint | None,
    files: Mapping[str, str] = NO_FILES,
) -> upstream.NewReturn:
    """The upstream's request for a body without problems; sender, parcel and carrier come from the session.

    `files` has the upstream's file names by the handles that `photos` names.
    """
    first_mile = FIRST_MILE[body.delivery.option]
    reasons = [reason for reason in [body.reason, *(item.reason for item in body.items)] if reason is not None]
    date = body.delivery.pickup_date
    return upstream.NewReturn(
        reason=reasons[0],
        message=body.message or "",
        outgoing_parcel=parcel_id,
        refund=upstream.Refund(
            refund_type=upstream.RefundType(code=body.refund.type), message=body.refund.message or ""
        ),
        delivery_option=body.delivery.option,
        products=_products(body, data),
        incoming_parcel=_incoming_parcel(data.parcel, body.contact or NewContact(), body.parcels),
        service_point=upstream.ServicePointChoice(id=point.id) if point else None,
        selected_functionalities=upstream.SelectedFunctionalities(first_mile=first_mile) if first_mile else None,
        selected_carrier_code=body.delivery.carrier or (point.carrier if point else None),
        pickup_date=date.isoformat() if date else None,
        images=_images(body, files),
        customs_information=_customs(body.customs) if body.customs else None,
    )


def _images(body: NewReturn, files: Mapping[str, str]) -> list[upstream.Image] | None:
    if not body.photos:
        return None
    return [
        upstream.Image(filename=files[photo.file], product_id=photo.item, description=photo.description or "")
        for photo in body.photos
    ]


def _products(body: NewReturn, data: upstream.OutgoingData) -> list[upstream.ReturnedProduct]:
    products = {product.id: product for product in data.products}
    return [
        upstream.ReturnedProduct(
            product_id=line.id,
            quantity=line.quantity,
            description=products[line.id].name,
            value=float(products[line.id].price),
            return_reason=line.reason,
            return_message=line.comment,
            hs_code=line.hs_code,
            origin_country=line.origin_country,
            weight=line.weight,
        )
        for line in lines(body)
    ]


def _incoming_parcel(sender: upstream.Parcel, contact: NewContact, collo_count: int) -> upstream.IncomingParcel:
    street = sender.address_divided.street if sender.address_divided else ""
    number = sender.address_divided.house_number if sender.address_divided else ""
    return upstream.IncomingParcel(
        from_name=contact.name or sender.name,
        from_company_name=_corrected(contact.company_name, sender.company_name),
        from_address_1=contact.street or street or _without_number(sender),
        from_address_2=_corrected(contact.address_2, sender.address_2),
        from_house_number=contact.house_number or sender.house_number or number,
        from_city=contact.city or sender.city,
        from_postal_code=contact.postal_code or sender.postal_code,
        from_country=sender.country.iso_2,
        from_country_state=sender.to_state,
        from_email=contact.email or sender.email,
        from_telephone=_corrected(contact.phone, sender.telephone),
        collo_count=collo_count,
    )


def _corrected(correction: str | None, known: str) -> str:
    """The correction, an empty one included; what is known without one."""
    return known if correction is None else correction


def _without_number(sender: upstream.Parcel) -> str:
    """The street of an address that ends with its number, which is sent apart."""
    return (
        re.sub(rf"(?<=\S)\s+{re.escape(sender.house_number)}$", "", sender.address)
        if sender.house_number
        else sender.address
    )


def customs_hint(body: NewReturn, data: upstream.OutgoingData, settings: upstream.PortalSettings) -> list[str]:
    """A pointer to `customs` where customs will probably ask; upstream does not say, so it is a hint and no problem."""
    home = {place.country_name for place in settings.return_locations}
    country = data.parcel.country
    abroad = country.iso_2 not in EU and country.name not in home
    return ["#/customs"] if abroad and body.customs is None else []


def _customs(customs: NewCustoms) -> dict[str, JsonValue]:
    stated = customs.model_dump(mode="json", exclude_none=True)
    return {"customs_invoice_nr": stated.pop("invoice_number"), **stated}
