"""The delivery options: the members of a body that each needs, and whether a parcel can use it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from app.domain import DeliveryOptionCode, Order, ShopSettings
from app.models import DeliveryMember, DeliveryOption, PickupWindow, utc_datetime
from app.service_points.opening_hours import FARTHEST_WEST, time_zone

PICKUP_DAYS = 30
"""How far ahead a courier can be asked for; upstream documents no limit, so this is our choice."""

_NEEDS_AND_ACCEPTS: Mapping[DeliveryOptionCode, tuple[Sequence[DeliveryMember], Sequence[DeliveryMember]]] = (
    MappingProxyType(
        {
            "drop_off_point": (["service_point"], ["carrier"]),
            "drop_off_labelless": ([], ["service_point", "carrier"]),
            "pickup": ([], ["carrier", "pickup_date"]),
            "in_store": (["store"], []),
        }
    )
)


def delivery_options(settings: ShopSettings, order: Order) -> list[DeliveryOption]:
    """The delivery options that the shop offers."""
    return [_delivery_option(code, settings, order) for code in settings.delivery_options]


def pickup_window(order: Order, now: float) -> PickupWindow:
    """The days on which a courier can be asked for, from the day that it is at `now` where the parcel went."""
    latitude, longitude = (
        (order.coordinates.latitude, order.coordinates.longitude) if order.coordinates else (None, None)
    )
    zone = time_zone(order.address.country, latitude, longitude) or FARTHEST_WEST
    today = utc_datetime(now).astimezone(zone).date()
    return PickupWindow(earliest=today, latest=today + timedelta(days=PICKUP_DAYS))


def _delivery_option(code: DeliveryOptionCode, settings: ShopSettings, order: Order) -> DeliveryOption:
    lacks_stores = code == "in_store" and not settings.stores
    lacks_carriers = code != "in_store" and not order.carriers
    lacks_labelless = code == "drop_off_labelless" and order.labelless_service_point is None
    why_not = "no-store" if lacks_stores else "no-carrier" if lacks_carriers or lacks_labelless else None
    needs, accepts = _NEEDS_AND_ACCEPTS[code]
    return DeliveryOption(
        code=code, needs=list(needs), accepts=list(accepts), possible=why_not is None, why_not=why_not
    )
