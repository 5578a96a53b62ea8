"""Canaries: whole journeys, failures included, and then a look for what must not be anywhere."""

import base64
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.sandbox.scenarios import PAGE
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess, customer_of
from tests.support.shopper import look_up, shopper

TOKENS = ("eyJhbGciOi", ".eyJ", "token=")
UPSTREAM_WORDS = (PAGE, "No matching order", "This order is blocked", "Too many requests", "elsewhere.example")
LOOKUPS = ("LOOKUP500", "UNKNOWN", "LOOKUPHTML", "LOOKUP429", "LOOKUPERRORS", "EXPIRED")
ENDLESS = ("PAID", "POLLFOREIGN")
JOURNEYS = ("LABEL", "REFUSE", "CREATE500", "CREATE429", "CREATEFOREIGN", "FAIL", "PDFHTML", *ENDLESS)


@dataclass
class Seen:
    """All that a front end, an operator and a thief of the store's content see of some journeys."""

    answers: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    """The secret halves of the session ids."""
    orders: set[str] = field(default_factory=set)
    logs: str = ""
    store: dict[str, str] = field(default_factory=dict)
    """Values by key, bytes read as Latin-1."""
    ttls: dict[str, int] = field(default_factory=dict)
    """Milliseconds."""

    async def note(self, response: httpx.Response) -> None:
        """Keeps one answer, and the session id in it."""
        text = f"{response.headers.multi_items()}\n{(await response.aread()).decode('latin-1')}"
        self.answers.append(text)
        self.secrets.update(re.findall(r"rps_[\w-]{22}\.([\w-]{43})", text))


async def journey(bff: Bff, sandbox: SandboxProcess, order: str, delivery: str) -> None:
    """Lookup, creation, looks at the label, the label, the session and the points, whatever each answers."""
    someone = await shopper(bff.http, order, delivery=delivery)
    location = (await someone.create()).headers.get("location", "/v1/returns/none")

    async def is_looked_at() -> bool:
        response = await someone.get(location)
        if order.startswith(ENDLESS):
            return bool(await sandbox.ledger(kind="polling", order=order))
        return "retry-after" not in response.headers

    await eventually(is_looked_at, 20)
    for path in (f"{location}/label", "/v1/session", "/v1/service-points"):
        await someone.get(path)


async def value(store: Valkey, key: bytes) -> bytes:
    """What Redis holds under this key, as plain as it can be had."""
    kind: Any = await store.client.type(key)
    held: Any = await {b"string": store.client.get, b"hash": store.client.hgetall}.get(kind, store.client.dump)(key)
    return b"\n".join(itertools.chain(*held.items())) if isinstance(held, dict) else bytes(held or b"")


@pytest_asyncio.fixture(scope="module", name="seen")
async def everything_seen(sandbox: SandboxProcess) -> AsyncIterator[Seen]:
    """What some journeys in cookie and body mode left to be seen."""
    seen = Seen()
    async with running_valkey() as store, running_bff(store.url, sandbox, poll_interval=0.1) as bff:
        bff.http.event_hooks["response"].append(seen.note)
        for prefix, delivery in itertools.product(JOURNEYS, ("cookie", "body")):
            seen.orders.add(order := fresh(prefix))
            await journey(bff, sandbox, order, delivery)
            await store.forget_upstream_pauses()
        for prefix, delivery in itertools.product(LOOKUPS, ("cookie", "body")):
            seen.orders.add(order := fresh(prefix))
            await look_up(bff.http, order, delivery=delivery)
            await store.forget_upstream_pauses()
        async for key in store.client.scan_iter():
            seen.store[key.decode()] = (await value(store, key)).decode("latin-1")
            seen.ttls[key.decode()] = await store.client.pttl(key)
        seen.logs = bff.process.output.read_text()
        yield seen


@pytest_asyncio.fixture(scope="module", name="person")
async def personal_words(sandbox: SandboxProcess) -> list[str]:
    """What the upstream knows about the shopper of these journeys."""
    async with httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False) as panel:
        parcel = (await customer_of(panel, fresh("LABEL"))).lookup["data"]["parcel"]
    street = parcel["address_divided"]["street"]
    return [parcel["name"], street, parcel["address"], parcel["email"], parcel["telephone"], parcel["telephone"][1:]]


def found(words: list[str], texts: list[str]) -> set[str]:
    """Those of the words that are in one of the texts."""
    return {word for word in words for text in texts if word in text}


def test_the_journeys_were_seen(seen: Seen) -> None:
    """There is something to search: labels, masked addresses, problems, log lines and sealed records."""
    expected = {
        "%PDF-",
        "S•••".encode().decode("latin-1"),
        "bad-upstream",
        "outcome-unknown",
        "return-refused",
        "3SSBX",
    }
    assert found([*expected], seen.answers) == expected
    assert len(seen.secrets) == 2 * len(JOURNEYS)
    assert seen.logs.count('"event": "request"') >= len(seen.answers)
    assert {key.split(":")[0] for key in seen.store} >= {"s", "p", "c"}


@pytest.mark.parametrize("place", ["answers", "logs", "store"])
async def test_upstream_tokens_and_words_stay_inside(seen: Seen, place: str) -> None:
    """No token of the upstream, no URL with one, and none of its messages is anywhere."""
    texts = {"answers": seen.answers, "logs": [seen.logs], "store": [*seen.store, *seen.store.values()]}
    assert found([*TOKENS, *UPSTREAM_WORDS], texts[place]) == set()


@pytest.mark.parametrize("place", ["answers", "logs", "store"])
async def test_personal_data_is_masked_or_sealed(seen: Seen, person: list[str], place: str) -> None:
    """Name, street, e-mail address and phone number of the shopper are nowhere in the clear."""
    texts = {"answers": seen.answers, "logs": [seen.logs], "store": [*seen.store, *seen.store.values()]}
    assert found(person, texts[place]) == set()


async def test_dump_and_logs_name_no_order(seen: Seen) -> None:
    """Order numbers, tracking numbers and postal codes are neither in the store nor in the logs."""
    tracking = [order.replace("-", "") for order in seen.orders]
    texts = [seen.logs, *seen.store, *seen.store.values()]
    assert found([*seen.orders, *tracking, "5611 AA", "5611AA", "3SSBX"], texts) == set()


async def test_session_secrets_are_kept_nowhere(seen: Seen) -> None:
    """The half of a session id that opens its record is neither in the store nor in the logs, in no encoding."""
    decoded = [base64.urlsafe_b64decode(secret + "=") for secret in seen.secrets]
    spellings = [*seen.secrets, *(raw.hex() for raw in decoded), *(raw.decode("latin-1") for raw in decoded)]
    assert found(spellings, [seen.logs, *seen.store, *seen.store.values()]) == set()


async def test_cookie_ids_are_in_no_body(seen: Seen) -> None:
    """A session id shows once: in Set-Cookie, or in the body that was asked for."""
    shown = [answer for answer in seen.answers if "rps_" in answer]
    assert len(shown) == len(seen.secrets)
    assert all(("set-cookie" in answer) != ('"session_token":"rps_' in answer) for answer in shown)


async def test_everything_in_the_store_ends(seen: Seen) -> None:
    """Every key has a time to live."""
    assert {key for key, ttl in seen.ttls.items() if ttl <= 0} == set()
