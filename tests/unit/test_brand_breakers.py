"""Breakers by brand under one for the whole class."""

import pytest

from app.sendcloud.policy.brand_breakers import BRANDS, BrandBreakers
from app.sendcloud.policy.breaker import FAILURES_IN_A_ROW, OPEN_SECONDS, State

NOW = 1000.0


def fail(breakers: BrandBreakers, brand: str, times: int = FAILURES_IN_A_ROW, *, connected: bool = True) -> None:
    """So many failures of this brand, each about something else."""
    for number in range(times):
        key = hash((brand, number))
        breakers.end(breakers.begin(brand), NOW, (key, brand if connected else key), ok=False)


def test_one_brand_fails_for_itself_alone() -> None:
    """The failures of one brand stop its own calls; the others are served, and the class counts as closed."""
    breakers = BrandBreakers()
    breakers.end(breakers.begin("sound"), NOW, (1, "sound"), ok=True)
    fail(breakers, "odd", 100)
    assert breakers.wait("odd", NOW) == OPEN_SECONDS
    assert (breakers.wait("sound", NOW), breakers.wait("new", NOW)) == (0, 0)
    assert (breakers.state(NOW), breakers.open_brands(NOW)) == (State.CLOSED, 1)


def test_failures_of_several_brands_are_the_upstreams() -> None:
    """Once several brands fail in a row, no brand may call, not even one that never called."""
    breakers = BrandBreakers()
    for brand in ("one", "two", "three"):
        fail(breakers, brand, 2)
    assert breakers.wait("new", NOW) == OPEN_SECONDS
    assert breakers.state(NOW) is State.OPEN


def test_a_host_that_takes_no_connection_is_away_for_every_brand() -> None:
    """Failures to connect open the breaker of the class, though one brand met all of them."""
    breakers = BrandBreakers()
    fail(breakers, "one", connected=False)
    assert breakers.wait("new", NOW) == OPEN_SECONDS


def test_the_only_brand_is_the_class() -> None:
    """With a single brand its breaker is what the class shows."""
    breakers = BrandBreakers()
    fail(breakers, "only")
    assert breakers.state(NOW) is State.OPEN


@pytest.mark.parametrize("brands", [BRANDS + 1, 2 * BRANDS])
def test_brands_are_bounded(brands: int) -> None:
    """However many brands call, the least recent ones are forgotten."""
    breakers = BrandBreakers()
    fail(breakers, "odd")
    for number in range(brands):
        assert breakers.wait(f"brand-{number}", NOW) == 0
    assert breakers.wait("odd", NOW) == 0
