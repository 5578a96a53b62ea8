"""Random URLs from the upstream: refused, or exactly ours. `FUZZ_URLS=1000000` in the environment tries a million."""

import os
import sys
from random import Random
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import BadUpstream
from app.sendcloud import protocol
from app.sendcloud.leniency.tokens import customs_path, https_url, portal_url, token_of
from tests.support.hostile_urls import HOSTILE

PANELS = ["https://panel.example/api/v2", "http://127.0.0.1:8080/api/v2"]
BRAND = "my-shop"
ROUND = 10_000
URLS = int(os.environ.get("FUZZ_URLS", ROUND))
"""How many are tried in all: in rounds, each with a seed of its own."""
HOME = [
    f"{portal_url(panel, BRAND)}/{rest}"
    for panel in PANELS
    for rest in ("label/polling?token=a.b.c", "label/download/?token=a.b.c", "customs/1?a=b")
]
PIECES = [
    *"@:/?#\\.;&=%-_~+ \t\r\n\0[]<>\"'`|^{}*,0aZ",
    *("//", "/../", "/./", "..", "%2e", "%2f", "%5c", "%00", "%40", "%0d%0a", "&token=x", "?token=x", "evil.example"),
    *("@evil.example", "//evil.example/", ":443", ":444", "[::1]", "127.0.0.1", "other-shop", "polling", "download"),
    *("\u3002", "\uff0e", "\uff0f", "\u200b", "\u00ad", "\ufeff", "\u0661", "\uff10", "\u0430", "\u212a", "\u2028"),
]


def mutated(random: Random) -> str:
    """One of our own URLs or a known hostile one, with up to four pieces of it replaced."""
    url = random.choice(random.choice((HOME, HOSTILE)))
    for _ in range(random.randint(1, 4)):
        start, length = random.randint(0, min(len(url), 120)), random.randint(0, 8)
        piece = random.choice(PIECES) if random.random() < 0.9 else chr(random.randrange(sys.maxunicode + 1))
        url = url[:start] + piece + url[start + length :]
    return url


def is_read_alike(url: str, panel: str, path: str) -> bool:
    """Whether two parsers that disagree about much both find our scheme, host, port and path in it."""
    ours, theirs, other = urlsplit(panel), urlsplit(url), httpx.URL(url)
    assert (other.username, other.password, other.fragment, theirs.fragment) == ("", "", "", "")
    found = (theirs.scheme, theirs.hostname, theirs.port, theirs.path)
    assert (other.scheme, other.host, other.port, other.path) == found
    return found == (ours.scheme, ours.hostname, ours.port, path)


def check_token(url: str, panel: str) -> None:
    """A token is taken from nothing but our own URL, and the call that it makes is that URL."""
    portal = portal_url(panel, BRAND)
    for kind, request in (("polling", protocol.polling), ("download", protocol.download)):
        try:
            token = token_of(url, panel, BRAND, kind)  # type: ignore[arg-type]  # a plain str here
        except BadUpstream:
            continue
        rebuilt = request(panel, BRAND, token).url
        assert rebuilt == f"{portal}/label/{kind}?token={token}"
        assert url in {rebuilt, rebuilt.replace("?", "/?")}
        assert is_read_alike(rebuilt, panel, f"{urlsplit(portal).path}/label/{kind}")


def check_customs(url: str, panel: str) -> None:
    """A customs path is taken from nothing but a URL below our portal, and the call that it makes is that URL."""
    path = customs_path(url, panel, BRAND)
    if path is not None:
        portal, rebuilt = portal_url(panel, BRAND), protocol.customs(panel, BRAND, path).url
        assert rebuilt == url
        assert rebuilt.startswith(f"{portal}/")
        assert urljoin(panel, rebuilt) == rebuilt
        assert is_read_alike(rebuilt, panel, rebuilt.partition("?")[0].removeprefix(panel.removesuffix("/api/v2")))


def check_payment(url: str) -> None:
    """A payment URL is https for every parser, and has no user or password."""
    if https_url(url) is not None:
        parsed = urlsplit(url)
        assert (parsed.scheme, parsed.username, url.isascii()) == ("https", None, True)


def check(url: str) -> None:
    """No URL makes a call go to another scheme, host, port, path or brand than the settings name."""
    for panel in PANELS:
        check_token(url, panel)
        check_customs(url, panel)
    check_payment(url)


@given(st.text() | st.randoms(use_true_random=False).map(mutated))
@example(f"{HOME[0]}")
@example(f"{portal_url(PANELS[0], BRAND)}/0..")
@example(f"{portal_url(PANELS[0], BRAND)}/a..b/c.?d=..&e=/../")
def test_whatever_is_said_is_refused_or_exactly_ours(url: str) -> None:
    """No generated text leads a call to another host or path."""
    check(url)


@pytest.mark.parametrize("number", range(-(-URLS // ROUND)))
def test_many_urls_are_refused_or_exactly_ours(number: int) -> None:
    """None of thousands of near misses, the same in each run, leads a call elsewhere."""
    random = Random(number)  # noqa: S311  tests are to be repeatable
    for _ in range(ROUND):
        check(mutated(random))
