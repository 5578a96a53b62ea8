"""The return methods: the members of a body that each needs, and whether a parcel can use it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, NamedTuple

from app.domain import DeliveryOptionCode, FirstMile, Order, ShopSettings
from app.http.problem_types.texts import ENGLISH, why_not_text
from app.models.fields import DeliveryMember, utc_datetime
from app.models.shop import DeliveryOption, PickupWindow
from app.service_points.time_zones import FARTHEST_WEST, time_zone

PICKUP_DAYS = 30
"""How far ahead a courier can be asked for; upstream documents no limit, so this is our choice."""

Missing = Literal["no-store", "no-carrier"]


def _misses_carrier(_settings: ShopSettings, order: Order) -> Missing | None:
    return None if order.carriers else "no-carrier"


def _misses_labelless(_settings: ShopSettings, order: Order) -> Missing | None:
    return None if order.carriers and order.labelless_service_point else "no-carrier"


def _misses_store(settings: ShopSettings, _order: Order) -> Missing | None:
    return None if settings.stores else "no-store"


class ReturnMethod(NamedTuple):
    """A way for a parcel to travel back."""

    needs: tuple[DeliveryMember, ...]
    accepts: tuple[DeliveryMember, ...]
    misses: Callable[[ShopSettings, Order], Missing | None]
    """The code of what the shop or the order lacks for it; None if nothing."""
    first_mile: FirstMile | None
    has_label: bool = True
    """Whether it has a label that can be downloaded here."""


RETURN_METHODS: Mapping[DeliveryOptionCode, ReturnMethod] = MappingProxyType(
    {
        "drop_off_point": ReturnMethod(("service_point",), ("carrier",), _misses_carrier, "dropoff"),
        "drop_off_labelless": ReturnMethod((), ("service_point", "carrier"), _misses_labelless, "dropoff"),
        "pickup": ReturnMethod((), ("carrier", "pickup_date"), _misses_carrier, "pickup"),
        "in_store": ReturnMethod(("store",), (), _misses_store, None, has_label=False),
    }
)


def delivery_options(settings: ShopSettings, order: Order, language: str = ENGLISH) -> list[DeliveryOption]:
    """The return methods that the shop offers, with words in this language."""
    return [_delivery_option(code, settings, order, language) for code in settings.delivery_options]


def pickup_window(order: Order, now: float) -> PickupWindow:
    """The days on which a courier can be asked for, from the local day at `now` where the parcel went."""
    latitude, longitude = (
        (order.coordinates.latitude, order.coordinates.longitude) if order.coordinates else (None, None)
    )
    zone = time_zone(order.address.country, latitude, longitude) or FARTHEST_WEST
    today = utc_datetime(now).astimezone(zone).date()
    return PickupWindow(earliest=today, latest=today + timedelta(days=PICKUP_DAYS))


def _delivery_option(code: DeliveryOptionCode, settings: ShopSettings, order: Order, language: str) -> DeliveryOption:
    method = RETURN_METHODS[code]
    why_not = method.misses(settings, order)
    return DeliveryOption(
        code=code,
        needs=list(method.needs),
        accepts=list(method.accepts),
        possible=why_not is None,
        why_not=why_not,
        why_not_text=why_not_text(why_not, language),
    )
