"""Loops that run beside the requests."""

import asyncio

from structlog.testing import capture_logs

from app.background import meanwhile


async def test_a_loop_that_fails_begins_again() -> None:
    """A loop that ends with an error is named in the log, without the error's text, and runs again."""
    runs = 0
    runs_again = asyncio.Event()

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("Zoë Smit, 5611 AA")
        runs_again.set()
        await asyncio.Event().wait()

    with capture_logs() as lines:
        async with meanwhile(loop), asyncio.timeout(10):
            await runs_again.wait()
    [line] = lines
    assert (line["event"], line["log_level"], line["error"]) == ("loop failed", "error", "ValueError")
    assert line["loop"].endswith("loop")
    assert "Zoë" not in str(line)
