"""What `make run` says and starts."""

import hashlib
from pathlib import Path

import pytest

from app.sandbox.__main__ import PARTNER_KEY, SHOP_KEY, stack, welcome, write_shops
from app.sandbox.brands import all_brands
from app.settings import load_settings
from app.shops import read_shops


def test_the_printed_partner_key_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service of `make run` knows one partner, and the key that it prints is this partner's."""
    service = stack(8000, 8100, "/nowhere")[-1]
    assert f"Partner key     {PARTNER_KEY} " in welcome(8000, 8100)
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings().partners == {"sandbox": hashlib.sha256(PARTNER_KEY.encode()).digest()}


def test_one_shop_has_the_documented_key(tmp_path: Path) -> None:
    """The file of shops of `make run` gives the shop `demo` the key for its own calls that docs/shop-calls.md names."""
    write_shops(8000, str(tmp_path))
    keys = {brand: entry.shop_keys for brand, entry in read_shops(tmp_path / "shops.toml", {}).items()}
    assert keys["demo"] == {"sandbox": hashlib.sha256(SHOP_KEY.encode()).digest()}
    assert f"X-Partner-Key: {SHOP_KEY}" in Path("docs/shop-calls.md").read_text()


def test_the_last_words_are_few() -> None:
    """Page, API, events, key and sandbox have a line each, and the last line says how to begin and how to stop."""
    lines = welcome(8080, 8100).strip().splitlines()
    assert len(lines) == 7
    assert "http://localhost:8080" in lines[0]
    assert lines[-1].endswith("Ctrl-C stops everything.")


def test_one_shop_shows_a_policy(tmp_path: Path) -> None:
    """The file of shops of `make run` is a sound one, and the policy in it is about what its shop offers and sells."""
    write_shops(8000, str(tmp_path))
    entries = read_shops(tmp_path / "shops.toml", {})
    assert entries.keys() == all_brands().keys()
    policy, shop = entries["mode-paris"].policy, all_brands()["mode-paris"]
    assert policy.refused_reasons < shop.reason_ids
    assert policy.excluded_products < {product["id"] for product in shop.settings["products"]}
