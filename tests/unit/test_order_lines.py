"""Which lines an order has, and what names them."""

import itertools
import re

import pytest

from app.domain import OrderLine
from tests.support.samples import order, product


def lines(*products: object) -> tuple[OrderLine, ...]:
    """The lines of an order of these products."""
    return order(products=list(products)).lines


@pytest.mark.parametrize("missing", ["", "None", "null", " ", None])
def test_lines_without_ids_are_told_apart(missing: object) -> None:
    """Lines without product ids have ids of their own, opaque and different, and can come back."""
    small, large = lines(product(id=missing, name="Shirt S"), product(id=missing, name="Shirt L"))
    assert all(re.fullmatch(r"ln_[A-Za-z0-9_-]{22}", line.id) for line in (small, large))
    assert small.id != large.id
    assert (small.returnable_quantity, large.returnable_quantity) == (2, 2)


def test_an_id_of_two_lines_names_neither() -> None:
    """A paid and a free line of one product id are two lines with ids of ours, each with its own price."""
    paid, free, other = lines(product(price="29.95"), product(price="0.00"), product(id="hat"))
    assert len({paid.id, free.id, other.id, "shirt"}) == 4
    assert (other.id, paid.product_id, free.product_id) == ("hat", "shirt", "shirt")
    assert (str(paid.price), str(free.price)) == ("29.95", "0.00")


def test_ids_do_not_depend_on_the_session() -> None:
    """Order of lines, quantity, image and whether units can come back have no part in an id."""
    shirts = [product(id="", name=name, price=price) for name in ("S", "L") for price in ("1", "2.00")]
    ids = {(line.name, line.price): line.id for line in lines(*shirts)}
    for changed in ({"quantity": 1}, {"image_url": "https://shop.example/x.png"}, {"returnable": False}):
        for shuffled in itertools.permutations(shirts):
            again = lines(*[each | changed for each in shuffled])
            assert {(line.name, line.price): line.id for line in again} == ids


def test_the_id_of_a_line_is_golden() -> None:
    """The made id of a line is the same in every release: claims of 30 days and open pages name it."""
    (line,) = lines(product(id="", name="Shirt S", price="29.95"))
    assert line.id == "ln_fT63rVnx6DM1TGmd-QCiGA"


def test_equal_lines_are_one() -> None:
    """Lines equal in product, name and price add up; units that stay with the shopper are counted apart."""
    (line,) = lines(product(quantity=1), product(quantity=3, returnable=False), product(quantity=2))
    assert (line.id, line.quantity, line.returnable_quantity, line.why_not) == ("shirt", 6, 3, None)


@pytest.mark.parametrize(
    ("odd", "why_not"),
    [
        ({"returnable": False}, "not-returnable"),
        ({"returnable": None}, "incomplete"),
        ({"quantity": None}, "incomplete"),
        ({"quantity": 0}, "incomplete"),
        ({"quantity": 1.5}, "incomplete"),
    ],
)
def test_odd_lines_stay(odd: dict[str, object], why_not: str) -> None:
    """A line of which too little is known is shown, says why it cannot come back, and costs no other line."""
    shown, sound = lines(product(id="odd") | odd, product())
    assert (shown.id, shown.returnable_quantity, shown.why_not) == ("odd", 0, why_not)
    assert (sound.id, sound.returnable_quantity) == ("shirt", 2)
