"""What of the upstream's texts, addresses and amounts is shown."""

import contextlib
import math
import re
import unicodedata
from itertools import count
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.sendcloud.leniency import cleaning, numbers

DIRTY = "  Ret\x00urns\r\n\x1b[31m \u202eeht\u2066 \x85shop\x7f "
CLEAN = "Ret urns [31m eht  shop"
HIDDEN = "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
NOT_OURS = [
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://shop.example",
    "https://",
    "https://[x",
    "",
]


def test_text_without_controls() -> None:
    """Control, escape and direction characters become spaces, and none is left at the ends."""
    assert cleaning.text(DIRTY) == CLEAN


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from(HIDDEN), max_size=700))
def test_any_text_is_bounded_and_printable(value: str) -> None:
    """Any upstream text comes out with at most 500 characters, none of which controls a terminal or a layout."""
    shown = cleaning.text(value)
    assert len(shown) <= 500
    assert not [character for character in shown if unicodedata.category(character) in {"Cc", "Zl", "Zp"}]
    assert not set(shown) & set(HIDDEN)


@pytest.mark.parametrize(
    "value",
    [
        "Hose <M, blau",
        "<b>Blue</b> shirt",
        "<script>alert(1)</script>",
        "size < 38 > 36, 1<2, I <3 it",
        "Fish &amp; Chips",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "Size L \U0001f468\u200d\U0001f469\u200d\U0001f467",
    ],
)
def test_text_stays_whole(value: str) -> None:
    """Markup stays text, whose escaping is the page's, and so do the joiners of Persian words and of emoji."""
    assert cleaning.text(value) == value


@pytest.mark.parametrize("character", HIDDEN)
def test_hidden_characters(character: str) -> None:
    """Characters that show nothing and change how others are read are taken out of words and from their ends."""
    assert cleaning.text(f"{character}Re{character}turns{character}") == "Returns"


def test_long_text_is_cut() -> None:
    """A text that is too long is cut to its first 500 characters."""
    assert cleaning.text(" " + "x" * 499 + "yz") == "x" * 499 + "y"


def test_ordinary_text_stays() -> None:
    """Letters of any script, emoji and punctuation come out as they are."""
    assert cleaning.text("Größe L / Ελληνικά עברית 👕") == "Größe L / Ελληνικά עברית 👕"


@pytest.mark.parametrize(
    "value",
    [
        "https://shop.example/a?b=c#d",
        "http://shop.example",
        "HTTPS://shop.example:8443",
        "https://shop.example/@care",
        "https://shop.example/" + "x" * 1979,
    ],
)
def test_web_url(value: str) -> None:
    """Web addresses are kept, because a browser may be sent to them."""
    assert cleaning.web_url(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *NOT_OURS,
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "vbscript:x",
        "file:///etc/passwd",
        "https:/shop.example",
        "https:\\\\shop.example",
        "/relative",
        "shop.example",
        "https://shop.example/\n",
        "https://shop.example/\u202e",
        "ht\ttps://shop.example",
        "https://user@shop.example",
        "https://user:pw@shop.example/",
        "https://:pw@shop.example",
        "https://shop.example\\@evil.example",
        "https://shop.example/" + "x" * 1980,
    ],
)
def test_no_web_url(value: str) -> None:
    """Scripts, files, relative or endless addresses, passwords, line ends and hidden characters are no web address."""
    with pytest.raises(ValueError, match="no URL"):
        cleaning.web_url(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("//cdn.example/a.png", "https://cdn.example/a.png"),
        ("https://shop.example/blue shirt.png", "https://shop.example/blue%20shirt.png"),
        ("https://shop.example/größe?q=é", "https://shop.example/gr%C3%B6%C3%9Fe?q=%C3%A9"),
        ("https://shop.example/a%20b", "https://shop.example/a%20b"),
        (" https://shop.example ", "https://shop.example"),
        ('https://shop.example/"onload=x', "https://shop.example/%22onload=x"),
        ("https://shop.example/<b>", "https://shop.example/%3Cb%3E"),
    ],
)
def test_web_url_is_completed(value: str, shown: str) -> None:
    """An address without a scheme is one of https, and what an address cannot hold is encoded."""
    assert cleaning.web_url(value) == shown


@given(st.text(max_size=60) | st.text(max_size=40).map("https://{}".format))
def test_any_url(value: str) -> None:
    """Any upstream URL comes out in ASCII with a web scheme and a host, or not at all."""
    with contextlib.suppress(ValueError):
        shown = cleaning.web_url(value)
        assert urlsplit(shown).scheme in {"http", "https"}
        assert urlsplit(shown).hostname
        assert re.fullmatch("[!-~]+", shown)


@pytest.mark.parametrize("value", ["#112857", "#ABCdef"])
def test_color(value: str) -> None:
    """A colour is `#rrggbb`, so that it can stand in a style sheet."""
    assert cleaning.color(value) == value


@pytest.mark.parametrize("value", ["#123", "red", "#11285g", "", "#112857;"])
def test_no_color(value: str) -> None:
    """A text that is no colour is refused."""
    with pytest.raises(ValueError, match="form"):
        cleaning.color(value)


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (24.793388429752067, "24.79"),
        ("24.793388429752067", "24.79"),
        (0.30000000000000004, "0.30"),
        ("29,95", "29.95"),
        ("29,9", "29.90"),
        (" 29.95 ", "29.95"),
        ("29.955", "29.96"),
        (5, "5.00"),
        ("1e3", "1000.00"),
        ("-5", "-5.00"),
        (0, "0.00"),
    ],
)
def test_amount(value: object, amount: str) -> None:
    """An amount is a number or a text, with a point or a comma, and comes out in cents."""
    assert str(numbers.amount(value)) == amount


@pytest.mark.parametrize(
    "value",
    [
        "",
        "free",
        "1,234",
        "1.234,56",
        "1 000",
        "\u0661",
        "NaN",
        "Infinity",
        math.inf,
        1e12,
        10**5000,
        True,
        None,
        [],
        {},
    ],
    ids=map(str, count()),
)
def test_no_amount(value: object) -> None:
    """A text that can be read in two ways, or is not a number, is not an amount."""
    with pytest.raises(ValueError, match=r"[a-z]"):
        numbers.amount(value)


@pytest.mark.parametrize(
    ("written", "read"), [("0,5", 0.5), (" 51,44 ", 51.44), ("4,9", 4.9), ("2.125", 2.125), (3, 3)]
)
def test_measure(written: object, read: float) -> None:
    """A weight, distance or coordinate is a number or a text, with a point or a comma."""
    assert TypeAdapter(numbers.Metres).validate_python(written) == read


@pytest.mark.parametrize("written", ["1,234", "1.234,5", "1,5,2", ",5,", "-4,9", True, "far"])
def test_no_measure(written: object) -> None:
    """A text that could be read in two ways, a boolean, a word and a distance below zero are no measure."""
    with pytest.raises(ValidationError):
        TypeAdapter(numbers.Metres).validate_python(written)


@pytest.mark.parametrize("written", ["7,0", "1,5", True])
def test_no_parcel_id(written: object) -> None:
    """A parcel id takes no decimal comma: an uncertain one counts as none."""
    with pytest.raises(ValidationError):
        TypeAdapter(numbers.ParcelId).validate_python(written)
