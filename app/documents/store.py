"""Documents as Redis holds them: sealed chunks, and how far the download is that writes them."""

from typing import Literal

from app.domain import RedactedModel

FORMAT = 2
"""Of progress and chunks. Keys begin with it: a build of another format does not see them and downloads again."""
MAX_KEPT_BYTES = 4 * 1024 * 1024
CHUNK_SECONDS = 1.0
"""To store or read a chunk. Chunks have connections to themselves, so that small commands need not wait for them."""
KEPT_SECONDS = 24 * 3600
PASSING_SECONDS = 600
"""For a document that is not kept; even a slow reader has it by then."""


class Progress(RedactedModel):
    """How far a document is in Redis. `pump` names the one download that its chunks belong to."""

    pump: str
    alive_until: float
    """Seconds on the store's clock; a pump that is not heard of until then is dead."""
    phase: Literal["pumping", "done", "failed", "direct"] = "pumping"
    """`direct`: not to be kept, every reader gets it from the upstream."""
    chunks: int = 0
    size: int = 0
    length: int | None = None


def is_alive(progress: Progress, now: float) -> bool:
    """Whether the pump is at work, or can be believed to be (store's clock, seconds)."""
    return progress.phase == "pumping" and progress.alive_until > now


def is_over(progress: Progress, number: int) -> bool:
    """Whether there is no such chunk, nor will there be."""
    return progress.phase == "direct" or (progress.phase == "done" and number == progress.chunks)


def progress_key(name: str) -> str:
    """Where the progress of a document stands."""
    return f"l:{{{FORMAT}.{name}}}"


def chunk_key(name: str, pump: str, number: int) -> str:
    """Where a chunk of one download stands."""
    return f"{progress_key(name)}:{pump}:{number}"


def context(name: str, pump: str, number: int) -> str:
    """What a chunk is sealed with, so that it opens in its own place only."""
    return f"document|{name}|{pump}|{number}|{FORMAT}"
