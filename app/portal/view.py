"""A shop's settings as the public sees them, without those that are the merchant's alone."""

from collections.abc import Mapping
from decimal import Decimal

from app.domain import Brand, Reason, RefundOption, ShopSettings, Store
from app.models import shop


def portal(settings: ShopSettings, language: str | None, *, stale: bool) -> shop.Portal:
    """A shop's settings, which are in this language."""
    return shop.Portal(
        brand=brand(settings.brand),
        language=language,
        languages=list(settings.languages),
        helper_text=settings.helper_text or None,
        background_image=settings.background_image,
        reasons=reasons(settings.reasons),
        refund_options=refund_options(settings.refund_options),
        delivery_options=list(settings.delivery_options),
        fee=money(settings.return_fee, settings.currency),
        stores=stores(settings, {}),
        stale=stale,
    )


def brand(looks: Brand) -> shop.PortalBrand:
    """The shop's looks and contacts."""
    return shop.PortalBrand(**dict(looks))


def reasons(accepted: tuple[Reason, ...]) -> list[shop.Reason]:
    """The reasons this shop accepts."""
    return [shop.Reason(**dict(reason)) for reason in accepted]


def refund_options(offered: tuple[RefundOption, ...]) -> list[shop.RefundOption]:
    """The refund options of this shop."""
    return [shop.RefundOption(**dict(option)) for option in offered]


def stores(settings: ShopSettings, distances: Mapping[int, float]) -> list[shop.Store]:
    """The stores that take returns, each with its distance in metres where that is known."""
    return [_store(store, distances.get(store.id)) for store in settings.stores]


def _store(store: Store, distance: float | None) -> shop.Store:
    return shop.Store(**dict(store), distance=None if distance is None else round(distance))


def money(amount: Decimal | None, currency: str | None) -> shop.Money | None:
    """An amount with two decimals."""
    return None if amount is None else shop.Money(amount=f"{amount:.2f}", currency=currency)
