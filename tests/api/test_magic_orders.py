"""Every magic order prefix of the sandbox does through the public API what docs/sandbox.md says."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from app.sandbox.pdf import draw
from app.sandbox.scenarios import SCENARIOS
from app.sendcloud.policy.breaker import FAILURES_IN_A_ROW
from tests.api import test_sandbox_world
from tests.support.pdf import pages
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, look_up, prove_that_polling_works, shopper, told

SESSION_TTL = 1200
SOONER_OR_LATER = ("LABEL", "INSTANT", "SLOW", "SLOWLABEL", "FLAKY", "POLL429")
"""They mostly wait, so they do it side by side."""
tested: set[str] = {*SOONER_OR_LATER}


def magic(names: str, *rows: Any) -> pytest.MarkDecorator:
    """Parametrizes a test with rows that begin with a prefix, and remembers that these prefixes are tested."""
    tested.update(row if isinstance(row, str) else row[0] for row in rows)
    return pytest.mark.parametrize(names, rows)


@pytest_asyncio.fixture(scope="module", name="bff")
async def hurried_bff(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that looks at labels ten times as often and gives up what takes longer than the slow orders do."""
    deadlines = {"lookup_deadline": 2.5, "create_deadline": 2.5, "create_lease": 4, "poll_deadline": 2.5}
    looks = {"poll_interval": 0.1, "label_budget": 1}
    async with running_bff(valkey.url, sandbox, session_ttl=SESSION_TTL, covered=True, **looks, **deadlines) as process:
        yield process


@pytest_asyncio.fixture
async def forgiven(bff: Bff, valkey: Valkey) -> AsyncIterator[None]:
    """Afterwards no pause that the upstream asked for is left, and the last call of every class went well."""
    yield
    await valkey.forget_upstream_pauses()
    someone = await shopper(bff.http, fresh("INSTANT"))
    await reaches(someone, (await someone.create()).headers["location"], "label_ready")


async def reaches(someone: Shopper, path: str, state: str) -> dict[str, Any]:
    """The return once it is in this state."""
    answers: list[dict[str, Any]] = []

    async def is_there() -> bool:
        answers.append((await someone.get(path)).json())
        return bool(answers[-1]["state"] == state)

    await eventually(is_there, 30, lambda: f"seen: {[answer['state'] for answer in answers]}")
    return answers[-1]


async def labelled(bff: Bff, prefix: str) -> tuple[Shopper, dict[str, Any]]:
    """A shopper, and a return of theirs that has a label."""
    someone = await shopper(bff.http, fresh(prefix))
    created = await someone.create()
    return someone, await reaches(someone, created.headers["location"], "label_ready")


def lines_of(settled: dict[str, Any]) -> list[str]:
    """What the upstream prints on the label of a return of one parcel."""
    return [f"Return {settled['sendcloud_return_id']}", "Parcel 1 of 1", settled["parcels"][0]["tracking_number"]]


def test_no_prefix_is_left_out() -> None:
    """Every prefix of the sandbox's table is played by a test of this module or of `test_sandbox_world`."""
    assert tested | {*test_sandbox_world.TESTED} == SCENARIOS.keys()


async def test_the_label_comes_sooner_or_later(bff: Bff) -> None:
    """Slow answers, many looks, one failed look and a busy upstream all end with the label."""
    await asyncio.gather(*[_gets_its_label(bff, prefix) for prefix in SOONER_OR_LATER])


async def _gets_its_label(bff: Bff, prefix: str) -> None:
    someone = await shopper(bff.http, fresh(prefix))
    created = await someone.create()
    assert (created.status_code, created.json()["state"]) == (202, "label_pending"), prefix
    await reaches(someone, created.headers["location"], "label_ready")


@magic(
    "prefix, option, parcels, state",
    ("COLLI", "drop_off_point", 3, "label_ready"),
    ("LABELLESS", "drop_off_labelless", 1, "label_ready"),
    ("STORE", "in_store", 1, "no_label_needed"),
)
async def test_ways_back(bff: Bff, prefix: str, option: str, parcels: int, state: str) -> None:
    """Several parcels and labelless returns end with a document, returns in store without one."""
    someone = await shopper(bff.http, fresh(prefix))
    created = await someone.create(someone.body(option, parcels=parcels))
    settled = await reaches(someone, created.headers["location"], state)
    assert len(settled["parcels"]) == parcels


