"""What an answer to a creation proves, and what becomes of the shopper's units and key then."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio

from tests.support import scripted_upstream
from tests.support.processes import Bff, Valkey, eventually, running_bff
from tests.support.raw_server import answer
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import ScriptedUpstream, always
from tests.support.shopper import Shopper, key, look_up, told
from tests.unit.test_protocol_answers import OF_SECTION_9

PAGE = b"<html><h1>Blocked</h1></html>"
PARCELS = count(1000)
ENVELOPE = OF_SECTION_9[0]


@pytest_asyncio.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream that answers creations as each test says."""
    async with scripted_upstream.scripted_upstream() as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def bff(store: Valkey, sandbox: SandboxProcess, upstream: ScriptedUpstream) -> AsyncIterator[Bff]:
    """A service of that upstream."""
    urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
    async with running_bff(store.url, sandbox, poll_interval=0.05, covered=True, **urls) as process:
        yield process


@pytest_asyncio.fixture(autouse=True)
async def forgotten(store: Valkey) -> None:
    """The tests before lost no creation."""
    await store.forget_lost_creations()


async def returning(bff: Bff, upstream: ScriptedUpstream) -> Shopper:
    """A shopper with an order of its own."""
    upstream.say(outgoing=scripted_upstream.outgoing({"id": next(PARCELS)}))
    return await again_returning(bff)


async def again_returning(bff: Bff) -> Shopper:
    """A shopper of the order that was looked up last."""
    screen = (await look_up(bff.http, "A-1001")).json()
    return Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


async def test_a_refusal_frees_units_and_ends_no_session(bff: Bff, upstream: ScriptedUpstream) -> None:
    """Each shape of refusal, with 403 too, answers 422, and the same session takes the units for the next return."""
    someone = await returning(bff, upstream)
    for status, body in [
        (403, b""),
        (404, b""),
        *((status, each) for status in (400, 403, 422) for each in OF_SECTION_9),
    ]:
        upstream.do(incoming=always(answer(status, body)))
        refused = await someone.create(someone.body("pickup", items=[everything(someone)]))
        assert told(refused) == (422, "return-refused"), (status, body)
    upstream.say(incoming=scripted_upstream.created())
    assert (await someone.create(someone.body("pickup", items=[everything(someone)]))).status_code == 202


@pytest.mark.parametrize("status", [408, 409, 423, 424, 425, 499])
async def test_a_status_without_verdict_leaves_the_outcome_unknown(
    bff: Bff, upstream: ScriptedUpstream, status: int
) -> None:
    """After a status that proves nothing a creation may exist: its units stay held, and no key posts them again."""
    await is_unknown(bff, upstream, status, ENVELOPE)


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
async def test_a_page_of_a_proxy_leaves_the_outcome_unknown(bff: Bff, upstream: ScriptedUpstream, status: int) -> None:
    """A refusal in HTML does not come from the upstream, which may have made the return."""
    await is_unknown(bff, upstream, status, PAGE)


@pytest.mark.parametrize("body", [b"", PAGE, ENVELOPE, b'{"return":1}'])
async def test_a_busy_upstream_leaves_units_and_key_free(bff: Bff, upstream: ScriptedUpstream, body: bytes) -> None:
    """After 429 the same key may be used again, whatever the body of the answer."""
    someone, used = await returning(bff, upstream), key()
    upstream.do(incoming=always(answer(429, body, headers="retry-after: 1\r\n")))
    assert told(await someone.create(someone.body("pickup"), used)) == (503, "upstream-unavailable")
    upstream.say(incoming=scripted_upstream.created())

    async def is_created() -> bool:
        return (await someone.create(someone.body("pickup"), used)).status_code == 202

    await eventually(is_created, 10)
    assert len((await someone.get("/v1/session")).json()["returns"]) == 1


async def test_a_refused_token_leaves_units_and_key_free(bff: Bff, upstream: ScriptedUpstream) -> None:
    """After 401 the session is over, and a new one repeats the creation with the same key."""
    someone, used = await returning(bff, upstream), key()
    upstream.do(incoming=always(answer(401, PAGE)))
    assert told(await someone.create(someone.body("pickup"), used)) == (401, "session-expired")
    again = await again_returning(bff)
    upstream.say(incoming=scripted_upstream.created())
    assert (await again.create(again.body("pickup"), used)).status_code == 202


@pytest.mark.parametrize(("call", "path"), [("service_points", ""), ("20000001", "/20000001")])
async def test_a_forbidden_call_ends_no_session(bff: Bff, upstream: ScriptedUpstream, call: str, path: str) -> None:
    """A 403 to one call does not affect the session or other calls."""
    someone = await returning(bff, upstream)
    upstream.do(**{call: always(answer(403, b'{"error":{"code":403,"message":"not activated"}}'))})
    assert told(await someone.get(f"/v1/service-points{path}")) == (502, "upstream-refused")
    assert (await someone.get("/v1/session")).status_code == 200


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"poller_url": None}, "accepted"),
        ({"poller_url": ""}, "accepted"),
        ({"poller_url": "https://evil.example/"}, "accepted"),
        ({"poller_url": None, "incoming_parcels": None, "payment_url": 7}, "accepted"),
        ({"poller_url": None, "payment_url": "https://pay.example/1"}, "awaiting_payment"),
    ],
)
async def test_an_acceptance_without_a_poller_is_accepted(
    bff: Bff, upstream: ScriptedUpstream, said: dict[str, object], state: str
) -> None:
    """The upstream's id is kept, the units are held, nothing is polled, and the same key gets the same answer."""
    someone, used = await returning(bff, upstream), key()
    upstream.say(incoming=scripted_upstream.created(**said))
    upstream.heard.clear()
    before = await foreign_pollers(bff)
    created = await someone.create(someone.body("pickup", items=[everything(someone)]), used)
    assert (created.status_code, created.json()["state"]) == (202, state)
    assert created.json()["sendcloud_return_id"] == 1
    assert created.json()["payment_url"] == (said.get("payment_url") if state == "awaiting_payment" else None)
    assert (await someone.create(someone.body("pickup", items=[everything(someone)]), used)).content == created.content
    assert told(await someone.create(someone.body("pickup"))) == (409, "units-claimed")
    assert (await someone.get(created.headers["location"])).json()["retry_after"] is None
    assert await foreign_pollers(bff) - before == bool(said["poller_url"])


async def foreign_pollers(bff: Bff) -> float:
    """How often the service was given a poller URL that is not its upstream's."""
    lines = (await bff.http.get("/metrics")).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("bff_poller_urls_foreign_total")))


def everything(someone: Shopper) -> dict[str, object]:
    """All units of the item that can go back."""
    item = next(each for each in someone.screen["items"] if each["returnable"])
    reason = someone.screen["options"]["reasons"][0]["id"]
    return {"id": item["id"], "quantity": item["quantity"], "reason": reason}


async def is_unknown(bff: Bff, upstream: ScriptedUpstream, status: int, body: bytes) -> None:
    """Asserts that this answer to a creation leaves it unknown, posted once for all keys."""
    someone, used = await returning(bff, upstream), key()
    upstream.do(incoming=always(answer(status, body)))
    upstream.heard.clear()
    wanted = someone.body("pickup", items=[everything(someone)])
    for _ in range(2):
        assert told(await someone.create(wanted, used)) == (504, "return-outcome-unknown")
    assert told(await someone.create(wanted)) == (409, "units-claimed")
    assert len(upstream.requests_for("incoming")) == 1
