"""Whether a server of the store is the one we know, and names as we do: a marker that each of them keeps."""

import asyncio
import secrets
from contextlib import suppress

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from app.domain import RedactedModel
from app.errors import StoreUnavailable
from app.redis.encryption import parsing
from app.redis.store import Store
from app.telemetry.logs import log
from app.telemetry.metrics import MARKERS

ID_BYTES = 12
LOOK_SECONDS = 10.0
PAUSED_SECONDS = 60
"""Retry-After for a creation, because an operator has to look at the store first."""
NAMES = tuple(f"m:{{{number}}}" for number in range(REDIS_CLUSTER_HASH_SLOTS))
"""Each server keeps the first of these whose slot it has; when a slot moves, its marker moves with it."""


class CreationsPaused(StoreUnavailable):
    """The store has lost its content, so that units claimed in it may be free again."""


class AnotherNamingKey(StoreUnavailable):
    """Other replicas name parcels by another key, so that ours does not find their claims."""


class Marker(RedactedModel):
    """The marker that the first replica left on a server."""

    id: str
    naming: str
    """Tells naming keys apart without revealing them."""
    accepted_at: float = 0
    """When an operator accepted the store as it is, in seconds on its clock; 0 if never."""
    doubted: bool = False
    """Whether a replica that knew the marker of this server found it missing or replaced."""


class Markers:
    """The markers of all servers, and those that this replica has seen."""

    def __init__(self, store: Store, naming: str, ttl: int) -> None:
        self._store = store
        self._naming = naming
        self._ttl = ttl
        self._known: dict[str, Marker] = {}
        self.names_as_others = True
        """Whether the last check that every server answered found our naming key."""

    async def check(self, parcel_key: str) -> None:
        """Returns if the server that keeps this parcel has not lost its content.

        Raises:
            AnotherNamingKey, CreationsPaused: nothing may be created here.
            StoreUnavailable: it cannot be known.
        """
        await self._check(await self._store.first_beside(parcel_key, NAMES))

    async def look(self) -> None:
        """Checks the marker of every server, and writes missing ones."""
        with suppress(StoreUnavailable):
            names = await self._store.first_on_each(NAMES)
            self.names_as_others = all(await asyncio.gather(*map(self._is_named_as_ours, names)))

    async def watch(self) -> None:
        """Checks from time to time until cancelled, so that a store that lost its content is soon doubted."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def survey(self) -> dict[str, Marker | None]:
        """The marker of each server, None where there is none."""
        names = await self._store.first_on_each(NAMES)
        kept = {name: await self._store.get(name) for name in names}
        return {name: _loaded(each) if each else None for name, each in kept.items()}

    async def accept(self) -> None:
        """Accepts every server as it is now, for all replicas."""
        for name in await self._store.first_on_each(NAMES):
            accepted = self._fresh().model_copy(update={"accepted_at": await self._store.now()})
            await self._replaced(name, await self._store.get(name) or b"", accepted)

    async def _is_named_as_ours(self, name: str) -> bool:
        try:
            with suppress(CreationsPaused):
                await self._check(name)
        except AnotherNamingKey:
            return False
        return True

    async def _check(self, name: str) -> None:
        kept = await self._store.get_and_prolong(name, self._ttl) or b""
        while not kept or self._is_strange(name, _loaded(kept)):
            kept = await self._replaced(name, kept, self._instead(name))
        found = _loaded(kept)
        if found.naming != self._naming:
            MARKERS.labels("another_key").inc()
            raise AnotherNamingKey("the naming key is not that of the store", retry_after=PAUSED_SECONDS)
        if found.doubted:
            MARKERS.labels("doubted").inc()
            raise CreationsPaused("the store lost its memory", retry_after=PAUSED_SECONDS)
        self._known[name] = found

    def _is_strange(self, name: str, found: Marker) -> bool:
        """Whether another marker than ours stands there, and no operator has accepted it since."""
        known = self._known.get(name)
        if known is None or found.doubted or found.naming != self._naming:
            return False
        return found.id != known.id and found.accepted_at <= known.accepted_at

    def _instead(self, name: str) -> Marker:
        """The marker to write where none is, or a foreign one: the one known here, doubted from now on."""
        known = self._known.get(name)
        log.warning("store doubted" if known else "store marked", server=name)
        return known.model_copy(update={"doubted": True}) if known else self._fresh()

    def _fresh(self) -> Marker:
        return Marker(id=secrets.token_urlsafe(ID_BYTES), naming=self._naming)

    async def _replaced(self, name: str, kept: bytes, wanted: Marker) -> bytes:
        return await self._store.replace(name, kept, wanted.model_dump_json().encode(), self._ttl)


def _loaded(kept: bytes) -> Marker:
    with parsing():
        return Marker.model_validate_json(kept)
