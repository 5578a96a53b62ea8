"""Handles of pictures: good in the session that uploaded them, and nothing anywhere else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.callers.session_id import SessionId
from app.redis.encryption import seal
from app.returns.checks.checked_return import CheckedReturn
from app.uploads.handles import handle, opened
from tests.support.samples import AT_NOON, body, order, shop_settings

FILENAME = "1dca0000000000000000000000000000.webp"
SESSION = SessionId.new()
PHOTO = {"file": "up_known", "item": "shirt"}
FILES = {"up_known": FILENAME}
OLD_SESSION = SessionId("goldengoldengoldengold", b"golden-secret-of-32-bytes-------")
OLD_HANDLE = "up_ATZLzRssw95Uc9ZkCaxE7GdJJNjrGQenURed9T7fhEQnIpDc-sf4y2WC8VI-nHrPP5l2kw8bXqyJAy1A1-EQYBt4"
"""Sealed once and kept: it stands for the handles that front ends hold while another release rolls out."""


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_handle_opens_in_its_session(filename: str) -> None:
    """A handle gives back any file name of the upstream."""
    made = handle(SESSION, filename)
    assert opened(SESSION, [made]) == {made: filename}


def test_a_handle_tells_nothing() -> None:
    """Two handles of one file differ, and neither shows its name."""
    first, second = handle(SESSION, FILENAME), handle(SESSION, FILENAME)
    assert first != second
    assert FILENAME[:8] not in first
    assert first.startswith("up_")


def test_a_handle_of_another_session() -> None:
    """No other session opens a handle, not even one that shares half of the id."""
    made, other = handle(SESSION, FILENAME), SessionId.new()
    for stranger in (other, SessionId(SESSION.key, other.secret), SessionId(other.key, SESSION.secret)):
        assert opened(stranger, [made]) == {}


def test_a_handle_of_the_release_before() -> None:
    """A handle that an earlier release sealed still opens: rolling a release out loses no picture."""
    assert opened(OLD_SESSION, [OLD_HANDLE]) == {OLD_HANDLE: FILENAME}


@pytest.mark.parametrize("context", ["session|{key}|1", "handoff|{key}|1", "upload|another|1", "upload|{key}|2", ""])
def test_what_was_sealed_for_something_else(context: str) -> None:
    """An envelope that the session's secret sealed for another purpose is no handle."""
    envelope = seal(SESSION.secret, FILENAME.encode(), context.format(key=SESSION.key))
    text = "up_" + base64.urlsafe_b64encode(envelope).rstrip(b"=").decode()
    assert opened(SESSION, [text]) == {}


@pytest.mark.parametrize(
    "text", ["", "up_", "up_A", "up_AAAA", "up_é", "up_\x00", FILENAME, "up_" + "A" * 2000, "../../etc/passwd"]
)
def test_what_is_no_handle(text: str) -> None:
    """A text that is no handle is left out, and the others are opened all the same."""
    made = handle(SESSION, FILENAME)
    assert opened(SESSION, [text, made]) == {made: FILENAME}


@given(st.data())
def test_a_changed_handle(data: st.DataObject) -> None:
    """No character can be replaced by one that means something else."""
    made = handle(SESSION, FILENAME)
    position = data.draw(st.integers(len("up_"), len(made) - 2))
    changed = made[:position] + ("A" if made[position] != "A" else "B") + made[position + 1 :]
    assert opened(SESSION, [changed]) == {}


@pytest.mark.parametrize(
    ("photos", "problems"),
    [
        (None, []),
        ([], []),
        ([PHOTO], []),
        ([PHOTO, PHOTO | {"description": "The hole"}], []),
        ([PHOTO, PHOTO | {"item": "card"}], [("#/photos/1/item", "unknown-item")]),
        ([PHOTO | {"file": "up_other"}], [("#/photos/0/file", "unknown-upload")]),
        (
            [{"file": "up_other", "item": "card"}],
            [("#/photos/0/file", "unknown-upload"), ("#/photos/0/item", "unknown-item")],
        ),
    ],
)
def test_photos_of_a_return(photos: list[dict[str, str]] | None, problems: list[tuple[str, str]]) -> None:
    """Each photo must name a file of the session and an item that comes back; all faults are reported at once."""
    found = CheckedReturn(body(photos=photos), order(), shop_settings(), AT_NOON, FILES).problems
    assert [(problem.pointer, problem.code) for problem in found] == problems


def test_photos_go_upstream() -> None:
    """A photo is sent with the upstream's file name, the item and the description, which may be empty."""
    photos = [PHOTO, PHOTO | {"description": "The hole"}]
    sent = CheckedReturn(body(photos=photos), order(), shop_settings(), AT_NOON, FILES).request(1, None)
    assert [photo.model_dump() for photo in sent.photos] == [
        {"filename": FILENAME, "product_id": "shirt", "description": ""},
        {"filename": FILENAME, "product_id": "shirt", "description": "The hole"},
    ]
    assert not CheckedReturn(body(photos=[]), order(), shop_settings(), AT_NOON).request(1, None).photos
