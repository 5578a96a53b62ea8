"""A shop's settings as the public sees them, without those that are the merchant's alone."""

from collections.abc import Mapping
from decimal import Decimal

from app import models
from app.domain import Brand, Reason, RefundOption, ShopSettings, Store


def portal(settings: ShopSettings, language: str | None, *, stale: bool) -> models.Portal:
    """A shop's settings, which are in this language."""
    return models.Portal(
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


def brand(shop: Brand) -> models.PortalBrand:
    """The shop's looks and contacts."""
    return models.PortalBrand(**dict(shop))


def reasons(accepted: tuple[Reason, ...]) -> list[models.Reason]:
    """The reasons this shop accepts."""
    return [models.Reason(**dict(reason)) for reason in accepted]


def refund_options(offered: tuple[RefundOption, ...]) -> list[models.RefundOption]:
    """The refund options of this shop."""
    return [models.RefundOption(**dict(option)) for option in offered]


def stores(settings: ShopSettings, distances: Mapping[int, float]) -> list[models.Store]:
    """The stores that take returns, each with its distance in metres where that is known."""
    return [_store(store, distances.get(store.id)) for store in settings.stores]


def _store(store: Store, distance: float | None) -> models.Store:
    return models.Store(**dict(store), distance=None if distance is None else round(distance))


def money(amount: Decimal | None, currency: str | None) -> models.Money | None:
    """An amount with two decimals."""
    return None if amount is None else models.Money(amount=f"{amount:.2f}", currency=currency)
