"""The two API descriptions, each read once for all tests of a process."""

from pathlib import Path
from typing import Any

import yaml

from app.main import api

OURS: dict[str, Any] = api().openapi()
"""The description that this service serves."""
SENDCLOUD: dict[str, Any] = yaml.load(Path("openapi/sendcloud.yaml").read_text("utf-8"), yaml.CSafeLoader)
"""The part of Sendcloud's API that this service calls."""
