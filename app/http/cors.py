"""CORS: which pages can read answers, and what their requests may carry."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp
from typing_extensions import override

METHODS = ("GET", "POST", "DELETE")
REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Prefer", "Last-Event-ID", "If-None-Match")
RESPONSE_HEADERS = (
    "Location",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "ETag",
    "Preference-Applied",
    "Content-Disposition",
    "X-Request-Id",
)


class Cors(CORSMiddleware):
    """Lets pages of listed origins read answers; a refused preflight is answered 204 without permissions."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
        )

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == HTTPStatus.OK:
            return answer
        # The browser decides by the missing headers; an error of ours would have to be a problem document.
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Vary": answer.headers["Vary"]})
