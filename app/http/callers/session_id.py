"""The opaque id of a session: a string for the client, the name and the secret of a sealed record for us."""

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


# 43 characters have two spare bits; without the last class, one secret would have several spellings.
_ID = re.compile(r"(rp[sh])_([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])")


Kind = Literal["rps", "rph"]
"""A session that a shopper holds, or one that waits for another device."""


@dataclass(frozen=True)
class SessionId:
    """The id that the client holds: `key` names the record, `secret` opens it. Its text shows only the key half."""

    key: str
    secret: bytes = field(repr=False)
    kind: Kind = "rps"

    @classmethod
    def new(cls, kind: Kind = "rps") -> Self:
        """A fresh random id."""
        return cls(_encoded(secrets.token_bytes(KEY_BYTES)), secrets.token_bytes(SECRET_BYTES), kind)

    @classmethod
    def parse(cls, text: str, kind: Kind = "rps") -> Self:
        """The id of this kind in this text.

        Raises:
            SessionExpired: it does not have our form, so no session can have it.
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
