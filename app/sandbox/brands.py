"""The shops of the sandbox: their settings, stores, carriers and customers, read from `data/`."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from app.sandbox.answers import Refused

DATA = Path(__file__).parent / "data"
Json = dict[str, Any]
"""A JSON object as the upstream speaks it."""


@dataclass(frozen=True)
class Brand:
    """One shop; `settings` is its entry in `data/brands.json`."""

    settings: Json

    @property
    def domain(self) -> str:
        """The `brand_domain` of its URLs."""
        return str(self.settings["domain"])

    @property
    def delivery_options(self) -> list[str]:
        """How its customers may send things back."""
        return list(self.settings["delivery_options"])

    @property
    def returns_are_free(self) -> bool:
        """Whether it charges no fee."""
        return not float(self.settings["return_fee"])

    @property
    def has_service_points(self) -> bool:
        """Whether service points are activated for it."""
        return bool(self.settings.get("service_points", True))

    @property
    def reason_ids(self) -> set[int]:
        """The return reasons it enabled."""
        return set(self.settings["reasons"])

    def carrier_codes(self) -> list[str]:
        """Codes of the carriers it enabled, the national one first."""
        return list(self.settings["carriers"])

    def portal(self, language: str | None) -> Json:
        """E1: the settings in `language` if the shop has it, else in its first language (our choice)."""
        settings = self.settings
        spoken = language if language in settings["languages"] else settings["languages"][0]
        texts = load("texts")[spoken]
        portal = {
            "reasons": [{"id": number, "description": texts["reasons"][str(number)]} for number in settings["reasons"]],
            "support_url": f"{settings['brand']['website']}/help",
            "return_policy_url": f"{settings['brand']['website']}/returns",
            "enable_branded_footer": True,
            "enable_branded_header": True,
            "layout": {
                "type": "standard",
                "helper_text": settings["helper_text"][spoken],
                "background_image": None,
            },
            "enable_refunds": bool(settings["refunds"]),
            "refund_options": [refund | {"label": texts["refunds"][refund["code"]]} for refund in settings["refunds"]],
        }
        same = ("enable_paid_returns", "brand", "languages", "return_fee", "delivery_options")
        stores = [_without_place(store) for store in settings["stores"]]
        return {"portal": portal | {name: settings[name] for name in same}, "return_locations": stores}

    def carriers(self) -> list[Json]:
        """`carriers` of E2."""
        return [{key: load("carriers")[code][key] for key in ("code", "name", "logo")} for code in self.carrier_codes()]

    def national_carrier(self) -> Json:
        """`national_carrier` and `national_carrier_contact` of E2."""
        carrier = dict(load("carriers")[self.carrier_codes()[0]])
        contact = carrier.pop("contact")
        return {"national_carrier": carrier, "national_carrier_contact": contact}

    def shop_distances(self, latitude: float, longitude: float) -> list[Json]:
        """Whole metres from a place to each store, joined to `return_locations` by id."""
        stores = self.settings["stores"]
        return [
            {"id": store["id"], "distance": metres(latitude, longitude, store["latitude"], store["longitude"])}
            for store in stores
        ]


@cache
def load(name: str) -> Any:  # noqa: ANN401 - the files differ in shape
    """The content of `data/<name>.json`."""
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


@cache
def all_brands() -> dict[str, Brand]:
    """Every shop by its domain."""
    written = {settings["domain"]: settings for settings in load("brands")}
    return {domain: Brand(_whole(settings, written)) for domain, settings in written.items()}


def _whole(settings: Json, written: dict[str, Json]) -> Json:
    """The settings with what they leave out taken from the brand they are like."""
    if "like" not in settings:
        return settings
    other = written[settings["like"]]
    return other | settings | {"brand": other["brand"] | settings["brand"]}


def brand_named(domain: str) -> Brand:
    """The shop of this domain; `Refused` (404, our choice) where there is none."""
    if domain not in all_brands():
        raise Refused(404, "brand_not_found", "No return portal has this name.")
    return all_brands()[domain]


def metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> int:
    """Great-circle distance between two places in whole metres."""
    first, second = math.radians(latitude), math.radians(other_latitude)
    turn = math.radians(other_longitude - longitude)
    part = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * math.sin(turn / 2) ** 2
    return round(2 * 6_371_000 * math.asin(math.sqrt(part)))


def _without_place(store: Json) -> Json:
    """The upstream tells no coordinates of a store."""
    return {key: value for key, value in store.items() if key not in ("latitude", "longitude")}
