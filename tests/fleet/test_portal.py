"""Portal settings are asked for once by the whole fleet, and served when the upstream is away."""

import asyncio
import itertools
from contextlib import AsyncExitStack

import pytest

from tests.support.processes import Bff, eventually, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, running_sandbox

pytestmark = pytest.mark.system

LANGUAGES = {"demo": ("en-GB", "nl-NL"), "mode-paris": ("fr-FR", "es-ES"), "buecherei": ("de-DE", "")}
ASKED = [(brand, language) for brand, languages in LANGUAGES.items() for language in languages]


async def _replicas(stack: AsyncExitStack, sandbox: SandboxProcess, **settings: float) -> list[Bff]:
    store = await stack.enter_async_context(running_valkey())
    return [await stack.enter_async_context(running_bff(store.url, sandbox, **settings)) for _ in range(3)]


async def test_a_cold_fleet_asks_once_for_each_brand_and_language(sandbox: SandboxProcess) -> None:
    """300 parallel requests for 3 brands in 2 languages on 3 cold replicas cost 6 upstream calls."""
    async with AsyncExitStack() as stack:
        replicas = await _replicas(stack, sandbox)
        await sandbox.reset()
        asked = itertools.islice(zip(itertools.cycle(replicas), itertools.cycle(ASKED * 2), strict=False), 300)
        answers = await asyncio.gather(
            *(
                replica.http.get(f"/v1/brands/{brand}/portal", params={"language": language} if language else {})
                for replica, (brand, language) in asked
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len(await sandbox.ledger(kind="settings")) == len(ASKED)
    etags = {
        (answer.json()["brand"]["domain"], answer.json()["language"], answer.headers["etag"]) for answer in answers
    }
    assert len(etags) == len(ASKED)


async def test_an_upstream_that_is_away_costs_freshness_alone() -> None:
    """Far beyond the freshness time the settings are still there, marked stale; fresh again once upstream is back."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(running_sandbox())
        replicas = await _replicas(stack, sandbox, portal_freshness=0.2, lookup_deadline=1)

        async def stale() -> set[bool]:
            answers = [await replica.http.get("/v1/brands/demo/portal") for replica in replicas]
            assert {answer.status_code for answer in answers} == {200}
            return {answer.json()["stale"] for answer in answers}

        async def all_stale() -> bool:
            return await stale() == {True}

        async def all_fresh() -> bool:
            return await stale() == {False}

        await eventually(all_fresh, 5)
        await sandbox.fault("down")
        await eventually(all_stale, 5)
        await sandbox.fault("none")
        await eventually(all_fresh, 10)


@pytest.mark.parametrize("header", [{}, {"Accept-Language": "xx"}, {"Accept-Language": "*"}])
async def test_languages_the_shop_lacks_cost_nothing(sandbox: SandboxProcess, header: dict[str, str]) -> None:
    """Once a shop is known, asking in a language it does not speak costs no upstream call."""
    async with AsyncExitStack() as stack:
        replica, *_ = await _replicas(stack, sandbox)
        await replica.http.get("/v1/brands/demo/portal")
        await sandbox.reset()
        answer = await replica.http.get("/v1/brands/demo/portal", headers=header)
    assert answer.status_code == 200
    assert await sandbox.ledger(kind="settings") == []
