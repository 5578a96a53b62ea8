"""Cleaning of the upstream's values: bounded text without invisible characters, web URLs, codes."""

import re
from urllib.parse import quote

TEXT_LENGTH = 500
PAGE_LENGTH = 5000
"""Of a text that a shop writes for its shoppers."""
URL_LENGTH = 2000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Direction marks and zero-width blanks. Joiners stay, because Persian words and many emoji need them.
_INVISIBLE = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]_a-z~]*)?", re.IGNORECASE)
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def text(value: str, *, longest: int = TEXT_LENGTH) -> str:
    """The text on one line, without control and direction characters, cut to so many; markup stays text."""
    # Cut before it is searched, because an upstream text may have any length.
    visible = value[: 4 * longest]
    if not (visible.isascii() and visible.isprintable()):
        visible = _INVISIBLE.sub("", _CONTROL.sub(" ", visible))
    return visible.strip()[:longest]


def web_url(value: str) -> str:
    """The URL, encoded where it is not; `//host` counts as https. Raises `ValueError` unless it is http or https."""
    plain = value[: URL_LENGTH + 1].strip(" ")
    encoded = quote(f"https:{plain}" if plain.startswith("//") else plain, safe=_URL_CHARACTERS)
    if len(plain) > URL_LENGTH or _CONTROL.search(plain) or _INVISIBLE.search(plain) or not _URL.fullmatch(encoded):
        raise ValueError("no URL of the web")
    return encoded


def code(value: str) -> str:
    """A code of the upstream, without blanks around it. Raises `ValueError` for any other text."""
    return _matched(_CODE, value)


def color(value: str) -> str:
    """A `#rrggbb` colour. Raises `ValueError` for any other text."""
    return _matched(_COLOR, value)


def language_tag(value: str) -> str:
    """A language tag, with `-` for `_`. Raises `ValueError` for any other text."""
    return _matched(_TAG, value.replace("_", "-"))


def _matched(pattern: re.Pattern[str], value: str) -> str:
    stripped = value.strip()
    if not pattern.fullmatch(stripped):
        raise ValueError("another form")
    return stripped
