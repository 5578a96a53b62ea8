"""The reference page in a real Chromium: the whole journey as a shopper goes it. Needs Debian's chromium."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from pypdf import PdfReader

from tests.support.page import SIZES, everything_received, running_chromium, visiting
from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess, running_sandbox

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", name="browser")
async def one_chromium() -> AsyncIterator[Browser]:
    """A browser in which each test opens profiles of its own."""
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", name="upstream")
async def own_sandbox() -> AsyncIterator[SandboxProcess]:
    """An upstream that tests may take down."""
    async with running_sandbox() as process:
        yield process


@pytest_asyncio.fixture(scope="module", name="shop")
async def shop_with_page(store: Valkey, upstream: SandboxProcess) -> AsyncIterator[Bff]:
    """The service with the page, as `make run` serves it."""
    async with running_bff(store.url, upstream, module="app.sandbox.shop", poll_interval=0.1) as process:
        yield process


@pytest.fixture(name="url")
def address(shop: Bff) -> str:
    """The page; browsers take http://localhost for secure."""
    return f"http://localhost:{shop.port}/"


@pytest.mark.parametrize("size", SIZES)
async def test_journey(browser: Browser, url: str, size: str, tmp_path: Path) -> None:
    """From order number to label: everybody can read every step, and the label is a PDF with its tracking number."""
    async with visiting(browser, url, size) as visit:
        await visit.says("Return an order")
        await visit.looked_at("1-start")
        await visit.look_up(fresh("ITEMS"))
        await visit.choose_items()
        await visit.looked_at("2-items")
        await visit.click("Continue")
        await visit.choose_point()
        await visit.looked_at("3-delivery")
        await visit.click("Continue")
        await visit.says("Is this right?")
        await visit.looked_at("4-review")
        await visit.click("Return now")
        await visit.says("Your label is ready.")
        await visit.looked_at("5-label")
        async with visit.page.expect_download() as download:
            await visit.click("Download the label (PDF)")
        await (await download.value).save_as(tmp_path / "label.pdf")
        tracking = await visit.page.locator("dd").last.inner_text()
        assert tracking in PdfReader(tmp_path / "label.pdf").pages[0].extract_text()


async def test_nothing_leaks(browser: Browser, url: str) -> None:
    """The browser gets no upstream token, asks nobody but us, and holds its session where scripts cannot see it."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("LABEL"))
        await visit.says("Your label is ready.")
        received = await everything_received(visit)
        assert "eyJ" not in received
        assert "token=" not in received
        assert {request.url.split("/")[2] for request in visit.requests} == {url.split("/")[2]}
        [cookie] = await visit.page.context.cookies()
        assert (cookie["name"], cookie["path"], cookie["domain"]) == ("__Host-return_session", "/", "localhost")
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
        assert await visit.page.evaluate("document.cookie") == ""
        assert "rps_" not in await visit.page.evaluate("JSON.stringify([sessionStorage, localStorage])")


async def test_photos(browser: Browser, url: str, upstream: SandboxProcess, tmp_path: Path) -> None:
    """A picture of an item goes along with the return."""
    picture = tmp_path / "hole.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + 100 * b"x")
    order = fresh("LABEL")
    async with visiting(browser, url) as visit:
        await visit.look_up(order)
        await visit.choose_items()
        await visit.page.get_by_label("Pictures").set_input_files(picture)
        await visit.says("1 picture(s) stored.")
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        await visit.click("Return now")
        await visit.says("Your label is ready.")
    assert len(await upstream.ledger(kind="uploads", order=order)) == 1


async def test_payment(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """A return that has to be paid says so with a link, and goes on by itself once it is."""
    order = fresh("PAID")
    async with visiting(browser, url) as visit:
        await visit.send(order)
        await visit.says("Please pay for the return first.")
        await visit.looked_at("payment")
        await expect(visit.page.get_by_role("link", name="Pay now")).to_have_attribute("href", re.compile("^https://"))
        await upstream.pay(order)
        await visit.says("Your label is ready.")


async def test_failed_label(browser: Browser, url: str) -> None:
    """A label that cannot be made is said in plain words, and the items can be sent anew."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("FAIL"))
        await visit.says("The carrier could not make a label.")
        await visit.looked_at("failed")
        await visit.click("Start again")
        await expect(visit.page.get_by_role("checkbox").first).to_be_enabled()


async def test_in_store(browser: Browser, url: str) -> None:
    """A return to a store ends at once, with its number and no label."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("STORE"))
        await visit.choose_items()
        await visit.click("Continue")
        await visit.page.get_by_label("Bring it to a store").check()
        await visit.page.get_by_role("group", name="Which store?").get_by_role("radio").first.check()
        await visit.click("Continue")
        await visit.click("Return now")
        await visit.says("You need no label.")
        await expect(visit.page.get_by_role("link", name="Download")).to_have_count(0)


async def test_expired_session(browser: Browser, url: str, store: Valkey) -> None:
    """A session that is over leads back to the first step with an explanation."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("LABEL"))
        await visit.choose_items()
        await visit.click("Continue")
        [session] = [key async for key in store.client.scan_iter("s:*") if await store.client.delete(key)][-1:]
        assert session
        await visit.page.get_by_label("Drop it off at a parcel point").click()
        await visit.says("Your visit has ended for your safety.")
        await visit.says("Return an order")
        await visit.looked_at("expired")


