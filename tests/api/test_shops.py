"""A real service with a file of shops: what each entry changes, and what a changed file does while it serves."""

import hashlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.raw_server import answer, raw_server
from tests.support.sandbox import POSTAL_CODES, SandboxProcess
from tests.support.shopper import look_up, shopper, told

DEMO, PARIS = "https://demo.example", "https://mode-paris.example"
KEY = "a partner's key"
PARTNERS = f'partners = {{ acme = "{hashlib.sha256(KEY.encode()).hexdigest()}" }}'
TWO = f"""
[shops.demo]
origins = ["{DEMO}"]
currency = "EUR"
lookup_limit = 900000
{PARTNERS}

[shops.mode-paris]
origins = ["{PARIS}"]
"""


def write(path: Path, text: str) -> None:
    """Replaces the file's text."""
    path.write_text(text)


@pytest.fixture(scope="module", name="file")
def shops_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of this module's service."""
    return tmp_path_factory.mktemp("shops") / "shops.toml"


@pytest_asyncio.fixture(scope="module", name="service")
async def a_service(valkey: Valkey, sandbox: SandboxProcess, file: Path) -> AsyncIterator[Bff]:
    """A service that learns all its shops from the file."""
    write(file, TWO)
    async with running_bff(valkey.url, sandbox, brands="", shops=file, poll_interval=0.1, covered=True) as bff:
        yield bff


@pytest_asyncio.fixture(name="two")
async def two_shops(service: Bff, file: Path) -> Bff:
    """The service, whose file has both shops again."""
    write(file, TWO)
    service.process.send(signal.SIGHUP)

    async def has_two() -> bool:
        told = (await service.http.get("/metrics")).text
        return "\nbff_shops 2.0\n" in told and "\nbff_shops_file_faults 0.0\n" in told

    await eventually(has_two, 20)
    return service


async def opened(bff: Bff, brand: str, **headers: str) -> httpx.Response:
    """The answer to a lookup at this shop."""
    wanted = {"identifier": fresh("LABEL"), "postal_code": POSTAL_CODES[brand]}
    return await bff.http.post(f"/v1/brands/{brand}/sessions", json=wanted, headers=headers)


async def test_each_shop_has_its_own_pages(two: Bff) -> None:
    """A shop's pages begin sessions of that shop alone, and read no answer that belongs to another one."""
    assert (await opened(two, "demo", origin=DEMO)).status_code == 201
    assert told(await opened(two, "demo", origin=PARIS)) == (403, "origin-not-allowed")
    someone = await shopper(two.http, fresh("LABEL"))
    for origin, permitted in ((DEMO, DEMO), (PARIS, None)):
        read = await two.http.get("/v1/session", headers=someone.headers | {"origin": origin})
        assert read.headers.get("access-control-allow-origin") == permitted
        assert "Origin" in read.headers["vary"]


async def test_a_page_of_another_shop_changes_nothing(two: Bff) -> None:
    """With the cookie of a session, an unsafe call from the page of another shop is refused."""
    someone = await shopper(two.http, fresh("LABEL"), delivery="cookie")
    statuses = [
        (await two.http.post("/v1/session/handoff", json={}, headers=someone.headers | {"origin": origin})).status_code
        for origin in (PARIS, DEMO)
    ]
    assert statuses == [403, 201]


async def test_limits_and_partners_of_a_shop(two: Bff) -> None:
    """A shop's limit is told to its callers, and its partner's key is good at that shop alone."""
    limits = [(await opened(two, brand)).headers["ratelimit-policy"] for brand in ("demo", "mode-paris")]
    assert limits == ['"lookups";q=900000;w=60', '"lookups";q=1000000;w=60']
    partner = {"x-partner-key": KEY}
    assert (await opened(two, "demo", **partner)).headers["ratelimit-policy"] == '"lookups";q=300;w=60'
    assert told(await opened(two, "mode-paris", **partner)) == (403, "partner-key-unknown")


async def test_amounts_have_the_currency_of_the_shop(two: Bff) -> None:
    """Where the entry names a currency, every amount has it; where not, none has one."""
    someone = await shopper(two.http, fresh("LABEL"))
    assert {item["unit_price"]["currency"] for item in someone.screen["items"]} == {"EUR"}
    other = (await opened(two, "mode-paris")).json()
    assert {item["unit_price"]["currency"] for item in other["items"]} == {None}


async def test_a_shop_has_its_own_upstream(two: Bff, file: Path) -> None:
    """Calls of a shop with an upstream of its own go there and nowhere else."""
    async with raw_server(answer(404)) as upstream:
        write(file, f'{TWO}\n[shops.grossstadt]\nupstream_url = "http://127.0.0.1:{upstream.port}/own"')
        two.process.send(signal.SIGHUP)

        async def asks() -> bool:
            await opened(two, "grossstadt")
            return bool(upstream.requests)

        await eventually(asks, 20)
        assert upstream.requests[0].startswith(b"GET /own/brand/grossstadt/")


async def test_a_shop_that_is_taken_out_keeps_its_returns(two: Bff, file: Path) -> None:
    """A shop that is gone from the file opens no session, while what was begun comes to its label."""
    someone = await shopper(two.http, fresh("LABEL"))
    path = (await someone.create()).headers["location"]
    write(file, f'[shops.mode-paris]\norigins = ["{PARIS}"]')
    two.process.send(signal.SIGHUP)

    async def is_closed() -> bool:
        return (await look_up(two.http, fresh("LABEL"))).status_code == httpx.codes.NOT_FOUND

    await eventually(is_closed, 20)
    kept = await someone.get(path, Prefer="wait=20")
    assert (kept.status_code, kept.headers.get("access-control-allow-origin")) == (200, None)
    assert (await someone.get(f"{path}/label", Prefer="wait=20")).content.startswith(b"%PDF-")


async def test_a_bad_file_is_told_and_changes_nothing(two: Bff, file: Path) -> None:
    """A file that cannot be used shows in the metric and the log, and the shops before go on."""
    two.process.expected.append("shops file not taken")
    write(file, "[shops.demo]\ncolour = 1")

    async def is_told() -> bool:
        counted = "\nbff_shops_file_faults 1.0\n" in (await two.http.get("/metrics")).text
        return counted and "shops.demo.colour: Extra inputs are not permitted" in two.process.output.read_text()

    await eventually(is_told, 20)
    assert (await opened(two, "demo")).status_code == 201
    assert "\nbff_shops 2.0\n" in (await two.http.get("/metrics")).text


async def test_sighup_ends_no_process_without_a_file(bff: Bff) -> None:
    """Where there is no file of shops, SIGHUP changes nothing."""
    bff.process.send(signal.SIGHUP)
    assert (await look_up(bff.http, fresh("LABEL"))).status_code == 201
