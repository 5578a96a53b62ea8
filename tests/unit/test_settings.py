"""What an operator may and may not set."""

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings

KEY_BYTES, OTHER_KEY_BYTES = bytes(range(32)), bytes(range(32, 64))
KEY, OTHER_KEY = (base64.b64encode(key).decode() for key in (KEY_BYTES, OTHER_KEY_BYTES))
REQUIRED = {
    "BFF_BRANDS": "my-shop",
    "BFF_REDIS_URL": "redis://user:swordfish@redis.example:6379/1",
    "BFF_SECRET_KEY": KEY,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest environment, independent of that of the tests."""
    for name in {*REQUIRED, *(name for name in os.environ if name.upper().startswith("BFF_"))}:
        monkeypatch.delenv(name, raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)


def refusal() -> str:
    """What the operator reads."""
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def test_three_settings_suffice() -> None:
    """Brands, Redis URL and secret key start a service on Sendcloud's own hosts and on loopback."""
    settings = load_settings()
    assert settings.brands == ["my-shop"]
    assert settings.redis_url.get_secret_value() == REQUIRED["BFF_REDIS_URL"]
    assert settings.secret_key.get_secret_value() == (KEY_BYTES,)
    assert settings.upstream_url == "https://panel.sendcloud.sc/api/v2"
    assert (settings.host, settings.port, settings.allowed_origins) == ("127.0.0.1", 8000, [])


@pytest.mark.parametrize("name", REQUIRED)
def test_required_settings_have_no_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each of the three required settings is named when it is missing."""
    monkeypatch.delenv(name)
    assert refusal().startswith(f"{name}: ")


def test_a_file_of_shops_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a file of shops no brand need be listed."""
    monkeypatch.delenv("BFF_BRANDS")
    monkeypatch.setenv("BFF_SHOPS", "shops.toml")
    assert load_settings().brands == []


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brands, origins and keys are comma lists; blanks around entries and empty brands and origins do not count."""
    monkeypatch.setenv("BFF_BRANDS", "my-shop, other-shop,")
    monkeypatch.setenv("BFF_ALLOWED_ORIGINS", " https://shop.example,http://localhost:5173 ")
    monkeypatch.setenv("BFF_SECRET_KEY", f"{KEY},{OTHER_KEY}")
    settings = load_settings()
    assert settings.brands == ["my-shop", "other-shop"]
    assert settings.allowed_origins == ["https://shop.example", "http://localhost:5173"]
    assert settings.secret_key.get_secret_value() == (KEY_BYTES, OTHER_KEY_BYTES)


@pytest.mark.parametrize("value", ["", " , ", "My-Shop", "my shop", "-shop", "shop-", "shop.example", "a" * 64, "a/b"])
def test_brand_has_to_be_a_domain_label(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """No brand at all, and one that is no lower-case domain label, stop the start."""
    monkeypatch.setenv("BFF_BRANDS", value)
    assert refusal().startswith("BFF_BRANDS: ")


@pytest.mark.parametrize(
    "value",
    [
        "redis://redis.example",
        "redis://redis.example:6379/",
        "rediss://redis.example:6380/2",
        "redis://:p%40ss@redis.example/0",
        "unix:///run/redis.sock",
        "redis+cluster://one.example",
        "redis+cluster://one.example:7000,two.example:7001,three.example",
        "rediss+cluster://user:p%40ss@one.example:7000,two.example:7001",
        "redis+sentinel://one.example/main/0",
        "redis+sentinel://one.example:26379,two.example:26380,three.example/my-store.eu/3",
        "rediss+sentinel://:p%2Fss@one.example,two.example/main/0",
    ],
)
def test_redis_url_of_every_accepted_form(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Redis is reached over TCP, TLS or a socket, as one server, a Cluster or a service that Sentinels know."""
    monkeypatch.setenv("BFF_REDIS_URL", value)
    assert load_settings().redis_url.get_secret_value() == value


@pytest.mark.parametrize(
    "port", [1, 9, 10, 99, 1024, 6379, 9999, 10000, 59999, 60000, 64999, 65000, 65499, 65500, 65529, 65530, 65535]
)
def test_port_of_redis(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Redis may listen on any port that there is."""
    monkeypatch.setenv("BFF_REDIS_URL", f"redis://redis.example:{port}/0")
    assert load_settings().redis_url.get_secret_value().endswith(f":{port}/0")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "redis.example:6379",
        "http://redis.example",
        "redis://",
        "redis://:swordfish@/0",
        "redis://redis.example/zero",
        "redis://redis.example/0/1",
        "redis://redis.example:99999",
        "redis://redis.example:65536",
        "redis://redis.example:0",
        "redis://redis.example:",
        "redis://redis.example:port",
        "redis://redis.example:06379",
        "redis://sword[fish:pw@redis.example",
        "redis://[::1",
        "unix://",
        "redis://user:swordfish/x@redis.example/0",
        "redis://user:sword?fish@redis.example/0",
        "redis://user:sword#fish@redis.example/0",
        "redis://user:sword fish@redis.example/0",
        "redis://user:sword@fish@redis.example/0",
        "redis://redis.example#frag",
        "redis://redis.example?db=1",
        "redis://redis\n.example",
        "redis://redis.example\n",
        "unix:///run/redis.sock?db=1",
        "redis://one.example,two.example",
        "redis+cluster://",
        "redis+cluster://one.example,",
        "redis+cluster://,one.example",
        "redis+cluster://one.example, two.example",
        "redis+cluster://one.example/0",
        "redis+cluster://one.example:0,two.example",
        "redis+cluster://one.example:7000,two.example:70000",
        "redis+cluster://user:swordfish@one.example,user:swordfish@two.example",
        "redis+sentinel://one.example",
        "redis+sentinel://one.example/main",
        "redis+sentinel://one.example/main/",
        "redis+sentinel://one.example/main/zero",
        "redis+sentinel://one.example//0",
        "redis+sentinel:///main/0",
        "redis+sentinel://one.example,/main/0",
        "redis+sentinel://one.example/my main/0",
        "redis+sentinel://one.example/main/0/1",
        "redis+sentinel://one.example/main/0?db=1",
        "redis+socket://one.example",
        "unix+cluster:///run/redis.sock",
    ],
)
def test_malformed_redis_url(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A Redis URL of another form stops the start, an unescaped password included, and nothing of it is shown."""
    monkeypatch.setenv("BFF_REDIS_URL", value)
    assert refusal() == (
        "BFF_REDIS_URL: redis[s]://[user:password@]host[:port][/db], unix:///path, "
        "redis[s]+cluster://[user:password@]host[:port],... "
        "or redis[s]+sentinel://[user:password@]host[:port],.../service/db"
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        base64.b64encode(b"s" * 31).decode(),
        base64.b64encode(b"s" * 33).decode(),
        "not base64 at all!",
        "*" * 44,
        f"{KEY[:20]}!{KEY[20:]}",
        "é" * 44,
        f"{KEY},",
        f"{KEY},short",
    ],
)
def test_malformed_secret_key(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An empty, short, long or not-base64 key stops the start, wherever in the list it is, and is never quoted."""
    monkeypatch.setenv("BFF_SECRET_KEY", value)
    line = refusal()
    assert line.startswith("BFF_SECRET_KEY: ")
    assert KEY not in line
    assert not value or value not in line


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        (f" {KEY}\n", (KEY_BYTES,)),
        (f"{KEY}, {OTHER_KEY}", (KEY_BYTES, OTHER_KEY_BYTES)),
        (f"{KEY} ,\t{OTHER_KEY} ", (KEY_BYTES, OTHER_KEY_BYTES)),
    ],
)
def test_blanks_around_a_secret_key(monkeypatch: pytest.MonkeyPatch, value: str, keys: tuple[bytes, ...]) -> None:
    """Blanks around a key, such as the newline that a secret file ends with, are no part of it."""
    monkeypatch.setenv("BFF_SECRET_KEY", value)
    assert load_settings().secret_key.get_secret_value() == keys


@pytest.mark.parametrize("name", ["BFF_UPSTREAM_URL", "BFF_SERVICE_POINTS_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "panel.example/api",
        "ftp://panel.example",
        "https://",
        "https:///api",
        "https://user:swordfish@panel.example",
        "https://:swordfish@panel.example",
        "https://user@panel.example",
        "https://panel.example:port",
        "https://panel.example:",
        "https://panel.example:443:443",
        "https://panel.example:65536",
        "https://panel.example:99999/api",
        "https://[::g]",
        "https://[1.2.3.4]",
        "https://panel..example",
        "https://.",
        f"https://{'a' * 64}.example",
        "https://panel\x01.example",
        "https://panel.example/\x7f",
        "https://panel.example\n",
        "https://panel.example/a b",
        "https://panel.example\\@other.example",
        "https://panel.example?a=1",
        "https://panel.example#top",
        "https://[::1",
        "http://panel.example/api/v2",
        "http://10.0.0.1",
        "http://localhost.example",
        "http://127.0.0.1.example",
    ],
)
def test_refused_upstream_url(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Tokens go to an absolute https URL without user, query and fragment; plain http reaches loopback only."""
    monkeypatch.setenv(name, value)
    line = refusal()
    assert line.startswith(f"{name}: ")
    assert "swordfish" not in line


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:9000", "127.1.2.3", "[::1]:9000"])
def test_plain_http_on_loopback(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A stand-in upstream on this machine may be reached by plain http; a slash at the end does not count."""
    monkeypatch.setenv("BFF_UPSTREAM_URL", f"http://{host}/api/v2/")
    assert load_settings().upstream_url == f"http://{host}/api/v2"


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "https://*.shop.example",
        "https://shop.example/",
        "https://shop.example/returns",
        "https://SHOP.example",
        "shop.example",
        "https://shop.example:port",
        "null",
        "https://shop.example https://other.example",
    ],
)
def test_refused_origin(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An allowed origin with a path, a wildcard, or another spelling than the browser's stops the start."""
    monkeypatch.setenv("BFF_ALLOWED_ORIGINS", value)
    assert refusal().startswith("BFF_ALLOWED_ORIGINS: ")


def test_trusted_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trusted proxies are addresses and networks; by default none is trusted."""
    assert load_settings().trusted_proxies == []
    monkeypatch.setenv("BFF_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1, 2001:db8::/32,")
    assert [str(network) for network in load_settings().trusted_proxies] == [
        "10.0.0.0/8",
        "192.0.2.1/32",
        "2001:db8::/32",
    ]


@pytest.mark.parametrize(
    "value",
    ["*", "gateway", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "127.0.0.1:80"],
)
def test_refused_proxy(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Names, malformed networks, all addresses, and IPv4 written as IPv6 are refused as trusted proxies."""
    monkeypatch.setenv("BFF_TRUSTED_PROXIES", f"192.0.2.1,{value}")
    assert refusal().startswith("BFF_TRUSTED_PROXIES: ")


DIGEST, OTHER_DIGEST = "a1" * 32, "B2" * 32


@pytest.mark.parametrize(
    ("value", "names"),
    [("", []), (f"acme:{DIGEST}", ["acme"]), (f" acme:{DIGEST} , 3-globex:{OTHER_DIGEST},", ["acme", "3-globex"])],
)
def test_partners(monkeypatch: pytest.MonkeyPatch, value: str, names: list[str]) -> None:
    """Partners have a name and the hash of a key, in either case of letters."""
    monkeypatch.setenv("BFF_PARTNERS", value)
    partners = load_settings().partners
    assert list(partners) == names
    assert list(partners.values()) == [bytes.fromhex(digest) for digest in (DIGEST, OTHER_DIGEST)][: len(names)]


@pytest.mark.parametrize(
    "value",
    [
        "acme",
        "acme:swordfish",
        f"acme:{DIGEST[:-1]}",
        f"acme:{DIGEST}0",
        f":{DIGEST}",
        f"Acme:{DIGEST}",
        f"a b:{DIGEST}",
        f"acme:{DIGEST},globex",
        f"acme:{DIGEST},acme:{OTHER_DIGEST}",
        f"acme:{DIGEST},acme:{DIGEST}",
        f"acme:{DIGEST},globex:{DIGEST.upper()}",
        f"acme:{hashlib.sha256(b'').hexdigest()}",
    ],
)
def test_refused_partners(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A malformed partner, one that is listed twice, a shared key, and the hash of no key at all stop the start."""
    monkeypatch.setenv("BFF_PARTNERS", value)
    line = refusal()
    assert line.startswith("BFF_PARTNERS: ")
    assert "swordfish" not in line
    assert DIGEST not in line


@pytest.mark.parametrize("name", ["public_url", "traces_url"])
@pytest.mark.parametrize(("value", "kept"), [("", ""), ("http://returns.example/bff/", "http://returns.example/bff")])
def test_optional_url(monkeypatch: pytest.MonkeyPatch, name: str, value: str, kept: str) -> None:
    """The public URL and that of a collector may be left empty; a slash at the end does not count."""
    monkeypatch.setenv(f"BFF_{name.upper()}", value)
    assert getattr(load_settings(), name) == kept


@pytest.mark.parametrize("name", ["BFF_PUBLIC_URL", "BFF_TRACES_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "returns.example",
        "ftp://a",
        "https://",
        "https://a?b",
        "https://a#b",
        "https://[a",
        "https://user@a",
        "https://user:swordfish@a",
        "https://:swordfish@a",
        "https://a:port",
        "https://a:99999",
        "https://[:::]",
        "https://a/b c",
        "https://a\n",
    ],
)
def test_refused_optional_url(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A public URL or collector that is not absolute, or has a user, query or fragment, stops the start."""
    monkeypatch.setenv(name, value)
    line = refusal()
    assert line.startswith(f"{name}: ")
    assert "swordfish" not in line


QUANTITIES = [
    "LOOKUP_LIMIT",
    "PARTNER_LOOKUP_LIMIT",
    "PARCEL_LIMIT",
    "PARCEL_SESSIONS",
    "PARCEL_WAITS",
    "REQUESTS_AT_ONCE",
    "UPSTREAM_READS",
    "UPSTREAM_WRITES",
    "UPSTREAM_BURST",
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BFF_PORT", "0"),
        ("BFF_PORT", "65536"),
        ("BFF_PORT", "http"),
        ("BFF_SESSION_TTL", "0"),
        ("BFF_SESSION_TTL", "1.5"),
        ("BFF_RETURN_TTL", "86399"),
        ("BFF_RETURN_TTL", str(183 * 86400 + 1)),
        ("BFF_CLAIM_TTL", "0"),
        ("BFF_CLAIM_TTL", str(366 * 86400 + 1)),
        ("BFF_KEPT_LABELS", "-1"),
        ("BFF_KEPT_LABELS", "9" * 400),
        ("BFF_LOOKUP_LIMIT", "0"),
        ("BFF_PARTNER_LOOKUP_LIMIT", "many"),
        *((f"BFF_{name}", str(10**18)) for name in QUANTITIES),
        ("BFF_WATCHDOG", "1"),
        ("BFF_POLL_INTERVAL", "1e-9"),
        ("BFF_LOOKUP_DEADLINE", "0"),
        ("BFF_POLL_DEADLINE", "-1"),
        ("BFF_LABEL_DEADLINE", "601"),
        ("BFF_CREATE_LEASE", "nan"),
        ("BFF_CREATE_LEASE", "inf"),
    ],
)
def test_number_out_of_range(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A malformed or impossible number stops the start with the name of its setting."""
    monkeypatch.setenv(name, value)
    assert refusal().startswith(f"{name}: ")


@pytest.mark.parametrize("lease", ["19.9", "20"])
def test_lease_has_to_outlive_the_deadline(monkeypatch: pytest.MonkeyPatch, lease: str) -> None:
    """A lease that is not longer than the creating POST may take would bury requests that still run."""
    monkeypatch.setenv("BFF_CREATE_LEASE", lease)
    assert refusal() == "BFF_CREATE_LEASE must be longer than BFF_CREATE_DEADLINE"


@pytest.mark.parametrize(("returns", "claims"), [("86400", "172800"), (str(183 * 86400), str(366 * 86400))])
def test_lifetimes_at_their_bounds(monkeypatch: pytest.MonkeyPatch, returns: str, claims: str) -> None:
    """A return lives at least a day, as its key does, and half a year at most; claims live twice as long."""
    monkeypatch.setenv("BFF_RETURN_TTL", returns)
    monkeypatch.setenv("BFF_CLAIM_TTL", claims)
    assert load_settings().claim_ttl == int(claims)


@pytest.mark.parametrize(("returns", "claims"), [("86400", "172799"), (str(16 * 86400), str(30 * 86400))])
def test_claims_have_to_outlive_returns(monkeypatch: pytest.MonkeyPatch, returns: str, claims: str) -> None:
    """Claims that are forgotten while their return can still be seen would let its units go twice."""
    monkeypatch.setenv("BFF_RETURN_TTL", returns)
    monkeypatch.setenv("BFF_CLAIM_TTL", claims)
    assert refusal() == "BFF_CLAIM_TTL must be at least twice BFF_RETURN_TTL"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BFF_UPSTREAM_CA", "/no/such/file"),
        ("BFF_UPSTREAM_CA", __file__),
        ("BFF_UPSTREAM_PROXY", "http://somebody:swordfish@proxy.example:3128"),
        ("BFF_UPSTREAM_PROXY", "https://proxy.example:3128"),
        ("BFF_UPSTREAM_PROXY", "http://proxy.example:3128/path"),
    ],
)
def test_ways_out_have_to_be_usable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A bundle that holds no certificate, and a proxy with user, TLS or path, stop the start without being repeated."""
    monkeypatch.setenv(name, value)
    assert refusal().startswith(f"{name}: ")
    assert "swordfish" not in refusal()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_only_a_regular_file_has_certificates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A directory, a named pipe that has no writer and a device end the start with a line that says so."""
    make(path := tmp_path / "ca.pem")
    monkeypatch.setenv("BFF_UPSTREAM_CA", str(path))
    assert refusal() == "BFF_UPSTREAM_CA: is not a regular file"


def test_every_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong value and each unknown variable has a line of its own."""
    monkeypatch.setenv("BFF_PORT", "0")
    monkeypatch.setenv("BFF_TYPO", "1")
    monkeypatch.setenv("BFF_DRAIN", "-1")
    monkeypatch.delenv("BFF_REDIS_URL")
    lines = [line.partition(":")[0] for line in refusal().splitlines()]
    assert sorted(lines) == ["BFF_DRAIN", "BFF_PORT", "BFF_REDIS_URL", "BFF_TYPO"]


@pytest.mark.parametrize("name", ["BFF_BRAND", "BFF_SERVICE_HOST", "bff_typo", "BFF_"])
def test_unknown_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An unknown variable with our prefix stops the start, because it may be a typo."""
    monkeypatch.setenv(name, "anything")
    assert refusal() == f"{name}: unknown setting"


def test_names_are_not_case_sensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known name in lower case is that setting, and no unknown one."""
    monkeypatch.setenv("bff_port", "9000")
    assert load_settings().port == 9000


def test_secrets_are_never_shown() -> None:
    """Neither the text nor the representation of the settings holds the Redis password or a key."""
    shown = f"{load_settings()!s} {load_settings()!r}"
    assert "swordfish" not in shown
    assert "kkkk" not in shown
    assert KEY not in shown


def test_settings_are_frozen() -> None:
    """Settings cannot be changed once loaded."""
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, next(iter(Settings.model_fields)), [])


def test_hosts_of_the_portal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that stand for the upstream's own portal are pairs of host and brand, and the page is a path by default."""
    monkeypatch.setenv("BFF_PORTAL_HOSTS", "returns.shop.example=my-shop, localhost=my-shop,")
    settings = load_settings()
    assert settings.portal_hosts == {"returns.shop.example": "my-shop", "localhost": "my-shop"}
    assert settings.portal_page == "/page/"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_HOSTS", "returns.shop.example"),
        ("PORTAL_HOSTS", "returns.shop.example:443=my-shop"),
        ("PORTAL_HOSTS", "Returns.shop.example=my-shop"),
        ("PORTAL_HOSTS", "returns.shop.example=not-served"),
        ("PORTAL_PAGE", "//evil.example/"),
        ("PORTAL_PAGE", "javascript:alert(1)"),
        ("PORTAL_PAGE", "https://shop.example/?x=1"),
        ("UPSTREAM_PARTNER_ID", "not-a-uuid"),
    ],
)
def test_refused_links_and_partners(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A host without a served brand, a page that is no address, and an id that is no UUID stop the start."""
    monkeypatch.setenv(f"BFF_{name}", value)
    with pytest.raises(SettingsError, match=f"BFF_{name}"):
        load_settings()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028"])
def test_a_fault_is_one_line(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """What a value ends with, as a mounted secret with a line feed, breaks no line in two."""
    monkeypatch.setenv("BFF_UPSTREAM_PARTNER_ID", f"12345678-1234-4234-8234-123456789012{end}")
    [line] = refusal().splitlines()
    assert line.startswith("BFF_UPSTREAM_PARTNER_ID: ")
