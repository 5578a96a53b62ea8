"""The BFF with the reference page beside it, on one origin, as a shop's own front end would have it."""

from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from app.main import create_app
from app.sandbox.checkout import Checkout
from app.sandbox.inbox import inbox_routes
from app.server import Server
from app.settings import Settings, load_settings
from app.shops import Shops
from app.telemetry.log_output import configure_logging

PAGE = Path(__file__).parent / "page"
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Only this origin, so that the page reveals the shopper to no other site."""


class _Files(StaticFiles):
    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Beside:
    """Serves the page apart from the service, so that its files count for no limit and fill no log."""

    def __init__(self, app: ASGIApp, page: ASGIApp) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["path"] == "/" or scope["path"].startswith(("/page", "/sandbox/"))
        await (self._page if ours else self._app)(scope, receive, send)


def _expected(_logger: object, _level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drops the warning that each start would give, since the store of `make run` is always new."""
    if event["event"] == "store marked":
        raise structlog.DropEvent
    return event


async def _to_page(_request: object) -> Response:
    return RedirectResponse("/page/")


def create_shop(settings: Settings) -> FastAPI:
    """The service with these settings, the page below `/page/`, a place to pay for its returns, and one for events."""
    checkout = Checkout(settings.upstream_url)
    page = Starlette(
        routes=[
            Route("/", _to_page),
            Mount("/page", _Files(directory=PAGE, html=True)),
            Route("/sandbox/checkout/{number:int}", checkout.show),
            Route("/sandbox/checkout/{number:int}", checkout.pay, methods=["POST"]),
            *inbox_routes(Shops(settings).told),
        ],
        middleware=[Middleware(GZipMiddleware)],
    )
    app = create_app(settings)
    app.entrance = _Beside(app.entrance, page)
    return app


if __name__ == "__main__":
    configure_logging()
    structlog.configure(processors=[_expected, *structlog.get_config()["processors"]])
    settings = load_settings()
    Server(create_shop(settings), settings).run()
