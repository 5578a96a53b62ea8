"""Translates the upstream's answers into domain objects, and a domain request into the upstream's body."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from operator import attrgetter
from types import MappingProxyType
from typing import TypeVar, get_args

from pydantic import JsonValue, StrictBool, TypeAdapter

from app import domain, made_returns
from app.domain import DeliveryOptionCode
from app.errors import BadUpstream
from app.sendcloud import schemas
from app.sendcloud.leniency.answers import fitted, odd_object, read, taken
from app.sendcloud.leniency.numbers import MAX_ID
from app.sendcloud.leniency.opening_times import opening_times
from app.sendcloud.leniency.tokens import customs_path, https_url, token_expiry, token_of
from app.sendcloud.order_lines import order_lines

T = TypeVar("T")

_SETTINGS: TypeAdapter[schemas.PortalSettings] = TypeAdapter(schemas.PortalSettings)
_OUTGOING: TypeAdapter[schemas.Outgoing] = TypeAdapter(schemas.Outgoing)
_STORED: TypeAdapter[list[schemas.Upload]] = TypeAdapter(schemas.Elements[schemas.Upload])
_ACCEPTED: TypeAdapter[schemas.ReturnAccepted] = TypeAdapter(schemas.ReturnAccepted)
_ANNOUNCED: TypeAdapter[schemas.LabelAnnounced] = TypeAdapter(schemas.LabelAnnounced)
_POINTS: TypeAdapter[list[schemas.ServicePoint]] = TypeAdapter(schemas.AllElements[schemas.ServicePoint])
_CARRIERS: TypeAdapter[list[str]] = TypeAdapter(schemas.Elements[schemas.Code])
_POINT: TypeAdapter[schemas.ServicePoint] = TypeAdapter(schemas.ServicePoint)
_AVAILABILITY: TypeAdapter[bool] = TypeAdapter(StrictBool)
KEPT_POINTS, KEPT_POINT_BYTES = 256, 16 * 1024
"""How many answers about one service point stay parsed, and the longest of them."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_OPTIONS: Mapping[str, DeliveryOptionCode] = MappingProxyType({code: code for code in get_args(DeliveryOptionCode)})


def settings(brand: str, body: bytes) -> domain.ShopSettings:
    """The answer to E1. The brand is the one that was asked for."""
    said = read(_SETTINGS, body)
    portal = said.portal
    return domain.ShopSettings(
        brand=_brand(brand, portal),
        helper_text=portal.layout.helper_text,
        background_image=portal.layout.background_image,
        languages=tuple(dict.fromkeys(portal.languages)),
        reasons=tuple(
            domain.Reason(id=reason.id, description=reason.description)
            for reason in _once(portal.reasons, attrgetter("id"))
        ),
        refund_options=tuple(
            domain.RefundOption(
                code=option.code, label=option.label or option.code, message_required=option.require_message
            )
            for option in _once(portal.refund_options, attrgetter("code"))
            if portal.enable_refunds
        ),
        delivery_options=_delivery_options(portal.delivery_options),
        return_fee=portal.return_fee,
        stores=tuple(map(_store, _once(said.return_locations, attrgetter("id")))),
    )


def _once(each: Iterable[T], name: Callable[[T], object]) -> Iterable[T]:
    """Those that an answer lists, each name once."""
    return {name(one): one for one in each}.values()


def _delivery_options(offered: Sequence[str] | None) -> tuple[DeliveryOptionCode, ...]:
    """Those that this service knows; all of them where the answer does not say, because unknown is not "no"."""
    named = dict.fromkeys(map(str.lower, _OPTIONS if offered is None else offered))
    return tuple(_OPTIONS[code] for code in named if code in _OPTIONS)


def _brand(domain_name: str, portal: schemas.Portal) -> domain.Brand:
    brand = portal.brand
    return domain.Brand(
        domain=domain_name,
        name=brand.name or domain_name,
        color=brand.color,
        secondary_color=brand.secondary_color,
        website=brand.website,
        logo=brand.screen_logo.url,
        support_url=portal.support_url,
        return_policy_url=portal.return_policy_url,
        support_email=_email(brand.customization_settings.footer.support_email) or None,
        hide_powered_by=brand.hide_powered_by,
    )


def _store(location: schemas.ReturnLocation) -> domain.Store:
    return domain.Store(
        id=location.id,
        name=location.company_name,
        street=f"{location.address_1} {location.address_2}".strip(),
        house_number=location.house_number,
        postal_code=location.postal_code,
        city=location.city,
        country=location.country_name,
    )


