"""What people type and paste is cleaned before it is validated."""

import time

import pytest

from app.models.fields import cleaned_code, cleaned_language, cleaned_prose


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        (" A-1001", "A-1001"),
        ("A-1001\r\n", "A-1001"),
        ("A-1001\u2028", "A-1001"),
        ("\u20295611\u2028AA", "5611\u2028AA"),
        (" 5611 AA ", "5611 AA"),
        ("5611\u00a0AA", "5611 AA"),
        ("\u200e\u202aA-1001\u202c\ufeff", "A-1001"),
        ("A-\u200b1001", "A-1001"),
        ("\uff11\uff10\uff10\uff11", "1001"),
        ("\uff21\uff0d\uff11", "A-1"),
        ("#1001", "#1001"),
        ("1001/2", "1001/2"),
        ("A&B=1", "A&B=1"),
        ("0001001", "0001001"),
        ("A  1", "A  1"),
        ("a\u0308-\u00e4", "a\u0308-\u00e4"),
        ("\u200b \u00a0", ""),
        (7, 7),
        (None, None),
    ],
)
def test_codes(typed: object, clean: object) -> None:
    """Ends are trimmed, invisible characters go, full-width ASCII is folded, and all else stays as typed."""
    assert cleaned_code(typed) == clean


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        (" Sam ", "Sam"),
        ("\u200fSam\u200e", "Sam"),
        ("\u05e9\u05dc\u05d5\u05dd\u200f 7", "\u05e9\u05dc\u05d5\u05dd\u200f 7"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("two\nlines", "two\nlines"),
        (["list"], ["list"]),
    ],
)
def test_prose(typed: object, clean: object) -> None:
    """Marks at the ends and what turns a text around go; joiners and marks inside words stay."""
    assert cleaned_prose(typed) == clean


@pytest.mark.parametrize("blank", [" ", "\n", "\u00a0", "\u200b"])
def test_prose_is_cleaned_in_linear_time(blank: str) -> None:
    """A comment as long as a body may be, blanks but for its ends, is cleaned at once; it took seconds."""
    comment = f"a{blank * 60_000}b"
    started = time.process_time()
    found = cleaned_prose(f" {comment}{blank}")
    assert (found, time.process_time() - started < 0.5) == (comment, True)


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        ("nl_NL", "nl-NL"),
        ("en-US-u-hc-h12", "en-US"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("de-DE@euro", "de-DE"),
        (" fr ", "fr"),
        ("", None),
        ("C", None),
        ("POSIX", None),
        ("\u202enl", None),
        (None, None),
    ],
)
def test_languages(said: object, tag: str | None) -> None:
    """A language tag is read in the spellings of phones and shells; other texts count as none."""
    assert cleaned_language(said) == tag
