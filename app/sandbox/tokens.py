"""The four tokens of openapi/sendcloud.yaml; their keys, lifetimes and further claims are our own choice."""

import math
import time
from typing import Literal

import jwt

from app.sandbox.answers import Refused

Use = Literal["access", "service_points", "poller", "download"]
Claims = dict[str, str | int | None]


def issue(use: Use, claims: Claims, lifetime: float = math.inf) -> str:
    """A token of this use that expires in `lifetime` seconds, or never where that is infinite."""
    expiry = {} if math.isinf(lifetime) else {"exp": int(time.time() + lifetime)}
    return jwt.encode({**expiry, **claims}, _key(use), algorithm="HS256")


def redeem(use: Use, token: str) -> Claims:
    """The claims of a token of this use; `Refused` (401) when it is missing, foreign or expired."""
    try:
        claims: Claims = jwt.decode(token, _key(use), algorithms=["HS256"])
    except jwt.ExpiredSignatureError as error:
        raise Refused(401, "token_expired", "The token has expired.") from error
    except jwt.InvalidTokenError as error:
        raise Refused(401, "invalid_token", "The token is missing or not ours.") from error
    return claims


def peek(token: str) -> Claims:
    """What a token claims, good or not; nothing where it is no token."""
    try:
        claims: Claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


def _key(use: Use) -> str:
    """Every use signs with a key of its own, so no token passes for another."""
    return f"sandbox key, worth nothing, for {use} tokens"
