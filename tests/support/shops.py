"""The shops of a service that no process runs."""

import base64
import secrets
from typing import Any

from app.settings import Settings
from app.shops import Shops


def shops(**settings: Any) -> Shops:
    """Those that these settings name; brand `demo` unless they say otherwise."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    required = {"brands": "demo", "redis_url": "redis://127.0.0.1:1/0", "secret_key": key}
    return Shops(Settings.model_validate(required | settings))
