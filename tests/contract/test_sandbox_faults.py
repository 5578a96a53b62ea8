"""The sandbox fails on purpose: each fault as a plain HTTP client sees it, and what it leaves behind."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from tests.support.forks import run
from tests.support.processes import eventually
from tests.support.sandbox import SandboxProcess, customer_of, running_sandbox

PATIENCE = 0.5
"""Seconds until the client gives up."""


@asynccontextmanager
async def client_of(sandbox: SandboxProcess, patience: float = 20.0) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the panel host that waits so many seconds."""
    async with httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False, timeout=patience) as client:
        yield client


@pytest_asyncio.fixture(scope="module")
async def panel(sandbox: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the panel host."""
    async with client_of(sandbox) as panel:
        yield panel


async def look_up(panel: httpx.AsyncClient, order: str) -> httpx.Response:
    """The answer to a lookup in the brand `demo`."""
    asked = {"identifier": order, "postal_code": "5611 AA"}
    return await panel.get("brand/demo/return-portal/outgoing", params=asked)


@pytest.mark.parametrize(
    ("order", "status", "media_type"),
    [
        ("LOOKUP429-1", 429, "application/json"),
        ("LOOKUP500-1", 500, None),
        ("LOOKUPHTML-1", 502, "text/html; charset=utf-8"),
        ("LOOKUPBAD-1", 200, "application/json"),
        ("LOOKUPERRORS-1", 400, "application/json"),
        ("LOOKUPREDIRECT-1", 302, None),
    ],
)
async def test_lookup_faults(panel: httpx.AsyncClient, order: str, status: int, media_type: str | None) -> None:
    """A lookup can fail with every kind of answer."""
    response = await look_up(panel, order)
    assert (response.status_code, response.headers.get("Content-Type")) == (status, media_type)


async def test_bodies_of_lookup_faults(panel: httpx.AsyncClient) -> None:
    """The broken answers are what they say: broken JSON, another envelope, another host."""
    with pytest.raises(ValueError, match="Expecting"):
        (await look_up(panel, "LOOKUPBAD-1")).json()
    assert (await look_up(panel, "LOOKUPERRORS-1")).json().keys() == {"errors"}
    assert (await look_up(panel, "LOOKUPREDIRECT-1")).headers["Location"] == "https://elsewhere.example"


@pytest.mark.parametrize(("suffix", "header"), [("1", None), ("R1", "7")])
async def test_rate_limits(panel: httpx.AsyncClient, suffix: str, header: str | None) -> None:
    """A 429 carries Retry-After exactly when the suffix starts with R."""
    assert (await look_up(panel, f"LOOKUP429-{suffix}")).headers.get("Retry-After") == header
    created = await (await customer_of(panel, f"CREATE429-{suffix}")).create()
    assert (created.status_code, created.headers.get("Retry-After")) == (429, header)


async def test_lookup_without_an_answer(sandbox: SandboxProcess) -> None:
    """A hanging lookup ends when the client gives up, and has no status in the ledger."""
    async with client_of(sandbox, PATIENCE) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            await look_up(impatient, "LOOKUPHANG-1")
    [entry] = await sandbox.ledger(order="LOOKUPHANG-1")
    assert entry["status"] is None


@pytest.mark.parametrize(
    ("order", "failure", "patience"),
    [
        ("CREATEHANG-1", httpx.ReadTimeout, PATIENCE),
        ("CREATEFIN-1", httpx.RemoteProtocolError, 20),
        ("CREATERESET-1", httpx.ReadError, 20),
        ("CREATEHALF-1", httpx.RemoteProtocolError, 20),
    ],
)
async def test_lost_answers(sandbox: SandboxProcess, order: str, failure: type[Exception], patience: float) -> None:
    """A return is made although its answer never comes, whichever way the connection ends."""
    async with client_of(sandbox, patience) as impatient:
        customer = await customer_of(impatient, order)
        with pytest.raises(failure):
            await customer.create()
    [entry] = await sandbox.ledger(kind="incoming", order=order)
    assert (entry["status"], entry["created"], entry["return_id"] is None) == (None, True, False)


@pytest.mark.parametrize(
    ("order", "status", "created"),
    [("CREATE500-1", 500, True), ("CREATEHTML-1", 200, True), ("REFUSE-1", 400, False), ("CREATE429-2", 429, False)],
)
async def test_bad_answers_to_create(
    sandbox: SandboxProcess, panel: httpx.AsyncClient, order: str, status: int, *, created: bool
) -> None:
    """The ledger says whether a return was made behind a bad answer."""
    assert (await (await customer_of(panel, order)).create()).status_code == status
    [entry] = await sandbox.ledger(kind="incoming", order=order)
    assert (entry["status"], entry["created"]) == (status, created)


async def test_foreign_urls(panel: httpx.AsyncClient) -> None:
    """Two scenarios name another host in a URL that carries a token."""
    created = await (await customer_of(panel, "CREATEFOREIGN-1")).create()
    assert created.json()["poller_url"].startswith("https://elsewhere.example/api/v2/brand/demo/")
    customer = await customer_of(panel, "POLLFOREIGN-1")
    ready = await customer.label_ready(await customer.create())
    assert ready["download_url"].startswith("https://elsewhere.example/api/v2/brand/demo/")


async def test_poll_with_a_web_page(panel: httpx.AsyncClient) -> None:
    """A poll can answer 200 with a web page."""
    created = (await (await customer_of(panel, "POLLHTML-1")).create()).json()
    assert (await panel.get(created["poller_url"])).text.startswith("<!doctype html>")


async def label_of(panel: httpx.AsyncClient, order: str) -> str:
    """The URL of the label of a fresh return of this order."""
    customer = await customer_of(panel, order)
    return str((await customer.label_ready(await customer.create()))["download_url"])


@pytest.mark.parametrize(
    ("order", "begins", "ends", "length"),
    [
        ("PDFHTML-1", b"<!doctype html>", b"</h1>", "70"),
        ("PDFEMPTY-1", b"", b"", "0"),
        ("PDFCUT-1", b"%PDF-", b"", None),
        ("PDFNOLENGTH-1", b"%PDF-", b"%%EOF\n", None),
        ("PDF2M-1", b"%PDF-", b"%%EOF\n", "2000000"),
        ("PDF20M-1", b"%PDF-", b"%%EOF\n", "20000000"),
        ("PDF30M-1", b"%PDF-", b"%%EOF\n", "30000000"),
    ],
)
async def test_odd_labels(panel: httpx.AsyncClient, order: str, begins: bytes, ends: bytes, length: str | None) -> None:
    """A label can be something else, nothing, half of it, without a length, or big."""
    response = await panel.get(await label_of(panel, order))
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers.get("Content-Length") == length
    assert response.content.startswith(begins)
    assert response.content.endswith(ends)
    assert (b"%%EOF" in response.content) == (ends == b"%%EOF\n")


async def test_truncated_label(panel: httpx.AsyncClient) -> None:
    """A truncated label ends before its announced length."""
    url = await label_of(panel, "PDFTRUNCATED-1")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await panel.get(url)


async def test_label_for_one_download(panel: httpx.AsyncClient) -> None:
    """A label that can be downloaded once is 404 afterwards."""
    url = await label_of(panel, "PDFONCE-1")
    assert [(await panel.get(url)).status_code for _ in range(2)] == [200, 404]


async def test_slow_answers(panel: httpx.AsyncClient) -> None:
    """Every answer about a slow order takes a second and a half."""
    started = time.monotonic()
    assert (await look_up(panel, "SLOW-1")).status_code == 200
    assert 1.4 < time.monotonic() - started < 10


async def test_upstream_down() -> None:
    """While the upstream is down both hosts answer 503 with a web page, and the control calls still work."""
    async with running_sandbox() as sandbox, client_of(sandbox) as panel:
        await sandbox.fault("down")
        paths = ("brand/demo/return-portal", f"{sandbox.service_points_url}/carriers")
        answers = [await panel.get(path) for path in paths]
        await sandbox.fault("none")
        assert (await panel.get("brand/demo/return-portal")).status_code == 200
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(answer.text.startswith("<!doctype html>") for answer in answers)


async def test_outages_of_polling_and_creation() -> None:
    """In an outage of polling or of creation these calls answer 500 and all others work; some returns are made."""
    async with running_sandbox() as sandbox, client_of(sandbox) as panel:
        made = await (await customer_of(panel, "LABEL-1")).create()
        await sandbox.fault("polling")
        assert (await panel.get(made.json()["poller_url"])).status_code == 500
        customers = [await customer_of(panel, f"LABEL-{number}") for number in range(2, 8)]
        await sandbox.fault("creation")
        assert {(await each.create()).status_code for each in customers} == {500}
        assert (await panel.get(made.json()["poller_url"])).is_success
        assert (await panel.get("brand/demo/return-portal")).status_code == 200
        created = [entry["created"] for entry in await sandbox.ledger(kind="incoming")]
    assert created.count(True) > 1


async def test_hanging_connections_hold_up_no_stop() -> None:
    """SIGTERM ends the process with status 0, even while a caller waits for an answer that never comes."""
    async with running_sandbox() as sandbox, client_of(sandbox) as panel:
        waiting = asyncio.create_task(look_up(panel, "LOOKUPHANG-1"))

        async def is_waiting() -> bool:
            return bool(await sandbox.ledger(order="LOOKUPHANG-1"))

        await eventually(is_waiting, seconds=10)
        await sandbox.process.stop()
        assert sandbox.process.handle.returncode == 0
        with pytest.raises(httpx.TransportError):
            await waiting


async def test_taken_port(sandbox: SandboxProcess) -> None:
    """A taken port ends the start with one clear line."""
    ended = await run(["app.sandbox.upstream", f"--port={sandbox.panel_port}"], os.environ)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
