"""Links to the upstream's own portal, on a host of ours: a shop swaps the host and nothing else."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import outgoing, scripted_upstream
from tests.support.shopper import Shopper, told

PARTNER = "0c7d3d3e-2f6d-4c3b-9d4e-5a4f7a0c9b11"
PAGE = "https://shop.example/returns/"


@pytest_asyncio.fixture(scope="module", name="bff")
async def _bff(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    hosts = "returns.shop.example=demo, retours.shop.example=mode-paris"
    async with running_bff(valkey.url, sandbox, portal_hosts=hosts, portal_page=PAGE, covered=True) as process:
        yield process


async def follow(bff: Bff, query: str, host: str = "returns.shop.example") -> httpx.Response:
    """The answer to such a link; `query` begins with its mark."""
    return await bff.http.get(f"/rp/{query}", headers={"Host": host})


@pytest.mark.parametrize(
    ("host", "brand"),
    [
        ("returns.shop.example", "demo"),
        ("Returns.Shop.Example", "demo"),
        ("returns.shop.example:8443", "demo"),
        ("retours.shop.example", "mode-paris"),
    ],
)
async def test_a_link_leads_to_the_page(bff: Bff, host: str, brand: str) -> None:
    """The page is told the brand of the host, and the order and postal code of the link as they were typed."""
    response = await follow(bff, "?postal_code=4814+DC&identifier=JVGL%2306%26x", host)
    target = response.headers["location"]
    assert (response.status_code, target.partition("?")[0]) == (303, PAGE)
    assert parse_qs(urlsplit(target).query) == {
        "brand": [brand],
        "postal_code": ["4814 DC"],
        "identifier": ["JVGL#06&x"],
    }
    assert (response.headers["cache-control"], response.headers["referrer-policy"]) == ("no-store", "no-referrer")


async def test_a_link_without_an_order(bff: Bff) -> None:
    """A link that names no order leads to the page as well, and what else it names stays behind."""
    response = await follow(bff, "?identifier=&brand=evil&next=//evil.example&page=x%0d%0aSet-Cookie:x")
    assert response.headers["location"] == f"{PAGE}?brand=demo"


@pytest.mark.parametrize("host", ["evil.example", "shop.example", "returns.shop.example.evil.example", "", "["])
async def test_no_other_host(bff: Bff, host: str) -> None:
    """A host that stands for no portal leads nowhere."""
    assert told(await follow(bff, "?identifier=A-1", host)) == (404, "not-found")


async def test_a_partner_names_itself(store: Valkey, sandbox: SandboxProcess) -> None:
    """The partner's id goes with each call, those that create included, and without the setting with none."""
    body = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
    async with scripted_upstream() as upstream:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        for number, partner in enumerate((PARTNER, ""), start=1):
            upstream.heard.clear()
            upstream.say(outgoing=outgoing({"id": number}))
            async with running_bff(store.url, sandbox, **urls, upstream_partner_id=partner, brands="demo") as bff:
                screen = (await bff.http.post("/v1/brands/demo/sessions", json=body)).json()
                someone = Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
                assert (await someone.create(someone.body("pickup"))).status_code == 202
            assert {each.path.rpartition("/")[2] for each in upstream.heard} >= {"outgoing", "incoming"}
            assert {each.headers.get("sendcloud-partner-id", "") for each in upstream.heard} == {partner}
