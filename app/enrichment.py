"""Upstream models in, public models out: masked, bounded, typed, and nothing that was not asked for."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from app import models
from app.redis.derived_values import DerivedValues
from app.sendcloud import schemas as upstream
from app.service_points.opening_hours import intervals, opening, time_zone

TEXT_LENGTH = 500
ID_LENGTH = 100
URL_LENGTH = 2000
MAX_LANGUAGES = 20
MAX_INTERVALS = 12
"""Opening intervals a day; no point has more."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_MARKUP = re.compile(r"<[/!?a-zA-Z][^<>]*>?")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]_a-z~]*)?", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_ACCEPTED = re.compile(r"([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})(?:\s*;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_POINTS: DerivedValues[int, models.ServicePoint] = DerivedValues(1024)
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_NEEDS_AND_ACCEPTS: Mapping[
    models.DeliveryOptionCode, tuple[Sequence[models.DeliveryMember], Sequence[models.DeliveryMember]]
] = MappingProxyType(
    {
        "drop_off_point": (["service_point"], ["carrier"]),
        "drop_off_labelless": ([], ["service_point", "carrier"]),
        "pickup": ([], ["carrier", "pickup_date"]),
        "in_store": (["store"], []),
    }
)
_KNOWN_OPTIONS: dict[str, models.DeliveryOptionCode] = {
    code: code for code in ("drop_off_point", "drop_off_labelless", "in_store", "pickup")
}


def portal(settings: upstream.PortalSettings, language: str | None, *, stale: bool) -> models.Portal:
    """A shop's settings without what is the merchant's alone (reply-to and BCC addresses, analytics id)."""
    source = settings.portal
    layout = source.layout or upstream.Layout()
    return models.Portal(
        brand=brand(source),
        language=language,
        languages=[language for language in source.languages if _TAG.fullmatch(language)],
        helper_text=text(layout.helper_text) or None,
        background_image=web_url(layout.background_image or ""),
        reasons=reasons(source),
        refund_options=refund_options(source),
        delivery_options=delivery_codes(source),
        fee=money(source.return_fee),
        stores=[store(location, {}) for location in settings.return_locations],
        stale=stale,
    )


def actions(data: upstream.OutgoingData, left: list[models.Item]) -> list[models.Action]:
    """What can be called from here, and why not."""
    why_not = None
    if data.parcel.id is None:
        why_not = "not-returnable-online"
    elif not any(item.remaining for item in left):
        why_not = "nothing-left-to-return"
    allowed = why_not is None
    return [
        models.Action(name="create_return", method="POST", href="/v1/returns", allowed=allowed, why_not=why_not),
        models.Action(name="find_service_points", method="GET", href="/v1/service-points", allowed=True),
        models.Action(name="upload_photos", method="POST", href="/v1/uploads", allowed=True),
        models.Action(name="hand_off", method="POST", href="/v1/session/handoff", allowed=True),
        models.Action(name="end_session", method="DELETE", href="/v1/session", allowed=True),
    ]


def negotiate_language(wanted: Iterable[str], offered: list[str]) -> str | None:
    """The first wanted language that is offered, by tag or else by its first part; None is the shop's own choice."""
    tags = {language.casefold(): language for language in reversed(offered) if _TAG.fullmatch(language)}
    parts = {tag.split("-")[0]: language for tag, language in tags.items()}
    for tag in map(str.casefold, wanted):
        if tag in tags or tag.split("-")[0] in parts:
            return tags.get(tag) or parts[tag.split("-")[0]]
    return None


def accepted_languages(header: str) -> list[str]:
    """The tags of an Accept-Language header, best first; what is not a tag is left out."""
    found = [match for part in header.split(",")[:MAX_LANGUAGES] if (match := _ACCEPTED.fullmatch(part.strip()))]
    weighed = [(float(match[2] or 1), match[1]) for match in found]
    return [tag for weight, tag in sorted(weighed, key=lambda each: -each[0]) if weight]


def brand(source: upstream.Portal) -> models.PortalBrand:
    """How the shop looks and where it can be reached."""
    customization = source.brand.customization_settings or upstream.CustomizationSettings()
    footer = customization.footer or upstream.BrandFooter()
    return models.PortalBrand(
        domain=text(source.brand.domain),
        name=text(source.brand.name),
        color=color(source.brand.color),
        secondary_color=color(source.brand.secondary_color),
        website=web_url(source.brand.website),
        logo=web_url(source.brand.screen_logo.url if source.brand.screen_logo else ""),
        support_url=web_url(source.support_url),
        return_policy_url=web_url(source.return_policy_url),
        support_email=text(footer.support_email) or None,
        hide_powered_by=source.brand.hide_powered_by,
    )


def reasons(source: upstream.Portal) -> list[models.Reason]:
    """The reasons this shop accepts."""
    return [models.Reason(id=reason.id, description=text(reason.description)) for reason in source.reasons]


def refund_options(source: upstream.Portal) -> list[models.RefundOption]:
    """The ways this shop pays back."""
    return [
        models.RefundOption(code=option.code, label=text(option.label), message_required=option.require_message)
        for option in source.refund_options
        if code(option.code)
    ]


def delivery_codes(source: upstream.Portal) -> list[models.DeliveryOptionCode]:
    """The ways back that this shop offers and we know how to handle."""
    return [_KNOWN_OPTIONS[code] for code in source.delivery_options if code in _KNOWN_OPTIONS]


def options(settings: upstream.PortalSettings, data: upstream.OutgoingData) -> models.Options:
    """What the shopper can choose from for this parcel."""
    distances = {shop.id: shop.distance for shop in data.shop_distances}
    return models.Options(
        reasons=reasons(settings.portal),
        refund_options=refund_options(settings.portal),
        delivery_options=[delivery_option(code, data, settings) for code in delivery_codes(settings.portal)],
        stores=[store(location, distances) for location in settings.return_locations],
        fee=money(settings.portal.return_fee),
        shipping_method_ids=data.shipping_method_ids,
        national_carrier=national_carrier(data),
    )


def delivery_option(
    code: models.DeliveryOptionCode, data: upstream.OutgoingData, settings: upstream.PortalSettings
) -> models.DeliveryOption:
    """One way back: what it needs from the body of a return, and whether this parcel can take it."""
    lacks_stores = code == "in_store" and not settings.return_locations
    lacks_carriers = code != "in_store" and not data.carriers
    lacks_labelless = code == "drop_off_labelless" and data.labelless_service_point is None
    why_not = "no-store" if lacks_stores else "no-carrier" if lacks_carriers or lacks_labelless else None
    needs, accepts = _NEEDS_AND_ACCEPTS[code]
    return models.DeliveryOption(
        code=code, needs=list(needs), accepts=list(accepts), possible=why_not is None, why_not=why_not
    )


def store(location: upstream.ReturnLocation, distances: Mapping[int, float]) -> models.Store:
    """A shop that takes returns over the counter, with its distance where upstream states one."""
    distance = distances.get(location.id)
    return models.Store(
        id=location.id,
        name=text(location.company_name),
        street=text(f"{location.address_1} {location.address_2}"),
        house_number=text(location.house_number),
        postal_code=text(location.postal_code),
        city=text(location.city),
        country=text(location.country_name),
        distance=None if distance is None else round(distance),
    )


def national_carrier(data: upstream.OutgoingData) -> models.NationalCarrier | None:
    """The national carrier and how to reach it."""
    if data.national_carrier is None:
        return None
    return models.NationalCarrier(
        code=code(data.national_carrier.code),
        name=text(data.national_carrier.name),
        drop_off_finder=web_url(data.national_carrier.drop_off_finder),
        contact=web_url(data.national_carrier_contact),
    )


def parcel(data: upstream.OutgoingData) -> models.Parcel:
    """The parcel that went out; at least one can come back."""
    source = data.parcel
    return models.Parcel(
        order_number=text(source.order_number),
        tracking_number=text(source.tracking_number),
        carrier=code(source.carrier.code) if source.carrier else None,
        max_parcels=max(source.collo_count or 1, 1),
    )


def ship_from(source: upstream.Parcel) -> models.ShipFrom:
    """The address with all but city, postal code and country masked."""
    return models.ShipFrom(
        name=masked(source.name),
        street=masked(source.address),
        postal_code=text(source.postal_code),
        city=text(source.city),
        country=code(source.country.iso_2) or "",
        email="@".join(masked(part) for part in source.email.split("@")),
        phone=masked(source.telephone),
    )


def masked(value: str) -> str:
    """The first character of each word and dots, as many for every word."""
    return " ".join(word[0] + "•••" for word in text(value).split())


def items(data: upstream.OutgoingData, held: Mapping[str, int]) -> list[models.Item]:
    """The items of the order with the units that no return holds; `held` counts units by item id.

    An item may stand on several lines, then the first ones count as held. One whose id nobody could send is left out.
    """
    still_held, found = Counter(held), []
    for product in data.products:
        held_here = min(still_held[product.id], product.quantity)
        still_held[product.id] -= held_here
        if len(product.id) <= ID_LENGTH:
            found.append(item(product, product.quantity - held_here))
    return found


def item(product: upstream.Product, left: int) -> models.Item:
    """A line of the order of which so many units are left."""
    return models.Item(
        id=product.id,
        name=text(product.name),
        image_url=web_url(product.image_url),
        unit_price=money(product.price),
        quantity=product.quantity,
        returnable=product.returnable,
        remaining=left if product.returnable else 0,
    )


def drop_off(data: upstream.OutgoingData, now: float) -> models.DropOff:
    """Where the parcel can be handed in nearby, as the lookup named it."""
    return models.DropOff(
        nearest=data.service_point and service_point(data.service_point, now),
        nearest_labelless=data.labelless_service_point and service_point(data.labelless_service_point, now),
        carriers=[
            models.Carrier(
                code=carrier.code, name=text(carrier.name), logo=web_url(carrier.logo.full if carrier.logo else "")
            )
            for carrier in data.carriers
            if code(carrier.code)
        ],
    )


def service_point(point: upstream.ServicePoint, now: float) -> models.ServicePoint:
    """A drop-off point, bounded and typed, open or not at this moment (seconds since the epoch)."""
    return _POINTS.get(point.id, (point, minute(now)), lambda: _service_point(point, now))


def _service_point(point: upstream.ServicePoint, now: float) -> models.ServicePoint:
    times = point.formatted_opening_times or {}
    hours = intervals({day: list(dict.fromkeys(values))[:MAX_INTERVALS] for day, values in times.items()})
    zone = time_zone(point.country, point.latitude, point.longitude)
    opens = opening(hours, zone, utc_datetime(now)) if zone else None
    return models.ServicePoint(
        id=point.id,
        code=text(point.code),
        name=text(point.name),
        carrier=text(point.carrier),
        street=text(point.street),
        house_number=text(point.house_number),
        postal_code=text(point.postal_code),
        city=text(point.city),
        country=text(point.country),
        latitude=point.latitude,
        longitude=point.longitude,
        distance=None if point.distance is None else round(point.distance),
        kind=code(point.general_shop_type or ""),
        phone=text(point.phone) or None,
        open_tomorrow=bool(point.open_tomorrow),
        open_upcoming_week=bool(point.open_upcoming_week),
        time_zone=zone.key if zone else None,
        opening_hours=hours,
        open_now=opens and opens.open_now,
        closes_at=opens and opens.closes_at,
        next_open_at=opens and opens.next_open_at,
    )


def minute(seconds: float) -> int:
    """The minute of this moment: within one, nobody opens or closes (`opening_hours.opening`)."""
    return int(seconds // 60)


def utc_datetime(seconds: float) -> datetime:
    """This moment since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def money(amount: Decimal | None) -> models.Money | None:
    """An amount with two decimals; upstream states no currency here."""
    return None if amount is None else models.Money(amount=f"{amount:.2f}")


def text(value: str) -> str:
    """Upstream text without markup, control and direction characters, trimmed to a bounded length."""
    # Cut before it is searched: an upstream text may have any length.
    plain = _CONTROL.sub(" ", _MARKUP.sub(" ", value[: 4 * TEXT_LENGTH]))
    return plain.strip()[:TEXT_LENGTH]


def web_url(value: str) -> str | None:
    """The URL if a browser may be sent there (https, or plain http), else None."""
    return value if len(value) <= URL_LENGTH and _URL.fullmatch(value) else None


def code(value: str) -> str | None:
    """A code of the upstream's, else None."""
    return value if _CODE.fullmatch(value) else None


def color(value: str) -> str | None:
    """A `#rrggbb` colour, else None."""
    return value if _COLOR.fullmatch(value) else None
