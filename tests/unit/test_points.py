"""Service points near a place: one search for all places around, exact distances for each."""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadUpstream, UpstreamRejected, UpstreamUnauthorized
from app.redis.connections.discovery import topology
from app.redis.shared_cache import FleetCache
from app.redis.store import Store
from app.sendcloud.client import Sendcloud
from app.sendcloud.transport.httpx_transport import HttpxTransport
from app.service_points.search import (
    EARTH_METRES,
    GRID_METRES,
    KEPT_OF_A_CARRIER,
    Place,
    Search,
    ServicePoints,
    distance,
    measured,
)
from tests.support.processes import Valkey
from tests.support.samples import point, service_point
from tests.support.unlimited import unlimited

EINDHOVEN, UTRECHT, PARIS = Place(51.4416, 5.4697), Place(52.0907, 5.1214), Place(48.8566, 2.3522)
PLACES = st.builds(Place, st.floats(-90, 90), st.floats(-180, 180))
FRESH_SECONDS = 600.0
GOOD, BAD, SCOPE = "good", "bad", "parcel_key"


@dataclass
class Upstream:
    """An upstream with points around Eindhoven that refuses the token `bad`, and holds answers back while told to.

    It refuses the search for a carrier that is not enabled, and one for none where it needs a carrier.
    """

    points: list[dict[str, object]] = field(default_factory=list)
    asked: list[Mapping[str, str]] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 200
    enabled: list[str] = field(default_factory=list)
    needs_carrier: bool = False
    names_carriers: int = 200
    """The status of the answer that names the enabled carriers."""

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """What it says to a search, or to the question for the enabled carriers."""
        if request.url.path == "/carriers":
            return httpx.Response(self.names_carriers, json=self.enabled)
        self.asked.append(dict(request.url.params))
        self.was_asked.set()
        await self.answers.wait()
        if request.url.params["access_token"] == BAD:
            return httpx.Response(401, json={"error": {"code": 401}})
        carriers = set(filter(None, request.url.params.get("carrier", "").split(",")))
        if carriers - set(self.enabled) or (self.needs_carrier and not carriers):
            return httpx.Response(400, json={"error": {"code": 400, "message": "CarrierNotEnabled"}})
        return httpx.Response(self.status, json=self.points)

    @property
    def tokens(self) -> list[str]:
        """Whose tokens were spent, in order."""
        return [query["access_token"] for query in self.asked]


@dataclass
class Bench:
    """Two replicas on one store that ask the same upstream; `brand` is of this test alone."""

    upstream: Upstream
    replicas: tuple[ServicePoints, ServicePoints]
    caches: tuple[FleetCache, FleetCache]
    brand: str = field(default_factory=lambda: secrets.token_hex(8))

    def search(self, place: Place = EINDHOVEN, radius: int = 1000, *carriers: str, country: str = "NL") -> Search:
        """A search of this brand."""
        return Search(self.brand, country, place, radius, carriers or ("postnl", "dhl"))


@pytest_asyncio.fixture(name="bench")
async def bench_on_shared_valkey(valkey: Valkey) -> AsyncIterator[Bench]:
    """Two replicas, and an upstream that answers."""
    store, upstream = Store(topology(valkey.url)), Upstream()
    upstream.answers.set()
    transport = httpx.MockTransport(upstream.answer)
    sendcloud = Sendcloud(
        "https://panel.example",
        "https://points.example",
        reads=HttpxTransport(transport),
        creates=HttpxTransport(transport),
        guards=unlimited(),
    )
    one, other = FleetCache(store, max_wait=5), FleetCache(store, max_wait=5)
    points = (ServicePoints(one, sendcloud, FRESH_SECONDS), ServicePoints(other, sendcloud, FRESH_SECONDS))
    yield Bench(upstream, points, (one, other))
    upstream.answers.set()
    await asyncio.gather(one.aclose(), other.aclose())
    await store.aclose()


