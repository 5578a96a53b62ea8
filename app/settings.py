"""Settings from the environment; wrong ones prevent the start with one clear line for each."""

import base64
import binascii
import hashlib
import ipaddress
import os
import re
import ssl
import stat
from pathlib import Path
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    Secret,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app import __version__

PREFIX = "BFF_"
SECRET_KEY_BYTES = 32
_ANY_HTTP_URL = TypeAdapter(AnyHttpUrl)
_HTTP_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])"
    r"(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"
)
_PORT = r"(:(?!0)(?:[0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_WHO, _HOST = r"([^\s/@?#\[\]]*@)?", rf"[A-Za-z0-9._-]+{_PORT}"
_HOSTS, _DB = rf"{_HOST}(,{_HOST})*", "[0-9]{1,4}"
_REDIS_URL = re.compile(
    rf"rediss?://{_WHO}{_HOST}(/({_DB})?)?|unix:///[^\s?#]+"
    rf"|rediss?\+cluster://{_WHO}{_HOSTS}|rediss?\+sentinel://{_WHO}{_HOSTS}/[A-Za-z0-9._-]+/{_DB}"
)
_REDIS_URL_FORMS = (
    "redis[s]://[user:password@]host[:port][/db], unix:///path, redis[s]+cluster://[user:password@]host[:port],... "
    "or redis[s]+sentinel://[user:password@]host[:port],.../service/db"
)

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_PARTNER = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]{0,62}):(?P<digest>[0-9A-Fa-f]{64})")
DIGEST_OF_NOTHING = hashlib.sha256(b"").digest()


