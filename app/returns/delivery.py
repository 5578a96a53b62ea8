"""The return methods: what each needs from the body of a return, and whether a parcel can take it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from app.domain import DeliveryOptionCode, Order, ShopSettings
from app.models import DeliveryMember, DeliveryOption

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
    """The return methods that the shop offers."""
    return [_delivery_option(code, settings, order) for code in settings.delivery_options]


def _delivery_option(code: DeliveryOptionCode, settings: ShopSettings, order: Order) -> DeliveryOption:
    lacks_stores = code == "in_store" and not settings.stores
    lacks_carriers = code != "in_store" and not order.carriers
    lacks_labelless = code == "drop_off_labelless" and order.labelless_service_point is None
    why_not = "no-store" if lacks_stores else "no-carrier" if lacks_carriers or lacks_labelless else None
    needs, accepts = _NEEDS_AND_ACCEPTS[code]
    return DeliveryOption(
        code=code, needs=list(needs), accepts=list(accepts), possible=why_not is None, why_not=why_not
    )
