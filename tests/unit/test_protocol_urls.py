"""URLs and tokens of the upstream: only a URL of exactly our form is read, and only for a token or a path."""

import json
import math
from collections.abc import Mapping
from itertools import count
from types import MappingProxyType
from typing import Literal

import jwt
import pytest

from app.errors import BadUpstream
from app.sendcloud.leniency.tokens import customs_path, https_url, token_expiry, token_of
from tests.support.hostile_urls import HOSTILE, naming

PANEL = "https://panel.example/api/v2"
PORTAL = f"{PANEL}/brand/my-shop/return-portal"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", ["polling", "download"])
def test_our_own_url_gives_its_token(kind: str, slash: str) -> None:
    """A token is read from a URL with or without a slash before the query; both have been seen."""
    url = f"{PORTAL}/label/{kind}{slash}?token=aaa.b_b-b.ccc"
    assert token_of(url, PANEL, "my-shop", kind) == "aaa.b_b-b.ccc"  # type: ignore[arg-type]  # a plain str here


def accepted(url: str, kind: Literal["polling", "download"]) -> bool:
    """Whether a token is taken from this URL; the error says nothing about it."""
    try:
        token_of(url, PANEL, "my-shop", kind)
    except BadUpstream as error:
        return "token" in str(error)
    return True


@pytest.mark.parametrize("kind", ["polling", "download"])
def test_any_other_url_is_refused(kind: Literal["polling", "download"]) -> None:
    """Hundreds of hostile URLs are refused, and no error repeats the URL."""
    assert [url for url in HOSTILE if accepted(naming(kind, url), kind)] == []


def test_any_other_host_counts_as_no_customs_declaration() -> None:
    """A hostile URL counts as no customs declaration, unless it stays within this brand's portal."""
    assert [url for url in HOSTILE if customs_path(url, PANEL, "my-shop") and not url.startswith(f"{PORTAL}/")] == []


def test_the_list_of_hostile_urls_is_long() -> None:
    """The list of hostile URLs does not shrink unnoticed."""
    assert len(set(HOSTILE)) >= 400


@pytest.mark.parametrize("url", [None, 7, True, [], {}, b"x"])
def test_what_is_no_string_is_refused(url: object) -> None:
    """Any other JSON value in place of a URL is refused."""
    with pytest.raises(BadUpstream):
        token_of(url, PANEL, "my-shop", "polling")
    assert customs_path(url, PANEL, "my-shop") is None
    assert https_url(url) is None


def test_a_brand_is_no_pattern() -> None:
    """Special characters in a brand stand for themselves."""
    with pytest.raises(BadUpstream):
        token_of(f"{PORTAL}/label/polling?token=a.b.c", PANEL, "my.shop", "polling")


@pytest.mark.parametrize(
    "rest",
    [
        "/customs/1",
        "/customs/eyJh.eyJi.c",
        "/label/customs/?token=a.b.c",
        "/documents/4200001.pdf",
        "/customs?a=1&b=2",
        "/~x/_y/-z",
        "/0..",
    ],
)
def test_a_customs_url_gives_its_path(rest: str) -> None:
    """A customs declaration is accepted at any plain path below this brand's portal."""
    assert customs_path(PORTAL + rest, PANEL, "my-shop") == f"/brand/my-shop/return-portal{rest}"


@pytest.mark.parametrize(
    "url",
    [
        PORTAL,
        f"{PORTAL}/",
        f"{PORTAL}/../x",
        f"{PORTAL}/a/../x",
        f"{PORTAL}/./x",
        f"{PORTAL}/a//b",
        f"{PORTAL}/%2e%2e/x",
        f"{PORTAL}/a%2fb",
        f"{PORTAL}/a b",
        f"{PORTAL}/a\nb",
        f"{PORTAL}/a\n",
        f"{PORTAL}/.hidden",
        f"{PORTAL}/a#b",
        f"{PORTAL}/a?b#c",
        f"{PORTAL}/a?b%20",
        f"{PORTAL}/a?",
        f"{PORTAL}/" + "a" * 9000,
        f"{PORTAL}x/customs/1",
        "https://panel.example/api/v2/brand/other-shop/return-portal/customs/1",
        "https://user@panel.example/api/v2/brand/my-shop/return-portal/customs/1",
        "https://panel.example:444/api/v2/brand/my-shop/return-portal/customs/1",
        "http://panel.example/api/v2/brand/my-shop/return-portal/customs/1",
        "",
    ],
    ids=map(str, count()),
)
def test_any_other_customs_url_counts_as_absent(url: str) -> None:
    """An unacceptable customs URL counts as absent, and the label stays."""
    assert customs_path(url, PANEL, "my-shop") is None


