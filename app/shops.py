"""The shops that are served: the list in the settings, and a file that is read again when it changes."""

import asyncio
import base64
import binascii
import contextlib
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tomli
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from app.domain import Policy
from app.settings import (
    DIGEST_OF_NOTHING,
    BrandName,
    HttpUrl,
    Origin,
    Quantity,
    Settings,
    SettingsError,
    UpstreamUrl,
)
from app.telemetry.logs import log
from app.telemetry.metrics import SHOPS, SHOPS_FILE_FAULTS

CHECK_SECONDS = 2.0
"""Seconds between two checks for a change of the file."""
REST_SECONDS = 1.0
"""Seconds after a reading until the next one, because all requests wait while the file is parsed."""
LARGEST_BYTES = 4 * 1024 * 1024
"""Ten thousand shops; parsing them takes more than half a second."""
LOGGED_FAULTS = 100
"""Further lines would push those of requests out of the log."""


class UnusableShopsFile(Exception):
    """The file cannot be used; each of `faults` is one line for the operator, without any value of the file."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _digest(value: object) -> bytes:
    digest = bytes.fromhex(value) if isinstance(value, str) and re.fullmatch("[0-9A-Fa-f]{64}", value) else b""
    if digest in {b"", DIGEST_OF_NOTHING}:
        raise ValueError("a partner's value is the sha256 of its key, in 64 hexadecimal digits")
    return digest


_LEAST_SECRET, _LARGEST_SECRET = 24, 64
"""Bytes of a signing secret (Standard Webhooks)."""

PartnerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


def _signing_secret(value: SecretStr) -> SecretStr:
    prefix, _, key = value.get_secret_value().partition("_")
    try:
        size = len(base64.b64decode(key, validate=True))
    except binascii.Error:
        size = 0
    if prefix != "whsec" or not _LEAST_SECRET <= size <= _LARGEST_SECRET:
        raise ValueError("a secret is whsec_ and 24 to 64 random bytes in base64")
    return value


class EventsEntry(BaseModel):
    """Where a shop takes its events, and what they are signed with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl
    secrets: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_signing_secret)], ...], Field(min_length=1, max_length=2)
    ]
    """The present secret and, while it is replaced, the next one; each signs every event."""
    private: bool = False
    """Whether the address may be one of a private network, or of this machine."""
    contact: bool = False
    """Whether events have the shopper's name and e-mail address."""

    @model_validator(mode="after")
    def _is_encrypted(self) -> "EventsEntry":
        if not self.private and not self.url.startswith("https://"):
            raise ValueError("events go to an https URL")
        return self


class UpstreamEventsEntry(BaseModel):
    """Whether a shop has its upstream send events here, and what they may change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signature_keys: Annotated[tuple[Annotated[SecretStr, Field(min_length=16)], ...], Field(min_length=1, max_length=2)]
    """The key that the upstream signs with and, while it is replaced, the next one."""
    cancellation_frees: bool = False
    """Whether the units of a return come free once all its parcels are cancelled for good."""


class ShopEntry(BaseModel):
    """One shop in the file; members that it leaves out are as in the settings for all shops."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    closed: bool = False
    """Whether no new session may begin; sessions and returns that exist go on."""
    origins: tuple[Origin, ...] = ()
    partners: dict[PartnerName, Annotated[bytes, BeforeValidator(_digest)]] = {}
    """SHA-256 of each partner's key by the partner's name."""
    shop_keys: dict[PartnerName, Annotated[bytes, BeforeValidator(_digest)]] = {}
    """SHA-256 of the key of each system of the shop by its name; these keys open the shop's own calls alone."""
    lookup_limit: Quantity | None = None
    partner_lookup_limit: Quantity | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    """ISO 4217; the upstream states none."""
    policy: Policy = Policy()
    upstream_url: UpstreamUrl | None = None
    upstream_public_url: UpstreamUrl | None = None
    service_points_url: UpstreamUrl | None = None
    events: EventsEntry | None = None
    upstream_events: UpstreamEventsEntry | None = None

    @model_validator(mode="after")
    def _is_told_of_deliveries(self) -> "ShopEntry":
        if self.policy.window and not self.upstream_events:
            raise ValueError("a window of the policy counts from deliveries, of which only upstream_events tell")
        return self


