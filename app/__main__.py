"""The production entry: `python -m app`."""

import gc
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
    # It would end a process that is not ready for it yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        settings = load_settings()
        app = create_app(settings)
    except SettingsError as error:
        sys.exit("\n".join(f"return-portal-bff: {line}" for line in str(error).splitlines()))
    log.info("starting", **settings.shown())
    server = Server(app, settings)
    # The objects made so far stay; a collection that visits them holds up all requests for a tenth of a second.
    gc.freeze()
    server.run()


if __name__ == "__main__":
    main()
