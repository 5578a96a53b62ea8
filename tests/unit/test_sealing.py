"""Envelopes, keys and names of the encryption."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import StoreUnavailable
from app.redis.encryption import Keyring, RecordUnreadable, seal, unseal

OLD, NEW, FOREIGN = (letter * 32 for letter in (b"o", b"n", b"f"))
ENVELOPE = seal(OLD, b"Sam Jansen", "session|1")


@given(st.binary(max_size=300), st.text(max_size=40), st.binary(min_size=32, max_size=32))
def test_round_trip(plaintext: bytes, context: str, key: bytes) -> None:
    """Any sealed bytes come out again under the same key and context, and cannot be read without."""
    envelope = seal(key, plaintext, context)
    assert unseal(key, envelope, context) == plaintext
    assert len(plaintext) < 4 or plaintext not in envelope


def test_sealing_twice_gives_two_envelopes() -> None:
    """Equal records cannot be told from their envelopes."""
    assert seal(OLD, b"same", "context") != seal(OLD, b"same", "context")


@pytest.mark.parametrize(
    ("key", "context"), [(FOREIGN, "session|1"), (OLD, "session|2"), (OLD, ""), (OLD, "session|1 ")]
)
def test_wrong_key_or_context(key: bytes, context: str) -> None:
    """An envelope opens neither with another key nor in the place of another record."""
    with pytest.raises(RecordUnreadable):
        unseal(key, ENVELOPE, context)


@pytest.mark.parametrize("position", range(len(ENVELOPE)))
def test_tampering_at_every_byte(position: int) -> None:
    """One changed bit anywhere, version included, makes an envelope unreadable."""
    changed = bytearray(ENVELOPE)
    changed[position] ^= 0x01
    with pytest.raises(RecordUnreadable):
        unseal(OLD, bytes(changed), "session|1")


@pytest.mark.parametrize("length", range(len(ENVELOPE)))
def test_truncation_at_every_byte(length: int) -> None:
    """A cut envelope is unreadable, an empty one included, and never another failure."""
    with pytest.raises(RecordUnreadable):
        unseal(OLD, ENVELOPE[:length], "session|1")


def test_added_bytes() -> None:
    """Bytes after the end make an envelope unreadable."""
    with pytest.raises(RecordUnreadable):
        unseal(OLD, ENVELOPE + b"\x00", "session|1")


def test_unreadable_is_no_proof_of_absence() -> None:
    """A record that cannot be opened counts as an unanswered question, and its error quotes nothing of it."""
    with pytest.raises(StoreUnavailable) as caught:
        unseal(FOREIGN, ENVELOPE, "session|1")
    assert "Sam" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_keyring_round_trip() -> None:
    """A keyring opens what it sealed, in the same scope and context only."""
    keyring = Keyring([NEW])
    envelope = keyring.seal(b"label", "parcel-1", "return|1")
    assert keyring.unseal(envelope, "parcel-1", "return|1") == b"label"
    for scope, context in [("parcel-2", "return|1"), ("parcel-1", "return|2")]:
        with pytest.raises(RecordUnreadable):
            keyring.unseal(envelope, scope, context)


def test_first_key_seals() -> None:
    """A record sealed after a rotation needs the new key alone."""
    envelope = Keyring([NEW, OLD]).seal(b"label", "parcel-1", "return|1")
    assert Keyring([NEW]).unseal(envelope, "parcel-1", "return|1") == b"label"
    with pytest.raises(RecordUnreadable):
        Keyring([OLD]).unseal(envelope, "parcel-1", "return|1")


@pytest.mark.parametrize("keys", [[OLD], [NEW, OLD], [NEW, FOREIGN, OLD], [OLD, NEW]])
def test_all_keys_open(keys: list[bytes]) -> None:
    """A record sealed before a rotation opens as long as its key is anywhere in the list."""
    envelope = Keyring([OLD]).seal(b"label", "parcel-1", "return|1")
    assert Keyring(keys).unseal(envelope, "parcel-1", "return|1") == b"label"


def test_scope_keys_are_derived() -> None:
    """The configured key itself opens no record of a scope."""
    envelope = Keyring([OLD]).seal(b"label", "parcel-1", "return|1")
    with pytest.raises(RecordUnreadable):
        unseal(OLD, envelope, "return|1")


def test_last_key_names() -> None:
    """Names outlive a rotation as long as the oldest key stays last, and differ between keys."""
    assert Keyring([NEW, OLD]).name("parcel", "my-shop") == Keyring([OLD]).name("parcel", "my-shop")
    assert Keyring([NEW]).name("parcel", "my-shop") != Keyring([OLD]).name("parcel", "my-shop")


def test_a_naming_key_names() -> None:
    """With the old key as the naming key, names stay with any sealing key; naming keys have distinct fingerprints."""
    rotated = Keyring([NEW], OLD)
    assert rotated.name("parcel", "my-shop") == Keyring([OLD]).name("parcel", "my-shop")
    assert rotated.naming == Keyring([OLD]).naming != Keyring([NEW]).naming


@given(st.lists(st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4))
def test_names_are_stable_and_distinct(one: list[str], other: list[str]) -> None:
    """The same parts have the same name in every process, and other parts have another one."""
    names = Keyring([OLD]).name(*one), Keyring([OLD]).name(*other)
    assert (names[0] == names[1]) is (one == other)


@pytest.mark.parametrize("other", [("a", "bc"), ("abc",), ("ab", "c", ""), ("", "ab", "c"), ("ab", "C"), ("c", "ab")])
def test_parts_do_not_run_together(other: tuple[str, ...]) -> None:
    """Where one part ends and the next begins is part of the name."""
    assert Keyring([OLD]).name("ab", "c") != Keyring([OLD]).name(*other)


def test_form_of_a_name() -> None:
    """A name is fit for a Redis key: 22 characters of base64url that do not show the parts."""
    name = Keyring([OLD]).name("parcel", "my-shop")
    assert len(name) == 22
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert name == "NhkPNjmqum3-iUabpWXGTQ"
