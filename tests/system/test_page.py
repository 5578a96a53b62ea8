"""The reference page in a real Chromium: the whole journey as a shopper goes it. Needs Debian's chromium."""

import asyncio
import http.server
import re
import shutil
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect
from pypdf import PdfReader

from app.sandbox.shop import PAGE
from tests.support.page import SIZES, Visit, everything_received, running_chromium, visiting
from tests.support.processes import Bff, Valkey, free_port, fresh, running_bff
from tests.support.sandbox import SandboxProcess, customer_of, running_sandbox
from tests.support.shopper import ComesAgain, prove_that_polling_works
from tests.support.webhooks import ENTRIES, Integration, parcel_status_changed

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PHOTO = Path("tests/samples/photo.png")
EXCLUDES_SHIRTS = '[shops.demo.policy]\nexcluded_names = ["Blue shirt M"]'
DROPS_SECURE_COOKIES = "Object.defineProperty(Document.prototype, 'cookie', { get: () => '', set: () => {} })"
"""What Safari does on http://localhost, as a script of the page sees it."""


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
    return f"http://localhost:{shop.port}/page/"


@pytest.mark.parametrize("size", SIZES)
async def test_journey(browser: Browser, url: str, size: str, tmp_path: Path) -> None:
    """From order number to label: axe finds nothing in any step, and the label is a PDF with its tracking number."""
    async with visiting(browser, url, size) as visit:
        await visit.headed("Return an order")
        await visit.looked_at("1-start")
        await visit.look_up(fresh("ITEMS"))
        await visit.choose_items()
        await visit.looked_at("2-items")
        await no_choice_is_cut_off(visit)
        await visit.click("Continue")
        await visit.choose_point()
        await visit.looked_at("3-delivery")
        await visit.click("Continue")
        await visit.headed("Check your return")
        await visit.looked_at("4-review")
        await visit.click("Return now")
        await visit.headed("Your label is ready")
        await visit.looked_at("5-label")
        async with visit.page.expect_download() as download:
            await visit.click("Download label (PDF)")
        await (await download.value).save_as(tmp_path / "label.pdf")
        tracking = await visit.page.locator("dd").last.inner_text()
        assert tracking in PdfReader(tmp_path / "label.pdf").pages[0].extract_text()


async def no_choice_is_cut_off(visit: Visit) -> None:
    """Each field below a chosen item is as wide as what is chosen in it."""
    for field in await visit.page.locator(".items select").all():
        assert await field.evaluate(
            """(select) => {
                const context = document.createElement("canvas").getContext("2d");
                context.font = getComputedStyle(select).font;
                return context.measureText(select.selectedOptions[0].text).width < select.clientWidth - 40;
            }"""
        )


async def test_review_and_confirmation_show_what_was_chosen(browser: Browser, url: str) -> None:
    """Items with prices, their sum, the refund, the point and the fee are shown, and a link changes each choice."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("ITEMS"))
        await visit.choose_items()
        await visit.page.get_by_role("checkbox").nth(1).check()
        await visit.page.get_by_label("Reason").nth(1).select_option(index=2)
        await visit.page.get_by_label("Quantity").select_option("3")
        await visit.says("52.45")
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        for text in ("Wool socks (pair)", "52.45", "Money back", "Voorbeeld Boekhandel", "2.95"):
            await visit.says(text)
        await visit.click("Change Items")
        await expect(visit.page.get_by_label("Quantity")).to_have_value("3")
        await visit.click("Continue")
        await visit.click("Continue")
        await visit.click("Return now")
        await visit.headed("Your label is ready")
        for text in ("Wool socks (pair)", "52.45", "Money back", "Voorbeeld Boekhandel", "2.95"):
            await visit.says(text)


@pytest_asyncio.fixture(name="elsewhere")
async def bundle_of_a_shop(tmp_path: Path, store: Valkey, upstream: SandboxProcess) -> AsyncIterator[str]:
    """The files of the page on an origin of their own, with the service on another one and without the sandbox."""
    page, port = tmp_path / "returns", free_port()
    shutil.copytree(PAGE, page, ignore=shutil.ignore_patterns("sandbox.js"))
    origin = f"http://localhost:{port}"
    async with running_bff(store.url, upstream, allowed_origins=origin, poll_interval=0.1) as bff:
        config = (page / "config.js").read_text("utf-8")
        config = config.replace('api: ""', f'api: "http://localhost:{bff.port}"').replace('"cookie",', '"bearer",')
        (page / "config.js").write_text(config.replace("sandbox: true", "sandbox: false"), "utf-8")
        server = http.server.ThreadingHTTPServer(
            ("localhost", port), partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
        )
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever))
        yield f"{origin}/returns/"
        server.shutdown()
        await serving
        server.server_close()


async def test_static_bundle(browser: Browser, elsewhere: str) -> None:
    """A shop serves the files from its own origin, in any folder; the service lists the origin and keeps no cookie."""
    async with visiting(browser, elsewhere) as visit:
        await visit.send(fresh("LABEL"))
        await visit.headed("Your label is ready")
        async with visit.page.expect_download():
            await visit.click("Download label (PDF)")
        await expect(visit.page.get_by_text("Sandbox")).to_have_count(0)
        assert await visit.page.context.cookies() == []


async def test_nothing_leaks(browser: Browser, url: str) -> None:
    """The browser gets no upstream token, calls only us, and holds its session where scripts cannot see it."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("LABEL"))
        await visit.headed("Your label is ready")
        received = await everything_received(visit)
        assert "eyJ" not in received
        assert "token=" not in received
        assert {request.url.split("/")[2] for request in visit.requests} == {url.split("/")[2]}
        [cookie] = await visit.page.context.cookies()
        assert (cookie["name"], cookie["path"], cookie["domain"]) == ("__Host-return_session", "/", "localhost")
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
        assert await visit.page.evaluate("document.cookie") == ""
        assert "rps_" not in await visit.page.evaluate("JSON.stringify([sessionStorage, localStorage])")