@pytest.mark.parametrize(
    "url",
    [
        "https://pay.example/checkout/pm_000",
        "https://pay.example",
        "https://pay.example:8443/a?b=c&d=%20e#f",
        "https://pay.example?a=b",
    ],
)
def test_an_https_url_is_passed_on(url: str) -> None:
    """A payment URL may lead anywhere, and the shopper's browser goes there, not we."""
    assert https_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://pay.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:",
        "https://",
        "https:///x",
        "https://user@pay.example/",
        "https://pay.example\\@evil.example/",
        "https://pay.example/\r\nset-cookie: a=b",
        "https://pay.example/a b",
        "https://pay.example/<script>",
        'https://pay.example/"',
        "https://pay.example/`",
        "https://päy.example/",
        " https://pay.example/",
        "https://pay.example/\n",
        "https://pay.example/" + "a" * 9000,
    ],
)
def test_any_other_payment_url_is_dropped(url: str) -> None:
    """A payment URL that is not plain https is not shown."""
    assert https_url(url) is None


def signed(claims: dict[str, object]) -> str:
    """A token as the upstream would sign it, with a key we do not know."""
    return jwt.encode(claims, KEY)


HEADER: Mapping[str, object] = MappingProxyType({"alg": "HS256", "typ": "JWT"})


def unsigned(claims: Mapping[str, object], header: Mapping[str, object] = HEADER) -> str:
    """A token with these parts and a signature that fits nothing."""
    parts = (json.dumps(dict(part)).encode() for part in (header, claims))
    return ".".join(jwt.utils.base64url_encode(part).decode() for part in parts) + ".AAAA"


@pytest.mark.parametrize(
    ("claims", "expiry"),
    [
        ({"exp": 1634220708}, 1634220708),
        ({"exp": 1}, 1),
        ({"exp": 0}, 0),
        ({"exp": -1}, -1),
        ({"exp": 2**53}, 2**53),
        ({"exp": None}, None),
        ({"id": 1}, None),
        ({"exp": 1, "nbf": 2**53, "iat": "soon", "aud": [None], "iss": {}, "sub": 7, "jti": []}, 1),
    ],
)
def test_an_expiry_is_read_unverified(claims: dict[str, object], expiry: int | None) -> None:
    """An expiry is read from any token, expired, unsigned or odd, and is a hint only."""
    assert token_expiry(unsigned(claims)) == expiry


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "RS256", "kid": "../../etc/passwd", "jku": "https://evil.example/"}, {"typ": 7}]
)
def test_the_header_of_a_token_decides_nothing(header: dict[str, object]) -> None:
    """Nothing is verified, so no algorithm, not even none, and no key that a token names, is ever used."""
    assert token_expiry(unsigned({"exp": 1}, header)) == 1


@pytest.mark.parametrize("expiry", [2**53 + 1, -(2**53) - 1, 10**400])
def test_an_expiry_beyond_all_time_is_absent(expiry: int) -> None:
    """An expiry that no clock can reach counts as absent."""
    assert token_expiry(unsigned({"exp": expiry})) is None


@pytest.mark.parametrize("expiry", ["soon", "1634220708", True, False, math.nan, math.inf, 1e300, [], {}])
def test_an_expiry_that_is_no_number_is_absent(expiry: object) -> None:
    """A claim of another type is a hint that cannot be read, and no reason to refuse the token."""
    assert token_expiry(unsigned({"exp": expiry})) is None


def test_an_expiry_may_have_decimals() -> None:
    """RFC 7519 allows fractions of a second; the whole second before it counts."""
    assert token_expiry(unsigned({"exp": 1634220708.9})) == 1634220708


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"7", b"{", b"\xff", b'{"exp":' + b"9" * 5000 + b"}", b"[" * 5000, b'{"a":' * 1000]
)
def test_a_payload_that_cannot_be_read_tells_no_end(payload: bytes) -> None:
    """A token with any other value in place of its claims counts as opaque."""
    header, _, signature = signed({}).split(".")
    assert token_expiry(f"{header}.{jwt.utils.base64url_encode(payload).decode()}.{signature}") is None


@pytest.mark.parametrize(
    "header",
    [b"", b"[]", b"7", b"{", b"\xff", b"[" * 5000, b'{"alg":' * 800, b'{"alg":"none","b64":false,"crit":["b64"]}'],
)
def test_a_header_that_cannot_be_read_tells_no_end(header: bytes) -> None:
    """A token with any other value in place of its algorithm counts as opaque."""
    _, payload, signature = unsigned({"exp": 1}).split(".")
    assert token_expiry(f"{jwt.utils.base64url_encode(header).decode()}.{payload}.{signature}") is None


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "a.b.c.d", "é.b.c", "." * 3])
def test_an_opaque_token_tells_no_end(token: str) -> None:
    """Nothing says that a token has to be a JWT."""
    assert token_expiry(token) is None


@pytest.mark.parametrize(("excess", "accepted"), [(0, True), (1, False)])
def test_the_longest_that_is_taken(excess: int, *, accepted: bool) -> None:
    """URLs have at most 8192 characters, and that many they may have."""
    url = "https://pay.example/".ljust(8192 + excess, "a")
    assert https_url(url) == (url if accepted else None)
    declaration = f"{PORTAL}/customs/".ljust(8192 + excess, "a")
    assert (customs_path(declaration, PANEL, "my-shop") is not None) == accepted
