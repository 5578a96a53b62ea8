"""What `make run` says and starts."""

import hashlib

import pytest

from app.sandbox.__main__ import PARTNER_KEY, stack, welcome
from app.settings import load_settings


def test_the_printed_partner_key_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service of `make run` knows one partner, and the key that it prints is this partner's."""
    service = stack(8000, 8100, "/nowhere")[-1]
    assert f"Partner key     {PARTNER_KEY} " in welcome(8000, 8100)
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings().partners == {"sandbox": hashlib.sha256(PARTNER_KEY.encode()).digest()}


def test_the_last_words_are_few() -> None:
    """Page, API, events, key and sandbox have a line each, and the last line says how to begin and how to stop."""
    lines = welcome(8080, 8100).strip().splitlines()
    assert len(lines) == 7
    assert "http://localhost:8080" in lines[0]
    assert lines[-1].endswith("Ctrl-C stops everything.")