def at(number: int, latitude: float | None, longitude: float | None) -> dict[str, object]:
    """A point as upstream has it; its own distance is far off."""
    place = {"latitude": latitude, "longitude": longitude}
    return point(id=number, distance=1, **place)


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        (EINDHOVEN, EINDHOVEN, 0),
        (EINDHOVEN, UTRECHT, 76_052),
        (UTRECHT, PARIS, 409_473),
        (Place(0, 0), Place(0, 1), 111_195),
        (Place(0, 179.5), Place(0, -179.5), 111_195),
        (Place(60, 0), Place(60, 1), 55_597),
        (Place(90, 0), Place(-90, 0), math.pi * EARTH_METRES),
        (Place(90, 12), Place(90, -120), 0),
    ],
)
def test_distance(one: Place, other: Place, metres: float) -> None:
    """Distances are those of the great circle, across the date line and the poles too."""
    assert distance(one, other) == pytest.approx(metres, abs=1)


@given(PLACES, PLACES, PLACES)
def test_any_distance(one: Place, other: Place, third: Place) -> None:
    """A distance is the same there and back, at most half around the earth, and no detour is shorter."""
    direct = distance(one, other)
    assert direct == pytest.approx(distance(other, one), abs=1e-3)
    assert 0 <= direct <= math.pi * EARTH_METRES
    assert direct <= distance(one, third) + distance(third, other) + 1e-3


def test_measured() -> None:
    """Points come nearest first with their distance from the place; upstream's own figure and order do not count."""
    places = {1: (51.45, 5.47), 2: (51.4416, 5.4697), 3: (51.4420, 5.4697)}
    points = [service_point(id=number, latitude=where[0], longitude=where[1]) for number, where in places.items()]
    found = measured(points, EINDHOVEN)
    assert [(point.id, round(point.distance or 0)) for point in found] == [(2, 0), (3, 44), (1, 934)]


@pytest.mark.parametrize(("latitude", "longitude"), [(None, 5.47), (51.44, None), (None, None), ("north", 5.47)])
def test_points_of_no_place(latitude: object, longitude: object) -> None:
    """A point without coordinates cannot be near anything."""
    assert measured([service_point(latitude=latitude, longitude=longitude)], EINDHOVEN) == []


async def test_points_within_the_radius(bench: Bench) -> None:
    """Every answered point is within the radius of the place, even if upstream adds others."""
    bench.upstream.points = [at(1, 51.4500, 5.4697), at(2, 51.4416, 5.4697), at(3, 51.4520, 5.4697), at(4, None, 5)]
    near = await bench.replicas[0].near(bench.search(), GOOD, SCOPE)
    assert ([point.id for point in near.points], near.stale) == ([2, 1], False)


async def test_neighbours_share_a_search(bench: Bench) -> None:
    """Neighbours on both replicas share one search, with any carriers, and have distances of their own."""
    bench.upstream.points = [at(1, 51.4416, 5.4697)]
    bench.upstream.answers.clear()
    neighbour, centre = bench.search(Place(51.4384, 5.4741), 1000, "postnl"), bench.search(Place(51.44, 5.47))
    calls = [
        asyncio.create_task(replica.near(search, GOOD, SCOPE))
        for replica in bench.replicas
        for search in (bench.search(), neighbour, centre) * 5
    ]
    await bench.upstream.was_asked.wait()
    bench.upstream.answers.set()
    near = await asyncio.gather(*calls)
    assert len(bench.upstream.asked) == 1
    assert {round(found.points[0].distance or 0) for found in near} == {0, 469, 179}


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        (EINDHOVEN, ("51.440000", "5.470000")),
        (Place(51.4449, 5.4651), ("51.440000", "5.470000")),
        (Place(-33.8688, 151.2093), ("-33.870000", "151.210000")),
        (Place(0.004, -0.004), ("0.000000", "0.000000")),
        (Place(89.999, 179.999), ("90.000000", "180.000000")),
        (Place(-90, -180), ("-90.000000", "-180.000000")),
    ],
)
async def test_place_of_a_search(bench: Bench, place: Place, asked: tuple[str, str]) -> None:
    """Upstream is asked about the nearest point of a grid of hundredths of a degree, never about the exact place."""
    await bench.replicas[0].near(bench.search(place), GOOD, SCOPE)
    query = bench.upstream.asked[0]
    assert (query["latitude"], query["longitude"]) == asked
    assert distance(place, Place(float(asked[0]), float(asked[1]))) <= GRID_METRES


