"""The API description as a page in Chromium: each call of the journey by "Try it out". Needs Debian's chromium."""

import json
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Response, expect

from tests.support.page import running_chromium, visiting
from tests.support.processes import Bff, fresh
from tests.support.shopper import POSTAL_CODES, return_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PHOTO = Path("tests/samples/photo.png")


@pytest_asyncio.fixture(scope="module", name="browser")
async def one_chromium() -> AsyncIterator[Browser]:
    """A browser in which each test opens profiles of its own."""
    async with running_chromium() as browser:
        yield browser


class Tried:
    """The page, on which each call is tried by its operation id."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def call(self, operation: str, body: object = None, **parameters: str) -> Response:
        """Opens the operation, fills it in, and presses Execute."""
        block = await self._opened(operation)
        for name, value in parameters.items():
            row = block.locator(f'tr[data-param-name="{name.replace("_", "-")}"], tr[data-param-name="{name}"]')
            await row.locator("input").fill(value)
        if body is not None:
            await block.locator("textarea.body-param__text").fill(json.dumps(body))
        return await self._executed(block)

    async def upload(self, operation: str, file: Path) -> Response:
        """Chooses a file in the form of the operation, and sends it."""
        block = await self._opened(operation)
        await block.locator('input[type="file"]').set_input_files(file)
        return await self._executed(block)

    async def _opened(self, operation: str) -> Locator:
        block = self._page.locator(f'.opblock[id$="-{operation}"]')
        await block.locator(".opblock-summary-control").click()
        await block.get_by_role("button", name=re.compile("Try it out")).click()
        return block

    async def _executed(self, block: Locator) -> Response:
        async with self._page.expect_response(lambda response: "/v1/" in response.url) as answered:
            await block.get_by_role("button", name="Execute").click()
        response = await answered.value
        shown = block.locator(".live-responses-table .response-col_status").last
        await expect(shown).to_contain_text(str(response.status), timeout=15_000)
        await block.locator(".opblock-summary-control").click()
        return response


async def test_the_journey_by_hand(bff: Bff, browser: Browser) -> None:
    """Each call of the journey, in its order, works from the page with what the calls before it answered."""
    async with visiting(browser, f"http://localhost:{bff.port}/docs") as visit:
        tried = Tried(visit.page)
        assert (await tried.call("getPortal", brand="demo")).status == 200
        wanted = {"identifier": fresh("LABEL"), "postal_code": POSTAL_CODES["demo"]}
        assert (await tried.call("createSession", wanted, brand="demo")).status == 201
        screen: dict[str, Any] = await (await tried.call("getSession")).json()
        assert (await tried.call("findServicePoints")).status == 200
        point = str(screen["drop_off"]["nearest"]["id"])
        assert (await tried.call("getServicePoint", service_point_id=point)).status == 200
        uploaded = await tried.upload("uploadPhotos", PHOTO)
        assert uploaded.status == 201
        body = return_of(screen, "drop_off_point")
        body["photos"] = [{"item": body["items"][0]["id"], "file": (await uploaded.json())["uploads"][0]["file"]}]
        preview = await tried.call("previewReturn", body)
        assert (await preview.json())["valid"] is True
        created = await tried.call("createReturn", body, **{"Idempotency-Key": secrets.token_hex(16)})
        assert created.status == 202
        made = str((await created.json())["id"])
        found = await tried.call("getReturn", return_id=made, prefer="wait=30")
        assert (await found.json())["state"] == "label_ready"
        label = await tried.call("getLabel", return_id=made)
        assert (label.status, label.headers["content-type"]) == (200, "application/pdf")
        assert (await tried.call("watchReturn", return_id=made)).status == 200
        handed_off = await tried.call("createHandoff", {})
        assert handed_off.status == 201
        token = (await handed_off.json())["token"]
        assert (await tried.call("redeemHandoff", {"token": token})).status == 201
        assert (await tried.call("deleteSession")).status == 204
