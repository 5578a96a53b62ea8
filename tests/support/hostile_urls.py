"""URLs that nearly are the upstream's own: each leads, or could be read to lead, somewhere else."""

import json
import re
from pathlib import Path
from typing import Literal

_LINES = (Path(__file__).parent.parent / "samples" / "upstream" / "hostile_urls.txt").read_text().splitlines()
HOSTILE: list[str] = [json.loads(line) for line in _LINES]
"""Poller URLs for the brand `my-shop` at `https://panel.example/api/v2`; `evil.example` and port 4444 are elsewhere."""


def naming(kind: Literal["polling", "download"], url: str) -> str:
    """The same URL for this kind of token."""
    return url if kind == "polling" else _swapped(url, "polling", "download")


def served(url: str, here: int, elsewhere: int) -> str:
    """The same URL where our upstream is plain HTTP on the port `here` and other hosts are the port `elsewhere`."""
    ours, theirs = f"127.0.0.1:{here}", f"127.0.0.1:{elsewhere}"
    return (
        _swapped(url, "https:", "http:")
        .replace("panel.example", ours)
        .replace("evil.example", theirs)
        .replace(":4444", f":{elsewhere}")
    )


def _swapped(text: str, one: str, other: str) -> str:
    return re.sub(f"{one}|{other}", lambda found: one if found[0] == other else other, text)