def opened_order(body: bytes) -> domain.OpenedOrder:
    """The answer to E2."""
    said = read(_OUTGOING, body)
    return domain.OpenedOrder(
        order=_order(said.data),
        access_token=said.access_token,
        service_points_token=said.service_points_token or "",
        expires_at=token_expiry(said.access_token),
        service_points_expire_at=token_expiry(said.service_points_token) if said.service_points_token else None,
    )


def _order(data: schemas.OutgoingData) -> domain.Order:
    parcel, there = data.parcel, data.parcel.to_coordinates
    return domain.Order(
        parcel_id=parcel.id,
        number=parcel.order_number,
        tracking_number=parcel.tracking_number,
        carrier=parcel.carrier.code,
        weight=parcel.weight,
        max_parcels=parcel.collo_count,
        address=_address(parcel),
        coordinates=domain.Coordinates(**dict(there)) if there and _is_a_place(there) else None,
        lines=order_lines(data.products),
        carriers=tuple(
            domain.Carrier(code=carrier.code, name=carrier.name or carrier.code, logo=carrier.logo.full)
            for carrier in _once(_carriers(data), attrgetter("code"))
        ),
        service_point=data.service_point and _point(data.service_point),
        labelless_service_point=data.labelless_service_point and _point(data.labelless_service_point),
        store_distances={shop.id: shop.distance for shop in data.shop_distances},
        national_carrier=_national_carrier(data),
        shipping_method_ids=tuple(data.shipping_method_ids),
    )


def _is_a_place(there: schemas.Coordinates | schemas.ServicePoint) -> bool:
    """Whether it is anywhere but at 0, 0, where geocoders put an address that they do not find."""
    return bool(there.latitude or there.longitude)


def _carriers(data: schemas.OutgoingData) -> Sequence[schemas.Carrier]:
    """Those that take the parcel back; where the answer names none, the one that brought it, as unknown is not "no"."""
    if data.carriers is not None:
        return data.carriers
    brought_by = data.parcel.carrier.code
    return [schemas.Carrier(code=brought_by)] if brought_by else []


def _address(parcel: schemas.Parcel) -> domain.Address:
    divided = parcel.address_divided
    house_number = parcel.house_number or divided.house_number
    return domain.Address(
        name=parcel.name,
        company_name=parcel.company_name,
        street=divided.street or _without_number(parcel.address, house_number),
        house_number=house_number,
        address_2=parcel.address_2,
        postal_code=parcel.postal_code,
        city=parcel.city,
        state=parcel.to_state or None,
        country=parcel.country.iso_2,
        country_name=parcel.country.name,
        email=_email(parcel.email),
        phone=parcel.telephone,
    )


def _email(text: str) -> str:
    """The address; empty for any other text."""
    return text if _EMAIL.fullmatch(text) else ""


def _without_number(address: str, house_number: str) -> str:
    """The street of an address that ends with its number, which is sent apart."""
    return re.sub(rf"(?<=\S)\s+{re.escape(house_number)}$", "", address)


def _national_carrier(data: schemas.OutgoingData) -> domain.NationalCarrier | None:
    """What is known of it; None where that is nothing."""
    carrier = data.national_carrier
    known = domain.NationalCarrier(
        code=carrier.code,
        name=carrier.name or carrier.code or "",
        drop_off_finder=carrier.drop_off_finder,
        contact=data.national_carrier_contact,
    )
    return known if any(dict(known).values()) else None


def service_points(body: bytes) -> list[domain.ServicePoint]:
    """The answer to S1, each point once."""
    found = read(_POINTS, body)
    return [_point(point) for point in _once(found, attrgetter("id"))]


def service_point(body: bytes) -> domain.ServicePoint:
    """The answer to S2; an equal answer is read once, because many shoppers look at the same point."""
    return _point_read(body) if len(body) <= KEPT_POINT_BYTES else _point(read(_POINT, body))


@lru_cache(KEPT_POINTS)
def _point_read(body: bytes) -> domain.ServicePoint:
    return _point(read(_POINT, body))


def carriers(body: bytes) -> list[str]:
    """The answer to S4, codes."""
    return read(_CARRIERS, body)


def available(body: bytes) -> bool:
    """The answer to S3."""
    return read(_AVAILABILITY, body)


def _point(point: schemas.ServicePoint) -> domain.ServicePoint:
    told = dict(point) | {"formatted_opening_times": opening_times(point.formatted_opening_times)}
    if not _is_a_place(point):
        told |= {"latitude": None, "longitude": None}
    return domain.ServicePoint.model_validate(told)


def uploaded(names: Sequence[str], body: bytes) -> list[str]:
    """The answer to E3: file names in the order in which the fields were sent."""
    stored = {upload.name: upload.filename for upload in read(_STORED, body)}
    if not stored.keys() >= set(names):
        raise BadUpstream("a file that was sent and not stored")
    return [stored[name] for name in names]


