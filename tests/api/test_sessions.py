"""Sessions over HTTP: how they start, travel, end, and whom they let in."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.processes import Bff, Valkey, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import COOKIE, Shopper, credential, look_up, new_token, shopper, told

SAME_ID = {"X-Request-Id": "the-same-for-both"}
"""Makes the answers to two requests comparable byte by byte."""


def key_in_store(token: str) -> str:
    """The Redis key of the session with this id."""
    return f"s:{{{token.removeprefix('rps_').partition('.')[0]}}}"


async def is_alive(someone: Shopper) -> bool:
    """Whether the session can still be resumed."""
    return (await someone.get("/v1/session")).is_success


async def test_no_longer_than_it_says(shop: Bff, store: Valkey) -> None:
    """A session is over when its `expires_at` says so, however long the upstream took to answer the lookup."""
    screen = (await shopper(shop.http, fresh("SLOW"))).screen
    ends_at_ms: int = await store.client.pexpiretime(key_in_store(screen["session_token"]))
    assert abs(ends_at_ms / 1000 - datetime.fromisoformat(screen["expires_at"]).timestamp()) < 1.2


@pytest.mark.parametrize("delivery", ["cookie", "body"])
async def test_resuming(shop: Bff, delivery: str) -> None:
    """A session resumes with what it started with, whichever way its id travels."""
    someone = await shopper(shop.http, fresh("LABEL"), delivery=delivery)
    resumed = await someone.get("/v1/session")
    assert resumed.status_code == 200
    assert resumed.json() == someone.screen | {"session_token": None}


async def test_a_session_keeps_its_language(shop: Bff) -> None:
    """The shop's words are in the language that the lookup asked for, also after a reload."""
    begun = await look_up(shop.http, fresh("LABEL"), language="de-DE")
    token, options = (begun.json()[name] for name in ("session_token", "options"))
    assert "Passt nicht richtig" in {reason["description"] for reason in options["reasons"]}
    resumed = await shop.http.get("/v1/session", headers=credential(token, "body"))
    assert resumed.json()["options"] == options


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/session"),
        ("DELETE", "/v1/session"),
        ("GET", "/v1/service-points"),
        ("POST", "/v1/returns"),
        ("GET", "/v1/returns/rtn_AAAAAAAAAAAAAAAAAAAAAA"),
        ("GET", "/v1/returns/rtn_AAAAAAAAAAAAAAAAAAAAAA/label"),
    ],
)
async def test_no_credential(shop: Bff, method: str, path: str) -> None:
    """Every call about a parcel needs a session."""
    response = await shop.http.request(method, path, json={} if method == "POST" else None)
    assert told(response) == (401, "session-required")


