"""Starts a session, after a lookup or for a redeemed handoff."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from fastapi import Request
from starlette.responses import Response

from app.errors import StoreUnavailable
from app.http.callers.credentials import COOKIE, check_origin, session_cookie
from app.http.callers.session_id import SessionId
from app.models.requests import SessionStart
from app.sessions.store import SessionStore
from app.sessions.view import Started
from app.telemetry.logs import log

BY_LANGUAGE: Mapping[str, str] = MappingProxyType({"Vary": "Accept-Language"})
"""The headers of a first screen."""


def check_page(request: Request, wanted: SessionStart, origins: Collection[str]) -> None:
    """Returns if no page of another site can put this session into a browser.

    Raises:
        OriginNotAllowed: a page of another site could.
    """
    if wanted.in_cookie or session_cookie(request) is not None:
        check_origin(request, origins)


async def session_started(
    started: Started, wanted: SessionStart, old: SessionId | None, sessions: SessionStore
) -> Response:
    """The first screen of a new session, which replaces the old one; its id comes in cookie or body, as wanted."""
    if old:
        await _end(old, sessions)
    if not wanted.in_cookie:
        answer = started.screen.answer.model_copy(update={"session_token": started.id.token})
        return Response(answer.model_dump_json(), 201, BY_LANGUAGE, media_type="application/json")
    response = Response(started.screen.body, 201, BY_LANGUAGE, media_type="application/json")
    response.set_cookie(COOKIE, started.id.token, path="/", secure=True, httponly=True, samesite="strict")
    return response


async def _end(old: SessionId, sessions: SessionStore) -> None:
    try:
        await sessions.delete(old)
    except StoreUnavailable as error:
        # The new session stands, and a handoff is used up by now; the old one soon ends by itself.
        log.warning("replaced session not ended", error=type(error).__name__)
