"""Reads tokens and the upstream's own URLs; takes as little as possible from them, and never a host to call."""

import math
import re
from typing import Literal
from urllib.parse import quote

import jwt

from app.errors import BadUpstream

MAX_EXPIRY = 2**53

_JWT_CHARS = r"(?P<token>[A-Za-z0-9_.\-]{1,4096})"
# No percent sign and no segment that starts with a dot, so that no two parsers can read a path differently.
_SEGMENTS = r"(?:[A-Za-z0-9_~\-][A-Za-z0-9_.~\-]*/)*[A-Za-z0-9_~\-][A-Za-z0-9_.~\-]*/?"
_QUERY = r"(?:\?[A-Za-z0-9_.~=&\-]{1,4096})?"
_HTTPS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.\-]*(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]_a-z~]*)?")
_MAX_URL_CHARS = 8192


def portal_url(panel_url: str, brand: str) -> str:
    """The base of everything that belongs to a brand's return portal."""
    return f"{panel_url}/brand/{quote(brand, safe='')}/return-portal"


def hosted_portal(brand: str) -> str:
    """The address of the upstream's own portal for this brand (seen in clients)."""
    return f"https://{brand}.shipping-portal.com/rp/"


def token_of(url: object, panel_url: str, brand: str, kind: Literal["polling", "download"]) -> str:
    """The token inside a poller or download URL. Raises `BadUpstream` unless the URL is exactly ours."""
    pattern = rf"{re.escape(portal_url(panel_url, brand))}/label/{kind}/?\?token={_JWT_CHARS}"
    match = re.fullmatch(pattern, url) if isinstance(url, str) else None
    if match is None:
        raise BadUpstream(f"a {kind} URL that is not of this brand's portal")
    return match["token"]


def customs_path(url: object, panel_url: str, brand: str) -> str | None:
    """The path of a customs declaration below the panel base; None if the URL leads out of the brand's portal.

    No real URL is known (docs/upstream.md), so any plain path is accepted.
    """
    if not isinstance(url, str) or len(url) > _MAX_URL_CHARS:
        return None
    if not re.fullmatch(rf"{re.escape(portal_url(panel_url, brand))}/{_SEGMENTS}{_QUERY}", url):
        return None
    return url.removeprefix(panel_url)


def https_url(url: object) -> str | None:
    """The URL, if it is plain https and can be passed on to a browser; otherwise None."""
    if isinstance(url, str) and len(url) <= _MAX_URL_CHARS and _HTTPS.fullmatch(url):
        return url
    return None


def token_expiry(token: str) -> int | None:
    """Unix seconds from the `exp` claim, unverified and therefore a hint only; None if it cannot be read."""
    try:
        expiry: object = jwt.decode(token, options={"verify_signature": False}).get("exp")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    # RFC 7519 allows decimals.
    if isinstance(expiry, bool) or not isinstance(expiry, int | float) or not abs(expiry) <= MAX_EXPIRY:
        return None
    return math.floor(expiry)
