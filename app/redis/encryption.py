"""AES-256-GCM envelopes, derived keys and keyed names: what Redis holds cannot be read without our keys."""

import base64
import hmac
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import ValidationError

from app.errors import StoreUnavailable
from app.settings import Settings

VERSION = b"\x01"
NONCE_BYTES = 12
_BEFORE_BYTES = len(VERSION) + NONCE_BYTES
ENVELOPE_BYTES = _BEFORE_BYTES + 16
"""How much longer an envelope is than its plaintext: version and nonce before it, GCM's tag after it."""
NAME_BYTES = 16
JOURNEYS = 1024
"""Journeys whose names stay in memory: as many as sessions do."""
ANOTHER_KEY_SECONDS = 30
"""Retry-After for a record that none of our keys opens; a key may be on its way to this replica."""


class RecordUnreadable(StoreUnavailable):
    """A record exists, and none of our keys opens it: its content is unknown, and it never counts as absent."""


@contextmanager
def parsing() -> Iterator[None]:
    """Turns a record that its model refuses into `RecordUnreadable`: it exists, so it never counts as absent."""
    try:
        yield
    except ValidationError:
        # `from None`: the cause quotes the record.
        raise RecordUnreadable("a record of another form") from None


def seal(key: bytes, plaintext: bytes, context: str) -> bytes:
    """The envelope of `plaintext`; only the same 32-byte key and the same context open it."""
    envelope = bytearray(len(plaintext) + ENVELOPE_BYTES)
    seal_into(memoryview(envelope), key, plaintext, context)
    return bytes(envelope)


def seal_into(envelope: memoryview, key: bytes, plaintext: bytes, context: str) -> None:
    """Writes the envelope of `plaintext`, which has to fit exactly; large plaintexts are spared copies by it."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    envelope[:_BEFORE_BYTES] = VERSION + nonce
    AESGCM(key).encrypt_into(nonce, plaintext, _associated(context), envelope[_BEFORE_BYTES:])


def unseal(key: bytes, envelope: bytes, context: str) -> bytes:
    """The plaintext of an envelope.

    Raises:
        RecordUnreadable: another key, another context, another version, or changed bytes.
    """
    # A view, because the envelope may be large.
    nonce, ciphertext = envelope[1 : 1 + NONCE_BYTES], memoryview(envelope)[1 + NONCE_BYTES :]
    if envelope[:1] != VERSION or len(nonce) != NONCE_BYTES:
        raise RecordUnreadable("not one of our envelopes")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, _associated(context))
    except InvalidTag:
        raise RecordUnreadable("authentication failed") from None


class Keyring:
    """The configured keys: the first seals, every one opens; the naming key makes names, or the last of the others."""

    def __init__(self, keys: Sequence[bytes], naming_key: bytes | None = None) -> None:
        self._keys = keys
        # A document is sealed piece by piece, each piece under the key of the same parcel.
        self._derived = lru_cache(_derived)
        self._naming_key = _derived(naming_key or keys[-1], "names")
        self.journey: Callable[[str], str] = lru_cache(JOURNEYS)(partial(self.name, "journey"))
        """The name of a journey in the log, by the key of its session; every call of the session asks for it."""

    @classmethod
    def of(cls, settings: Settings) -> "Keyring":
        """The keys of these settings."""
        naming_key = settings.naming_key.get_secret_value() if settings.naming_key else None
        return cls(settings.secret_key.get_secret_value(), naming_key)

    @property
    def naming(self) -> str:
        """A mark that replicas with the same naming key share; it reveals nothing about the key."""
        return self.name("naming key")

    def seal(self, plaintext: bytes, scope: str, context: str) -> bytes:
        """An envelope under the key of this scope; the context is authenticated with it."""
        return seal(self._derived(self._keys[0], scope), plaintext, context)

    def seal_into(self, envelope: memoryview, plaintext: bytes, scope: str, context: str) -> None:
        """Writes the envelope that `seal` gives, as `seal_into` does."""
        seal_into(envelope, self._derived(self._keys[0], scope), plaintext, context)

    def unseal(self, envelope: bytes, scope: str, context: str) -> bytes:
        """The plaintext of an envelope that any of the keys sealed.

        Raises:
            RecordUnreadable: none of the keys opens it.
        """
        for key in self._keys:
            with suppress(RecordUnreadable):
                return unseal(self._derived(key, scope), envelope, context)
        raise RecordUnreadable("no configured key opens it", retry_after=ANOTHER_KEY_SECONDS)

    def name(self, *parts: str) -> str:
        """A stable name that tells nothing about its parts without the key (22 characters of base64url)."""
        encoded = [part.encode() for part in parts]
        data = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        code = hmac.digest(self._naming_key, data, "sha256")
        return base64.urlsafe_b64encode(code[:NAME_BYTES]).rstrip(b"=").decode()


def _associated(context: str) -> bytes:
    return VERSION + context.encode()


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(key)
