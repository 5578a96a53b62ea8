"""Sessions: an opaque id outside, a sealed record in Redis, and the key to it nowhere but in the id."""

import base64
import re
import secrets
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Self

from typing_extensions import override

from app.errors import SessionExpired, StoreUnavailable
from app.memo import Memo
from app.sealing import RecordUnreadable, seal, unseal
from app.sendcloud.schemas import Outgoing, Quiet
from app.single_flight import SingleFlight
from app.store import Store

KEY_BYTES = 16
SECRET_BYTES = 32
SCHEMA = 1
OPENED_SESSIONS = 1024
"""How many stay parsed in memory, each with what it was parsed from."""
SHORTEST_SECONDS = 0.001
"""What Redis can count."""
# 43 characters have two bits to spare: those that end otherwise would be further spellings of one secret.
_ID = re.compile(r"(rp[sh])_([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])")

Kind = Literal["rps", "rph"]
"""A session a shopper holds, or one waiting to be picked up by another device."""
_RECORDS: Mapping[Kind, tuple[str, str]] = MappingProxyType({"rps": ("s", "session"), "rph": ("h", "handoff")})
"""What their keys in Redis begin with, and what is authenticated with their content."""


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


class Session(Quiet):
    """What a shopper proved a right to; written once and never changed."""

    brand: str
    scope: str
    """Names the parcel in Redis without telling which it is."""
    languages: list[str]
    """Those the shopper reads, best first."""
    expires_at: float
    """Seconds since the epoch, on the store's clock."""
    outgoing: Outgoing


class SessionStore:
    """Sessions by id: absent is SessionExpired, an unanswered question is StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Written once and never changed: as long as the same bytes are there, it is the same session.
        self._opened: Memo[SessionId, Session] = Memo(OPENED_SESSIONS)
        self._asked: SingleFlight[bool] = SingleFlight()

    async def create(self, session: Session, ttl: float, kind: Kind = "rps") -> SessionId:
        """A new id for this session, which lives `ttl` seconds.

        Raises:
            SessionExpired: that is no time at all.
        """
        if ttl < SHORTEST_SECONDS:
            raise SessionExpired("over before it began")
        session_id = SessionId.new(kind)
        sealed = seal(session_id.secret, session.model_dump_json().encode(), _context(session_id))
        await self._store.put(_name(session_id), sealed, ttl, durable=True)
        return session_id

    async def get(self, session_id: SessionId) -> Session:
        """The session.

        Raises:
            SessionExpired: it is not there, or the secret does not open it.
            StoreUnavailable: Redis cannot tell.
        """
        sealed = await self._store.get(_name(session_id))
        if sealed is None:
            self._opened.forget(session_id)
            raise SessionExpired("no such session")
        try:
            return self._opened.get(session_id, sealed, lambda: _opened(session_id, sealed))
        except RecordUnreadable as error:
            raise SessionExpired("the secret does not open the session") from error

    async def may_go_on(self, session_id: SessionId, news: Hashable) -> bool:
        """Whether what began in this session may go on: it is not known to be over since there were these news.

        All who come with the same news while the answer is on its way share it.
        """
        return await self._asked.share((session_id, news), lambda: self._is_not_over(session_id))

    async def _is_not_over(self, session_id: SessionId) -> bool:
        try:
            await self.get(session_id)
        except SessionExpired:
            return False
        except StoreUnavailable:
            return True
        return True

    async def take(self, session_id: SessionId) -> Session:
        """The session, once: who comes first has it and nobody after.

        Raises:
            SessionExpired: it is not there any more, or the secret does not open it.
        """
        session = await self.get(session_id)
        # Durable: a replica that follows its master must not bring it back.
        if not await self._store.delete(_name(session_id), durable=True):
            raise SessionExpired("somebody else was faster")
        self._opened.forget(session_id)
        return session

    async def delete(self, session_id: SessionId) -> None:
        """Forgets the session; whoever cannot open it cannot delete it either, and an absent one is fine."""
        try:
            await self.get(session_id)
        except SessionExpired:
            return
        self._opened.forget(session_id)
        await self._store.delete(_name(session_id), durable=True)


def _opened(session_id: SessionId, sealed: bytes) -> Session:
    return Session.model_validate_json(unseal(session_id.secret, sealed, _context(session_id)))


def _name(session_id: SessionId) -> str:
    family, _ = _RECORDS[session_id.kind]
    return f"{family}:{{{session_id.key}}}"


def _context(session_id: SessionId) -> str:
    _, record = _RECORDS[session_id.kind]
    return f"{record}|{session_id.key}|{SCHEMA}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).replace(b"=", b"").decode()
