"""Documents in Redis: sealed chunks, and the progress of the download that writes them."""

from typing import Literal

from app.domain import RedactedModel

FORMAT = 2
"""Of progress and chunks. Keys begin with it, so a build with another format does not see them and downloads again."""
MAX_KEPT_BYTES = 4 * 1024 * 1024
CHUNK_SECONDS = 1.0
"""To store or read a chunk. A chunk shares no round trip, so that small commands do not wait for its bytes."""
KEPT_SECONDS = 24 * 3600
PASSING_SECONDS = 600
"""How long a document that is not kept stays; even a slow reader has it by then."""


class Progress(RedactedModel):
    """The progress of a document in Redis. `pump` names the one download that its chunks belong to."""

    pump: str
    alive_until: float
    """Seconds on the store's clock; a download that has not renewed it by then is dead."""
    phase: Literal["pumping", "done", "failed", "direct"] = "pumping"
    """`direct`: the document is not kept, and every reader gets it from the upstream."""
    chunks: int = 0
    size: int = 0
    length: int | None = None


def is_alive(progress: Progress, now: float) -> bool:
    """Whether the download is running, as far as that is known (`now` in seconds on the store's clock)."""
    return progress.phase == "pumping" and progress.alive_until > now


def is_over(progress: Progress, number: int) -> bool:
    """Whether there is no such chunk and will be none."""
    return progress.phase == "direct" or (progress.phase == "done" and number == progress.chunks)


def progress_key(name: str) -> str:
    """The key of a document's progress."""
    return f"l:{{{FORMAT}.{name}}}"


def chunk_key(name: str, pump: str, number: int) -> str:
    """The key of a chunk of one download."""
    return f"{progress_key(name)}:{pump}:{number}"


def context(name: str, pump: str, number: int) -> str:
    """The context that a chunk is sealed with, so that it opens only in its own place."""
    return f"document|{name}|{pump}|{number}|{FORMAT}"
