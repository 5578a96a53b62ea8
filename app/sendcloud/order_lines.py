"""The lines of an order: which products are units of one line, its id, and why it cannot be returned."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app import domain
from app.sendcloud import schemas

ID_BYTES = 16


class _Line(NamedTuple):
    """The identity of a line: two products that agree in all of this are units of one line."""

    product_id: str
    name: str
    price: str | None


def order_lines(products: Sequence[schemas.Product]) -> tuple[domain.OrderLine, ...]:
    """The lines of an order in their order, each with an id that is unique in the order and the same in every session.

    A line keeps the upstream's id if no other line has it; otherwise its id is made from its identity. Quantity,
    place and whether units can come back have no part in that.
    """
    merged: dict[_Line, list[schemas.Product]] = {}
    for product in products:
        merged.setdefault(_made_of(product), []).append(product)
    named = Counter(line.product_id for line in merged)
    return tuple(
        _order_line(line.product_id if line.product_id and named[line.product_id] == 1 else _made_id(line), units)
        for line, units in merged.items()
    )


def _made_of(product: schemas.Product) -> _Line:
    product_id = product.id.strip()
    price = None if product.price is None else f"{product.price:.2f}"
    return _Line("" if product_id.casefold() in domain.NOTHING else product_id, product.name, price)


def _made_id(line: _Line) -> str:
    digest = hashlib.sha256(json.dumps(line).encode()).digest()[:ID_BYTES]
    return "ln_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _order_line(line_id: str, units: Sequence[schemas.Product]) -> domain.OrderLine:
    first = units[0]
    returnable = _quantity(each for each in units if each.returnable)
    return domain.OrderLine(
        id=line_id,
        product_id=first.id,
        name=first.name,
        image_url=next((each.image_url for each in units if each.image_url), None),
        price=first.price,
        quantity=_quantity(units),
        returnable_quantity=returnable,
        why_not=None if returnable else _why_not(units),
    )


def _quantity(units: Iterable[schemas.Product]) -> int:
    return sum(each.quantity or 0 for each in units)


def _why_not(units: Sequence[schemas.Product]) -> domain.WhyNot:
    return "not-returnable" if any(each.returnable is False for each in units) else "incomplete"
