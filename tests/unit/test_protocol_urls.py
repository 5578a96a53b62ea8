"""URLs and tokens of the upstream: only what is exactly ours gets in, and only as a token or a path."""

import json
from pathlib import Path
from urllib.parse import urljoin

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import BadUpstream
from app.sendcloud.tokens import customs_path, https_url, token_expiry, token_of

PANEL = "https://panel.example/api/v2"
PORTAL = f"{PANEL}/brand/my-shop/return-portal"
HOSTILE = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "samples" / "upstream" / "hostile_urls.txt").read_text().splitlines()
]
KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", ["polling", "download"])
def test_our_own_url_gives_its_token(kind: str, slash: str) -> None:
    """With or without a slash before the query, both of which were seen in the wild."""
    url = f"{PORTAL}/label/{kind}{slash}?token=aaa.b_b-b.ccc"
    assert token_of(url, PANEL, "my-shop", kind) == "aaa.b_b-b.ccc"  # type: ignore[arg-type]  # a plain str here


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: url[:60].encode("unicode_escape").decode())
def test_any_other_url_is_refused(url: str) -> None:
    """More than eighty ways to lead somewhere else, and none does; the error does not repeat the URL."""
    with pytest.raises(BadUpstream) as caught:
        token_of(url, PANEL, "my-shop", "polling")
    assert "token" not in str(caught.value)


def test_the_list_of_hostile_urls_is_long() -> None:
    """The list does not shrink unnoticed."""
    assert len(set(HOSTILE)) >= 110


@pytest.mark.parametrize("url", [None, 7, True, [], {}, b"x"])
def test_what_is_no_string_is_refused(url: object) -> None:
    """Any JSON value may come instead of a URL."""
    with pytest.raises(BadUpstream):
        token_of(url, PANEL, "my-shop", "polling")
    assert customs_path(url, PANEL, "my-shop") is None
    assert https_url(url) is None


def test_a_brand_is_no_pattern() -> None:
    """Special characters in a brand stand for themselves."""
    with pytest.raises(BadUpstream):
        token_of(f"{PORTAL}/label/polling?token=a.b.c", PANEL, "my.shop", "polling")


@given(
    st.text()
    | st.text().map(lambda text: f"{PORTAL}/{text}")
    | st.text("a.~-_/?=&%").map(lambda text: f"{PORTAL}/{text}")
    | st.text().map(lambda text: f"https://{text}")
)
@example(f"{PORTAL}/0..")
@example(f"{PORTAL}/a..b/c.?d=..&e=/../")
def test_whatever_is_accepted_stays_in_the_portal(url: str) -> None:
    """No text whatever makes a customs path that leaves the brand's portal."""
    path = customs_path(url, PANEL, "my-shop")
    if path is not None:
        assert url == PANEL + path
        assert path.startswith("/brand/my-shop/return-portal/")
        assert path.isascii()
        assert not {"//", "%", "\\", "#", "@"} & {part for part in ("//", "%", "\\", "#", "@") if part in path}
        assert not {".", ".."} & set(path.partition("?")[0].split("/"))
        assert urljoin(PANEL, url) == url


@pytest.mark.parametrize(
    "rest",
    [
        "/customs/1",
        "/customs/eyJh.eyJi.c",
        "/label/customs/?token=a.b.c",
        "/documents/4200001.pdf",
        "/customs?a=1&b=2",
        "/~x/_y/-z",
    ],
)
def test_a_customs_url_gives_its_path(rest: str) -> None:
    """Whatever its form, as long as it is plain and below this brand's portal."""
    assert customs_path(PORTAL + rest, PANEL, "my-shop") == f"/brand/my-shop/return-portal{rest}"


@pytest.mark.parametrize(
    "url",
    [
        *[url for url in HOSTILE if not url.startswith(f"{PORTAL}/")],
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
    ids=lambda url: url[:70].encode("unicode_escape").decode(),
)
def test_any_other_customs_url_counts_as_absent(url: str) -> None:
    """It is no reason to lose the label."""
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
    """What is not plainly https is not shown to anybody."""
    assert https_url(url) is None


def signed(claims: dict[str, object]) -> str:
    """A token as the upstream would sign it, with a key we do not know."""
    return jwt.encode(claims, KEY)


@pytest.mark.parametrize(("claims", "expiry"), [({"exp": 1634220708}, 1634220708), ({"exp": 1}, 1), ({"id": 1}, None)])
def test_an_expiry_is_read_unverified(claims: dict[str, object], expiry: int | None) -> None:
    """Expired or not, signed by whomever: it is a hint and nothing else."""
    assert token_expiry(signed(claims)) == expiry


@pytest.mark.parametrize("expiry", ["soon", "1634220708", True, False, 1.5, [], {}])
def test_an_expiry_that_is_no_integer_is_nonsense(expiry: object) -> None:
    """A claim of another type is never guessed at."""
    header, _, signature = signed({}).split(".")
    payload = jwt.utils.base64url_encode(json.dumps({"exp": expiry}).encode()).decode()
    with pytest.raises(BadUpstream):
        token_expiry(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"7", b"{", b"\xff", b'{"exp":' + b"9" * 5000 + b"}", b"[" * 5000, b'{"a":' * 1000]
)
def test_a_payload_that_cannot_be_read_is_nonsense(payload: bytes) -> None:
    """Whatever stands where the claims should be."""
    header, _, signature = signed({}).split(".")
    with pytest.raises(BadUpstream):
        token_expiry(f"{header}.{jwt.utils.base64url_encode(payload).decode()}.{signature}")


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "a.b.c.d", "é.b.c", "." * 3, signed({"a": "x" * 8192})])
def test_what_is_no_token_is_nonsense(token: str) -> None:
    """Nor is more than 8 KiB read; the error does not show the token."""
    with pytest.raises(BadUpstream) as caught:
        token_expiry(token)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
