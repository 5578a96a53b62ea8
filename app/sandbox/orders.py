"""Orders: a magic prefix, a dash and a free suffix. The same number always is the same order."""

import hashlib
import re
from dataclasses import dataclass
from itertools import chain, repeat

from app.sandbox.answers import Refused
from app.sandbox.brands import Brand, Json, load
from app.sandbox.points import nearest
from app.sandbox.scenarios import SCENARIOS, Scenario

NUMBER = re.compile(r"([A-Z0-9]+)-([A-Za-z0-9]+)")
TRACKING_NUMBER = re.compile(r"3SOUT[1-9](\d\d)([A-Za-z0-9]+)")
"""Collo, length of the prefix, then the order number without its dash: readable back into the order."""


@dataclass(frozen=True)
class Order:
    """One order of one brand; everything about it follows from its number."""

    brand: Brand
    prefix: str
    suffix: str

    @property
    def number(self) -> str:
        """As the customer types it."""
        return f"{self.prefix}-{self.suffix}"

    @property
    def scenario(self) -> Scenario:
        """The scenario of its prefix."""
        return SCENARIOS[self.prefix]

    @property
    def parcel_id(self) -> int | None:
        """Nine digits, stable for brand and number; None for an order that never shipped."""
        if not self.scenario.shipped:
            return None
        digest = hashlib.sha256(f"{self.brand.domain}/{self.number}".encode()).digest()
        return 100_000_000 + int.from_bytes(digest[:8], "big") % 900_000_000

    @property
    def tracking_number(self) -> str:
        """Of the main parcel; empty for an order that never shipped."""
        return f"3SOUT1{len(self.prefix):02}{self.prefix}{self.suffix}" if self.scenario.shipped else ""

    @property
    def customer(self) -> Json:
        """Who ordered, with address and coordinates."""
        person: Json = load("overseas_customer") if self.scenario.overseas else self.brand.settings["customer"]
        return person

    def opens_with(self, postal_code: str) -> bool:
        """Whether this is the brand's documented code, or the customer's own; blanks and case do not count."""
        typed = _plain(postal_code)
        return typed in (_plain(self.brand.settings["postal_code"]), _plain(self.customer["postal_code"]))

    def products(self, returned: int = 0) -> list[Json]:
        """`data.products` of E2, after so many units of each came back."""
        catalogue, odd = self.brand.settings["products"], self.scenario.lines
        return [
            {**product, "quantity": quantity - returned, **line}
            for product, quantity, line in zip(
                catalogue, self.scenario.quantities, chain(odd, repeat({})), strict=False
            )
        ]

    def parcel(self) -> Json:
        """`data.parcel` of E2."""
        customer = self.customer
        same = ("house_number", "city", "company_name", "country", "email", "name", "postal_code", "telephone")
        return {key: customer[key] for key in same} | {
            "id": self.parcel_id,
            "address": f"{customer['street']} {customer['house_number']}",
            "address_2": "",
            "address_divided": {"street": customer["street"], "house_number": customer["house_number"]},
            "to_state": None,
            "tracking_number": self.tracking_number,
            "order_number": self.number,
            "to_coordinates": {"latitude": customer["latitude"], "longitude": customer["longitude"]},
            "collo_count": self.scenario.collo_count if self.scenario.shipped else None,
            "weight": "1.250",
            "carrier": {"code": self.brand.carrier_codes()[0]},
            **self.scenario.address,
        }

    def outgoing(self, *, omit_service_points: bool, returned: int) -> Json:
        """`data` of E2 after so many units came back; some brands have `shipping_method_ids` (docs/upstream.md C5)."""
        data = {"parcel": self.parcel(), "products": self.products(returned), "carriers": self.brand.carriers()}
        data |= self.brand.national_carrier()
        if self.brand.settings["shipping_method_ids"]:
            data["shipping_method_ids"] = self.brand.settings["shipping_method_ids"]
        return data if omit_service_points else data | self._places()

    def _places(self) -> Json:
        """The members that `omit_service_points` leaves out."""
        customer = self.customer
        places = {
            "service_point": nearest(self.brand, customer, labelless=False),
            "shop_distances": self.brand.shop_distances(customer["latitude"], customer["longitude"]),
        }
        if "drop_off_labelless" in self.brand.delivery_options:
            places["labelless_service_point"] = nearest(self.brand, customer, labelless=True)
        return places


def order_known_as(brand: Brand, identifier: str) -> Order | None:
    """The order with this order number or tracking number (of any of its parcels), None where there is none."""
    prefix, suffix = _parts(identifier)
    order = Order(brand, prefix, suffix) if prefix in SCENARIOS else None
    # An order that never shipped has no tracking number.
    return order if order and (order.scenario.shipped or "-" in identifier) else None


def find_order(brand: Brand, identifier: str, postal_code: str) -> Order:
    """The order these two open.

    Raises:
        Refused: a parameter is missing (400), the postal code has no digit (400), or order and postal code
            do not go together (404, the same for an unknown order: our choice).
    """
    if not identifier or not postal_code:
        raise Refused(400, "missing_parameter", "Both identifier and postal_code are needed.")
    # Asked before the order is searched, so that the answer does not tell whether it exists.
    if not any(character.isdigit() for character in postal_code):
        raise Refused(400, "invalid_postal_code", "The postal code you provided is invalid.")
    order = order_known_as(brand, identifier)
    if order is None or not order.opens_with(postal_code):
        raise Refused(404, "order_not_found", "No matching order.")
    return order


def _parts(identifier: str) -> tuple[str, str]:
    """Prefix and suffix; both empty where it is neither kind of number."""
    if number := NUMBER.fullmatch(identifier):
        return number[1], number[2]
    if tracking := TRACKING_NUMBER.fullmatch(identifier):
        length = int(tracking[1])
        return tracking[2][:length], tracking[2][length:]
    return "", ""


def _plain(postal_code: str) -> str:
    return "".join(postal_code.split()).upper()
