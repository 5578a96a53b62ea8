"""The names of what Redis keeps of a parcel, and idempotency keys as it keeps them."""

from typing import Literal, Self

from app.domain import RedactedModel
from app.redis.encryption import parsing
from app.returns.checks.fingerprints import CURRENT, FIRST, Fingerprints


class KeyRecord(RedactedModel):
    """The use of an idempotency key: its return, and the fingerprints of its body."""

    format: Literal[1] = 1
    fingerprint: str
    """The fingerprint of the body in the first form."""
    versioned: tuple[int, str] | None = None
    """The version of a later form and the fingerprint in it; the release before ignores it."""
    return_id: str

    @classmethod
    def of(cls, fingerprints: Fingerprints, return_id: str) -> Self:
        """The record of a key that this return was made with."""
        return cls(fingerprint=fingerprints[FIRST], versioned=(CURRENT, fingerprints[CURRENT]), return_id=return_id)

    @classmethod
    def loaded(cls, stored: bytes) -> Self | None:
        """The use as it is stored; None if the key was not used."""
        with parsing():
            return cls.model_validate_json(stored) if stored else None

    def is_of(self, fingerprints: Fingerprints) -> bool:
        """Whether the key came with this body; if the stored form is unknown here, the first form decides."""
        version, kept = self.versioned or (FIRST, self.fingerprint)
        if version not in fingerprints:
            version, kept = FIRST, self.fingerprint
        return kept == fingerprints[version]


def claims_key(parcel_key: str) -> str:
    """The key of a parcel's claims."""
    return f"p:{{{parcel_key}}}:claim"


def first_seen_key(parcel_key: str) -> str:
    """The key of a parcel's first numbers of units."""
    return f"p:{{{parcel_key}}}:seen"


def released_key(parcel_key: str, return_id: str) -> str:
    """The key of an operator's finding about a return."""
    return f"p:{{{parcel_key}}}:released:{return_id}"


def record_key(parcel_key: str, return_id: str) -> str:
    """The key of a return."""
    return f"p:{{{parcel_key}}}:r:{return_id}"


def summary_key(parcel_key: str, return_id: str) -> str:
    """The key of a return's summary, which outlives its content."""
    return f"p:{{{parcel_key}}}:summary:{return_id}"
