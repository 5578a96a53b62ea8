"""The public view of a session: the order with masked personal data, the choices, and the returns."""

from collections.abc import Mapping
from typing import NamedTuple

from app.domain import Address, Moment, Order, OrderLine, ShopSettings
from app.http.callers.session_id import SessionId
from app.http.problem_types.texts import ENGLISH, why_not_text
from app.models import fields, returns, session, shop
from app.models.session import SessionAnswer
from app.portal.view import brand, money, reasons, refund_options, stores
from app.returns.checks.return_methods import delivery_options, pickup_window
from app.returns.store.records import ParcelReturns
from app.returns.view import public
from app.service_points.view import service_point
from app.sessions.session import Session


class Screen(NamedTuple):
    """A first screen, and the same as JSON."""

    answer: SessionAnswer
    body: bytes


class Started(NamedTuple):
    """A session that has just begun."""

    id: SessionId
    screen: Screen


def first_screen(session: Session, settings: ShopSettings, returned: ParcelReturns, language: str) -> SessionAnswer:
    """The first screen; `language` is one of ours, for what cannot be done."""
    order, moment = session.order, returned.moment
    lines = items(order, order.left(returned.free), settings, moment, language)
    return SessionAnswer(
        expires_at=fields.utc_datetime(session.expires_at),
        brand=brand(settings.brand),
        parcel=parcel(order),
        ship_from=ship_from(order.address),
        items=lines,
        options=options(settings, order, moment.now, language),
        drop_off=drop_off(order, moment.now, session.opened_at),
        returns=[public(found) for found in returned.returns],
        actions=actions(order, lines, language),
    )


def parcel(order: Order) -> session.Parcel:
    """The parcel that went out."""
    return session.Parcel(
        order_number=order.number,
        tracking_number=order.tracking_number,
        carrier=order.carrier,
        max_parcels=order.max_parcels,
    )


def ship_from(address: Address) -> session.ShipFrom:
    """The address, masked except for city, postal code and country."""
    return session.ShipFrom(
        name=masked(address.name),
        street=masked(f"{address.street} {address.house_number}"),
        postal_code=address.postal_code,
        city=address.city,
        country=address.country,
        email="@".join(masked(part) for part in address.email.split("@")),
        phone=masked(address.phone),
    )


def masked(value: str) -> str:
    """The first character of each word and three dots, so that no length shows."""
    return " ".join(word[0] + "•••" for word in value.split())


def items(
    order: Order, left: Mapping[str, int], settings: ShopSettings, moment: Moment, language: str = ENGLISH
) -> list[session.Item]:
    """The lines of the order; `left` counts by line the units that no return holds."""
    return [_item(line, left[line.id], settings, moment, language) for line in order.lines]


def _item(line: OrderLine, left: int, settings: ShopSettings, moment: Moment, language: str) -> session.Item:
    """A line with `left` remaining units."""
    why_not, deadline = settings.why_not(line, moment), settings.policy.deadline(moment.delivered_at)
    comes_back = why_not in {None, "window-over"}
    return session.Item(
        id=line.id,
        product_id=line.product_id,
        name=line.title,
        image_url=line.image_url,
        unit_price=money(line.price, settings.currency),
        quantity=line.quantity,
        returnable=why_not is None,
        why_not=why_not,
        why_not_text=why_not_text(why_not, language),
        deadline=fields.utc_datetime(deadline) if deadline is not None and comes_back else None,
        remaining=left if why_not is None else 0,
    )


def options(settings: ShopSettings, order: Order, now: float, language: str = ENGLISH) -> shop.ReturnOptions:
    """The shopper's choices for this parcel at this moment (seconds since the epoch)."""
    return shop.ReturnOptions(
        reasons=reasons(settings.reasons),
        refund_options=refund_options(settings.refund_options),
        refund_required=bool(settings.refund_options),
        delivery_options=delivery_options(settings, order, language),
        pickup=pickup_window(order, now) if "pickup" in settings.delivery_options else None,
        stores=stores(settings, order.store_distances),
        fee=money(settings.return_fee, settings.currency),
        shipping_method_ids=list(order.shipping_method_ids),
        national_carrier=order.national_carrier and shop.NationalCarrier(**dict(order.national_carrier)),
    )


def drop_off(order: Order, now: float, asked_at: float | None) -> session.DropOff:
    """The places nearby where the parcel can be handed in, from the lookup."""
    return session.DropOff(
        nearest=order.service_point and service_point(order.service_point, now, asked_at),
        nearest_labelless=order.labelless_service_point and service_point(order.labelless_service_point, now, asked_at),
        carriers=[shop.Carrier(**dict(carrier)) for carrier in order.carriers],
    )


def actions(order: Order, left: list[session.Item], language: str = ENGLISH) -> list[returns.Action]:
    """The calls that can be made next, with the reasons for those that cannot."""
    why_not = None
    if order.returnable_parcel is None:
        why_not = "not-returnable-online"
    elif not any(item.returnable for item in left):
        why_not = "nothing-returnable"
    elif not any(item.remaining for item in left):
        why_not = "nothing-left-to-return"
    return [
        returns.Action(
            name="create_return",
            method="POST",
            href="/v1/returns",
            allowed=why_not is None,
            why_not=why_not,
            why_not_text=why_not_text(why_not, language),
        ),
        returns.Action(name="find_service_points", method="GET", href="/v1/service-points", allowed=True),
        returns.Action(name="upload_photos", method="POST", href="/v1/uploads", allowed=True),
        returns.Action(name="hand_off", method="POST", href="/v1/session/handoff", allowed=True),
        returns.Action(name="end_session", method="DELETE", href="/v1/session", allowed=True),
    ]
