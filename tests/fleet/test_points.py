"""Service points are searched once for all shoppers around, and measured for each."""

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest

from tests.support.processes import Bff, eventually, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, shopper, told

pytestmark = pytest.mark.system

EINDHOVEN = {"latitude": 51.4416, "longitude": 5.4697}


async def _search(someone: Shopper, **query: Any) -> dict[str, Any]:
    response = await someone.http.get("/v1/service-points", params=query, headers=someone.headers)
    assert response.status_code == httpx.codes.OK, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_neighbours_share_one_search(fleet: list[Bff], sandbox: SandboxProcess) -> None:
    """Shoppers around the same place on all replicas cost one upstream search, and each gets distances of their own."""
    people = [await shopper(replica.http, fresh("LABEL")) for replica in fleet]
    await sandbox.reset()
    places = [{"latitude": 52.3702 + shift, "longitude": 4.8952} for shift in (0, 0.001, 0.002)]
    found = await asyncio.gather(
        *(_search(someone, radius=3000, **place) for someone, place in zip(people, places, strict=True))
    )
    assert len(await sandbox.ledger(kind="service_points")) <= 1
    nearest = [{point["id"]: point["distance"] for point in answer["service_points"]} for answer in found]
    for point in set(nearest[0]) & set(nearest[2]):
        assert abs(nearest[0][point] - nearest[2][point]) <= 250


async def test_brands_never_share_a_search(fleet: list[Bff]) -> None:
    """Two brands with different carriers search the same place apart: each sees its own carriers only."""
    demo = await shopper(fleet[0].http, fresh("LABEL"))
    other = await shopper(fleet[0].http, fresh("LABEL"), brand="guide")
    for someone in (demo, other, demo):
        carriers = {carrier["code"] for carrier in someone.screen["drop_off"]["carriers"]}
        found = await _search(someone, radius=10_000, **EINDHOVEN)
        assert found["service_points"]
        assert {point["carrier"] for point in found["service_points"]} <= carriers


async def test_the_radius_is_exact_though_the_search_is_wider(fleet: list[Bff]) -> None:
    """Only points within the radius are answered, nearest first, whatever radius the cache has."""
    someone = await shopper(fleet[0].http, fresh("LABEL"))
    for radius in (10_000, 400, 2_000):
        distances = [point["distance"] for point in (await _search(someone, radius=radius))["service_points"]]
        assert distances == sorted(distances)
        assert all(distance <= radius for distance in distances)


async def test_points_that_are_known_stay_when_the_upstream_goes() -> None:
    """A search that was made before is answered while the upstream is away, marked stale, and is fresh again later."""
    async with (
        running_valkey() as store,
        running_sandbox() as upstream,
        running_bff(store.url, upstream, points_freshness=0.2, lookup_deadline=1) as bff,
    ):
        someone = await shopper(bff.http, fresh("LABEL"))
        before = [point["id"] for point in (await _search(someone))["service_points"]]

        async def found(*, stale: bool) -> bool:
            answer = await _search(someone)
            assert [point["id"] for point in answer["service_points"]] == before
            return bool(answer["stale"]) is stale

        await upstream.fault("down")
        await eventually(partial(found, stale=True), 5)
        await upstream.fault("none")
        await eventually(partial(found, stale=False), 10)


async def test_open_points_say_until_when(fleet: list[Bff]) -> None:
    """Every point says in its own time zone whether it is open, until when or from when; `open_now` keeps the open."""
    someone = await shopper(fleet[0].http, fresh("LABEL"))
    points = (await _search(someone, radius=50_000))["service_points"]
    assert {point["time_zone"] for point in points} == {"Europe/Amsterdam"}
    for point in points:
        assert point["next_open_at"] is None or not point["open_now"]
        assert point["closes_at"] is None or point["open_now"]
    kept = (await _search(someone, radius=50_000, open_now=True))["service_points"]
    assert [point["id"] for point in kept] == [point["id"] for point in points if point["open_now"]]


async def test_one_point_is_asked_afresh(fleet: list[Bff], sandbox: SandboxProcess) -> None:
    """A single point comes fresh from upstream with whether it takes parcels; an unknown one is 404."""
    someone = await shopper(fleet[0].http, fresh("LABEL"))
    point = someone.screen["drop_off"]["nearest"]["id"]
    await sandbox.reset()
    answer = await someone.get(f"/v1/service-points/{point}")
    assert (answer.json()["id"], answer.json()["available"]) == (point, True)
    # Labels of other tests may still be looked at.
    assert {entry["kind"] for entry in await sandbox.ledger()} - {"polling"} == {"service_point", "availability"}
    assert told(await someone.get("/v1/service-points/99")) == (404, "service-point-not-found")


@pytest.mark.parametrize("choice", [{"service_point": 99}, {"service_point": 20000001, "carrier": "dhl"}])
async def test_a_point_that_is_gone_comes_with_alternatives(fleet: list[Bff], choice: dict[str, Any]) -> None:
    """A point that is gone or of another carrier is 409 with up to three points that can take the parcel."""
    someone = await shopper(fleet[0].http, fresh("LABEL"))
    refused = await someone.create(someone.body(delivery={"option": "drop_off_point"} | choice))
    assert told(refused) == (409, "service-point-unavailable")
    alternatives = refused.json()["alternatives"]
    assert 0 < len(alternatives) <= 3
    offered = {carrier["code"] for carrier in someone.screen["drop_off"]["carriers"]}
    assert {point["carrier"] for point in alternatives} <= ({choice["carrier"]} if "carrier" in choice else offered)
