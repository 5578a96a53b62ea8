"""Portal settings of shops, cached for the fleet."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from app.domain import ShopSettings
from app.errors import UpstreamRejected
from app.http.languages import negotiate_language
from app.redis.derived_values import DerivedValues
from app.redis.shared_cache import STALE_SECONDS, FleetCache
from app.redis.store import Store
from app.shops import Shop
from app.telemetry.logs import log
from app.upstream import Upstream

PARSED_PORTALS = 256
"""How many shops' settings stay parsed in memory, one for each language."""


ShopOf = Callable[[str], Shop]
"""The shop of a brand, whose operator states what the upstream does not: currency and policy."""


class Portal(NamedTuple):
    """A shop's settings, the language they are in (None: the shop's own choice), and whether they are stale."""

    settings: ShopSettings
    language: str | None
    stale: bool


_LANGUAGES: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...])


class PortalCache:
    """Portal settings by brand and language."""

    def __init__(self, cache: FleetCache, store: Store, sendcloud: Upstream, freshness: float, shop_of: ShopOf) -> None:
        self._cache = cache
        self._store = store
        self._sendcloud = sendcloud
        self._freshness = freshness
        self._shop_of = shop_of
        self._parsed: DerivedValues[str, ShopSettings] = DerivedValues(PARSED_PORTALS)
        # From the settings read last, in any language; brands are few.
        self._offered: dict[str, tuple[str, ...]] = {}

    async def get(self, brand: str, languages: Sequence[str]) -> Portal:
        """The settings of a brand in the first of these languages it speaks.

        Raises:
            BrandNotFound: the upstream has no portal for the brand.
        """
        if brand not in self._offered and (known := await self._store.get(_languages_key(brand))):
            # Unreadable languages count as absent; the next answer names them again.
            with suppress(ValidationError):
                self._offered[brand] = _LANGUAGES.validate_json(known)
        # The first answer in any language names all languages; from then on, others cost no extra call.
        offered = self._offered.get(brand)
        portal = await self._given(
            brand, next(iter(languages), None) if offered is None else negotiate_language(languages, offered)
        )
        language = negotiate_language(languages, portal.settings.languages)
        return portal if portal.language == language else await self._given(brand, language)

    async def _given(self, brand: str, language: str | None) -> Portal:
        """The settings in this language, or in the shop's own if the upstream refuses to give them in it."""
        try:
            return await self._in(brand, language)
        except UpstreamRejected:
            if language is None:
                raise
            return await self._in(brand, None)

    async def _in(self, brand: str, language: str | None) -> Portal:
        async def fetch() -> bytes:
            settings = await self._sendcloud.portal_settings(brand, language)
            offered = _LANGUAGES.dump_json(settings.languages)
            await self._store.put(_languages_key(brand), offered, STALE_SECONDS)
            return settings.model_dump_json().encode()

        key = f"settings|{brand}|{language or ''}"
        parse = partial(self._settings, brand, key)
        cached = await self._cache.get(key, fetch, self._freshness, parse=parse)
        settings = parse(cached.value)
        self._offered[brand] = settings.languages
        return Portal(settings, language, cached.stale)

    def _settings(self, brand: str, key: str, kept: bytes) -> ShopSettings:
        shop = self._shop_of(brand)
        return self._parsed.get(key, (kept, shop.currency, shop.policy), lambda: _settings(kept, shop))


def _settings(stored: bytes, shop: Shop) -> ShopSettings:
    said = ShopSettings.model_validate_json(stored)
    reasons = tuple(filter(shop.policy.accepts, said.reasons))
    if said.reasons and not reasons:
        # A shop without reasons asks for none, so none left would let everything come back for no reason.
        log.warning("no accepted reason is offered", brand=shop.name)
        reasons = said.reasons
    return said.model_copy(update={"currency": shop.currency, "policy": shop.policy, "reasons": reasons})


def _languages_key(brand: str) -> str:
    return f"c:{{languages|{brand}}}"