class ShopsFile(BaseModel):
    """`shops.toml`: one table `[shops.<brand>]` for each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shops: dict[BrandName, ShopEntry]


@dataclass(frozen=True)
class Shop:
    """One shop, with everything decided that the file leaves to the settings."""

    name: str
    """The name of its entry in the file; empty for all shops without one, which share their limits."""
    is_open: bool
    origins: frozenset[str]
    partners: Mapping[str, bytes]
    shop_keys: Mapping[str, bytes]
    lookup_limit: int
    partner_lookup_limit: int
    currency: str | None
    policy: Policy
    upstream_url: str
    upstream_public_url: str
    service_points_url: str
    events: EventsEntry | None
    """None for a shop that is told nothing."""
    upstream_events: UpstreamEventsEntry | None
    """None for a shop whose upstream tells us nothing."""

    @property
    def is_told_contacts(self) -> bool:
        """Whether the events of this shop have the shopper's name and e-mail address."""
        return self.events is not None and self.events.contact


def read_shops(path: Path, partners: Mapping[str, bytes]) -> Mapping[str, ShopEntry]:
    """The entries of the file by brand, none with a key of another entry or of these partners of all shops.

    Raises:
        UnusableShopsFile: with every fault that it has.
    """
    entries = _parsed(path)
    if faults := _shared_keys(entries, partners):
        raise UnusableShopsFile(faults)
    return entries


def _parsed(path: Path) -> Mapping[str, ShopEntry]:
    try:
        return ShopsFile.model_validate(tomli.loads(_text(path))).shops
    except tomli.TOMLDecodeError as error:
        # The text before the place may quote the file.
        fault = "is not TOML " + str(error)[str(error).rfind("(") :]
    except ValidationError as error:
        raise UnusableShopsFile([_line(each) for each in error.errors(include_url=False)]) from None
    except (ValueError, RecursionError):
        fault = "has a number that is too long, or values that are nested too deeply"
    raise UnusableShopsFile([fault])


def _text(path: Path) -> str:
    try:
        found = path.stat()
        # Opening a pipe would wait for its writer.
        if not stat.S_ISREG(found.st_mode):
            raise UnusableShopsFile(["is not a regular file"])
        if found.st_size > LARGEST_BYTES:
            raise UnusableShopsFile(["has more than 4 MiB"])
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UnusableShopsFile([error.strerror or "cannot be read"]) from None
    except UnicodeDecodeError:
        raise UnusableShopsFile(["is not UTF-8"]) from None


def _shared_keys(entries: Mapping[str, ShopEntry], partners: Mapping[str, bytes]) -> list[str]:
    """A fault for each place of the file whose key is that of another place."""
    owners, faults = dict.fromkeys(partners.values(), "BFF_PARTNERS"), []
    for place, key in _places(entries):
        first = owners.setdefault(key, place)
        if first != place:
            faults.append(f"{place}: {first} has this key")
    return faults


def _places(entries: Mapping[str, ShopEntry]) -> Iterator[tuple[str, bytes]]:
    """Each place of the file that has a key, and the key."""
    for brand, entry in entries.items():
        for table, keys in (("partners", entry.partners), ("shop_keys", entry.shop_keys)):
            yield from ((f"shops.{brand}.{table}.{name}", key) for name, key in keys.items())


def _line(fault: ErrorDetails) -> str:
    names = [str(part) for part in fault["loc"] if part != "[key]"]
    where = ".".join(name if name.isprintable() else repr(name) for name in names)
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"


