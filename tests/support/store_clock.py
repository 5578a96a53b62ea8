"""A clock for a store of its own: it goes forward as a test says, and a month takes no time."""

import time
from pathlib import Path

from tests.support.processes import Valkey, eventually


class StoreClock:
    """The wall clock of the Valkey that is started with `environment`; needs Debian's faketime."""

    def __init__(self, file: Path) -> None:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self._file = file
        self._ahead = 0
        self._write()

    @property
    def now(self) -> float:
        """Seconds since the epoch, as the store has it."""
        return time.time() + self._ahead

    async def pass_on(self, store: Valkey, seconds: int) -> None:
        """Lets so much time pass for the store."""
        self._ahead += seconds
        self._write()

        async def follows() -> bool:
            now, _ = await store.client.time()
            return bool(now >= int(self.now))

        # The first command after a change may still have the time before.
        await eventually(follows, 5)

    def _write(self) -> None:
        written = self._file.with_suffix(".next")
        written.write_text(f"+{self._ahead}s")
        # In one step, so that the store never reads half a number.
        written.replace(self._file)
