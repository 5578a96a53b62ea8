"""Counters by brand have as many series as there is room for, whatever the number of brands."""

import pytest
from prometheus_client import CollectorRegistry, Counter

from app.telemetry.brands import BrandCounter


@pytest.fixture(name="counter")
def empty_counter() -> Counter:
    """A counter that nothing else counts with."""
    return Counter("tries", "Tries.", ["brand", "outcome"], registry=CollectorRegistry())


def shown(counter: Counter) -> dict[tuple[str, str], float]:
    """The present counts by brand and outcome."""
    samples = [sample for metric in counter.collect() for sample in metric.samples]
    return {
        (each.labels["brand"], each.labels["outcome"]): each.value for each in samples if each.name.endswith("_total")
    }


def test_brands_beyond_the_room_are_counted_together(counter: Counter) -> None:
    """There are never more series than there is room for, and one for all others."""
    brands = BrandCounter(counter, brands=2)
    for brand in "abcd":
        brands.count(brand, "delivered")
    assert shown(counter) == {("a", "delivered"): 1, ("b", "delivered"): 1, ("other", "delivered"): 2}


def test_a_busy_brand_takes_the_place_of_a_quiet_one(counter: Counter) -> None:
    """A brand twice as busy as the least busy named one takes its place, from its next count on."""
    brands = BrandCounter(counter, brands=2)
    for brand in "aaabccc":
        brands.count(brand, "delivered")
    assert shown(counter) == {("a", "delivered"): 3, ("c", "delivered"): 1, ("other", "delivered"): 2}


def test_what_an_alert_counts_is_shown_from_the_beginning(counter: Counter) -> None:
    """Alerted values of named brands and of the others are 0 before their first count, which an alert would not see."""
    BrandCounter(counter, ["given_up"], brands=2).name("abc")
    assert shown(counter) == {("a", "given_up"): 0, ("b", "given_up"): 0, ("other", "given_up"): 0}


def test_every_count_of_an_alerted_value_is_an_increase(counter: Counter) -> None:
    """No series of an alerted value begins above 0, not even that of a brand that takes another one's place."""
    brands = BrandCounter(counter, ["given_up"], brands=1)
    brands.name("a")
    before = shown(counter)
    brands.count("b", "given_up")
    assert before | shown(counter) == {("a", "given_up"): 0, ("other", "given_up"): 1, ("b", "given_up"): 0}
