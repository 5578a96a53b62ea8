"""Handles of uploaded files: the upstream's names, sealed with the session's own secret and stored nowhere."""

import base64
from collections.abc import Iterable

from app.http.callers.session_id import SessionId
from app.redis.encryption import RecordUnreadable, seal, unseal

PREFIX = "up_"
SCHEMA = 1


def handle(session_id: SessionId, filename: str) -> str:
    """The name by which a front end refers to a stored file; only this session can open it."""
    envelope = seal(session_id.secret, filename.encode(), _context(session_id))
    return PREFIX + base64.urlsafe_b64encode(envelope).rstrip(b"=").decode()


def opened(session_id: SessionId, handles: Iterable[str]) -> dict[str, str]:
    """The upstream's file names by handle; texts that are not handles of this session are left out."""
    found = {each: _filename(session_id, each) for each in handles}
    return {each: filename for each, filename in found.items() if filename is not None}


def _filename(session_id: SessionId, text: str) -> str | None:
    encoded = text.removeprefix(PREFIX)
    try:
        envelope = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)
        return unseal(session_id.secret, envelope, _context(session_id)).decode()
    except (ValueError, RecordUnreadable):
        return None


def _context(session_id: SessionId) -> str:
    return f"upload|{session_id.key}|{SCHEMA}"
