"""One shop's trouble is no other shop's, and trouble of all shops is the upstream's."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio

from tests.support import scripted_upstream
from tests.support.processes import eventually, running_bff, running_valkey
from tests.support.raw_server import Behaviour, answer, fin, rst, silence
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import Heard, ScriptedUpstream

ODD, *SOUND = [f"brand-{number}" for number in range(50)]
SECONDS = 6.0
NONSENSE: tuple[Behaviour, ...] = (
    answer(500),
    answer(502, b"<html>Bad Gateway</html>"),
    answer(403, b'{"error": {"code": 403}}'),
    answer(200, b"[]"),
    answer(200, b'{"data": null}'),
    answer(429, headers="retry-after: 60\r\n"),
    fin(),
    rst,
    silence,
)


class Stage(NamedTuple):
    """A service for 50 brands on one scripted upstream."""

    http: httpx.AsyncClient
    upstream: ScriptedUpstream

    def fails_for(self, *brands: str) -> None:
        """From now on lookups of these brands meet every kind of nonsense in turn, those of all others are answered."""
        nonsense, said = itertools.cycle(NONSENSE), scripted_upstream.body(scripted_upstream.outgoing())

        def react(here: Heard) -> Behaviour:
            return next(nonsense) if here.path.split("/")[4] in brands else answer(200, said)

        self.upstream.do(outgoing=react)

    async def look_up(self, brand: str) -> httpx.Response:
        """A lookup of this brand."""
        wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
        return await self.http.post(f"/v1/brands/{brand}/sessions", json=wanted)


@pytest_asyncio.fixture(name="stage")
async def _stage(sandbox: SandboxProcess) -> AsyncIterator[Stage]:
    # A store of its own for each test: the pause after a 429 would reach whatever runs next.
    async with running_valkey() as store, scripted_upstream.scripted_upstream() as upstream:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url, "lookup_deadline": 2}
        async with running_bff(store.url, sandbox, brands=",".join([ODD, *SOUND]), **urls) as bff:
            yield Stage(bff.http, upstream)


@contextlib.asynccontextmanager
async def _asking(stage: Stage, brands: list[str]) -> AsyncIterator[list[int]]:
    """Lookups of these brands one after the other, three at a time, and the statuses they were answered with."""
    statuses: list[int] = []
    turns = itertools.cycle(brands)

    async def ask() -> None:
        while True:
            statuses.append((await stage.look_up(next(turns))).status_code)

    tasks = [asyncio.create_task(ask()) for _ in range(3)]
    try:
        yield statuses
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_odd_brand_is_noticed_by_no_other(stage: Stage) -> None:
    """While one brand is answered nonsense of every kind, each lookup of the 49 others succeeds."""
    stage.fails_for(ODD)
    until = asyncio.get_running_loop().time() + SECONDS
    others: list[int] = []
    async with _asking(stage, [ODD]) as odd:
        for brand in itertools.cycle(SOUND):
            others.append((await stage.look_up(brand)).status_code)
            if asyncio.get_running_loop().time() > until and len(others) >= len(SOUND):
                break
    assert set(others) == {201}
    assert 201 not in odd
    assert 503 in odd


@pytest.mark.parametrize("brands", [SOUND])
async def test_trouble_of_all_brands_is_the_upstreams(stage: Stage, brands: list[str]) -> None:
    """When every brand fails, the breaker of the class opens: a brand that has not failed yet is not asked about."""
    stage.fails_for(*brands, ODD)

    async def nobody_is_asked() -> bool:
        before = len(stage.upstream.requests_for("outgoing"))
        statuses = {(await stage.look_up(brand)).status_code for brand in brands[-5:]}
        return statuses == {503} and len(stage.upstream.requests_for("outgoing")) == before

    async with _asking(stage, brands[:-5]):
        await eventually(nobody_is_asked, 30)
