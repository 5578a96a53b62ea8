"""A shopper in front of a real Chromium."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.async_api import Browser, Page, Request, Response, async_playwright, expect

CHROMIUM = "/usr/bin/chromium"
SCREENSHOTS = Path("var/screenshots")
QUIETLY = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1100, "height": 900}
SIZES = {"desktop": WIDE, "dark-desktop": WIDE, "phone": {"width": 360, "height": 740}}
POSTAL_CODE = "5611 AA"


@dataclass
class Visit:
    """One browser profile on the page; keeps what its network saw, and pictures of what the shopper saw."""

    page: Page
    size: str
    requests: list[Request] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def sent(self, request: Request) -> None:
        """Notes a request of the browser."""
        self.requests.append(request)

    def received(self, response: Response) -> None:
        """Notes an answer to the browser."""
        self.responses.append(response)

    async def looked_at(self, step: str) -> None:
        """Keeps a picture of this step after checking that it is accessible and no wider than the screen."""
        await self.page.screenshot(path=SCREENSHOTS / f"{self.size}-{step}.png", full_page=True)
        text = await self.page.locator("body").inner_text()
        assert not re.search(r"\b(false|null|undefined|NaN|Invalid Date)\b|\[object", text), step
        found = await Axe().run(self.page)
        violations: list[dict[str, Any]] = found.response["violations"]
        assert not [(each["id"], each["nodes"][0]["html"]) for each in violations], step
        assert await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), step

    async def headed(self, text: str) -> None:
        """Returns once the step has this heading and the focus is on it."""
        await expect(self.page.get_by_role("heading", name=text, level=1)).to_be_visible(timeout=15_000)

    async def says(self, text: str) -> None:
        """Returns once the page shows this."""
        await expect(self.page.get_by_text(text).first).to_be_visible(timeout=15_000)

    async def click(self, name: str) -> None:
        """Presses the button, or follows the link, of this name."""
        await self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name)).first.click()

    async def look_up(self, order: str, postal_code: str = POSTAL_CODE) -> None:
        """Fills the first form in and sends it."""
        await self.page.get_by_label("Order or tracking number").fill(order)
        await self.page.get_by_label("Postal code").fill(postal_code)
        await self.click("Find my order")

    async def choose_items(self) -> None:
        """Chooses one unit of the first item."""
        await self.says("What do you want to return?")
        await self.page.get_by_role("checkbox").first.check()
        await self.page.get_by_label("Reason").select_option(index=1)
        await self.page.get_by_label("Money back").check()

    async def choose_point(self) -> None:
        """Chooses the nearest drop-off point."""
        await self.page.get_by_label("Drop off at a parcel point").check()
        await self.page.get_by_role("group", name="Choose a drop-off point").get_by_role("radio").first.check()

    async def send(self, order: str) -> None:
        """Everything up to the click that makes the return."""
        await self.look_up(order)
        await self.choose_items()
        await self.click("Continue")
        await self.choose_point()
        await self.click("Continue")
        await self.click("Return now")


@asynccontextmanager
async def running_chromium(*more: str) -> AsyncIterator[Browser]:
    """Debian's Chromium, headless, with these arguments."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIETLY, *more])
        yield browser
        await browser.close()


@asynccontextmanager
async def visiting(browser: Browser, url: str, size: str = "desktop", before: str = "") -> AsyncIterator[Visit]:
    """A profile of its own that has opened the page; it may not have thrown any error when it is closed.

    All but the plain desktop are dark. `before` is a script that runs before those of the page.
    """
    width_and_height: Any = SIZES[size]
    phone = size == "phone"
    context = await browser.new_context(
        viewport=width_and_height,
        locale="en-GB",
        has_touch=phone,
        color_scheme="light" if size == "desktop" else "dark",
    )
    await context.add_init_script(before)
    page = await context.new_page()
    visit, errors = Visit(page, size), list[str]()
    page.on("request", visit.sent)
    page.on("response", visit.received)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(url)
    yield visit
    await context.close()
    assert not errors, errors


async def everything_received(visit: Visit) -> str:
    """Addresses, headers and bodies of all answers so far, as one text."""
    parts = []
    for response in visit.responses:
        kind = (await response.all_headers()).get("content-type", "")
        streamed = re.match("text/event-stream|application/pdf|image/", kind)
        parts += [response.url, str(await response.all_headers()), "" if streamed else await response.text()]
    return "\n".join(parts)
