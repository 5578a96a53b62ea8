"""The service keeps to its own description for generated requests: sessions, returns and uploads."""

import asyncio

import pytest

from tests.support.fuzzing import fuzzed
from tests.support.processes import Bff

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

EXAMPLES, CHAINS = 15, 3


async def test_the_description_is_kept(bff: Bff) -> None:
    """Every answer has a described status, media type, schema and problem code; without a session nothing is given."""
    found = await asyncio.to_thread(fuzzed, str(bff.http.base_url), EXAMPLES, CHAINS)
    assert found.failures == []
    missed = {operation for operation, _ in found.cases} - {
        operation for (operation, status) in found.statuses if status < 300
    }
    assert missed == set()
