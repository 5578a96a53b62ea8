"""The production entry: `python -m app`."""

import sys

import uvicorn

from app.main import create_app
from app.observability import configure_logging
from app.settings import SettingsError, load_settings

KEEP_ALIVE_SECONDS = 75
"""Longer than a gateway keeps its side, so that it never writes into a connection we just closed."""
GRACE_SECONDS = 30
"""For requests under way at shutdown; longer than the longest upstream deadline."""


def main() -> None:
    """Serves until it is told to stop; refuses to start on unusable settings."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"return-portal-bff: {error}")
    configure_logging()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
