"""Text that people type and paste, cleaned the same way everywhere before it is validated. Pure."""

import re
from types import MappingProxyType

_INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_INVISIBLES = re.compile(f"[{_INVISIBLE}]+")
_BLANK = " \t\r\n\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Control characters are not among them: they stay, and are refused."""
_ENDS = re.compile(f"^[{_BLANK}{_INVISIBLE}]+|[{_BLANK}{_INVISIBLE}]+$")
_DIRECTION_TRICKS = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]+")
"""Embeddings, overrides and isolates, which make a text look like another; marks and joiners are part of words."""
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_FULL_WIDTH = MappingProxyType({code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)})
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}(?![A-Za-z0-9])")


def cleaned_code(value: object) -> object:
    """An order number, postal code or the like: without invisible characters, in plain ASCII where it was full-width.

    Everything else inside stays as typed, because an order may be named "#1001" or "0001001".
    """
    if not isinstance(value, str):
        return value
    return _SPACES.sub(" ", _INVISIBLES.sub("", value).translate(_FULL_WIDTH)).strip(" \t\r\n")


def cleaned_prose(value: object) -> object:
    """A name or a comment, without blanks and invisible marks at its ends and without changes of text direction."""
    return _ENDS.sub("", _DIRECTION_TRICKS.sub("", value)) if isinstance(value, str) else value


def cleaned_language(value: object) -> object:
    """A language tag up to its first extension; None for all else, because a bad tag must not fail a request."""
    if not isinstance(value, str):
        return None
    found = _LANGUAGE.match(value.strip(" \t\r\n").replace("_", "-"))
    return found and found[0]