@magic("prefix", "ITEMS")
async def test_items_are_counted(bff: Bff, prefix: str) -> None:
    """Units that returns hold cannot be returned again, and items that the shop does not take back are refused."""
    someone = await shopper(bff.http, fresh(prefix))
    assert [item["remaining"] for item in someone.screen["items"]] == [1, 3, 2, 0]
    _, several, _, kept = (item["id"] for item in someone.screen["items"])
    refused = await someone.create(someone.body(items=[{"id": kept, "quantity": 1}], reason=11))
    assert [error["code"] for error in refused.json()["errors"]] == ["not-returnable"]
    created = await someone.create(someone.body(items=[{"id": several, "quantity": 2}], reason=11))
    assert created.status_code == 202
    assert [item["remaining"] for item in (await someone.get("/v1/session")).json()["items"]] == [1, 1, 2, 0]


@magic("prefix", "INTL")
async def test_international(bff: Bff, prefix: str) -> None:
    """A return across a customs border carries customs information and ends with two documents, each its own."""
    someone = await shopper(bff.http, fresh(prefix))
    body = someone.body("pickup", customs={"invoice_number": "INV-1"})
    location = (await someone.create(body)).headers["location"]
    settled = await reaches(someone, location, "label_ready")
    assert settled["customs_declaration"] == f"{location}/customs-declaration"
    label, declaration = [
        pages((await someone.get(href)).content) for href in (settled["label"]["href"], settled["customs_declaration"])
    ]
    number, parcel, tracking = lines_of(settled)
    assert [page.splitlines() for page in label] == [[number, parcel, tracking]]
    assert [page.splitlines() for page in declaration] == [["Customs declaration", number, tracking]]


@magic("prefix", "UNSHIPPED")
async def test_never_shipped(bff: Bff, prefix: str) -> None:
    """An order without a parcel cannot be returned here: the actions say so, and Location names the hosted portal."""
    someone = await shopper(bff.http, fresh(prefix))
    action = next(each for each in someone.screen["actions"] if each["name"] == "create_return")
    assert (action["allowed"], action["why_not"]) == (False, "not-returnable-online")
    refused = await someone.create()
    assert told(refused) == (409, "not-returnable-online")
    assert refused.headers["location"] == "https://demo.shipping-portal.com/rp/"