class SettingsError(Exception):
    """The settings are unusable; the text has one line for each fault and holds no secret value."""


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _brand(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError("a brand is its domain label: lower-case letters, digits and inner hyphens")
    return value


def _origin(value: str) -> str:
    # Apps in a web view have schemes of their own, like capacitor://localhost.
    if not re.fullmatch(r"[a-z][a-z0-9+.-]{1,29}://[a-z0-9.-]+(:[0-9]{1,5})?", value):
        raise ValueError("an origin is scheme://host[:port] in lower case, without path and without *")
    return value


def _key(value: object) -> bytes:
    try:
        key = base64.b64decode(str(value).strip(), validate=True)
    except binascii.Error as error:
        raise ValueError("a key is base64") from error
    if len(key) != SECRET_KEY_BYTES:
        raise ValueError(f"a key has {SECRET_KEY_BYTES} random bytes")
    if len(set(key)) == 1:
        raise ValueError("a key of one byte repeated is no secret")
    return key


def _keys(value: object) -> object:
    return tuple(_key(part) for part in value.split(",")) if isinstance(value, str) else value


def _naming_key(value: object) -> object:
    return _key(value) if isinstance(value, str) else value


def _redis_url(value: object) -> object:
    if not _REDIS_URL.fullmatch(str(value)):
        raise ValueError(_REDIS_URL_FORMS)
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*", value):
        try:
            ipaddress.IPv6Address(value)
        except ValueError:
            raise ValueError("an address of this machine or its name, without port") from None
    return value


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(str(value))
    except ValueError:
        raise ValueError("a network is an address, or a CIDR without bits beyond its prefix") from None
    if not network.prefixlen:
        raise ValueError("with a network of all addresses, every caller could choose its own address")
    if isinstance(network, ipaddress.IPv6Network) and network.overlaps(_MAPPED):
        raise ValueError("write networks of IPv4 addresses as IPv4")
    return network


def _partners(value: object) -> object:
    if not isinstance(value, str):
        return value
    matches = [_PARTNER.fullmatch(part.strip()) for part in value.split(",") if part.strip()]
    partners = {match["name"]: bytes.fromhex(match["digest"]) for match in matches if match}
    if None in matches or DIGEST_OF_NOTHING in partners.values():
        raise ValueError("a partner is name:sha256 of its key, in 64 hexadecimal digits")
    if len(set(partners.values())) != len(matches):
        raise ValueError("every partner has a name and a key of its own")
    return partners


def _portal_hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [re.fullmatch(r"([a-z0-9.-]+)=([a-z0-9-]+)", part.strip()) for part in value.split(",") if part.strip()]
    if None in pairs:
        raise ValueError("a host of the portal is host=brand in lower case, without port")
    return {pair[1]: pair[2] for pair in pairs if pair}


def _page(value: str) -> str:
    if not re.fullmatch(r"(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?/([A-Za-z0-9._~-][A-Za-z0-9._~/-]*)?", value):
        raise ValueError("an absolute http(s) URL or a path, without query and fragment")
    return value


def _absolute(value: str) -> re.Match[str]:
    match = _HTTP_URL.fullmatch(value)
    try:
        _ANY_HTTP_URL.validate_python(value)
    except ValidationError:
        match = None
    if match is None:
        raise ValueError("an absolute http(s) URL without user, query and fragment")
    return match


def _http_url(value: str) -> str:
    match = _absolute(value)
    if match["scheme"] == "http" and not _is_loopback(match["host"].strip("[]")):
        raise ValueError("plain http is allowed on loopback only")
    return value


def _optional_url(value: str) -> str:
    if value:
        _absolute(value)
    return value.rstrip("/")


def _bundle(path: str) -> str:
    try:
        # Opening a pipe would wait for its writer.
        if path and not stat.S_ISREG(Path(path).stat().st_mode):
            raise ValueError("is not a regular file")
        if path:
            ssl.create_default_context(cafile=path)
    except OSError:
        raise ValueError("a file of certificates in PEM that can be read") from None
    return path


def _proxy(value: str) -> str:
    if value and not re.fullmatch(rf"http://{_HOST}/?", value):
        raise ValueError("http://host[:port], without user; what goes through it is encrypted for the upstream")
    return value.rstrip("/")


BrandName = Annotated[str, AfterValidator(_brand)]
Origin = Annotated[str, AfterValidator(_origin)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
"""The URL as it was written."""
UpstreamUrl = Annotated[HttpUrl, AfterValidator(lambda value: value.rstrip("/"))]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(_network)]
Seconds = Annotated[float, Field(ge=0.001, le=600)]
Quantity = Annotated[int, Field(ge=1, le=10**9)]
"""At most what no replica reaches, and what the store still counts exactly."""
Lifetime = Annotated[int, Field(ge=1, le=366 * 86400)]


class Settings(BaseSettings):
    """Everything an operator can turn; durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    brands: Annotated[list[BrandName], NoDecode, BeforeValidator(_listed), Field(default=[])]
    """Brand domains served; any other brand is not found."""
    shops: str = ""
    """Path of a TOML file with an entry for each shop that needs more than its name in `brands`."""
    redis_url: Annotated[Secret[str], BeforeValidator(_redis_url)]
    """Where the state is: one server, a Cluster, or servers watched by Sentinels (docs/adr/0010)."""
    secret_key: Annotated[Secret[tuple[bytes, ...]], NoDecode, BeforeValidator(_keys)]
    """The first key seals, all open (docs/adr/0001)."""
    naming_key: Annotated[Secret[bytes] | None, BeforeValidator(_naming_key)] = None
    """Names parcels in Redis; without it the last secret key does (docs/adr/0001)."""
    upstream_url: UpstreamUrl = "https://panel.sendcloud.sc/api/v2"
    upstream_public_url: Annotated[str, AfterValidator(_optional_url)] = ""
    """The base under which the upstream names its own URLs, if it differs from `upstream_url`."""
    service_points_url: UpstreamUrl = "https://servicepoints.sendcloud.sc/api/v2"
    host: Annotated[str, AfterValidator(_host_name)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    allowed_origins: Annotated[list[Origin], NoDecode, BeforeValidator(_listed), Field(default=[])]
    """Exact origins of the front ends that may call with credentials (CORS, CSRF)."""
    trusted_proxies: Annotated[list[Network], NoDecode, BeforeValidator(_listed), Field(default=[])]
    """Networks of the proxies in front of us whose `X-Forwarded-For` counts."""
    partners: Annotated[dict[str, bytes], NoDecode, BeforeValidator(_partners), Field(default={})]
    """SHA-256 of each partner's key by the partner's name."""
    public_url: Annotated[str, AfterValidator(_optional_url)] = ""
    """Makes the types of problems absolute; the request's Host is never trusted."""
    portal_hosts: Annotated[dict[str, str], NoDecode, BeforeValidator(_portal_hosts), Field(default={})]
    """The brand by the host that stands for the upstream's own portal of it."""
    portal_page: Annotated[str, AfterValidator(_page)] = "/page/"
    """Where links to the upstream's own portal lead."""
    upstream_ca: Annotated[str, AfterValidator(_bundle)] = ""
    """Path of certificates (PEM) that may vouch for the upstream, beside the usual ones."""
    upstream_proxy: Annotated[str, AfterValidator(_proxy)] = ""
    """Through which tunnels (CONNECT) all calls of the upstream go."""
    upstream_partner_id: Annotated[UUID | None, BeforeValidator(lambda value: value or None)] = None
    """`Sendcloud-Partner-Id` of each call: partners keep version 2 for new accounts by it (documented)."""
    service_points_token_in_header: bool = False
    """Keeps the token out of URLs. Sendcloud documents the header; it is untried here."""
    docs: bool = True
    """Whether `/docs` and `/openapi.json` are served."""
    traces_url: Annotated[str, AfterValidator(_optional_url)] = ""
    """Where spans are sent (OTLP over HTTP, `/v1/traces` included); needs the extra `otel` (docs/adr/0014)."""

    lookup_limit: Quantity = 30
    """Lookups a minute of one address."""
    partner_lookup_limit: Quantity = 300
    """Lookups a minute of one partner."""

    parcel_limit: Annotated[Quantity, Field(ge=6)] = 60
    """Upstream calls a minute of one parcel's sessions; an upload counts as six of them."""

    parcel_sessions: Annotated[Quantity, Field(ge=2)] = 20
    """Live sessions of one parcel; one more ends the oldest."""
    parcel_waits: Quantity = 50
    """Requests that wait for news of one parcel's returns at one replica, event streams included."""

    session_ttl: Lifetime = 3600
    """A session lives this long, or as long as the upstream token if that is shorter."""
    return_ttl: Annotated[int, Field(ge=86400, le=183 * 86400)] = 14 * 86400
    """The content of a return is kept this long after its last visible change; claim, key and summary stay longer."""
    claim_ttl: Lifetime = 30 * 86400
    """A return holds its units and is known by its key this long; at least twice as long as its content is kept."""

    requests_at_once: Quantity = 256
    """Requests worked on at once; more are turned away. Those that only wait do not count."""
    loop_lag: Seconds = 0.25
    """An event loop that is later than this has too much to do; requests that came meanwhile are turned away."""
    watchdog: Annotated[Seconds, Field(ge=2)] = 60.0
    """A process whose event loop has stood still for this long ends itself, so that it is started again."""
    drain: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long a replica goes on serving after SIGTERM, so that every gateway notices."""

    lookup_deadline: Seconds = 8.0
    """Portal settings and parcel lookup."""
    create_deadline: Seconds = 20.0
    """The creating POST."""
    create_lease: Seconds = 30.0
    """After this, a request that neither finished nor failed counts as dead; longer than `create_deadline`.

    It runs from the claim on, and once more from the first byte on.
    """
    poll_deadline: Seconds = 5.0
    """One poll for a label; also the wait for a document's first byte and between two of its chunks."""
    poll_interval: Seconds = 1.0
    """Before the first poll for a label; the pauses grow to eight times that."""
    label_budget: Seconds = 120.0
    """A label is watched this long after its creation, later only while a caller waits for it."""
    kept_labels: Annotated[int, Field(ge=0, le=10**15)] = 256 * 1024 * 1024
    """Bytes of labels kept in Redis within 24 hours, all together; 0 keeps none."""
    label_deadline: Seconds = 30.0
    """A whole document from upstream."""
    service_points_deadline: Seconds = 5.0
    portal_freshness: Seconds = 300.0
    """Portal settings are never older than this unless the upstream fails."""
    points_freshness: Seconds = 600.0
    """Searches for service points likewise."""

    upstream_reads: Quantity = 800
    """GETs a minute that all replicas together send to the upstream, which accepts 1000."""
    upstream_writes: Quantity = 80
    """POSTs a minute likewise; the upstream accepts 100."""
    upstream_burst: Quantity = 12
    """Calls of both kinds a second; the upstream documents 15, for POSTs."""

    def shown(self) -> dict[str, object]:
        """The settings for the log: without secrets, partners by name, and of the store its topology alone."""
        hidden = {"secret_key", "naming_key", "redis_url", "partners", "host", "port"}
        scheme = self.redis_url.get_secret_value().partition("://")[0]
        return {
            "version": __version__,
            "store": scheme,
            "partners": sorted(self.partners),
            **self.model_dump(mode="json", exclude=hidden & set(type(self).model_fields)),
        }

    @model_validator(mode="after")
    def _portal_hosts_are_served(self) -> Self:
        if not self.shops and not {*self.portal_hosts.values()} <= {*self.brands}:
            raise ValueError("BFF_PORTAL_HOSTS names a brand that is not in BFF_BRANDS")
        return self

    @model_validator(mode="after")
    def _serves_a_shop(self) -> Self:
        if not self.brands and not self.shops:
            raise ValueError("BFF_BRANDS: names no brand, and BFF_SHOPS no file")
        return self

    @model_validator(mode="after")
    def _lifetimes_fit(self) -> Self:
        if self.create_lease <= self.create_deadline:
            raise ValueError("BFF_CREATE_LEASE must be longer than BFF_CREATE_DEADLINE")
        if self.claim_ttl < 2 * self.return_ttl:
            raise ValueError("BFF_CLAIM_TTL must be at least twice BFF_RETURN_TTL")
        return self


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: values are missing or wrong, or a `BFF_` variable is unknown (a typo would otherwise go unseen).
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    faults = [f"{name}: unknown setting" for name in unknown]
    try:
        settings = Settings()
    except ValidationError as error:
        faults += map(_line, error.errors(include_url=False, include_context=False, include_input=False))
    else:
        if not faults:
            return settings
    raise SettingsError("\n".join(faults))


def _line(fault: ErrorDetails) -> str:
    name = PREFIX + str(fault["loc"][0]).upper() + ": " if fault["loc"] else ""
    # Some texts quote what is wrong in a value, such as a line feed.
    return name + "".join(filter(str.isprintable, fault["msg"].removeprefix("Value error, ")))
