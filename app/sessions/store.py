"""Sessions in Redis: sealed records whose key exists only in the session's opaque id."""

import json
from collections.abc import Hashable, Mapping
from contextlib import suppress
from types import MappingProxyType

from pydantic import Field, JsonValue, TypeAdapter

from app.domain import RedactedModel
from app.errors import SessionExpired, StoreUnavailable
from app.http.callers.session_id import Kind, SessionId
from app.redis.derived_values import DerivedValues
from app.redis.encryption import RecordUnreadable, parsing, seal, unseal
from app.redis.single_flight import SingleFlight
from app.redis.store import Store
from app.sendcloud.earlier_records import opened_order_of_schema_1, outgoing_of_schema_1
from app.sessions.session import SCHEMA, Session

SEALED_FORM = 1
"""Part of the authenticated context; it is the same in all releases."""
OPENED_SESSIONS = 1024
OPENED_BYTES = 8 * 1024 * 1024
"""How many sessions stay parsed in memory, and the bytes they were parsed from; parsed, they take ten times that."""
SHORTEST_SECONDS = 0.001
"""The shortest lifetime in Redis."""

_RECORD: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
_RECORDS: Mapping[Kind, tuple[str, str]] = MappingProxyType({"rps": ("s", "session"), "rph": ("h", "handoff")})
"""By kind of id, the first letter of the key in Redis, and the record type in the authenticated context."""


class _SessionOfSchema1(RedactedModel):
    brand: str
    parcel_key: str = Field(alias="scope")
    languages: list[str]
    expires_at: float
    outgoing: dict[str, JsonValue]

    def translated(self) -> Session:
        opened = opened_order_of_schema_1(self.outgoing)
        return Session.model_validate(dict(opened) | dict(self))


class SessionStore:
    """Sessions by id. An absent one is SessionExpired; if the store cannot tell, it is StoreUnavailable."""

    def __init__(self, store: Store, per_parcel: int) -> None:
        self._store = store
        self._per_parcel = per_parcel
        # A session never changes, so the same bytes are the same session.
        self._opened: DerivedValues[SessionId, Session] = DerivedValues(OPENED_SESSIONS, OPENED_BYTES)
        self._asked: SingleFlight[bool] = SingleFlight()

    async def create(self, session: Session, ttl: float, kind: Kind = "rps") -> SessionId:
        """A new id for this session, which lives `ttl` seconds, at most `BFF_SESSION_TTL`.

        If its parcel has too many, the oldest ends.

        Raises:
            SessionExpired: `ttl` is shorter than Redis can keep.
        """
        if ttl < SHORTEST_SECONDS:
            raise SessionExpired("over before it began")
        session_id = SessionId.new(kind)
        sealed = seal(session_id.secret, _written(session), _context(session_id))
        await self._store.put(_name(session_id), sealed, ttl, durable=True)
        if kind == "rps":
            # Kept as `get` keeps it, because its next call is likely to come here.
            self._opened.get(session_id, sealed, lambda: session, lambda _: len(sealed))
            await self._end_oldest(session.parcel_key, session_id, ttl)
        return session_id

    async def _end_oldest(self, parcel_key: str, newest: SessionId, ttl: float) -> None:
        for key in await self._store.keep_newest(_live(parcel_key), newest.key, self._per_parcel, ttl):
            await self._store.delete(f"s:{{{key}}}", durable=True)

    async def get(self, session_id: SessionId) -> Session:
        """The session.

        Raises:
            SessionExpired: it does not exist, or the secret does not open it.
            StoreUnavailable: Redis cannot tell, or it is a session of a form that this release does not know.
        """
        sealed = await self._store.get(_name(session_id))
        if sealed is None:
            self._opened.forget(session_id)
            raise SessionExpired("no such session")
        return self._opened.get(session_id, sealed, lambda: _opened(session_id, sealed), lambda _: len(sealed))

    def seen(self, session_id: SessionId) -> Session | None:
        """The session as this process read it last; it may be over since. None if it never did."""
        return self._opened.last(session_id)

    async def may_go_on(self, session_id: SessionId, news: Hashable) -> bool:
        """Whether a wait of this session may go on: the session is not known to be over at the time of these news.

        Callers with the same news share one question to the store.
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
        """The session, once: the first caller takes it, and later ones find none.

        Raises:
            SessionExpired: it does not exist any more, or the secret does not open it.
        """
        session = await self.get(session_id)
        # Durable: a replica that follows its master must not bring it back.
        if not await self._store.delete(_name(session_id), durable=True):
            raise SessionExpired("another device was faster")
        self._opened.forget(session_id)
        return session

    async def delete(self, session_id: SessionId) -> None:
        """Deletes the session if the secret opens it; an absent one is no error."""
        try:
            session = await self.get(session_id)
        except SessionExpired:
            return
        self._opened.forget(session_id)
        await self._store.delete(_name(session_id), durable=True)
        # It is over all the same; at worst, the parcel has one place less for an hour.
        with suppress(StoreUnavailable):
            await self._store.drop(_live(session.parcel_key), session_id.key)


def _written(session: Session) -> bytes:
    outgoing = outgoing_of_schema_1(session.order, session.access_token, session.service_points_token)
    return json.dumps(session.model_dump(mode="json") | {"outgoing": outgoing}).encode()


def _opened(session_id: SessionId, sealed: bytes) -> Session:
    try:
        content = unseal(session_id.secret, sealed, _context(session_id))
    except RecordUnreadable as error:
        raise SessionExpired("the secret does not open the session") from error
    with parsing():
        record = _RECORD.validate_json(content)
        if record.get("schema_number") == SCHEMA:
            return Session.model_validate(record)
        return _SessionOfSchema1.model_validate(record).translated()


def _name(session_id: SessionId) -> str:
    family, _ = _RECORDS[session_id.kind]
    return f"{family}:{{{session_id.key}}}"


def _live(parcel_key: str) -> str:
    return f"p:{{{parcel_key}}}:sessions"


def _context(session_id: SessionId) -> str:
    _, record = _RECORDS[session_id.kind]
    return f"{record}|{session_id.key}|{SEALED_FORM}"
