"""The shop's portal for anybody, and the service points around a parcel."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.sandbox.brands import DATA
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import scripted_upstream, settings
from tests.support.shopper import Shopper, shopper, told

GUIDE_EXAMPLE = json.loads(Path(DATA.parent, "guide_service_point.json").read_text("utf-8"))


@pytest.mark.parametrize("brand", ["demo", "mode-paris", "buecherei", "guide"])
async def test_merchants_own_settings_stay_inside(bff: Bff, brand: str) -> None:
    """Reply-to and BCC addresses, the analytics id and the tracking features are not public."""
    response = await bff.http.get(f"/v1/brands/{brand}/portal")
    assert response.status_code == 200
    assert response.json()["brand"]["domain"] == brand
    for word in ("notify", "reply", "bcc", "analytics", "G-00", "features", "overlay"):
        assert word not in response.text


async def test_portal_is_what_a_front_end_draws(bff: Bff) -> None:
    """Colours, texts, reasons, refunds, return methods, stores and the fee are there, each in a definite type."""
    portal = (await bff.http.get("/v1/brands/mode-paris/portal")).json()
    assert portal["fee"] == {"amount": "4.95", "currency": None}
    assert portal["languages"] == ["fr-FR", "es-ES"]
    assert portal["delivery_options"] == ["drop_off_point", "in_store"]
    assert [option["code"] for option in portal["refund_options"]] == ["money", "credit"]
    assert [reason["id"] for reason in portal["reasons"]] == [22, 23, 21, 11, 3]
    assert [store["id"] for store in portal["stores"]][:1] == [21]


async def test_portal_may_be_cached_by_anybody(bff: Bff) -> None:
    """The portal has public cache headers and a strong ETag that turns into a bodiless 304."""
    first = await bff.http.get("/v1/brands/demo/portal?language=nl-NL")
    assert first.headers["cache-control"].startswith("public, max-age=60, stale-while-revalidate=")
    assert "Accept-Language" in first.headers["vary"]
    assert first.headers["etag"].startswith('"')
    matching = {"If-None-Match": f'"other", {first.headers["etag"]}'}
    second = await bff.http.get("/v1/brands/demo/portal?language=nl-NL", headers=matching)
    assert (second.status_code, second.content) == (304, b"")
    for name in ("cache-control", "content-language", "etag", "vary"):
        assert second.headers[name] == first.headers[name]


async def test_other_texts_have_another_etag(bff: Bff) -> None:
    """An ETag of one language does not match the portal in another one."""
    dutch = await bff.http.get("/v1/brands/demo/portal", params={"language": "nl-NL"})
    matching = {"If-None-Match": dutch.headers["etag"]}
    german = await bff.http.get("/v1/brands/demo/portal", params={"language": "de-DE"}, headers=matching)
    assert german.status_code == 200


@pytest.mark.parametrize(
    ("query", "accepted", "negotiated"),
    [
        ("nl-NL", "de-DE", "nl-NL"),
        ("nl", "", "nl-NL"),
        ("DE-at", "nl", "de-DE"),
        ("", "de;q=0.5, nl-BE", "nl-NL"),
        ("", "fr, de;q=0.1", "de-DE"),
        ("sv", "nl-NL", None),
        ("", "sv, *;q=0.5", None),
        ("", "nl;q=0, sv", None),
        ("", "not a language; at all", None),
        ("", "", None),
    ],
)
async def test_language(bff: Bff, query: str, accepted: str, negotiated: str | None) -> None:
    """The query beats Accept-Language; one that the shop does not speak gives the shop's own choice."""
    params = {"language": query} if query else {}
    response = await bff.http.get("/v1/brands/demo/portal", params=params, headers={"Accept-Language": accepted})
    assert response.headers.get("content-language") == response.json()["language"] == negotiated
    texts = {"nl-NL": "Je bestelnummer", "de-DE": "Die Bestellnummer", None: "Your order number"}
    assert response.json()["helper_text"].startswith(texts[negotiated])


async def test_portal_is_asked_once(bff: Bff, sandbox: SandboxProcess, valkey: Valkey) -> None:
    """Within its freshness a portal in one language costs the upstream one call, however many ask for it."""
    kept = await valkey.client.keys("c:*buecherei*")
    assert await valkey.client.delete(*kept, "none") == len(kept)
    before = len(await sandbox.ledger(kind="settings", brand="buecherei"))
    # Each names no language in another way: the same question would get the answer of the last second.
    for language in ("", "*", "?"):
        answer = await bff.http.get("/v1/brands/buecherei/portal", headers={"Accept-Language": language})
        assert answer.status_code == 200
    assert len(await sandbox.ledger(kind="settings", brand="buecherei")) == before + 1


