"""What a session id looks like from outside."""

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SessionExpired
from app.http.callers.session_id import SessionId

KEY, SECRET = "k" * 22, "A" * 43
BASE64URL = string.ascii_letters + string.digits + "-_"


def test_round_trip() -> None:
    """A new id is found again in its token."""
    session_id = SessionId.new()
    assert SessionId.parse(session_id.token) == session_id


def test_a_handoff_is_no_session() -> None:
    """An id of the one kind is found again as that kind and never taken for the other."""
    handoff, session = SessionId.new("rph"), SessionId.new()
    assert SessionId.parse(handoff.token, "rph") == handoff
    for token, other in ((handoff.token, "rps"), (session.token, "rph")):
        with pytest.raises(SessionExpired):
            SessionId.parse(token, other)  # type: ignore[arg-type]  # a plain str here


def test_form() -> None:
    """An id is `rps_`, 22 characters, a point and 43 characters of base64url."""
    prefix, _, secret = SessionId.new().token.partition(".")
    assert prefix.startswith("rps_")
    assert (len(prefix), len(secret)) == (4 + 22, 43)
    assert set(prefix + secret) <= set(BASE64URL)


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.system)])
def test_ids_are_unique(count: int) -> None:
    """A hundred thousand ids, and in the long run a million, share neither key nor secret."""
    ids = [SessionId.new() for _ in range(count)]
    assert len({each.key for each in ids}) == len({each.secret for each in ids}) == count


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"rps_{KEY}",
        f"rps_{KEY}.",
        f"{KEY}.{SECRET}",
        f"RPS_{KEY}.{SECRET}",
        f"rps_{KEY[1:]}.{SECRET}",
        f"rps_{KEY}k.{SECRET}",
        f"rps_{KEY}.{SECRET[1:]}",
        f"rps_{KEY}.{SECRET}A",
        f"rps_{KEY}.{SECRET}=",
        f"rps_{KEY}.{SECRET}\n",
        f" rps_{KEY}.{SECRET}",
        f"rps_{KEY}:{SECRET}",
        f"rps_{KEY[1:]}+.{SECRET}",
        f"rps_{KEY[1:]}/.{SECRET}",
        f"rps_{KEY}.{SECRET[1:]}+",
        f"rps_{KEY}.é{SECRET[1:]}",
        f"rps_{{}}{KEY[2:]}.{SECRET}",
    ],
)
def test_another_length_or_alphabet(text: str) -> None:
    """An id that is not exactly of the form is refused before Redis is asked."""
    with pytest.raises(SessionExpired):
        SessionId.parse(text)


def test_one_spelling_only() -> None:
    """Four last characters decode to one secret, and only the one that we write is accepted."""
    accepted = []
    for last in BASE64URL:
        with suppress(SessionExpired):
            accepted.append(SessionId.parse(f"rps_{KEY}.{SECRET[1:]}{last}").secret)
    assert len(accepted) == len(set(accepted)) == 16


@given(st.text(max_size=80) | st.from_regex(r"\Arps_[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{41,45}\Z"))
def test_any_text(text: str) -> None:
    """Any text is either refused as expired or is the very token of the id it names."""
    with suppress(SessionExpired):
        assert SessionId.parse(text).token == text


def test_text_hides_the_secret() -> None:
    """Neither text nor representation shows more than the key half."""
    session_id = SessionId.new()
    secret = session_id.token.partition(".")[2]
    assert str(session_id) == f"rps_{session_id.key}"
    for shown in (str(session_id), repr(session_id), f"{session_id}"):
        assert secret not in shown
        assert repr(session_id.secret) not in shown
