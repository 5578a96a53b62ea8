"""The present build and the ones before it on one store: during a rolling update, and after a rollback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.support.builds import PRESENT, PREVIOUS, build_of
from tests.support.pdf import pages
from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, shopper, told

# The first run installs the packages of the earlier builds.
pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

OF_HASHES = "0c158f77bb22f88c0829d50de65a6d895dad5946"
"""A build that kept the chunks of documents as hashes where the next ones keep texts."""
COMMITS = {"previous": PREVIOUS, "of hashes": OF_HASHES}
SETTINGS: dict[str, Any] = {"timed": True, "poll_interval": 0.1, "create_deadline": 2, "create_lease": 4}
BOTH_WAYS = [("present", "previous"), ("previous", "present")]
DOCUMENTS = [("LABEL", "label"), ("PDF2M", "label"), ("INTL", "label"), ("INTL", "customs-declaration")]


@pytest_asyncio.fixture(scope="module")
async def builds(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[dict[str, Bff]]:
    """The builds by name, all on one store."""
    made = {name: await asyncio.to_thread(build_of, commit) for name, commit in COMMITS.items()}
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(running_bff(store.url, sandbox, build=build, **SETTINGS))
            for name, build in {"present": PRESENT, **made}.items()
        }
    # Keys of earlier builds are none that docs/security.md describes.
    await store.client.flushall()


class Pair(NamedTuple):
    """Two builds: a shopper begins at one and goes on at the other."""

    first: Bff
    second: Bff

    def moved(self, someone: Shopper) -> Shopper:
        """The shopper at the second build."""
        return Shopper(self.second.http, someone.screen, someone.headers)


@pytest.fixture(params=BOTH_WAYS, ids="-".join)
def pair(request: pytest.FixtureRequest, builds: dict[str, Bff]) -> Pair:
    """The present build and the previous one, in both orders."""
    first, second = request.param
    return Pair(builds[first], builds[second])


@pytest.mark.parametrize("delivery", ["body", "cookie"])
async def test_a_session(pair: Pair, delivery: str) -> None:
    """A session of one build is the same session at the other, and its end there is its end here."""
    someone = await shopper(pair.first.http, fresh("LABEL"), delivery=delivery)
    moved = pair.moved(someone)
    resumed = await moved.get("/v1/session")
    assert resumed.status_code == 200
    assert resumed.json()["parcel"] == someone.screen["parcel"]
    ended = await moved.http.delete("/v1/session", headers=someone.headers | {"Sec-Fetch-Site": "same-origin"})
    assert ended.status_code == 204
    assert told(await someone.get("/v1/session")) == (401, "session-expired")


async def test_a_handoff(pair: Pair) -> None:
    """A link that one build made is redeemed at the other, once between them."""
    someone = await shopper(pair.first.http, fresh("LABEL"))
    made = await someone.http.post("/v1/session/handoff", json={"page": None}, headers=someone.headers)
    body = {"token": made.json()["token"], "token_delivery": "body"}
    redeemed = await pair.second.http.post("/v1/handoffs", json=body)
    assert (redeemed.status_code, redeemed.json()["parcel"]) == (201, someone.screen["parcel"])
    for each in pair:
        assert told(await each.http.post("/v1/handoffs", json=body)) == (404, "handoff-not-found")


async def test_claimed_units(pair: Pair, sandbox: SandboxProcess) -> None:
    """Units that a return of one build holds are held at the other."""
    order = fresh("LABEL")
    someone = await shopper(pair.first.http, order)
    created = await someone.create()
    seen = [(await each.get("/v1/session")).json()["items"] for each in (someone, pair.moved(someone))]
    left = [{item["name"]: item["remaining"] for item in items} for items in seen]
    assert left[0] == left[1]
    assert sum(left[0].values()) == sum(item["remaining"] for item in someone.screen["items"]) - 1
    refused = await (await shopper(pair.second.http, order)).create()
    assert told(refused) == (409, "units-claimed")
    assert refused.headers["location"] == created.headers["location"]
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


@pytest.mark.parametrize("prefix", ["LABEL", "REFUSE", "CREATE500"])
async def test_a_repeated_creation(pair: Pair, sandbox: SandboxProcess, prefix: str) -> None:
    """A key that one build took stands for the same outcome at the other, and the upstream is asked once."""
    order, used = fresh(prefix), key()
    someone = await shopper(pair.first.http, order)
    body = someone.body()
    created = await someone.create(body, used)
    expected = await someone.create(body, used)
    repeated = await pair.moved(someone).create(body, used)
    assert (repeated.status_code, repeated.headers.get("location")) == (
        expected.status_code,
        expected.headers.get("location"),
    )
    if created.is_success:
        assert repeated.json()["id"] == created.json()["id"]
    other_body = body | {"comment": "another body"}
    assert told(await pair.moved(someone).create(other_body, used)) == told(await someone.create(other_body, used))
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_a_wait(pair: Pair, sandbox: SandboxProcess) -> None:
    """A caller who waits at one build for a return of the other hears of the payment, whichever build watches."""
    order = fresh("PAID")
    someone = await shopper(pair.first.http, order)
    created = await someone.create()
    path, version = created.headers["location"], created.json()["revision"]
    await someone.get(path)
    waiting = [asyncio.create_task(each.settled(path)) for each in (someone, pair.moved(someone))]
    await sandbox.pay(order)
    settled = await asyncio.gather(*waiting)
    assert [each["state"] for each in settled] == ["label_ready", "label_ready"]
    assert settled[0]["revision"] == settled[1]["revision"] > version


def _common(one: Any, other: Any) -> Any:
    """The first answer without what only one of the builds tells: members of its own, and hours beyond this week."""
    if isinstance(one, dict) and isinstance(other, dict):
        shared = (one.keys() & other.keys()) - {"open_now", "closes_at", "next_open_at"}
        return {name: _common(one[name], other[name]) for name in shared}
    if isinstance(one, list) and isinstance(other, list):
        return [_common(*pair) for pair in zip(one, other, strict=True)]
    return one


@pytest.mark.parametrize("prefix", ["PAID", "FAIL"])
async def test_a_rollback(pair: Pair, sandbox: SandboxProcess, prefix: str) -> None:
    """A return that one build made, the other finished and the first shows again has lost nothing on its way."""
    # A label that is ready shows that polling works: without it, a failure is believed after minutes.
    other = await shopper(pair.first.http, fresh("INSTANT"))
    await other.settled((await other.create()).headers["location"])
    order, used = fresh(prefix), key()
    someone = await shopper(pair.first.http, order)
    body = someone.body()
    created = await someone.create(body, used)
    path = created.headers["location"]
    if prefix == "PAID":
        await sandbox.pay(order)
    finished = await pair.moved(someone).settled(path)
    shown = (await someone.get(path)).json()
    assert _common(shown, finished) == _common(finished, shown)
    assert (await someone.create(body, used)).json()["id"] == created.json()["id"]
    listed = (await someone.get("/v1/session")).json()["returns"]
    assert [each["id"] for each in listed] == [created.json()["id"]]


async def test_settings_and_points(pair: Pair) -> None:
    """Settings and service points that one build has cached do not stop the other from answering."""
    for each in pair:
        someone = await shopper(each.http, fresh("LABEL"))
        points = await someone.get("/v1/service-points")
        assert points.status_code == 200
        assert (await each.http.get("/v1/brands/demo/portal")).status_code == 200


@pytest.mark.parametrize(("writer", "reader"), [*BOTH_WAYS, ("present", "of hashes"), ("of hashes", "present")])
@pytest.mark.parametrize(("prefix", "document"), DOCUMENTS)
async def test_kept_documents(builds: dict[str, Bff], writer: str, reader: str, prefix: str, document: str) -> None:
    """A document that one build keeps is whole at every other, read or made again, and at the first once more."""
    first, second = builds[writer], builds[reader]
    someone = await shopper(first.http, fresh(prefix))
    customs = {"customs": {"invoice_number": "INV-1"}} if prefix == "INTL" else {}
    path = (await someone.create(someone.body("pickup", **customs))).headers["location"]
    await someone.settled(path)
    at_second = Shopper(second.http, someone.screen, someone.headers)
    answers = [await each.get(f"{path}/{document}") for each in (someone, at_second, someone)]
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert pages(answers[0].content) == pages(answers[1].content) == pages(answers[2].content)