async def test_a_browser_that_drops_the_cookie(browser: Browser, url: str) -> None:
    """Where a browser keeps no Secure cookie, the tab keeps the session as a bearer token and the journey works."""
    async with visiting(browser, url, before=DROPS_SECURE_COOKIES) as visit:
        await visit.send(fresh("LABEL"))
        await visit.headed("Your label is ready")
        async with visit.page.expect_download():
            await visit.click("Download label (PDF)")
        await visit.page.reload()
        await visit.headed("Your label is ready")
        assert await visit.page.context.cookies() == []
        await visit.click("Finish and forget me on this device")
        await visit.headed("Return an order")
        assert "rps_" not in await visit.page.evaluate("JSON.stringify(sessionStorage)")


async def test_deep_link(browser: Browser, url: str) -> None:
    """A link of the hosted portal fills the first form in and leaves the address bar; no later address names it."""
    order = fresh("LABEL")
    async with visiting(browser, f"{url}?postal_code=5611%20AA&identifier={order}") as visit:
        await expect(visit.page.get_by_label("Postal code")).to_have_value("5611 AA")
        addresses = [visit.page.url]
        visit.page.on("framenavigated", lambda frame: addresses.append(frame.url))
        await visit.click("Find my order")
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        await visit.click("Return now")
        await visit.headed("Your label is ready")
        assert {each.removeprefix(url) for each in addresses} <= {
            "",
            "#start",
            "#items",
            "#delivery",
            "#review",
            "#follow",
        }


