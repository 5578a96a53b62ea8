"""The opaque id of a session: outside a string, inside the name and the key of a sealed record."""

import base64
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal, Self

from typing_extensions import override

from app.errors import (
    SessionExpired,
)

KEY_BYTES = 16


SECRET_BYTES = 32


# 43 characters have two bits to spare: those that end otherwise would be further spellings of one secret.
_ID = re.compile(r"(rp[sh])_([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])")


Kind = Literal["rps", "rph"]
"""A session a shopper holds, or one waiting to be picked up by another device."""


@dataclass(frozen=True)
class SessionId:
    """What the browser holds: `key` names the record, `secret` opens it. Its text shows the key half only."""

    key: str
    secret: bytes = field(repr=False)
    kind: Kind = "rps"

    @classmethod
    def new(cls, kind: Kind = "rps") -> Self:
        """A fresh id nobody can guess."""
        return cls(_encoded(secrets.token_bytes(KEY_BYTES)), secrets.token_bytes(SECRET_BYTES), kind)

    @classmethod
    def parse(cls, text: str, kind: Kind = "rps") -> Self:
        """The id of this kind in this text.

        Raises:
            SessionExpired: it is not of our form, so no session can have it.
        """
        match = _ID.fullmatch(text)
        if match is None or match[1] != kind:
            raise SessionExpired("malformed session id")
        return cls(match[2], base64.urlsafe_b64decode(match[3] + "="), kind)

    @property
    def token(self) -> str:
        """The whole id, secret included: for the Set-Cookie header, `session_token` and the link of a handoff alone."""
        return f"{self}.{_encoded(self.secret)}"

    @override
    def __str__(self) -> str:
        return f"{self.kind}_{self.key}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).replace(b"=", b"").decode()