@pytest.mark.parametrize(
    ("radius", "asked"),
    [
        (100, 1_800),
        (1_000, 1_800),
        (1_001, 3_300),
        (5_000, 5_800),
        (10_000, 10_800),
        (25_000, 25_800),
        (25_001, 50_000),
        (50_000, 50_000),
    ],
)
async def test_radius_of_a_search(bench: Bench, radius: int, asked: int) -> None:
    """Upstream is asked for the next class of radius and as much more as the grid can be off, 50 km at most."""
    await bench.replicas[0].near(bench.search(EINDHOVEN, radius), GOOD, SCOPE)
    assert {query["radius"] for query in bench.upstream.asked} == {str(asked)}


async def test_similar_radii_share_a_search(bench: Bench) -> None:
    """Radii of one class share a search, and each gets what lies within its own."""
    bench.upstream.points = [at(1, 51.4500, 5.4697), at(2, 51.4416, 5.4697)]
    near = [
        await bench.replicas[0].near(bench.search(EINDHOVEN, radius), GOOD, SCOPE) for radius in (1000, 100, 900, 950)
    ]
    assert [len(found.points) for found in near] == [2, 1, 1, 2]
    assert len(bench.upstream.asked) == 1


async def test_different_searches(bench: Bench) -> None:
    """Brands, countries, places elsewhere and heavy parcels are never mixed up."""
    bench.upstream.points = [at(1, 51.4416, 5.4697)]
    near = bench.replicas[0].near
    searches = [
        bench.search(),
        bench.search()._replace(brand=secrets.token_hex(8)),
        bench.search()._replace(weight=1.25),
        bench.search()._replace(weight=15.5),
        bench.search(country="BE"),
        bench.search(Place(51.4516, 5.4697)),
        bench.search(EINDHOVEN, 5000),
    ]
    for search in searches * 2:
        await near(search, GOOD, SCOPE)
    assert len(bench.upstream.asked) == len(searches)


@pytest.mark.parametrize(("weight", "asked"), [(None, None), (0.5, "15"), (15.0, "15"), (15.2, "16"), (31.0, "31")])
async def test_weight_of_a_search(bench: Bench, weight: float | None, asked: str | None) -> None:
    """Upstream is told the weight in whole kilograms, 15 at least; it matters beyond those alone."""
    await bench.replicas[0].near(bench.search()._replace(weight=weight), GOOD, SCOPE)
    assert bench.upstream.asked[0].get("weight") == asked


async def test_carriers_share_a_search(bench: Bench) -> None:
    """One search without carriers serves all of them, and each parcel gets the points of its own carriers alone."""
    bench.upstream.points = [at(1, 51.4416, 5.4697), at(2, 51.4416, 5.4697) | {"carrier": "dhl"}]
    searches = [
        bench.search(EINDHOVEN, 1000, *carriers) for carriers in (["dhl"], ["postnl"], ["dhl", "postnl"], ["ups"])
    ]
    near = [await bench.replicas[0].near(search, GOOD, SCOPE) for search in searches]
    assert [sorted(point.id for point in found.points) for found in near] == [[2], [1], [1, 2], []]
    assert [query.get("carrier") for query in bench.upstream.asked] == [None]


async def test_a_search_that_needs_a_carrier(bench: Bench) -> None:
    """Where the search without carriers is refused it is made with those that are enabled, and with no other."""
    bench.upstream.points, bench.upstream.needs_carrier = [at(1, 51.4416, 5.4697)], True
    bench.upstream.enabled = ["ups", "postnl"]
    near = await bench.replicas[0].near(bench.search(), GOOD, SCOPE)
    assert [point.id for point in near.points] == [1]
    assert [query.get("carrier") for query in bench.upstream.asked] == [None, "ups,postnl"]


@pytest.mark.parametrize("status", [200, 403, 404, 500])
async def test_nothing_there(bench: Bench, status: int) -> None:
    """Where there are no points the answer is empty, whether or not upstream names the enabled carriers."""
    bench.upstream.names_carriers = status
    assert (await bench.replicas[0].near(bench.search(), GOOD, SCOPE)).points == []


