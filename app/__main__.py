"""The production entry: `python -m app`."""
# ruff: noqa: E402  what comes before the imports of ours has to hold while they run

import gc
import os
import signal
import sys

# What is made at the start stays for good: collections found nothing there and took a fifth of the start's time.
gc.disable()
# Until the server handles them, SIGHUP would end the process, and SIGTERM would not where it is a container's first.
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
# uvloop looks half as many names up at once, two by default: two dead ones held up every other, that of the store too.
os.environ.setdefault("UV_THREADPOOL_SIZE", "64")

from app.main import create_app
from app.server import Server
from app.settings import SettingsError, load_settings
from app.telemetry.log_output import configure_logging
from app.telemetry.logs import log


def main() -> None:
    """Serves until it is told to stop; refuses to start on unusable settings."""
    configure_logging()
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