def accepted(panel_url: str, public_url: str, brand: str, body: bytes) -> made_returns.AcceptedReturn:
    """The answer to E4. An integer `return` makes it an acceptance, even if other members cannot be read."""
    said = fitted(_ACCEPTED, odd_object(body))
    try:
        poller_token = token_of(_at(panel_url, public_url, said.poller_url), panel_url, brand, "polling")
    except BadUpstream:
        poller_token = None
    return made_returns.AcceptedReturn(
        return_id=said.return_id if abs(said.return_id) <= MAX_ID else None,
        incoming_parcels=tuple(dict.fromkeys(said.incoming_parcels)),
        poller_token=poller_token,
        poller_expires_at=token_expiry(poller_token) if poller_token else None,
        poller_is_foreign=poller_token is None and said.poller_url not in (None, ""),
        payment_url=taken("payment_url", said.payment_url, https_url(said.payment_url)),
    )


def label(panel_url: str, public_url: str, brand: str, body: bytes) -> made_returns.LabelReady:
    """The 200 answer to E5."""
    said = read(_ANNOUNCED, body)
    customs = said.customs_declaration_url
    return made_returns.LabelReady(
        download_token=token_of(_at(panel_url, public_url, said.download_url), panel_url, brand, "download"),
        parcels=tuple(_labelled(said.parcels, said.tracking_numbers)),
        unnamed_parcels=said.parcels.count(None),
        customs_path=taken(
            "customs_declaration_url", customs, customs_path(_at(panel_url, public_url, customs), panel_url, brand)
        ),
    )


def _at(panel_url: str, public_url: str, url: object) -> object:
    """The URL below the panel base, if the upstream named it below its public base; otherwise unchanged."""
    if not public_url or not isinstance(url, str) or not url.startswith(f"{public_url}/"):
        return url
    return panel_url + url.removeprefix(public_url)


def _labelled(parcels: Sequence[int | None], numbers: Sequence[str | None]) -> Iterable[made_returns.LabelledParcel]:
    """Each readable parcel once, with the first tracking number at any of its indexes."""
    named: dict[int, str | None] = {}
    for parcel, number in zip_longest(parcels, numbers[: len(parcels)]):
        if parcel is not None:
            named[parcel] = named.get(parcel) or number or None
    return (made_returns.LabelledParcel(id=parcel, tracking_number=number) for parcel, number in named.items())


def new_return(request: domain.ReturnRequest) -> schemas.NewReturn:
    """The body of E4."""
    first_mile, point = request.first_mile, request.service_point
    return schemas.NewReturn(
        reason=request.reason,
        message=request.message,
        outgoing_parcel=request.parcel_id,
        refund=request.refund and _refund(request.refund),
        delivery_option=request.delivery_option,
        products=[_returned(each) for each in request.lines],
        incoming_parcel=_incoming_parcel(request.sender, request.parcels),
        service_point=None if point is None else schemas.ServicePointChoice(id=point),
        selected_functionalities=schemas.SelectedFunctionalities(first_mile=first_mile) if first_mile else None,
        selected_carrier_code=request.carrier,
        pickup_date=request.pickup_date,
        images=[schemas.Image(**dict(photo)) for photo in request.photos] or None,
        customs_information=_customs(request.customs),
    )


def _refund(refund: domain.Refund) -> schemas.Refund:
    return schemas.Refund(refund_type=schemas.RefundType(code=refund.code), message=refund.message)


def _returned(returned: domain.ReturnedLine) -> schemas.ReturnedProduct:
    line = returned.line
    return schemas.ReturnedProduct(
        product_id=line.product_id,
        quantity=returned.quantity,
        description=line.title,
        value=None if line.price is None else float(line.price),
        return_reason=returned.reason,
        return_message=returned.comment,
        hs_code=returned.hs_code,
        origin_country=returned.origin_country,
        weight=returned.weight,
    )


def _incoming_parcel(sender: domain.Address, collo_count: int) -> schemas.IncomingParcel:
    return schemas.IncomingParcel(
        from_name=sender.name,
        from_company_name=sender.company_name,
        from_address_1=sender.street,
        from_address_2=sender.address_2,
        from_house_number=sender.house_number,
        from_city=sender.city,
        from_postal_code=sender.postal_code,
        from_country=sender.country,
        from_country_state=sender.state,
        from_email=sender.email,
        from_telephone=sender.phone,
        collo_count=collo_count,
    )


def _customs(stated: Mapping[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    if not stated:
        return None
    return {("customs_invoice_nr" if name == "invoice_number" else name): value for name, value in stated.items()}
