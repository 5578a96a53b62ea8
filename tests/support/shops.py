"""The shops of a service that no process runs, and another file of shops for one that runs."""

import base64
import secrets
import signal
from pathlib import Path
from typing import Any

from app.settings import Settings
from app.shops import Shops
from tests.support.processes import Bff, eventually


def shops(**settings: Any) -> Shops:
    """Those that these settings name; brand `demo` unless they say otherwise."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    required = {"brands": "demo", "redis_url": "redis://127.0.0.1:1/0", "secret_key": key}
    return Shops(Settings.model_validate(required | settings))


async def reloaded(bff: Bff, file: Path, text: str) -> None:
    """Gives a running service another file of shops; it has taken it on return."""
    before = bff.process.output.read_text().count("shops file taken")
    _write(file, text)
    bff.process.send(signal.SIGHUP)

    async def is_taken() -> bool:
        return bff.process.output.read_text().count("shops file taken") > before

    await eventually(is_taken, 20)


def _write(file: Path, text: str) -> None:
    file.write_text(text)