async def test_photos(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """A photo of an item is shown at once and goes along with the return; a file that is none is named."""
    order = fresh("LABEL")
    async with visiting(browser, url) as visit:
        await visit.look_up(order)
        await visit.choose_items()
        photos = visit.page.get_by_label("Add photos")
        await photos.set_input_files({"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"})
        await visit.says("notes.png: A file is not a picture")
        await photos.set_input_files(PHOTO)
        await expect(visit.page.get_by_alt_text("photo.png")).to_be_visible()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        await expect(visit.page.get_by_alt_text("photo.png")).to_be_visible()
        await visit.click("Return now")
        await visit.headed("Your label is ready")
    assert len(await upstream.ledger(kind="uploads", order=order)) == 1


async def test_payment(browser: Browser, url: str) -> None:
    """A return with a fee can be paid in the sandbox, and its label comes right after that."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("PAID"))
        await visit.headed("One payment to go")
        await visit.looked_at("payment")
        await visit.click("Pay now")
        await visit.looked_at("checkout")
        await visit.click("Pay the return fee")
        await visit.headed("Your label is ready")


async def test_failed_label(browser: Browser, url: str) -> None:
    """A label that cannot be made is said in plain words, and one click leads back to the same choices."""
    async with httpx.AsyncClient(base_url=httpx.URL(url).join("/"), trust_env=False, auth=ComesAgain()) as http:
        await prove_that_polling_works(http)
    async with visiting(browser, url) as visit:
        await visit.send(fresh("FAIL"))
        await visit.headed("Your return did not go through")
        await visit.looked_at("failed")
        await visit.click("Try again")
        await visit.headed("Check your return")
        await visit.says("Voorbeeld Boekhandel")


async def test_unknown_outcome(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """After a lost answer the page says that the outcome is unknown, and a reload makes no second return."""
    order = fresh("CREATEFIN")
    async with visiting(browser, url) as visit:
        await visit.send(order)
        await visit.headed("We are checking your return")
        await visit.says("Please do not send it again.")
        await expect(visit.page.get_by_role("main").get_by_role("link", name="Contact the shop")).to_be_visible()
        await visit.looked_at("unknown-outcome")
        await visit.page.reload()
        await visit.headed("We are checking your return")
    assert len(await upstream.ledger(kind="incoming", order=order)) == 1


async def test_in_store(browser: Browser, url: str) -> None:
    """A return to a store names the store in review and confirmation, and ends without a label."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("STORE"))
        await visit.choose_items()
        await visit.click("Continue")
        await visit.page.get_by_label("Bring to a store").check()
        await visit.page.get_by_role("group", name="Choose a store").get_by_role("radio").first.check()
        await visit.click("Continue")
        await visit.headed("Check your return")
        await visit.says("Demo Shop Eindhoven")
        await visit.click("Return now")
        await visit.headed("Your return is registered")
        await visit.says("Demo Shop Eindhoven")
        await expect(visit.page.get_by_role("button", name="Download")).to_have_count(0)


async def test_pickup(browser: Browser, url: str) -> None:
    """A pickup shows its day in review and confirmation, and offers no day that has passed."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("LABEL"))
        await visit.choose_items()
        await visit.click("Continue")
        await visit.page.get_by_label("Have it picked up").check()
        day = visit.page.get_by_label("Pickup date")
        await day.fill("2020-01-01")
        await visit.click("Continue")
        await expect(day).to_be_focused()
        await visit.says("Choose a value from")
        chosen = datetime.now(UTC).date() + timedelta(days=7)
        await day.fill(chosen.isoformat())
        await visit.click("Continue")
        await visit.headed("Check your return")
        await visit.says(f"Pickup on {chosen:%A} {chosen.day} {chosen:%B}")
        await visit.click("Return now")
        await visit.headed("Your label is ready")
        await visit.says(f"Pickup on {chosen:%A} {chosen.day} {chosen:%B}")


async def test_customs(browser: Browser, url: str) -> None:
    """A return that crosses a customs border asks for the invoice number and gets its label."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("INTL"), "W1A 1AA")
        await visit.choose_items()
        await visit.click("Continue")
        await visit.page.get_by_label("Have it picked up").check()
        await visit.click("Continue")
        await visit.click("Return now")
        await visit.says("Please fill this in.")
        await visit.page.get_by_label("Invoice number").fill("R-2026-11")
        await visit.looked_at("customs")
        await visit.click("Return now")
        await visit.headed("Your label is ready")
        await expect(visit.page.get_by_role("button", name="Download customs declaration")).to_be_visible()


async def test_unreturnable_order(browser: Browser, url: str) -> None:
    """An order that cannot be returned online is said so right after the lookup, with the shop's contact."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("UNSHIPPED"))
        await visit.headed("This order cannot be returned online")
        await expect(visit.page.get_by_role("main").get_by_role("link", name="Contact the shop")).to_be_visible()
        await visit.looked_at("unreturnable")


async def test_excluded_items(
    browser: Browser, store: Valkey, upstream: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What the shop's policy excludes is told beside the item, and at once for an order of nothing else."""
    (file := tmp_path_factory.mktemp("shops") / "shops.toml").write_text(EXCLUDES_SHIRTS)
    async with running_bff(store.url, upstream, module="app.sandbox.shop", brands="", shops=file) as shop:
        url = f"http://localhost:{shop.port}/page/"
        async with visiting(browser, url) as visit:
            await visit.look_up(fresh("ITEMS"))
            await visit.says("By its return policy, the shop does not take this item back.")
            await expect(visit.page.get_by_role("checkbox", name="Blue shirt M")).to_have_count(0)
            await expect(visit.page.get_by_role("link", name="Return policy")).to_be_visible()
            await visit.looked_at("excluded")
        async with visiting(browser, url) as visit:
            await visit.look_up(fresh("LABEL"))
            await visit.headed("Nothing can be returned")
            await expect(visit.page.get_by_role("main").get_by_role("link", name="Contact the shop")).to_be_visible()


async def test_deadline(
    browser: Browser, store: Valkey, upstream: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Beside an item stands until when it can come back; an order whose time is over says so at once."""
    (file := tmp_path_factory.mktemp("shops") / "shops.toml").write_text(f"{ENTRIES}[shops.demo.policy]\nwindow = 14\n")
    in_time, late = fresh("ITEMS"), fresh("ITEMS")
    async with (
        running_bff(store.url, upstream, module="app.sandbox.shop", brands="", shops=file) as shop,
        httpx.AsyncClient(base_url=upstream.panel_url, trust_env=False) as panel,
    ):
        for order, days in ((in_time, 1), (late, 16)):
            parcel = (await customer_of(panel, order)).lookup["data"]["parcel"]["id"]
            delivered = parcel_status_changed(order, parcel, 11, time.time() - days * 86_400)
            assert (await Integration(shop.http).tells(delivered)).json() == {"outcome": "noted"}
        url = f"http://localhost:{shop.port}/page/"
        async with visiting(browser, url) as visit:
            await visit.look_up(in_time)
            await expect(visit.page.get_by_text("Return by").first).to_be_visible()
            await visit.looked_at("deadline")
        async with visiting(browser, url) as visit:
            await visit.look_up(late)
            await visit.headed("Nothing can be returned")


async def test_returned_items(browser: Browser, url: str) -> None:
    """An item that was returned is told apart from one that the shop does not take back, and its return is linked."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("ITEMS"))
        await visit.headed("Your label is ready")
        await visit.click("Return something else")
        await visit.says("Already returned")
        await visit.says("The shop does not take this item back.")
        await visit.page.get_by_role("link", name="Blue shirt M").click()
        await visit.headed("Your label is ready")


async def test_expired_session(browser: Browser, url: str, store: Valkey) -> None:
    """An expired session leads to the first step; the choices are there after the next lookup."""
    order = fresh("LABEL")
    async with visiting(browser, url) as visit:
        await visit.look_up(order)
        await visit.choose_items()
        await visit.click("Continue")
        [session] = [key async for key in store.client.scan_iter("s:*") if await store.client.delete(key)][-1:]
        assert session
        await visit.page.get_by_label("Drop off at a parcel point").click()
        await visit.says("Your session has ended")
        await visit.looked_at("expired")
        await visit.look_up(order)
        await expect(visit.page.get_by_role("checkbox").first).to_be_checked()


async def test_unknown_order(browser: Browser, url: str) -> None:
    """An order that does not exist is reported at its field, and the input stays."""
    async with visiting(browser, url) as visit:
        await visit.look_up("NOBODY-KNOWS-THIS")
        await visit.says("No matching parcel was found")
        await visit.looked_at("unknown-order")
        await expect(visit.page.get_by_label("Order or tracking number")).to_have_value("NOBODY-KNOWS-THIS")


async def test_missing_answers(browser: Browser, url: str) -> None:
    """A missing value is reported beside its field, in the page's language, and the first such field has the focus."""
    async with visiting(browser, url) as visit:
        await visit.click("Find my order")
        order = visit.page.get_by_label("Order or tracking number")
        await expect(order).to_be_focused()
        await expect(order).to_have_accessible_description(re.compile(r"Please fill this in\.$"))
        await visit.looked_at("missing")
        await visit.look_up(fresh("LABEL"))
        await visit.headed("What do you want to return?")
        await visit.page.get_by_label("Money back").check()
        await visit.click("Continue")
        await visit.says("Choose at least one item.")
        await expect(visit.page.get_by_role("checkbox").first).to_be_focused()


@pytest.mark.parametrize(("language", "told"), [("en", "Please check this."), ("nl", "Controleer dit.")])
async def test_faults_that_the_service_finds(browser: Browser, url: str, language: str, told: str) -> None:
    """What the service finds wrong with a value stands beside its field, in the page's language and no other words."""

    async def refuse(route: Route) -> None:
        fault = {"pointer": "#/postal_code", "code": "string-pattern-mismatch", "detail": "String should match"}
        problem = {"code": "invalid-request", "title": "Some details", "detail": "", "errors": [fault]}
        await route.fulfill(status=422, json={**problem, "retryable": False, "request_id": "r"})

    async with visiting(browser, url) as visit:
        await visit.headed("Return an order")
        await visit.page.get_by_label("Language").select_option(language)
        await visit.page.route("**/v1/brands/demo/sessions", refuse)
        order, postal_code = visit.page.get_by_role("textbox").first, visit.page.get_by_role("textbox").nth(1)
        await order.fill("LABEL-1")
        await postal_code.fill("5611 AA")
        await postal_code.press("Enter")
        await expect(postal_code).to_be_focused()
        await expect(postal_code).to_have_accessible_description(re.compile(rf"{re.escape(told)}$"))
        await expect(visit.page.get_by_text("String should match")).to_have_count(0)
        await expect(visit.page.locator("#problem")).to_have_count(0)
        await visit.looked_at(f"fault-{language}")


async def test_blank_answers(browser: Browser, url: str) -> None:
    """An order number of blanks alone, which browsers take for an answer, is told at its field."""
    async with visiting(browser, url) as visit:
        await visit.look_up("   ")
        order = visit.page.get_by_label("Order or tracking number")
        await expect(order).to_have_accessible_description(re.compile(r"Please fill this in\.$"))


async def test_a_part_of_the_address_is_asked_for(browser: Browser, url: str) -> None:
    """An address without e-mail is completed in the review; a wrong one is told there, and then the return is made."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("NOEMAIL"))
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        email = visit.page.get_by_label("E-mail address")
        await visit.click("Return now")
        await expect(email).to_be_focused()
        await visit.says("Please fill this in.")
        await email.fill("someone")
        await visit.click("Return now")
        await visit.says("Please check this.")
        await visit.looked_at("contact")
        await email.fill("someone@shop.example")
        await visit.click("Return now")
        await visit.headed("Your label is ready")


async def test_a_choice_that_is_gone(browser: Browser, url: str) -> None:
    """What the preview finds wrong with a choice stands beside it in the review, next to the way to change it."""

    async def closed(route: Route) -> None:
        fault = {"pointer": "#/delivery/service_point", "code": "unavailable", "detail": "The point is gone."}
        await route.fulfill(json={"valid": False, "problems": [fault], "fee": None, "missing": []})

    async with visiting(browser, url) as visit:
        await visit.page.route("**/v1/returns/preview", closed)
        await visit.look_up(fresh("LABEL"))
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        part = visit.page.locator(".part", has_text="Method")
        await expect(part).to_contain_text("This point cannot take your parcel at the moment.")
        await visit.looked_at("gone")
        await part.get_by_role("button", name="Change").click()
        await visit.headed("How do you want to send it back?")


async def test_double_clicks(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """Double clicks stop at the review, whose button is where Continue was, and make one return."""
    order = fresh("LABEL")
    async with visiting(browser, url, "phone") as visit:
        await visit.page.get_by_label("Order or tracking number").fill(order)
        await visit.page.get_by_label("Postal code").fill("5611 AA")
        await visit.page.get_by_role("button", name="Find my order").dblclick()
        await visit.choose_items()
        await visit.page.get_by_role("button", name="Continue").dblclick()
        await visit.headed("How do you want to send it back?")
        await expect(visit.page.get_by_text("Choose one.")).to_have_count(0)
        await visit.choose_point()
        continued = await visit.page.get_by_role("button", name="Continue").bounding_box()
        assert continued
        middle = (continued["x"] + continued["width"] / 2, continued["y"] + continued["height"] / 2)
        await visit.page.mouse.click(*middle)
        await visit.headed("Check your return")
        await visit.page.mouse.move(*middle)
        for each in ("down", "up"):
            await getattr(visit.page.mouse, each)(click_count=2)
        assert await visit.page.evaluate("document.querySelector('form').ariaBusy") is None
        await visit.page.get_by_role("button", name="Return now").dblclick()
        await visit.headed("Your label is ready")
    assert len(await upstream.ledger(kind="incoming", order=order)) == 1


async def test_two_tabs(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """A tab whose session another tab has replaced shows the other order, and returns nothing of it unasked."""
    one, other = fresh("LABEL"), fresh("LABEL")
    async with visiting(browser, url) as visit:
        await visit.look_up(one)
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        await visit.headed("Check your return")
        second = await visit.page.context.new_page()
        await second.goto(url)
        await second.get_by_role("button", name="Another order").click()
        await second.get_by_label("Order or tracking number").fill(other)
        await second.get_by_label("Postal code").fill("5611 AA")
        await second.get_by_role("button", name="Find my order").click()
        await expect(second.get_by_text(f"Order {other}")).to_be_visible()
        await visit.click("Return now")
        await visit.says("Another order was opened in this browser.")
        await visit.says(f"Order {other}")
        await expect(visit.page.get_by_role("checkbox").first).not_to_be_checked()
    assert await upstream.ledger(kind="incoming", order=other) == []


@pytest.mark.parametrize("step", ["toString", "__proto__", "review", "%", "handoff="])
async def test_odd_fragments(browser: Browser, url: str, step: str) -> None:
    """A fragment that names no step, or one that is not reached yet, leads to the first screen."""
    async with visiting(browser, f"{url}?identifier=%3Cb%3E&brand=../x&other=1#{step}") as visit:
        await visit.headed("Return an order")
        await expect(visit.page.get_by_label("Order or tracking number")).to_have_value("<b>")
    async with visiting(browser, f"{url}#{step}") as visit:
        await visit.headed("Return an order")


async def test_a_session_that_ends_while_the_page_waits(browser: Browser, url: str) -> None:
    """A page that waits for a payment or a label goes to the lookup once its session is over."""
    problem = {"code": "session-expired", "title": "Your session has ended", "retryable": False, "errors": []}

    async def refuse(route: Route) -> None:
        held = "prefer" in route.request.headers
        await (route.fulfill(status=401, json=problem) if held else route.continue_())

    async with visiting(browser, url) as visit:
        await visit.page.route("**/v1/returns/rtn_*", refuse)
        await visit.send(fresh("PAID"))
        await visit.headed("Return an order")
        await visit.says("Your session has ended")


async def test_impatient_clicks(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """Four clicks are one lookup, and the button shows that it is busy."""
    order = fresh("SLOW")
    async with visiting(browser, url) as visit:
        await visit.page.get_by_label("Order or tracking number").fill(order)
        await visit.page.get_by_label("Postal code").fill("5611 AA")
        await visit.page.get_by_role("button", name="Find my order").click(click_count=4)
        await expect(visit.page.locator("form")).to_have_attribute("aria-busy", "true")
        await visit.headed("What do you want to return?")
    assert len(await upstream.ledger(kind="outgoing", order=order)) == 1


async def test_upstream_down(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """While the upstream is down the page offers to try again, and then it works."""
    order = fresh("LABEL")
    async with visiting(browser, url) as visit:
        await visit.headed("Return an order")
        await upstream.fault("down")
        await visit.look_up(order)
        retry = visit.page.get_by_role("button", name="Try again")
        await expect(retry).to_be_visible(timeout=15_000)
        await visit.looked_at("upstream-down")
        await upstream.fault("none")
        await expect(retry).to_be_enabled(timeout=30_000)
        await retry.click()
        await visit.headed("What do you want to return?")


async def test_back_and_reload(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """The browser's Back leads to the step before, a reload stays on its step, and neither loses the choices."""
    order = fresh("SLOWLABEL")
    async with visiting(browser, url) as visit:
        await visit.look_up(order)
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        await visit.headed("Check your return")
        await visit.page.go_back()
        await visit.headed("How do you want to send it back?")
        await visit.page.go_back()
        await expect(visit.page.get_by_role("checkbox").first).to_be_checked()
        await visit.page.go_forward()
        await visit.page.go_forward()
        await visit.page.reload()
        await visit.headed("Check your return")
        await visit.click("Return now")
        await visit.headed("Your label is on its way")
        await visit.page.reload()
        await visit.headed("Your label is ready")
    assert len(await upstream.ledger(kind="incoming", order=order)) == 1


async def test_every_step_after_a_reload(browser: Browser, url: str) -> None:
    """A reload of any step shows the same step, and Back and Forward from there lead where they led before."""
    headings = [
        "Return an order",
        "What do you want to return?",
        "How do you want to send it back?",
        "Check your return",
    ]
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("ITEMS"))
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        for before, heading in zip(reversed(headings[:-1]), reversed(headings), strict=False):
            await visit.headed(heading)
            await visit.page.reload()
            await visit.headed(heading)
            await visit.page.go_back()
            await visit.headed(before)
            await visit.page.go_forward()
            await visit.headed(heading)
            await visit.page.go_back()
        await visit.page.reload()
        await visit.headed(headings[0])
        for heading in headings[1:]:
            await visit.page.go_forward()
            await visit.headed(heading)
        await visit.says("Voorbeeld Boekhandel")


async def test_back_from_the_confirmation(browser: Browser, url: str, upstream: SandboxProcess) -> None:
    """After a return Back shows the items with nothing chosen, so that no click sends the same choice once more."""
    order = fresh("ITEMS")
    async with visiting(browser, url) as visit:
        await visit.look_up(order)
        await visit.choose_items()
        await visit.page.get_by_role("checkbox").first.uncheck()
        await visit.page.get_by_role("checkbox").nth(1).check()
        await visit.page.get_by_label("Reason").select_option(index=1)
        await visit.click("Continue")
        await visit.choose_point()
        await visit.click("Continue")
        await visit.click("Return now")
        await visit.headed("Your label is ready")
        await visit.page.go_back()
        await visit.headed("What do you want to return?")
        await visit.says("2 of 3 can be returned")
        for box in await visit.page.get_by_role("checkbox").all():
            await expect(box).not_to_be_checked()
        await visit.page.go_forward()
        await visit.headed("Your label is ready")
        await visit.page.reload()
        await visit.headed("Your label is ready")
    assert len(await upstream.ledger(kind="incoming", order=order)) == 1


async def test_back_from_the_payment(browser: Browser, url: str) -> None:
    """A shopper who comes back from paying without having paid sees the payment that is due, after a reload too."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("PAID"))
        await visit.headed("One payment to go")
        await visit.click("Pay now")
        await visit.page.wait_for_url("**/checkout/*")
        await visit.page.go_back()
        await visit.headed("One payment to go")
        await visit.page.reload()
        await visit.headed("One payment to go")
        await visit.page.go_back()
        await visit.says("Your returns so far")


async def test_points(browser: Browser, url: str) -> None:
    """Points are filtered by text and by distance, and a dot of the map chooses one."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("LABEL"))
        await visit.choose_items()
        await visit.click("Continue")
        await visit.choose_point()
        await visit.page.locator(".dot").nth(1).click()
        points = visit.page.get_by_role("group", name="Choose a drop-off point").get_by_role("radio")
        await expect(points.nth(1)).to_be_checked()
        await visit.page.get_by_label("Search by place or name").fill("kruisstraat")
        await expect(points).to_have_count(1)
        await visit.page.get_by_label("Within").select_option("25 km")
        await expect(visit.page.get_by_role("img", name="Map of the points")).to_have_count(0)
        await visit.page.get_by_label("Search by place or name").fill("nowhere")
        await visit.says("There is no matching point here.")


async def test_handoff(browser: Browser, url: str) -> None:
    """The link goes on in another profile, leaves its address bar at once, and does not work a second time."""
    async with visiting(browser, url) as first:
        await first.send(fresh("LABEL"))
        await first.headed("Your label is ready")
        await first.click("Continue on your phone")
        await first.says("It works once, within 15 minutes.")
        await first.looked_at("handoff")
        link = await first.page.locator("#handoff").get_attribute("href")
        assert link
        async with visiting(browser, link, "phone") as second:
            await second.headed("Your label is ready")
            assert second.page.url == f"{url}#follow"
            await second.looked_at("handed-off")
            assert not [request.url for request in second.requests[1:] if "rph_" in request.url]
        async with visiting(browser, link) as third:
            await third.says("The link is no longer valid")
            await third.headed("Return an order")


async def test_a_link_asks_before_it_takes_the_place_of_a_session(browser: Browser, url: str) -> None:
    """A link that is opened where a return is under way is not redeemed before the shopper agrees."""
    async with visiting(browser, url) as first, visiting(browser, url) as second:
        await first.send(fresh("LABEL"))
        await first.headed("Your label is ready")
        await first.click("Continue on your phone")
        link = await first.page.locator("#handoff").get_attribute("href")
        assert link
        await second.look_up(fresh("ITEMS"))
        await second.headed("What do you want to return?")
        for answer, heading in [("Stay here", "What do you want to return?"), ("Open the link", "Your label is ready")]:
            await second.page.goto("about:blank")
            await second.page.goto(link)
            await second.says("The link opens another return")
            await second.looked_at("link")
            await second.click(answer)
            await second.headed(heading)


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


async def test_the_services_words_follow_the_language(browser: Browser, url: str) -> None:
    """The service's texts about an item and a refused lookup are shown in the language that the shopper chose."""
    async with visiting(browser, url) as visit:
        language = visit.page.get_by_label("Language")
        await visit.look_up("NOBODY-KNOWS-THIS")
        await visit.says("No matching parcel was found")
        await visit.look_up(fresh("ITEMS"))
        await visit.says("The shop does not take this item back.")
        await language.select_option("nl")
        await visit.says("De winkel neemt dit artikel niet terug.")
        await visit.page.reload()
        await visit.headed("What do you want to return?")
        await visit.says("The shop does not take this item back.")


async def test_keyboard(browser: Browser, url: str) -> None:
    """The whole journey works with the keyboard alone, and each step starts at its heading."""
    async with visiting(browser, url) as visit:
        keyboard = visit.page.keyboard

        async def tab_to(role: str, name: str) -> None:
            target = visit.page.get_by_role(role, name=name).first  # type: ignore[arg-type]  # a literal of 80 roles
            await expect(target).to_be_visible()
            for _ in range(60):
                await keyboard.press("Tab")
                if await target.evaluate("element => element === document.activeElement"):
                    return
            pytest.fail(f"the keyboard does not reach {name}")

        await expect(visit.page.get_by_role("heading", name="Return an order")).to_be_focused()
        await tab_to("textbox", "Order or tracking number")
        await keyboard.type(fresh("LABEL"))
        await tab_to("textbox", "Postal code")
        await keyboard.type("5611 AA")
        await keyboard.press("Enter")
        await expect(visit.page.get_by_role("heading", name="What do you want to return?")).to_be_focused()
        await tab_to("checkbox", "Blue shirt M")
        await keyboard.press("Space")
        await tab_to("combobox", "Reason")
        await keyboard.press("ArrowDown")
        await tab_to("radio", "Money back")
        await keyboard.press("Space")
        await tab_to("button", "Continue")
        await keyboard.press("Enter")
        await expect(visit.page.get_by_role("heading", name="How do you want to send it back?")).to_be_focused()
        await tab_to("radio", "Drop off at a parcel point")
        await keyboard.press("Space")
        await tab_to("radio", "1. Voorbeeld Boekhandel")
        await keyboard.press("Space")
        await tab_to("button", "Continue")
        await keyboard.press("Enter")
        await expect(visit.page.get_by_role("heading", name="Check your return")).to_be_focused()
        await tab_to("button", "Return now")
        await keyboard.press("Enter")
        await visit.headed("Your label is ready")
        await tab_to("button", "Download label (PDF)")
        async with visit.page.expect_download():
            await keyboard.press("Enter")


async def test_accessibility_tree(browser: Browser, url: str) -> None:
    """A screen reader meets landmarks, the current step, and fields with name, hint and state."""
    async with visiting(browser, url) as visit:
        await visit.look_up(fresh("ITEMS"))
        await visit.choose_items()
        await expect(visit.page.locator("body")).to_match_aria_snapshot("""
            - banner:
              - text: Demo Shop Language
              - combobox "Language"
            - navigation "Progress":
              - list:
                - listitem: Items
                - listitem: Method
                - listitem: Check
                - listitem: Label
            - main:
              - heading "What do you want to return?" [level=1]
              - list:
                - listitem:
                  - group "Blue shirt M":
                    - checkbox "Blue shirt M 29.95" [checked]
                    - combobox "Reason"
              - group "How do you want to be refunded?":
                - radio "Money back" [checked]
              - button "Continue"
            - contentinfo:
              - link "Return policy"
              - link "Contact the shop"
        """)
        assert await visit.page.locator("nav li[aria-current=step]").inner_text() == "Items"


async def test_end(browser: Browser, url: str) -> None:
    """A shopper who finishes leaves nothing behind on the device: neither session nor draft."""
    async with visiting(browser, url) as visit:
        await visit.send(fresh("LABEL"))
        await visit.headed("Your label is ready")
        await visit.click("Finish and forget me on this device")
        await visit.headed("Return an order")
        assert await visit.page.context.cookies() == []
        assert "rtn_" not in await visit.page.evaluate("JSON.stringify(sessionStorage)")


async def _answered_later(route: Route, **changes: Any) -> None:
    """Lets the service answer, and changes the answer to one of a later version."""
    answer = await route.fetch()
    await route.fulfill(response=answer, json=await answer.json() | changes)


async def test_a_shop_without_prices_and_refunds(browser: Browser, url: str) -> None:
    """Where a price is not known there is no sum, and where no refund is offered there is no question about it."""

    async def bare(route: Route) -> None:
        screen = await (await route.fetch()).json()
        items = [item | {"unit_price": None, "product_id": ""} for item in screen["items"]]
        await _answered_later(route, items=items, options=screen["options"] | {"refund_required": False})

    async with visiting(browser, url) as visit:
        # The page asks for a session when it opens, and there is none yet.
        await visit.headed("Return an order")
        await visit.page.route("**/v1/session", bare)
        await visit.look_up(fresh("LABEL"))
        await visit.page.get_by_role("checkbox").first.check()
        await visit.page.get_by_label("Reason").select_option(index=1)
        await expect(visit.page.get_by_text("Value of your items")).to_have_count(0)
        await expect(visit.page.get_by_role("group", name="How do you want to be refunded?")).to_have_count(0)
        await visit.looked_at("bare")
        await visit.click("Continue")
        await visit.headed("How do you want to send it back?")


@pytest.mark.parametrize(
    ("state", "heading"),
    [
        ("weighed", "Your return is being processed"),
        ("accepted", "Your return is registered"),
        ("label_lost", "We could not get your label"),
    ],
)
async def test_states_without_a_label(browser: Browser, url: str, state: str, heading: str) -> None:
    """A state that the page does not know is work under way; the others say who helps."""
    async with visiting(browser, url) as visit:
        await visit.page.route("**/v1/returns/rtn_*", partial(_answered_later, state=state), times=1)
        await visit.send(fresh("PAID"))
        await visit.headed(heading)
        await expect(visit.page.get_by_role("progressbar")).to_have_count(1 if state == "weighed" else 0)
        await visit.looked_at(state)


async def test_where_the_parcel_is(browser: Browser, url: str) -> None:
    """A return says where its parcel is as far as that is told, and a word that the page does not know is left out."""

    async def moved(route: Route) -> None:
        tracking = {"status": statuses.pop(), "carrier": "postnl", "number": "3SABC", "updated_at": None}
        await _answered_later(route, parcels=[{"id": 1, "tracking_number": "3SABC", "tracking": tracking}])

    statuses = ["turned_round", "delivered"]
    async with visiting(browser, url) as visit:
        await visit.send(fresh("INSTANT"))
        await visit.headed("Your label is ready")
        await visit.page.route("**/v1/returns/rtn_*", moved)
        for shown in ("3SABC: back at the shop", "3SABC"):
            await visit.page.reload()
            await expect(visit.page.locator("dd").last).to_have_text(shown)


@pytest.mark.parametrize("body", ["null", '{"message": "Endpoint request timed out"}', "<h1>Bad gateway</h1>"])
async def test_answers_of_a_gateway(browser: Browser, url: str, body: str) -> None:
    """An error that is no problem document, as gateways answer it, is told as no connection and can be tried again."""

    async def refuse(route: Route) -> None:
        await route.fulfill(status=502, content_type="application/json", body=body)

    async with visiting(browser, url) as visit:
        await visit.page.route("**/v1/brands/demo/sessions", refuse)
        await visit.look_up(fresh("LABEL"))
        await visit.says("There is no connection. Please check your network.")
        await expect(visit.page.get_by_role("button", name="Try again")).to_be_enabled()


async def test_an_order_that_cannot_be_returned_now(browser: Browser, url: str) -> None:
    """A refused lookup leads to the shop's own return portal."""

    async def refuse(route: Route) -> None:
        problem = {"code": "not-returnable-now", "title": "", "retryable": False, "errors": []}
        await route.fulfill(status=409, headers={"Location": "https://demo.example/rp/"}, json=problem)

    async with visiting(browser, url) as visit:
        await visit.page.route("**/v1/brands/demo/sessions", refuse)
        await visit.look_up(fresh("LABEL"))
        portal = visit.page.get_by_role("link", name="Go to the shop's return portal")
        await expect(portal).to_have_attribute("href", "https://demo.example/rp/")


@pytest.mark.parametrize("size", SIZES)
async def test_problem_page(browser: Browser, shop: Bff, size: str) -> None:
    """The page behind a problem's type is accessible, has its own style, and loads nothing else."""
    origin = f"http://localhost:{shop.port}"
    async with visiting(browser, f"{origin}/problems/units-claimed", size) as visit:
        await visit.says("These items are already in another return")
        await visit.looked_at("problem")
        style = "getComputedStyle(document.body).maxWidth"
        assert await visit.page.evaluate(style) == "672px"
        assert {request.url for request in visit.requests} <= {visit.page.url, f"{origin}/favicon.ico"}
