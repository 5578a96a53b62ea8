"""The production entry: `python -m app`."""
# ruff: noqa: E402  garbage collection is off before anything else is imported

import gc

# What is made at the start stays for good: collections found nothing there and took a fifth of the start's time.
gc.disable()

import signal
import sys

from app.main import create_app
from app.server import Server
from app.settings import SettingsError, load_settings
from app.telemetry.log_output import configure_logging
from app.telemetry.logs import log


def main() -> None:
    """Serves until it is told to stop; refuses to start on unusable settings."""
    configure_logging()
    # Until the server handles SIGHUP, the signal would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        settings = load_settings()
        app = create_app(settings)
    except SettingsError as error:
        sys.exit("\n".join(f"return-portal-bff: {line}" for line in str(error).splitlines()))
    log.info("starting", **settings.shown())
    server = Server(app, settings)
    # A collection that visits the objects made so far holds up all requests for a tenth of a second.
    gc.freeze()
    gc.enable()
    server.run()


if __name__ == "__main__":
    main()
