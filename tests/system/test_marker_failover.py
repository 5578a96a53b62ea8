"""A failover pauses no creation, and a server that lost its memory does."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fleet.conftest import SETTINGS
from tests.support.processes import Bff, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, look_up
from tests.support.topologies import Deployment, running_cluster, running_sentinels
from tests.support.trouble import Trouble, killed, planned

pytestmark = [pytest.mark.system, pytest.mark.patient, pytest.mark.timeout(240)]

WHOLE_SECONDS = 60.0
PARCELS = 12
LOOKED_SECONDS = 30.0
"""Three looks, and what a busy machine may add."""


@pytest_asyncio.fixture(params=[running_cluster, running_sentinels])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Either of them, to be harmed."""
    async with request.param(tmp_path) as either:
        yield either


@pytest.mark.parametrize("trouble", [killed, planned])
async def test_a_failover_pauses_nothing(deployment: Deployment, sandbox: SandboxProcess, trouble: Trouble) -> None:
    """Each master is succeeded by a replica: no marker is missed, and creations go on; an emptied master is noticed."""
    async with running_bff(deployment.url, sandbox, **SETTINGS) as bff:
        for master in await deployment.masters():
            await _create_some(bff)
            await trouble(deployment, master)
            await _create_some(bff)
            await eventually(deployment.is_whole, WHOLE_SECONDS)
        assert await _findings(bff) == []
        await (await deployment.masters())[0].command("FLUSHALL")
        await eventually(lambda: _has_findings(bff), LOOKED_SECONDS)


async def _create_some(bff: Bff) -> None:
    """Enough creations that each master has some of the parcels, each for as long as it takes."""
    for _ in range(PARCELS):
        await eventually(lambda: _creates(bff), WHOLE_SECONDS)


async def _creates(bff: Bff) -> bool:
    """Whether an order can be looked up and returned now."""
    answer = await look_up(bff.http, fresh("LABEL"))
    if not answer.is_success:
        return False
    screen = answer.json()
    someone = Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
    return (await someone.create()).is_success


async def _findings(bff: Bff) -> list[str]:
    """What the replica found wrong with markers, as its metrics tell."""
    lines = (await bff.http.get("/metrics")).text.splitlines()
    return [line for line in lines if re.match(r"bff_store_markers_wrong_total{.*} [^0]", line)]


async def _has_findings(bff: Bff) -> bool:
    return any('finding="doubted"' in line for line in await _findings(bff))
