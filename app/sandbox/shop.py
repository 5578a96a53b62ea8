"""The BFF with the reference page beside it, on one origin, as a shop's own front end would have it."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

from app.__main__ import Server
from app.main import create_app
from app.settings import Settings, load_settings
from app.telemetry.logs import configure_logging

PAGE = Path(__file__).parent / "page"
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Nothing but this origin: a page that asks nobody else tells nobody else who the shopper is."""


class _Files(StaticFiles):
    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = POLICY
        return response


def create_shop(settings: Settings) -> FastAPI:
    """The service with these settings, the page at `/` and its files below `/page`."""
    app = create_app(settings)
    app.mount("/page", _Files(directory=PAGE))

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})

    return app


if __name__ == "__main__":
    configure_logging()
    settings = load_settings()
    Server(create_shop(settings), settings).run()