async def test_a_shop_learns_languages(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A shop's languages are those of its newest settings; no restart is needed to learn one, or to forget it."""
    async with scripted_upstream() as upstream:
        upstream.say(return_portal=settings(languages=["nl-NL"]))
        wanted = {"brands": "polyglot", "upstream_url": upstream.url, "portal_freshness": 0.2}
        async with running_bff(valkey.url, sandbox, **wanted) as bff:

            async def speaks_german() -> bool:
                # With a condition, for without one the answers of the last second are given again.
                accepted = {"If-None-Match": '"another"', "Accept-Language": "de-DE"}
                answer = await bff.http.get("/v1/brands/polyglot/portal", headers=accepted)
                return "de-DE" in answer.headers.get_list("content-language")

            assert not await speaks_german()
            upstream.say(return_portal=settings(languages=["nl-NL", "de-DE"]))
            await eventually(speaks_german, 5)
            upstream.say(return_portal=settings(languages=["nl-NL"]))

            async def speaks_none() -> bool:
                return not await speaks_german()

            await eventually(speaks_none, 5)


async def test_portal_of_nobody(bff: Bff) -> None:
    """A brand that is not served has no portal."""
    assert told(await bff.http.get("/v1/brands/nobody/portal")) == (404, "brand-not-found")


async def test_a_language_that_is_no_tag_counts_as_none(bff: Bff) -> None:
    """A query for a language that is no tag gets the portal in the shop's own."""
    assert (await bff.http.get("/v1/brands/demo/portal?language=klingon!")).status_code == 200


async def points(someone: Shopper, **query: Any) -> list[dict[str, Any]]:
    """The service points that this query finds."""
    response = await someone.http.get("/v1/service-points", params=query, headers=someone.headers)
    assert response.status_code == 200, response.text
    assert response.json()["stale"] is False
    found: list[dict[str, Any]] = response.json()["service_points"]
    return found


async def test_vendors_example_point(bff: Bff) -> None:
    """The example of the vendor's own guide comes out whole, its opening hours by ISO weekday."""
    someone = await shopper(bff.http, fresh("LABEL"), brand="guide")
    [example] = [point for point in await points(someone) if point["id"] == GUIDE_EXAMPLE["id"]]
    assert example["name"] == GUIDE_EXAMPLE["name"]
    assert (example["latitude"], example["longitude"]) == (51.4467, 5.4611)
    assert (example["open_tomorrow"], example["open_upcoming_week"]) == (False, True)
    assert [(each["weekday"], each["opens"], each["closes"]) for each in example["opening_hours"]] == [
        (1, "13:30", "17:15"),
        (3, "09:00", "12:00"),
        (4, "09:00", "12:00"),
        (4, "13:30", "17:15"),
        (5, "09:00", "12:00"),
        (7, "09:00", "12:00"),
    ]


async def test_nearest_first(bff: Bff) -> None:
    """Points come with their distance in metres from the parcel's address, nearest first."""
    found = await points(await shopper(bff.http, fresh("LABEL")), radius=50_000)
    distances = [point["distance"] for point in found]
    assert len(found) > 5
    assert distances == sorted(distances)
    assert distances[0] < 1_000


@pytest.mark.parametrize("brand", ["demo", "mode-paris", "buecherei"])
async def test_only_the_shops_carriers(bff: Bff, brand: str) -> None:
    """Points of carriers that do not bring this shop's parcels back are not shown."""
    someone = await shopper(bff.http, fresh("LABEL"), brand=brand)
    offered = {carrier["code"] for carrier in someone.screen["drop_off"]["carriers"]}
    shown = {point["carrier"] for point in await points(someone, radius=50_000)}
    assert shown
    assert shown <= offered


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"radius": 1_000}, [20000001, 20000002, 20000003]),
        ({"radius": 1_000, "carrier": "dhl"}, [20000003]),
        ({"radius": 1_000, "limit": 1}, [20000001]),
        ({"radius": 500, "latitude": 52.3389, "longitude": 4.873}, [20000012]),
        ({"radius": 100, "latitude": 0, "longitude": 0}, []),
    ],
)
async def test_search(bff: Bff, query: dict[str, Any], expected: list[int]) -> None:
    """Radius, carrier, limit and another place narrow the search."""
    found = await points(await shopper(bff.http, fresh("LABEL")), **query)
    assert sorted(point["id"] for point in found) == expected


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"radius": 99}, "#/query/radius"),
        ({"radius": 50_001}, "#/query/radius"),
        ({"radius": "far"}, "#/query/radius"),
        ({"limit": 0}, "#/query/limit"),
        ({"limit": 101}, "#/query/limit"),
        ({"carrier": "x" * 61}, "#/query/carrier"),
        ({"latitude": 51.4}, "#/query"),
        ({"longitude": 5.4}, "#/query"),
        ({"latitude": 91, "longitude": 5}, "#/query/latitude"),
        ({"latitude": 51, "longitude": "nan"}, "#/query/longitude"),
        ({"latitude": "inf", "longitude": 5}, "#/query/latitude"),
    ],
)
async def test_search_is_bounded(bff: Bff, sandbox: SandboxProcess, query: dict[str, Any], pointer: str) -> None:
    """A parameter that cannot be searched by is named in the answer, and upstream is not asked."""
    order = fresh("LABEL")
    someone = await shopper(bff.http, order)
    response = await bff.http.get("/v1/service-points", params=query, headers=someone.headers)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert await sandbox.ledger(kind="service_points", order=order) == []


async def test_a_crowded_city(bff: Bff, sandbox: SandboxProcess) -> None:
    """A city of 2,500 points is answered with the nearest of each carrier, and kept: the next search costs no call."""
    someone = await shopper(bff.http, fresh("LABEL"), brand="grossstadt")
    found = await points(someone, limit=100)
    before = len(await sandbox.ledger(kind="service_points", brand="grossstadt"))
    assert len(found) == 100
    assert [point["distance"] for point in found] == sorted(point["distance"] for point in found)
    for carrier in ("dhl", "ups"):
        of_one = await points(someone, limit=100, carrier=carrier)
        assert {point["carrier"] for point in of_one} == {carrier}
        assert len(of_one) == 100
    assert len(await sandbox.ledger(kind="service_points", brand="grossstadt")) == before


async def test_a_carrier_that_does_not_take_the_parcel_has_no_points(bff: Bff) -> None:
    """A search for points of a carrier that does not take this parcel gives none."""
    someone = await shopper(bff.http, fresh("LABEL"))
    assert await points(someone, carrier="mondial_relay", radius=50_000) == []