async def test_unknown_order(browser: Browser, url: str) -> None:
    """An order that does not exist is said where it was typed, and what was typed stays."""
    async with visiting(browser, url) as visit:
        await visit.look_up("NOBODY-KNOWS-THIS")
        await visit.says("We found no order with this number and postal code.")
        await visit.looked_at("unknown-order")
        await expect(visit.page.get_by_label("Order or tracking number")).to_have_value("NOBODY-KNOWS-THIS")


async def test_upstream_down(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """While the upstream is down the page says that nothing is lost and offers to try again, and then it works."""
    order = fresh("LABEL")
    async with visiting(browser, url) as visit:
        await visit.says("Return an order")
        await upstream.fault("down")
        await visit.look_up(order)
        retry = visit.page.get_by_role("alert").get_by_role("button")
        await expect(retry).to_be_visible(timeout=15_000)
        await visit.looked_at("upstream-down")
        await upstream.fault("none")
        await expect(retry).to_be_enabled(timeout=30_000)
        await retry.click()
        await visit.says("What do you want to return?")


async def test_reload(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """A reload in the middle loses nothing: neither what was chosen nor the return that is under way."""
    order = fresh("SLOWLABEL")
    async with visiting(browser, url) as visit:
        await visit.look_up(order)
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.page.reload()
        await expect(visit.page.get_by_role("checkbox").first).to_be_checked()
        await visit.click("Continue")
        await visit.click("Continue")
        await visit.click("Return now")
        await visit.says("The carrier is making your label")
        await visit.page.reload()
        await visit.says("Your label is ready.")
    assert len(await upstream.ledger(kind="incoming", order=order)) == 1


async def test_handoff(browser: Browser, url: str) -> None:
    """The link goes on in another profile, leaves its address bar at once, and does not work a second time."""
    async with visiting(browser, url) as first:
        await first.send(fresh("LABEL"))
        await first.says("Your label is ready.")
        await first.click("Continue on your phone")
        await first.says("It works once, for 15 minutes.")
        await first.looked_at("handoff")
        link = await first.page.locator("#handoff").get_attribute("href")
        assert link
        async with visiting(browser, link, "phone") as second:
            await second.says("Your label is ready.")
            assert second.page.url == url
            await second.looked_at("handed-off")
            assert not [request.url for request in second.requests[1:] if "rph_" in request.url]
        async with visiting(browser, link) as third:
            await third.says("This link was used before or is too old.")
            await third.says("Return an order")


@pytest.mark.parametrize(
    ("language", "heading"),
    [("de", "Bestellung zurückschicken"), ("nl", "Bestelling terugsturen")],
)
async def test_languages(browser: Browser, url: str, language: str, heading: str) -> None:
    """The page speaks the language that is chosen, says so to screen readers, and asks the shop for its words in it."""
    async with visiting(browser, url) as visit:
        await visit.page.get_by_label("Language").select_option(language)
        await expect(visit.page.get_by_role("heading", name=heading)).to_be_focused()
        assert await visit.page.evaluate("document.documentElement.lang") == language
        assert any(f"language={language}" in request.url for request in visit.requests)


async def test_keyboard(browser: Browser, url: str) -> None:
    """Every step starts at its heading, and the first form can be filled in and sent without a mouse."""
    async with visiting(browser, url) as visit:
        await expect(visit.page.get_by_role("heading", name="Return an order")).to_be_focused()
        for typed in ("", fresh("LABEL"), "5611 AA"):
            await visit.page.keyboard.press("Tab")
            await visit.page.keyboard.type(typed)
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.get_by_role("heading", name="What do you want to return?")).to_be_focused()


async def test_end(browser: Browser, url: str) -> None:
    """Who is done leaves nothing behind on the device: neither session nor draft."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("LABEL"))
        await visit.says("Your label is ready.")
        await visit.click("Finish and forget me on this device")
        await visit.says("Return an order")
        assert await visit.page.context.cookies() == []
        assert "rtn_" not in await visit.page.evaluate("JSON.stringify(sessionStorage)")


@pytest.mark.parametrize("size", SIZES)
async def test_problem_page(browser: Browser, url: str, size: str) -> None:
    """The page behind a problem's type can be read by everybody, in its own style, and asks for nothing else."""
    async with visiting(browser, f"{url}problems/units-claimed", size) as visit:
        await visit.says("Another return holds these units")
        await visit.looked_at("problem")
        style = "getComputedStyle(document.body).maxWidth"
        assert await visit.page.evaluate(style) == "672px"
        assert {request.url for request in visit.requests} <= {visit.page.url, f"{url}favicon.ico"}