async def test_no_enabled_carrier(bench: Bench) -> None:
    """A shop without an enabled carrier has no points, although its search is refused."""
    bench.upstream.needs_carrier = True
    assert (await bench.replicas[0].near(bench.search(), GOOD, SCOPE)).points == []


async def test_a_refused_search(bench: Bench) -> None:
    """A search that is refused, where nothing tells which carriers are enabled, is an error of that search."""
    bench.upstream.status, bench.upstream.names_carriers = 403, 403
    with pytest.raises(UpstreamRejected):
        await bench.replicas[0].near(bench.search(), GOOD, SCOPE)


async def test_many_points(bench: Bench) -> None:
    """An answer of 2,500 points in one city keeps the nearest of each carrier, and one call serves all."""
    around = [at(number, 51.42 + number % 50 / 1000, 5.45 + number // 50 / 1000) for number in range(2500)]
    bench.upstream.points = [point | {"carrier": ("postnl", "dhl")[point["id"] % 2]} for point in around]  # type: ignore[operator]
    near = [await replica.near(bench.search(EINDHOVEN, 5000), GOOD, SCOPE) for replica in bench.replicas]
    expected = sorted(distance(EINDHOVEN, Place(point["latitude"], point["longitude"])) for point in around)  # type: ignore[arg-type]
    assert [len(found.points) for found in near] == [2 * KEPT_OF_A_CARRIER] * 2
    assert [round(point.distance or 0) for point in near[0].points[:100]] == [
        round(metres) for metres in expected[:100]
    ]
    assert len(bench.upstream.asked) == 1


async def test_no_carrier_no_search(bench: Bench) -> None:
    """Without a carrier for the parcel there are no points, and upstream is not asked."""
    near = await bench.replicas[0].near(bench.search()._replace(carriers=()), GOOD, SCOPE)
    assert (near.points, near.stale, bench.upstream.asked) == ([], False, [])


async def test_a_refused_token_costs_its_own_session_alone(bench: Bench) -> None:
    """A caller who shares the search of a session whose token is refused has it made again with a good token."""
    bench.upstream.points = [at(1, 51.4416, 5.4697)]
    bench.upstream.answers.clear()
    tokens = [BAD, GOOD, GOOD, BAD, GOOD]
    calls = [asyncio.create_task(bench.replicas[0].near(bench.search(), token, SCOPE)) for token in tokens]
    await bench.upstream.was_asked.wait()
    bench.upstream.answers.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[0], UpstreamUnauthorized)
    assert [type(answers[index]).__name__ for index in (1, 2, 4)] == ["Nearby"] * 3
    assert bench.upstream.tokens == [BAD, GOOD]


async def test_a_refused_token_on_another_replica(bench: Bench) -> None:
    """A session whose token is refused keeps no other replica from searching."""
    bench.upstream.answers.clear()
    refused = asyncio.create_task(bench.replicas[0].near(bench.search(), BAD, SCOPE))
    await bench.upstream.was_asked.wait()
    other = asyncio.create_task(bench.replicas[1].near(bench.search(), GOOD, SCOPE))
    bench.upstream.answers.set()
    with pytest.raises(UpstreamUnauthorized):
        await refused
    assert not (await other).stale
    assert bench.upstream.tokens == [BAD, GOOD]


async def test_only_refused_tokens(bench: Bench) -> None:
    """Several sessions with refused tokens each get the refusal after one call with their own token."""
    calls = [replica.near(bench.search(), BAD, SCOPE) for replica in bench.replicas for _ in range(3)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [UpstreamUnauthorized] * 6
    assert bench.upstream.tokens == [BAD] * 6


async def test_a_known_search_spends_no_token(bench: Bench) -> None:
    """A cached answer is given to a session whose token would be refused."""
    await bench.replicas[0].near(bench.search(), GOOD, SCOPE)
    assert (await bench.replicas[1].near(bench.search(), BAD, SCOPE)).stale is False
    assert bench.upstream.tokens == [GOOD]


async def test_trouble_is_shared(bench: Bench) -> None:
    """An upstream that answers nonsense is not asked again for each who shares the search."""
    bench.upstream.status = 500
    calls = [bench.replicas[0].near(bench.search(), GOOD, SCOPE) for _ in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [BadUpstream] * 5
    assert len(bench.upstream.asked) == 1
