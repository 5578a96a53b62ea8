"""CORS: which pages can read answers, and what their requests may carry."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from app.http.exchange import exchange_of
from app.shops import Shops

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
    """Lets the pages of shops read answers, and an answer that belongs to one shop those of that shop alone.

    A refused preflight is answered 204 without permissions.
    """

    def __init__(self, app: ASGIApp, shops: Shops) -> None:
        self._shops = shops
        super().__init__(
            app,
            allow_credentials=True,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
        )

    @override
    def is_allowed_origin(self, origin: str) -> bool:
        return origin in self._shops.origins

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not exchange_of(scope).has_origin:
            # Starlette would look through all headers, here and in each part of the answer.
            exchange_of(scope).varies_by_origin = True
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    @override
    async def simple_response(self, scope: Scope, receive: Receive, send: Send, request_headers: Headers) -> None:
        async def send_to_own_pages(message: Message) -> None:
            if message["type"] != "http.response.start":
                await send(message)
                return
            # An answer that is kept is not of this page alone.
            message["headers"] = [*message["headers"]]
            brand = exchange_of(scope).brand
            origin = request_headers.get("origin", "")
            is_of_another = brand and self.is_allowed_origin(origin) and origin not in self._shops.of(brand).origins
            await self.send(message, send, Headers() if is_of_another else request_headers)

        await self.app(scope, receive, send_to_own_pages)

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == HTTPStatus.OK:
            return answer
        # The browser decides by the missing headers; an error of ours would have to be a problem document.
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Vary": answer.headers["Vary"]})