def malformed(token: str) -> Iterator[str]:
    """Endless ids that differ from a real one in form alone."""
    key, _, secret = token.removeprefix("rps_").partition(".")
    second_spelling = secret[:-1] + chr(ord(secret[-1]) + 1)  # its last two bits mean nothing
    shapes = (
        f"rps_{key}.{secret[1:]}",
        f"rps_{key}.{secret}A",
        f"rps_{key[1:]}.{secret}",
        f"rps_{key}.{second_spelling}",
        f"RPS_{key}.{secret}",
        f"{key}.{secret}",
        f"rps_{key}{secret}",
        f"rps_{key}.{secret[:-1]}*",
        "rps_.",
        "null",
    )
    return itertools.cycle(shapes)


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=pytest.mark.system)])
async def test_malformed_ids_never_reach_the_store(sandbox: SandboxProcess, count: int) -> None:
    """A hundred malformed ids, and in the long run two thousand, are refused without a command to the store."""
    # A process of its own: labels of other tests may still be watched.
    async with running_valkey() as store, running_bff(store.url, sandbox) as shop:
        ids = malformed(await new_token(shop.http))
        await store.client.config_resetstat()
        for token, delivery in zip(ids, ["cookie", "body"] * (count // 2), strict=False):
            answer = await shop.http.get("/v1/session", headers=credential(token, delivery))
            assert told(answer) == (401, "session-expired")
        commands = await store.client.info("commandstats")
    # The marker of the store is looked at every ten seconds, and a listener probes its connection now and then.
    assert commands.pop("cmdstat_getex", {"calls": 0})["calls"] <= 1 + count / 100
    assert set(commands) <= {"cmdstat_config|resetstat", "cmdstat_info", "cmdstat_ping"}


@pytest.mark.parametrize("delivery", ["cookie", "body"])
async def test_unknown_id(shop: Bff, delivery: str) -> None:
    """A well-formed id without a session is answered as an expired one."""
    unknown = credential(f"rps_{'A' * 22}.{'A' * 43}", delivery)
    assert told(await shop.http.get("/v1/session", headers=unknown)) == (401, "session-expired")


@pytest.mark.parametrize(("method", "status"), [("GET", 401), ("DELETE", 204)])
async def test_wrong_secret(shop: Bff, store: Valkey, method: str, status: int) -> None:
    """The key half of an id alone can neither open nor end the session."""
    someone = await shopper(shop.http, fresh("LABEL"))
    token = someone.screen["session_token"]
    forged = credential(token[:27] + "A" * 43, "body")
    assert (await shop.http.request(method, "/v1/session", headers=forged)).status_code == status
    assert await store.client.exists(key_in_store(token))
    assert await is_alive(someone)


@pytest.mark.parametrize("delivery", ["cookie", "body"])
async def test_ending(shop: Bff, store: Valkey, delivery: str) -> None:
    """Ending a session removes its record at once, and the cookie of those who have one."""
    token = await new_token(shop.http)
    ended = await shop.http.delete("/v1/session", headers=credential(token, delivery))
    assert ended.status_code == 204
    assert not await store.client.exists(key_in_store(token))
    attributes = {f'{COOKIE}=""', "Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=strict"}
    sent = set(ended.headers.get("set-cookie", "").split("; "))
    assert attributes <= sent if delivery == "cookie" else sent == {""}
    assert told(await shop.http.get("/v1/session", headers=credential(token, delivery))) == (401, "session-expired")


@pytest.mark.parametrize("delivery", ["cookie", "body"])
async def test_a_lookup_never_adopts_an_id(shop: Bff, store: Valkey, delivery: str) -> None:
    """A lookup that comes with a session id ends that session and hands out another id."""
    planted = await new_token(shop.http)
    wanted = {"identifier": fresh("LABEL"), "postal_code": "5611 AA", "token_delivery": "body"}
    response = await shop.http.post("/v1/brands/demo/sessions", json=wanted, headers=credential(planted, delivery))
    issued = response.json()["session_token"]
    assert issued.partition(".")[0] != planted.partition(".")[0]
    assert not await store.client.exists(key_in_store(planted))


async def test_a_failed_lookup_ends_nothing(shop: Bff) -> None:
    """A mistyped order number does not cost the session that was there."""
    someone = await shopper(shop.http, fresh("LABEL"))
    wanted = {"identifier": "LABEL-no-such", "postal_code": "5611 AA", "token_delivery": "body"}
    response = await shop.http.post("/v1/brands/demo/sessions", json=wanted, headers=someone.headers)
    assert told(response) == (404, "parcel-not-found")
    assert await is_alive(someone)


@pytest.mark.parametrize("body", [b"", b"{", b'{"identifier": "A"', b"\xff\xfe", b"[}"])
async def test_unreadable_body(shop: Bff, body: bytes) -> None:
    """A body that is no JSON document is refused as malformed."""
    response = await shop.http.post(
        "/v1/brands/demo/sessions", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == (400 if body else 422)


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"surprise": 1}, "#/surprise", "extra-forbidden"),
        ({"identifier": ""}, "#/identifier", "string-too-short"),
        ({"identifier": 7}, "#/identifier", "string-type"),
        ({"identifier": "A\x00"}, "#/identifier", "string-pattern-mismatch"),
        ({"postal_code": None}, "#/postal_code", "string-type"),
        ({"token_delivery": "pigeon"}, "#/token_delivery", "literal-error"),
    ],
)
async def test_wrong_fields(shop: Bff, changes: dict[str, Any], pointer: str, code: str) -> None:
    """Each wrong member is named by a pointer and a code, and its value is not repeated."""
    response = await look_up(shop.http, fresh("LABEL"), **changes)
    assert told(response) == (422, "invalid-request")
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [(pointer, code)]
    assert "pigeon" not in response.text


