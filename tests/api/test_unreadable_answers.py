"""What another build kept in a form of its own: a cached answer is asked for again, a session is no logout."""

import secrets
import struct

import pytest

from app.http.callers.session_id import SessionId
from app.redis.encryption import seal
from tests.support.processes import Bff, Valkey, fresh
from tests.support.shopper import POSTAL_CODES, shopper, told

AGE = struct.pack(">d", 4e9)
"""Asked for a moment ago, whatever the clock says."""
UNREADABLE = [b"", b"\x00", AGE, AGE + b"[7]", AGE + b'{"form": "of a build to come"}']


async def keep(store: Valkey, name: str, value: bytes) -> None:
    """Keeps this as an answer of the upstream."""
    await store.client.hset(name, mapping={"r": 7, "o": secrets.token_hex(4), "v": value})
    await store.client.expire(name, 60)


async def spoilt(store: Valkey, pattern: str, value: bytes) -> list[str]:
    """The names of all answers of this form, now kept like this."""
    names = [name.decode() async for name in store.client.scan_iter(pattern)]
    for name in names:
        await keep(store, name, value)
    return names


@pytest.mark.parametrize("value", UNREADABLE)
async def test_settings(shop: Bff, store: Valkey, value: bytes) -> None:
    """Settings of a shop that cannot be read are asked for again."""
    await shopper(shop.http, fresh("LABEL"))
    names = await spoilt(store, "c:{settings|demo|*}", value)
    await shopper(shop.http, fresh("LABEL"))
    assert b"8" in [await store.client.hget(name, "r") for name in names]


@pytest.mark.parametrize("value", [b"", b"\xff", b"{}", b'["de-DE", 7]'])
async def test_languages(shop: Bff, store: Valkey, value: bytes) -> None:
    """Languages of a shop that cannot be read are learnt again."""
    await store.client.set("c:{languages|mode-paris}", value, ex=60)
    answer = await shop.http.get("/v1/brands/mode-paris/portal", params={"language": "fr-FR"})
    assert answer.status_code == 200


@pytest.mark.parametrize("value", UNREADABLE)
async def test_points(shop: Bff, store: Valkey, value: bytes) -> None:
    """A search for service points that cannot be read is made again."""
    someone = await shopper(shop.http, fresh("LABEL"))
    path = "/v1/service-points?latitude=51.44&longitude=5.47&radius=5000"
    found = (await someone.get(path)).json()
    assert await spoilt(store, "c:{near|demo|*}", value)
    again = await someone.get(path)
    assert (again.status_code, again.json()["service_points"]) == (200, found["service_points"])


async def unknown_session(store: Valkey, content: bytes) -> dict[str, str]:
    """The header that presents a session with this content."""
    session_id = SessionId.new()
    sealed = seal(session_id.secret, content, f"session|{session_id.key}|1")
    await store.client.set(f"s:{{{session_id.key}}}", sealed, ex=60)
    return {"Authorization": f"Bearer {session_id.token}"}


@pytest.mark.parametrize("content", [b"[]", b"{}", b"{", b'{"schema_number": 2}', b'{"schema_number": 3}'])
async def test_a_session(shop: Bff, store: Valkey, content: bytes) -> None:
    """A session of a form that this build does not know is 503: the shopper is not logged out."""
    answer = await shop.http.get("/v1/session", headers=await unknown_session(store, content))
    assert told(answer) == (503, "temporarily-unavailable")
    assert "retry-after" in answer.headers


async def test_a_session_that_cannot_be_ended_prevents_no_other(shop: Bff, store: Valkey) -> None:
    """A lookup and a handoff start a session although the one that was presented cannot be ended."""
    presented = await unknown_session(store, b"{}")
    order = {"identifier": fresh("LABEL"), "postal_code": POSTAL_CODES["demo"]}
    assert (await shop.http.post("/v1/brands/demo/sessions", json=order, headers=presented)).status_code == 201
    someone = await shopper(shop.http, order["identifier"])
    token = (await shop.http.post("/v1/session/handoff", json={}, headers=someone.headers)).json()["token"]
    wanted = {"token": token, "token_delivery": "body"}
    assert (await shop.http.post("/v1/handoffs", json=wanted, headers=presented)).status_code == 201
