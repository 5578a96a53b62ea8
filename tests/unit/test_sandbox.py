"""The sandbox's own rules: its orders, its documents, and the page that lists them."""

import contextlib
import re
from pathlib import Path

import pytest

from app.sandbox.answers import Refused
from app.sandbox.brands import all_brands, brand_named, metres
from app.sandbox.orders import Order, order_known_as
from app.sandbox.pdf import draw
from app.sandbox.points import nearest, points_of
from app.sandbox.rate_limits import RateLimits
from app.sandbox.scenarios import SCENARIOS
from tests.support.pdf import pages

DEMO = brand_named("demo")


def order(number: str) -> Order:
    """The order of the brand `demo` with this number, which must exist."""
    found = order_known_as(DEMO, number)
    assert found is not None
    return found


def test_documentation_lists_every_scenario() -> None:
    """docs/sandbox.md has exactly the prefixes and meanings of the table in code, in its order."""
    page = Path("docs/sandbox.md").read_text("utf-8").partition("## Orders")[2].partition("##")[0]
    listed = re.findall(r"^\| `([A-Z0-9]+)` \| (.*) \|$", page, re.MULTILINE)
    assert listed == [(prefix, scenario.meaning) for prefix, scenario in SCENARIOS.items()]


def test_documentation_lists_every_brand() -> None:
    """docs/sandbox.md names each brand with its postal code and carriers."""
    page = Path("docs/sandbox.md").read_text("utf-8")
    for brand in all_brands().values():
        assert re.search(
            rf"^\| `{brand.domain}` \|.*\| {', '.join(brand.carrier_codes())} \| {brand.settings['postal_code']} \|$",
            page,
            re.MULTILINE,
        )


@pytest.mark.parametrize("brand", all_brands())
def test_every_brand_has_every_order(brand: str) -> None:
    """Each prefix with any suffix is an order that its order number and its tracking number find."""
    for prefix in SCENARIOS:
        found = order_known_as(brand_named(brand), f"{prefix}-aZ09")
        assert found == Order(brand_named(brand), prefix, "aZ09"), prefix
        if found.scenario.shipped:
            assert order_known_as(brand_named(brand), found.tracking_number) == found, prefix


@pytest.mark.parametrize(
    "identifier", ["", "LABEL", "LABEL-", "-1", "LABEL-1-2", "LABEL-é", "label-1", "3SOUT1", "3SOUT199A"]
)
def test_other_identifiers_find_nothing(identifier: str) -> None:
    """A text without a known prefix or of another form is no order."""
    assert order_known_as(DEMO, identifier) is None


def test_unshipped_orders_have_no_tracking_number() -> None:
    """An order that never shipped is found by its order number only."""
    assert order("UNSHIPPED-1").tracking_number == ""
    assert order_known_as(DEMO, "3SOUT109UNSHIPPED1") is None


def test_parcel_ids_are_stable_and_differ() -> None:
    """The parcel id follows from brand and order number, and has nine digits."""
    assert order("LABEL-1").parcel_id == order("LABEL-1").parcel_id
    ids = [order(f"LABEL-{n}").parcel_id for n in range(1000)]
    assert len(set(ids)) == 1000
    assert all(100_000_000 <= (one or 0) <= 999_999_999 for one in ids)


@pytest.mark.parametrize(
    ("postal_code", "opens"), [("5611AA", True), ("5611 aa", True), (" 56 11aa ", True), ("5611", False)]
)
def test_blanks_and_case_of_postal_codes(postal_code: str, *, opens: bool) -> None:
    """Blanks and case of a postal code do not count, everything else does."""
    assert order("LABEL-1").opens_with(postal_code) is opens


@pytest.mark.parametrize("postal_code", ["5611 AA", "W1A 1AA"])
def test_overseas_orders_open_with_two_postal_codes(postal_code: str) -> None:
    """An international order opens with the brand's documented code and with its customer's own."""
    assert order("INTL-1").opens_with(postal_code)


def test_distances() -> None:
    """Distances are great-circle metres: Amsterdam to Paris is about 430 km."""
    assert metres(52.3730, 4.8924, 48.8566, 2.3522) == pytest.approx(430_000, rel=0.01)


def test_thirty_service_points() -> None:
    """Thirty points of four carriers in three countries have varied hours, and the guide's example comes on top."""
    points = {
        point["id"]: point for brand in ("demo", "mode-paris", "buecherei") for point in points_of(brand_named(brand))
    }
    assert len(points) == 30
    assert len({point["carrier"] for point in points.values()}) == 4
    assert {point["country"] for point in points.values()} == {"NL", "FR", "DE"}
    hours = {str(point["formatted_opening_times"]) for point in points.values()}
    assert len(hours) == 10
    assert points_of(brand_named("guide"))[0]["id"] == 3611


def test_nearest_points() -> None:
    """The nearest point and the nearest labelless point are usable; overseas there is none."""
    home, overseas = order("LABEL-1").customer, order("INTL-1").customer
    assert (nearest(DEMO, home, labelless=False) or {})["id"] == 20000001
    assert (nearest(DEMO, home, labelless=True) or {})["extra_data"] == {"labelless": True}
    assert nearest(DEMO, overseas, labelless=False) is None


@pytest.mark.parametrize("size", [0, 100_000, 1_000_000])
def test_pdf_reads_back(size: int) -> None:
    """A document of any size has its announced length, and its text reads back page by page."""
    document = draw([["Return (1)", r"back\slash"], ["second"]], size)
    content = bytes(document)
    assert len(content) == document.size
    assert size in (0, document.size)
    assert [page.split("\n") for page in pages(content)] == [["Return (1)", r"back\slash"], ["second"]]


def test_big_pdf_needs_little_memory() -> None:
    """A big document comes in pieces of at most 64 KiB."""
    assert max(map(len, draw([["big"]], 30_000_000).pieces())) <= 65536


def test_documented_rate_limits() -> None:
    """Fifteen writes a second, a hundred a minute and a thousand reads a minute pass; refused ones do not count."""
    now = 0.0
    limits = RateLimits(lambda: now)

    def passing(method: str, tries: int) -> int:
        passed = 0
        for _ in range(tries):
            with contextlib.suppress(Refused):
                limits.take(method)
                passed += 1
        return passed

    assert (passing("POST", 20), passing("GET", 1010)) == (15, 1000)
    in_all = 15
    for now in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0):  # noqa: B007  the clock reads it
        in_all += passing("POST", 20)
    assert in_all == 100
    now = 61.0
    assert (passing("POST", 20), passing("GET", 1010)) == (15, 1000)
