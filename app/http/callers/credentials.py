"""What a request brings as proof: the session id in cookie or bearer, its origin, its idempotency key."""

import re
from collections.abc import Collection
from typing import Annotated

from fastapi import Depends, Request

from app.errors import (
    IdempotencyKeyInvalid,
    OriginNotAllowed,
    SessionExpired,
    TwoCredentials,
    UnsupportedMediaType,
)
from app.http.callers.session_id import SessionId

COOKIE = "__Host-return_session"
_COOKIE_NAME = COOKIE.encode()
_BLANKS = b" \t"
KEY = r'^(?:"([!-~]{16,255})"|([!#-~][!-~]{15,254}))$'


def session_cookie(request: Request) -> str | None:
    """The value of our cookie; None without one.

    Read from the raw header: `http.cookies` needs quadratic time for some values before Python 3.11.10 and 3.12.6, and
    Starlette strips bytes from names that a browser keeps, which would let a sibling domain set a cookie of our name.

    Raises:
        TwoCredentials: several cookies have the name.
    """
    lines = [value for name, value in request.scope["headers"] if name == b"cookie"]
    pairs = [pair.strip(_BLANKS).partition(b"=") for line in lines for pair in line.split(b";")]
    values = [value for name, _, value in pairs if name == _COOKIE_NAME]
    if len(values) > 1:
        raise TwoCredentials
    return values[0].decode("latin-1") if values else None


async def presented(request: Request) -> SessionId | None:
    """The session id that came with the request, if any.

    Raises:
        TwoCredentials: cookie and bearer came together, or several of one kind.
        SessionExpired: it is malformed.
    """
    cookie, given = session_cookie(request), request.headers.getlist("authorization")
    scheme, _, bearer = next(iter(given), "").partition(" ")
    if len(given) > 1 or (cookie and scheme):
        raise TwoCredentials
    token = bearer.strip() if scheme.casefold() == "bearer" else cookie
    return SessionId.parse(token) if token else None


async def replaced(request: Request) -> SessionId | None:
    """The session that a new one replaces; an unusable id counts as none."""
    try:
        return await presented(request)
    except SessionExpired:
        return None


ReplacedDep = Annotated[SessionId | None, Depends(replaced)]


def check_origin(request: Request, allowed_origins: Collection[str]) -> None:
    """Returns if no page of another site can have made this request; one with neither header comes from no browser.

    Raises:
        OriginNotAllowed: a page of another site may have made it.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Every browser of today sends one of the two with an unsafe request.
    if site is None and origin is None:
        return
    if site != "same-origin" and origin not in allowed_origins:
        raise OriginNotAllowed


def page_origins(request: Request, allowed_origins: Collection[str]) -> Collection[str]:
    """The origins whose pages may get a session: those listed, and our own if the browser says that the page has it."""
    origin = request.headers.get("origin")
    same_origin = request.headers.get("sec-fetch-site") == "same-origin"
    return [*allowed_origins, origin] if same_origin and origin else allowed_origins


async def json_body(request: Request) -> None:
    """Returns if the body is declared as JSON, which a form of another site cannot do without a preflight."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if media_type != "application/json":
        raise UnsupportedMediaType


async def idempotency_key(request: Request) -> str:
    """The client's key for this creation, without its quotes. A proxy may repeat it.

    Raises:
        IdempotencyKeyInvalid: missing or malformed, or several.
    """
    match = re.fullmatch(KEY, ", ".join({*request.headers.getlist("idempotency-key")}))
    if match is None:
        raise IdempotencyKeyInvalid
    return match[1] or match[2]


IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "description": "16 to 255 visible ASCII characters, quoted or not; kept for this parcel as long as its return.",
    "schema": {"type": "string", "pattern": KEY},
}
"""The header's description. FastAPI does not check it, because a missing key has a problem of its own."""


IdempotencyKeyDep = Annotated[str, Depends(idempotency_key)]
