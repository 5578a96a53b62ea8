"""What shops' service points are like: refused searches, carriers without points, hours in words."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

from tests.support import scripted_upstream
from tests.support.processes import Valkey, running_bff
from tests.support.raw_server import Behaviour, answer
from tests.support.samples import point
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import Heard, ScriptedUpstream, always
from tests.support.shopper import Shopper, told

BRANDS = [f"odd-points-{number}" for number in range(80)]
REFUSED = always(answer(400, b'{"error": {"code": 400, "message": "CarrierNotEnabled: dhl"}}'))
CLOSED: dict[str, list[str]] = {day: [] for day in "0123456"}
ODD_HOURS: dict[int, object] = {
    1: None,
    2: "24/7",
    3: {day: ["by appointment"] for day in "0123456"},
    4: {day: ["00:00 - 23:59"] for day in "0123456"},
    5: CLOSED,
    6: CLOSED,
}
FLAGS = {5: {"open_tomorrow": True}, 6: {"open_tomorrow": False, "open_upcoming_week": False}}


class Stage(NamedTuple):
    """A service whose upstream is scripted, and brands whose points are not kept yet."""

    http: httpx.AsyncClient
    upstream: ScriptedUpstream
    brands: Iterator[str]

    async def shopper(self) -> Shopper:
        """A shopper with a session at a fresh brand."""
        wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
        response = await self.http.post(f"/v1/brands/{next(self.brands)}/sessions", json=wanted)
        assert response.status_code == httpx.codes.CREATED, response.text
        screen = response.json()
        return Shopper(self.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


@pytest_asyncio.fixture(scope="module", name="stage")
async def _stage(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Stage]:
    async with scripted_upstream.scripted_upstream() as upstream:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        async with running_bff(valkey.url, sandbox, brands=",".join(BRANDS), **urls) as bff:
            yield Stage(bff.http, upstream, itertools.cycle(BRANDS))


@pytest.fixture(autouse=True)
def _as_usual(stage: Stage) -> None:
    stage.upstream.say(service_points=[point()], carriers=["postnl"])
    stage.upstream.do(**{"20000001": always(answer(404)), "check_availability": always(answer(404))})


async def found(someone: Shopper, query: str = "") -> list[dict[str, Any]]:
    """The points that are answered."""
    response = await someone.get(f"/v1/service-points{query}")
    assert response.status_code == httpx.codes.OK, response.text
    points: list[dict[str, Any]] = response.json()["service_points"]
    return points


def not_enabled(heard: Heard) -> Behaviour:
    """Refuses a search that names DHL, and answers one that names no carrier or PostNL only."""
    if "dhl" in heard.query.get("carrier", [""])[0]:
        return REFUSED(heard)
    return answer(200, json.dumps([point()]).encode())


def needs_carrier(heard: Heard) -> Behaviour:
    """Refuses a search that names no carrier as well."""
    return not_enabled(heard) if "carrier" in heard.query else REFUSED(heard)


@pytest.mark.parametrize("reaction", [not_enabled, needs_carrier])
async def test_a_carrier_that_is_not_enabled(stage: Stage, reaction: scripted_upstream.Reaction) -> None:
    """A carrier of the parcel that is not enabled for service points costs its own points and no others."""
    stage.upstream.do(service_points=reaction)
    someone = await stage.shopper()
    assert [each["id"] for each in await found(someone)] == [20000001]
    assert await found(someone, "?carrier=dhl") == []


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_a_point_that_is_gone_while_searches_fail(stage: Stage, status: int) -> None:
    """A point that is gone is reported without alternatives if the search for them fails."""
    stage.upstream.do(service_points=always(answer(status)), carriers=always(answer(status)))
    someone = await stage.shopper()
    refused = await someone.create(someone.body())
    assert told(refused) == (409, "service-point-unavailable")
    assert refused.json()["alternatives"] == []


async def test_a_point_that_is_found_twice_is_shown_once(stage: Stage) -> None:
    """A search that names a point twice, as once for each of two services, shows it once."""
    stage.upstream.say(service_points=[point(), point(id=2), point()])
    assert [each["id"] for each in await found(await stage.shopper())] == [20000001, 2]


@pytest.mark.parametrize("carrier", [None, "", {"code": "postnl"}])
async def test_a_point_of_an_unknown_carrier_is_found(stage: Stage, carrier: object) -> None:
    """A point without a readable carrier is shown, because it may be one of the parcel's; another carrier's is not."""
    stage.upstream.say(service_points=[point(carrier=carrier), point(id=2, carrier="other")])
    for query in ("", "?carrier=postnl"):
        assert [each["id"] for each in await found(await stage.shopper(), query)] == [20000001]


async def test_another_point_than_the_one_asked_for(stage: Stage) -> None:
    """An answer about another service point says nothing about the chosen one, and no parcel is sent to it."""
    someone, before = await stage.shopper(), len(stage.upstream.requests_for("incoming"))
    stage.upstream.say(**{"20000001": point(id=2), "check_availability": True})
    assert told(await someone.get("/v1/service-points/20000001")) == (502, "bad-upstream")
    assert told(await someone.create()) == (502, "bad-upstream")
    assert len(stage.upstream.requests_for("incoming")) == before


async def test_a_refused_search_ends_no_session(stage: Stage) -> None:
    """A search refused with 403 ends no session."""
    stage.upstream.do(service_points=always(answer(403)), carriers=always(answer(403)))
    someone = await stage.shopper()
    assert told(await someone.get("/v1/service-points")) == (502, "upstream-refused")
    assert (await someone.get("/v1/session")).status_code == httpx.codes.OK


async def test_coordinates_with_a_decimal_comma(stage: Stage) -> None:
    """Degrees are read with a comma, however many decimals they have; a text of two separators is no place."""
    there = {1: "51,4", 2: " 51,441000 ", 3: "51.441", 4: "1.051,441", 5: "51,441,000"}
    stage.upstream.say(service_points=[point(id=each, latitude=written) for each, written in there.items()])
    assert {each["id"] for each in await found(await stage.shopper())} == {1, 2, 3}


async def test_seven_megabytes_of_points(stage: Stage) -> None:
    """A search may be answered with 8 MiB, and not with more."""
    said = json.dumps([point(id=number, name="x" * 500) for number in range(9500)]).encode()
    assert 7 << 20 < len(said) < 8 << 20
    stage.upstream.do(service_points=always(answer(200, said)))
    assert len(await found(await stage.shopper(), "?limit=100")) == 100
    stage.upstream.do(service_points=always(answer(200, said + b" " * (1 << 20))))
    assert told(await (await stage.shopper()).get("/v1/service-points")) == (502, "bad-upstream")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {1: None, 2: True, 3: None, 4: True, 5: None, 6: False}),
        ("?open_now=true", {1: None, 2: True, 3: None, 4: True, 5: None}),
    ],
)
async def test_hours_that_are_not_known(stage: Stage, query: str, expected: dict[int, bool | None]) -> None:
    """Hours that cannot be read are unknown, not closed; `open_now` leaves out only points known to be closed."""
    said = [point(id=each, formatted_opening_times=hours) | FLAGS.get(each, {}) for each, hours in ODD_HOURS.items()]
    stage.upstream.say(service_points=said)
    points = await found(await stage.shopper(), query)
    assert {each["id"]: each["open_now"] for each in points} == expected
    assert {each["closes_at"] for each in points} == {None}