async def test_missing_field(shop: Bff) -> None:
    """A missing member is reported at its parent."""
    response = await shop.http.post("/v1/brands/demo/sessions", json={"identifier": "LABEL-1"})
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [("#", "missing")]


async def test_unknown_order_and_wrong_postal_code_look_alike(shop: Bff) -> None:
    """The answer does not reveal whether an order exists."""
    known, unknown = {"identifier": fresh("LABEL"), "postal_code": "1234 ZZ"}, {"identifier": "NO-1"}
    bodies = [{"postal_code": "5611 AA"} | each for each in (known, unknown, known | {"postal_code": "no digits"})]
    answers = [await shop.http.post("/v1/brands/demo/sessions", json=each, headers=SAME_ID) for each in bodies]
    assert told(answers[0]) == (404, "parcel-not-found")
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("brand", ["served-elsewhere", "DEMO", "demo.example", "x" * 63])
async def test_unknown_brand(shop: Bff, sandbox: SandboxProcess, brand: str) -> None:
    """A brand that is not served here is not found, and the upstream is not asked about it."""
    wanted = {"identifier": fresh("LABEL"), "postal_code": "5611 AA"}
    assert told(await shop.http.post(f"/v1/brands/{brand}/sessions", json=wanted)) == (404, "brand-not-found")
    assert await sandbox.ledger(brand=brand) == []


@pytest.mark.parametrize("delivery", ["cookie", "body"])
async def test_returns_belong_to_the_parcel(shop: Bff, delivery: str) -> None:
    """Another session of the same order, by its tracking number, finds the returns and what they hold."""
    someone = await shopper(shop.http, fresh("LABEL"))
    location = (await someone.create()).headers["location"]
    again = await shopper(shop.http, someone.screen["parcel"]["tracking_number"], delivery=delivery)
    assert [f"/v1/returns/{each['id']}" for each in again.screen["returns"]] == [location]
    assert [item["remaining"] for item in again.screen["items"]] == [0]
    assert (await again.get(location)).json()["id"] == (await someone.get(location)).json()["id"]


async def test_a_lookup_ignores_an_unusable_cookie(shop: Bff) -> None:
    """A malformed cookie, which no page can remove, does not keep the shopper from looking the parcel up again."""
    response = await shop.http.post(
        "/v1/brands/demo/sessions",
        json={"identifier": fresh("LABEL"), "postal_code": "5611 AA"},
        headers={"Cookie": "__Host-return_session=garbage"},
    )
    assert response.status_code == 201


async def test_ending_clears_an_unusable_cookie(shop: Bff) -> None:
    """Ending a session that does not exist clears its cookie all the same."""
    response = await shop.http.delete("/v1/session", headers={"Cookie": "__Host-return_session=garbage"})
    assert response.status_code == 204
    assert "Max-Age=0" in response.headers["set-cookie"]


async def test_an_upstream_that_refuses_the_tokens_ends_the_session(shop: Bff, store: Valkey) -> None:
    """A session whose tokens the upstream does not take any more is over, and its record is deleted."""
    someone = await shopper(shop.http, fresh("REVOKED"))
    refused = await someone.create()
    assert told(refused) == (401, "session-expired")
    assert refused.headers["www-authenticate"] == "Bearer"
    token = someone.screen["session_token"].partition(".")[0].removeprefix("rps_")
    assert await store.client.exists(f"s:{{{token}}}") == 0
