"""What the whole fleet asks the upstream once: portal settings per brand and language."""

from collections.abc import Sequence

from app.enrichment import spoken
from app.sendcloud.client import Sendcloud
from app.sendcloud.schemas import PortalSettings
from app.store import Store

SCHEMA = 1


class PortalCache:
    """Portal settings, asked again after `freshness` seconds."""

    def __init__(self, store: Store, sendcloud: Sendcloud, freshness: float) -> None:
        self._store = store
        self._sendcloud = sendcloud
        self._freshness = freshness

    async def get(self, brand: str, languages: Sequence[str]) -> tuple[PortalSettings, str | None]:
        """The settings of a brand in the first of these languages it speaks, and which that is.

        Raises:
            BrandNotFound: the upstream has no portal for the brand.
            StoreUnavailable: before any upstream call, which would go uncounted otherwise.
        """
        settings = await self._in(brand, None)
        language = spoken(languages, settings.portal.languages)
        return (settings if language is None else await self._in(brand, language)), language

    async def _in(self, brand: str, language: str | None) -> PortalSettings:
        key = f"c:{{portal|{SCHEMA}|{brand}|{language or ''}}}"
        kept = await self._store.get(key)
        if kept is not None:
            return PortalSettings.model_validate_json(kept)
        settings = await self._sendcloud.portal_settings(brand, language)
        await self._store.put(key, settings.model_dump_json().encode(), self._freshness)
        return settings