class Shops:
    """Every shop by its brand. A shop that is taken out of the file is closed, and known until the process ends."""

    def __init__(self, settings: Settings) -> None:
        """Reads the file, if there is one.

        Raises:
            SettingsError: it cannot be used; one line for each fault.
        """
        self._path = Path(settings.shops) if settings.shops else None
        self._changed = asyncio.Event()
        self._rest = Shop(
            name="",
            is_open=False,
            origins=frozenset(settings.allowed_origins),
            partners=settings.partners,
            shop_keys={},
            lookup_limit=settings.lookup_limit,
            partner_lookup_limit=settings.partner_lookup_limit,
            currency=None,
            policy=Policy(),
            upstream_url=settings.upstream_url,
            upstream_public_url=settings.upstream_public_url,
            service_points_url=settings.service_points_url,
            events=None,
            upstream_events=None,
        )
        self._listed = {brand: replace(self._rest, is_open=True) for brand in settings.brands}
        self._shops: Mapping[str, Shop] = self._listed
        self._told: Mapping[str, EventsEntry] = {}
        self._read_at = _stamp(self._path)
        if self._path:
            try:
                self._take(read_shops(self._path, self._rest.partners))
            except UnusableShopsFile as error:
                raise SettingsError("\n".join(f"BFF_SHOPS: {fault}" for fault in error.faults)) from None
        self.origins = _origins(self._shops.values()) | self._rest.origins
        """The allowed origins of all shops."""

    def of(self, brand: str) -> Shop:
        """The shop of this brand; one that is closed where the brand is unknown."""
        return self._shops.get(brand, self._rest)

    @property
    def told(self) -> Mapping[str, EventsEntry]:
        """Where the shops that are told of their returns take events, by brand; shops that are closed too."""
        return self._told

    def reload(self) -> None:
        """Makes `watch` read the file now, whether or not it has changed."""
        self._changed.set()

    async def watch(self, pause: float = CHECK_SECONDS) -> None:
        """Reads the file whenever it has changed or `reload` was called; one that cannot be used changes nothing.

        It looks at the file every `pause` seconds.
        """
        while self._path:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            stamp = _stamp(self._path)
            if self._changed.is_set() or stamp != self._read_at:
                self._changed.clear()
                self._read_at = stamp
                await self._read(self._path)
                await asyncio.sleep(REST_SECONDS)

    async def _read(self, path: Path) -> None:
        try:
            entries = await asyncio.to_thread(read_shops, path, self._rest.partners)
        except UnusableShopsFile as error:
            SHOPS_FILE_FAULTS.set(len(error.faults))
            for fault in error.faults[:LOGGED_FAULTS]:
                log.error("shops file not taken", fault=fault)
        else:
            self._take(entries)
            SHOPS_FILE_FAULTS.set(0)
            log.info("shops file taken", shops=len(entries))

    def _take(self, entries: Mapping[str, ShopEntry]) -> None:
        gone = {
            brand: replace(shop, is_open=False, shop_keys={}, events=None, upstream_events=None)
            for brand, shop in self._shops.items()
            if shop.name
        }
        named = {brand: self._decided(brand, entry) for brand, entry in entries.items()}
        self._shops = gone | self._listed | named
        self._told = {brand: shop.events for brand, shop in self._shops.items() if shop.events}
        self.origins = _origins(self._shops.values()) | self._rest.origins
        SHOPS.set(sum(shop.is_open for shop in self._shops.values()))

    def _decided(self, brand: str, entry: ShopEntry) -> Shop:
        rest = self._rest
        return Shop(
            name=brand,
            is_open=not entry.closed,
            origins=rest.origins.union(entry.origins),
            partners={**rest.partners, **_of_brand(brand, entry.partners)},
            shop_keys=_of_brand(brand, entry.shop_keys),
            lookup_limit=entry.lookup_limit or rest.lookup_limit,
            partner_lookup_limit=entry.partner_lookup_limit or rest.partner_lookup_limit,
            currency=entry.currency,
            policy=entry.policy,
            upstream_url=entry.upstream_url or rest.upstream_url,
            upstream_public_url=entry.upstream_public_url or ("" if entry.upstream_url else rest.upstream_public_url),
            service_points_url=entry.service_points_url or rest.service_points_url,
            events=entry.events,
            upstream_events=entry.upstream_events,
        )


def _of_brand(brand: str, keys: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Keys by the names of their owners, after the brand and a colon, which no name of the settings has."""
    return {f"{brand}:{name}": key for name, key in keys.items()}


def _origins(shops: Iterable[Shop]) -> frozenset[str]:
    return frozenset().union(*(shop.origins for shop in shops))


def _stamp(path: Path | None) -> tuple[int, ...]:
    """A stamp of the file, which changes when the file does; empty if there is none."""
    try:
        found = path.stat() if path else None
    except OSError:
        found = None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else ()
