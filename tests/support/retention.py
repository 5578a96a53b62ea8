"""What docs/security.md says is kept, read so that it can be compared with the code and with real stores."""

import importlib
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from redis.asyncio import Redis

from app.settings import PREFIX, Settings

SECURITY = Path("docs/security.md")
_ROW = re.compile(r"^\| `(?P<key>[a-z]:[^`]+)` \| [^|]+ \| (?P<sum>[^|]+): (?P<seconds>\d+) s \|", re.MULTILINE)
_TERM = re.compile(r"(?:(\d+) times )?`([\w.]+)`")
_PLACE = re.compile(r"<\w+>")


@dataclass(frozen=True)
class Family:
    """Keys of one kind: their form, and how long one of them lives at most."""

    form: str
    lives: str
    """A sum of settings and constants, as the document writes it."""
    seconds: int
    """What the document says this sum is."""

    def has(self, key: str) -> bool:
        """Whether the key is one of these."""
        return self._pattern.fullmatch(key) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(r"[^{}]+".join(map(re.escape, _PLACE.split(self.form))))

    def sources(self) -> dict[str, int]:
        """How often each setting or constant goes into the sum."""
        return {name: int(factor or 1) for factor, name in _TERM.findall(self.lives)}

    def seconds_in_code(self) -> float:
        """What the sum is in the code, with default settings."""
        return sum(factor * _value(name) for name, factor in self.sources().items())


@cache
def families() -> tuple[Family, ...]:
    """Every row of the table, the more special forms first."""
    rows = [Family(row["key"], row["sum"], int(row["seconds"])) for row in _ROW.finditer(SECURITY.read_text())]
    return tuple(sorted(rows, key=lambda family: -len(family.form)))


def family_of(key: str) -> Family | None:
    """The family a key belongs to."""
    return next((family for family in families() if family.has(key)), None)


async def offences(store: Redis) -> list[str]:
    """Keys of a real store that are of no documented kind, or live longer than documented."""
    found, names = [], [name async for name in store.scan_iter(count=1000)]
    async with store.pipeline(transaction=False) as together:
        for name in names:
            _ = together.pttl(name)
        lives = await together.execute()
    for name, left in zip(names, lives, strict=True):
        family = family_of(name.decode())
        # -2: it ended since the scan saw it.
        if family is None or left == -1 or left > family.seconds * 1000:
            found.append(f"{name.decode()} lives {left} ms")
    return found


def _value(name: str) -> float:
    if name.startswith(PREFIX):
        return float(Settings.model_fields[name.removeprefix(PREFIX).lower()].default)
    module, _, constant = name.rpartition(".")
    return float(getattr(importlib.import_module(module), constant))
