"""A minute of everything at once; `make chaos` does it for longer."""

import pytest

from bench.chaos.run import run

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


async def test_chaos_breaks_no_promise() -> None:
    """Crashes, outages and an upgrade make no return twice, lose none, and leave no shopper stuck."""
    done = await run(seed=1, seconds=45)
    assert done.verdict.is_clean, done
    assert done.trouble.keys() >= {"replica upgraded", "polling outage", "creation outage"}
    assert done.verdict.made