@magic("prefix", "PAID")
async def test_paid_first(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """A return that has to be paid says where, has no label until then, and gets one afterwards."""
    order = fresh(prefix)
    someone = await shopper(bff.http, order)
    created = await someone.create()
    assert created.json()["state"] == "awaiting_payment"
    assert created.json()["payment_url"].startswith("https://payments.example/checkout/")
    assert told(await someone.get(created.headers["location"] + "/label")) == (409, "label-not-ready")
    await sandbox.pay(order)
    await reaches(someone, created.headers["location"], "label_ready")


@magic("prefix", "FAIL")
async def test_failed_announcement(bff: Bff, prefix: str) -> None:
    """A failed announcement ends the return without a label and gives its units back."""
    await prove_that_polling_works(bff.http)
    someone = await shopper(bff.http, fresh(prefix))
    location = (await someone.create()).headers["location"]
    await reaches(someone, location, "failed")
    assert told(await someone.get(f"{location}/label")) == (409, "no-label")
    assert (await someone.create()).status_code == 202


@magic("prefix", "FAIL")
async def test_a_failure_is_seen_twice(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """A look that finds a failure is repeated much later: a fault of a few seconds gives no units back."""
    await prove_that_polling_works(bff.http)
    someone = await shopper(bff.http, order := fresh(prefix))
    await reaches(someone, (await someone.create()).headers["location"], "failed")
    *_, first, second = [each["at"] for each in await sandbox.ledger(kind="polling", order=order)]
    assert second - first > 1.4


@magic("prefix, seconds", ("NOEXP", SESSION_TTL), ("SHORT", 45))
async def test_session_lifetime(bff: Bff, valkey: Valkey, prefix: str, seconds: int) -> None:
    """A session lives as long as the setting says, and never longer than the upstream's tokens."""
    screen = (await shopper(bff.http, fresh(prefix))).screen
    left = datetime.fromisoformat(screen["expires_at"]) - datetime.now(UTC)
    kept = await valkey.client.pttl(f"s:{{{screen['session_token'][4:26]}}}")
    assert seconds - 5 < left.total_seconds() <= seconds
    assert seconds - 5 < kept / 1000 <= seconds


@magic("prefix", "POINTS400")
async def test_a_carrier_without_service_points(shop: Bff, prefix: str) -> None:
    """One carrier that is not enabled for service points costs its own points, and no search or alternative."""
    # A store of its own, because others search the same places for all carriers.
    someone = await shopper(shop.http, fresh(prefix), brand="buecherei")
    found = (await someone.get("/v1/service-points?radius=50000")).json()["service_points"]
    assert {point["carrier"] for point in found} == {"dhl"}
    gone = someone.body(delivery={"option": "drop_off_point", "service_point": 99})
    refused = await someone.create(gone)
    assert told(refused) == (409, "service-point-unavailable")
    assert {point["carrier"] for point in refused.json()["alternatives"]} == {"dhl"}


@magic("prefix", "POINTS403")
async def test_service_points_that_are_not_activated(bff: Bff, prefix: str) -> None:
    """A refused search ends no session, and a point that is gone is reported as gone."""
    someone = await shopper(bff.http, fresh(prefix), brand="guide")
    assert told(await someone.get("/v1/service-points?latitude=51.5&longitude=5.5")) == (502, "upstream-refused")
    assert (await someone.get("/v1/session")).status_code == 200


@magic("prefix", "EXPIRED")
async def test_expired_tokens(bff: Bff, valkey: Valkey, prefix: str) -> None:
    """Tokens that have expired already start no session."""
    before = set(await valkey.client.keys("s:*"))
    assert told(await look_up(bff.http, fresh(prefix))) == (502, "bad-upstream")
    assert set(await valkey.client.keys("s:*")) <= before


@magic("prefix", "REFUSE")
async def test_refused(bff: Bff, prefix: str) -> None:
    """A refusal by the upstream makes a failed return, and the same key gets the same answer again."""
    someone, used = await shopper(bff.http, fresh(prefix)), key()
    first, again = [await someone.create(idempotency_key=used) for _ in range(2)]
    assert told(first) == told(again) == (422, "return-refused")
    assert first.headers["location"] == again.headers["location"]
    assert (await someone.get(first.headers["location"])).json()["state"] == "failed"


@magic("prefix", "REVOKED")
async def test_revoked_tokens(bff: Bff, prefix: str) -> None:
    """A session whose tokens the upstream does not take any more is over; the units stay free for the next one."""
    order = fresh(prefix)
    assert told(await (await shopper(bff.http, order)).create()) == (401, "session-expired")
    assert (await shopper(bff.http, order)).screen["items"][0]["remaining"] == 1


@magic("prefix", "CREATE429")
@pytest.mark.usefixtures("forgiven")
async def test_busy_upstream_at_creation(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """A creation answered 429 leaves no trace: the same key tries again after the pause."""
    order = fresh(prefix)
    someone, used = await shopper(bff.http, order), key()
    tries = [await someone.create(idempotency_key=used) for _ in range(2)]
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1

    async def is_sent_again() -> bool:
        tries.append(await someone.create(idempotency_key=used))
        return len(await sandbox.ledger(kind="incoming", order=order)) == 2

    await eventually(is_sent_again, 15)
    assert {told(each) for each in tries} == {(503, "upstream-unavailable")}
    assert not any(entry["created"] for entry in await sandbox.ledger(kind="incoming", order=order))
    assert (await someone.get("/v1/session")).json()["items"][0]["remaining"] == 1


@pytest.mark.parametrize(("brand", "suffix", "seconds"), [("mode-paris", "-", "5"), ("guide", "-R", "7")])
@pytest.mark.usefixtures("forgiven")
async def test_busy_upstream_says_when(bff: Bff, valkey: Valkey, brand: str, suffix: str, seconds: str) -> None:
    """Retry-After is what the upstream says, or else our own guess, at the lookup and at the creation."""
    # Each at a brand of its own, because several busy calls of one brand pause that brand.
    lookup = await look_up(bff.http, fresh("LOOKUP429").replace("-", suffix), brand=brand)
    await valkey.forget_upstream_pauses()
    creation = await (await shopper(bff.http, fresh("CREATE429").replace("-", suffix), brand=brand)).create()
    assert [each.headers["retry-after"] for each in (lookup, creation)] == [seconds] * 2


@magic(
    "prefix, status, code, tries",
    ("LOOKUP429", 503, "upstream-unavailable", 1),
    ("LOOKUP500", 502, "bad-upstream", 1),
    ("LOOKUPHTML", 502, "bad-upstream", 2),
    ("LOOKUPHANG", 504, "upstream-timeout", 1),
    ("LOOKUPBAD", 502, "bad-upstream", 1),
    ("LOOKUPERRORS", 409, "not-returnable-now", 1),
    ("LOOKUPREDIRECT", 502, "bad-upstream", 1),
)
@pytest.mark.usefixtures("forgiven")
async def test_failed_lookup(
    bff: Bff, sandbox: SandboxProcess, prefix: str, status: int, code: str, tries: int
) -> None:
    """A lookup that fails is never taken for an unknown order, is repeated after a 502 only, and starts no session."""
    order = fresh(prefix)
    response = await look_up(bff.http, order, delivery="cookie")
    assert told(response) == (status, code)
    assert "set-cookie" not in response.headers
    assert len(await sandbox.ledger(kind="outgoing", order=order)) == tries


@pytest.mark.parametrize("prefix", ["LOOKUP500", "LOOKUPHTML"])
@pytest.mark.usefixtures("forgiven")
async def test_an_odd_order_shuts_nobody_out(bff: Bff, prefix: str) -> None:
    """One order that the upstream fails on is asked for again and again, and the next shopper is served."""
    order = fresh(prefix)
    for _ in range(2 * FAILURES_IN_A_ROW):
        assert told(await look_up(bff.http, order)) == (502, "bad-upstream")
    assert (await look_up(bff.http, fresh("LABEL"))).status_code == 201


@magic("prefix", "CREATEHANG", "CREATEFIN", "CREATERESET", "CREATEHALF", "CREATE500", "CREATEHTML")
@pytest.mark.usefixtures("forgiven")
async def test_lost_answer(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """A creation whose answer is lost is never sent again, and every caller is told its location."""
    order, used = fresh(prefix), key()
    someone = await shopper(bff.http, order)
    answers = [await someone.create(idempotency_key=each) for each in (used, used, key())]
    assert [told(each) for each in answers] == [(504, "return-outcome-unknown")] * 2 + [(409, "units-claimed")]
    [location] = {each.headers["location"] for each in answers}
    assert (await someone.get(location)).json()["state"] == "outcome_unknown"
    assert (await someone.get(f"{location}/label")).status_code == 409
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


@magic("prefix", "CREATEFOREIGN")
async def test_foreign_poller(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """A return whose poller is on another host is accepted, and that host is never asked."""
    order = fresh(prefix)
    someone = await shopper(bff.http, order)
    created = await someone.create()
    assert (created.status_code, created.json()["state"]) == (202, "accepted")
    assert created.json()["label"]["state"] == "unavailable"
    assert told(await someone.get(f"{created.headers['location']}/label")) == (409, "no-label")
    assert not await sandbox.ledger(kind="polling", order=order)


@magic("prefix", "POLLFOREIGN", "POLLHTML")
@pytest.mark.usefixtures("forgiven")
async def test_unusable_look(bff: Bff, sandbox: SandboxProcess, prefix: str) -> None:
    """A look that shows nonsense, a download on another host included, changes nothing and is repeated."""
    order = fresh(prefix)
    someone = await shopper(bff.http, order)
    location = (await someone.create()).headers["location"]

    async def was_repeated() -> bool:
        assert (await someone.get(location)).json()["state"] == "label_pending"
        return len(await sandbox.ledger(kind="polling", order=order)) > 1

    await eventually(was_repeated, 10)
    assert told(await someone.get(f"{location}/label")) == (409, "label-not-ready")
    assert await sandbox.ledger(kind="download", order=order) == []


@magic("prefix", "PDFNOLENGTH", "PDFONCE", "PDF100K", "PDF2M", "PDF20M")
async def test_whole_label(bff: Bff, prefix: str) -> None:
    """Big labels and those of unknown length arrive as the upstream made them, byte for byte."""
    someone, settled = await labelled(bff, prefix)
    response = await someone.get(settled["label"]["href"])
    assert (response.status_code, response.headers["content-type"]) == (200, "application/pdf")
    assert response.content == bytes(draw([lines_of(settled)], SCENARIOS[prefix].label_bytes))


@magic("prefix", "PDFHTML", "PDFEMPTY", "PDF30M", "PDFTRUNCATED", "PDFCUT")
async def test_label_that_is_none(bff: Bff, prefix: str) -> None:
    """A web page, nothing at all, more than 25 MiB, or half a label is a problem and never looks like a document."""
    someone, settled = await labelled(bff, prefix)
    tries = [await someone.get(settled["label"]["href"]) for _ in range(2)]
    assert [told(each) for each in tries] == [(502, "bad-upstream")] * 2
