"""Returns on a real Valkey: how long they are kept, and what becomes of news that the store lost or did not take."""

import asyncio
import json
import secrets
import weakref
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest
import pytest_asyncio

from app.domain import Selection, Units
from app.errors import (
    ClaimLost,
    FindingRefused,
    ReturnInProgress,
    ReturnNotFound,
    ReturnOutcomeUnknown,
    ReturnStillOpen,
    StoreUnavailable,
    UnitsClaimed,
)
from app.events.event import ParcelEvents
from app.events.outbox import Outbox
from app.made_returns import AcceptedReturn
from app.models.returns import ReturnItem, ReturnState
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring, RecordUnreadable
from app.redis.store import Change, Store, Versioned
from app.returns.claims import AFTER_FIRST_BYTE, Event
from app.returns.create import created_record
from app.returns.erasure import erase
from app.returns.findings import Finding, Report, record_finding
from app.returns.labels.polling import Schedule
from app.returns.store.attempts import SETTLE_SECONDS, Attempt, Attempts
from app.returns.store.index import index_key
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import OPENED_BYTES, ParcelLayout, RecordChange, Returns
from app.returns.view import public
from app.sendcloud.earlier_records import service_point_of_schema_1 as clean
from app.telemetry.metrics import REGISTRY
from tests.support.processes import Valkey, eventually, running_valkey
from tests.support.proxy import running_proxy
from tests.support.release import QUARTER_OF_AN_HOUR, let_pass
from tests.support.replica import Replicated
from tests.support.samples import forms, return_record
from tests.support.shops import shops

RETURN_TTL, CLAIM_TTL, LEASE = 600, 1200, 60.0


def counted(**units: int) -> Units:
    """Units of lines that are products of their own."""
    return Units(units, units)


ORDERED = counted(shirt=1)
SHIRT = Selection(ORDERED, ORDERED, "#1001")
KEYRING = Keyring([b"k" * 32])
ORDER_KEY = f"o:{{{KEYRING.name('order of returns', 'my-shop', '#1001')}}}"
SCHEDULE = Schedule(interval=1, lease=5, budget=5, label_ttl=600)
PAUSE_MS = 800
"""Longer than the store waits for an answer."""
PROXY_SECONDS = 0.06
"""There and back it is less than the store waits; two questions take longer than a lease of three times that."""


def accepted(found: VersionedReturn) -> ReturnRecord:
    """The record after upstream took the return, with the answer to repeat."""
    record = found.became(ReturnState.LABEL_PENDING, poller_token="poller", next_poll_at=found.now)
    return record.model_copy(update={"first_answer": public(VersionedReturn(record, found.version + 1, found.now))})


def outcome_unknown(found: VersionedReturn) -> ReturnRecord:
    """The record of a return whose outcome is unknown."""
    return found.became(ReturnState.OUTCOME_UNKNOWN)


def refused(found: VersionedReturn) -> ReturnRecord:
    """The record after upstream refused the return."""
    return found.became(ReturnState.FAILED)


@dataclass
class Parcel:
    """The returns of one parcel, and the server they are kept on."""

    attempts: Attempts
    valkey: Valkey
    parcel_key: str

    @property
    def returns(self) -> Returns:
        """What stands of it in the store."""
        return self.attempts.returns

    async def claimed(self) -> Attempt:
        """The right to post the only shirt."""
        items = [ReturnItem(id="shirt", name="Shirt", quantity=1, reason=1, comment=None)]
        return await self.attempts.claim(self.parcel_key, "key", forms("swordfish"), return_record(items=items), SHIRT)

    async def posted(self) -> Attempt:
        """A return whose POST is on its way."""
        attempt = await self.claimed()
        await self.attempts.first_byte(attempt)
        return attempt

    async def created(self) -> VersionedReturn:
        """A return whose label is to come."""
        found = await self.attempts.settle(await self.posted(), Event.ACCEPTED, accepted)
        assert found
        return found

    async def unanswered(self) -> Attempt:
        """A return whose outcome is unknown, a quarter of an hour later."""
        attempt = await self.posted()
        await self.attempts.settle(attempt, Event.LOST, outcome_unknown)
        await let_pass(self.valkey.client, attempt.return_id, LEASE + QUARTER_OF_AN_HOUR)
        return attempt

    async def released(self, finding: Finding) -> Attempt:
        """A return without an answer of which this was found."""
        attempt = await self.unanswered()
        await self.finds(attempt, finding)
        return attempt

    async def finds(self, attempt: Attempt, finding: Finding) -> None:
        """Records a finding about the return."""
        await record_finding(self.returns, self.parcel_key, attempt.return_id, Report(finding, "operator"))

    async def keys(self, kind: str = "") -> list[str]:
        """The keys of this parcel that are of this kind."""
        found: list[bytes] = await self.valkey.client.keys(f"p:{{{self.parcel_key}}}:{kind}*")  # type: ignore[assignment]  # nothing is decoded here
        return [name.decode() for name in found]

    async def seconds_left(self, kind: str) -> int:
        """How long the one key of this kind is kept."""
        (name,) = await self.keys(kind)
        seconds: int = await self.valkey.client.ttl(name)
        return seconds


@pytest_asyncio.fixture(name="parcel")
async def parcel_on_shared_valkey(valkey: Valkey) -> AsyncIterator[Parcel]:
    """A parcel of this test alone."""
    store = Store(topology(valkey.url))
    yield Parcel(attempts_on(store), valkey, secrets.token_hex(8))
    await store.aclose()


@pytest_asyncio.fixture(name="lone")
async def parcel_on_its_own_valkey() -> AsyncIterator[Parcel]:
    """A parcel on a server that the test may stop."""
    async with running_valkey() as server:
        store = Store(topology(server.url))
        yield Parcel(attempts_on(store), server, secrets.token_hex(8))
        await store.aclose()


def attempts_on(store: Store, lease: float = LEASE) -> Attempts:
    """Attempts with ordinary lifetimes."""
    return Attempts(store, layout_of(lease), Outbox(store, KEYRING, shops()).commit)


def layout_of(lease: float) -> ParcelLayout:
    """A layout with ordinary lifetimes."""
    return ParcelLayout(KEYRING, return_ttl=RETURN_TTL, claim_ttl=CLAIM_TTL, lease=lease, clean=clean)


async def test_lifetimes(parcel: Parcel) -> None:
    """Claim, key and summary of a return end together; its content, with the personal data, ends before."""
    await parcel.created()
    kept = [await parcel.seconds_left(kind) for kind in ("r:", "claim", "key:", "summary:")]
    assert kept[0] == pytest.approx(RETURN_TTL, abs=5)
    assert kept[1] == pytest.approx(CLAIM_TTL + LEASE, abs=5)
    assert kept[2:] == [pytest.approx(CLAIM_TTL + 2 * LEASE, abs=5)] * 2


def test_large_returns_stay_parsed_up_to_a_bound() -> None:
    """Of returns with long comments, no more stay parsed than a bound of their stored bytes allows."""
    layout, stored, kept = layout_of(LEASE), 0, []
    items = [ReturnItem(id="shirt", name="Shirt", quantity=1, reason=1, comment="c" * 100_000)]
    for number in range(120):
        record = return_record(id=f"rtn_{number:022d}", items=items)
        sealed = layout.record_changes("parcel", VersionedReturn(record, 0, 0.0))[0].value or b""
        stored += len(sealed)
        kept.append(weakref.ref(layout.record("parcel", record.id, Versioned(1, sealed))))
    parsed = sum(each() is not None for each in kept)
    assert 0 < stored * parsed / len(kept) <= OPENED_BYTES


async def test_a_return_that_is_alive_after_all_holds_its_units_no_longer(parcel: Parcel) -> None:
    """A claim ends when it would have ended, with its key and its return, if a late failure was taken back."""
    return_id, passed = (await parcel.created()).record.id, CLAIM_TTL / 2
    await let_pass(parcel.valkey.client, return_id, passed)
    await parcel.returns.announcement_failed(parcel.parcel_key, await parcel.returns.get(parcel.parcel_key, return_id))
    await parcel.returns.restore(parcel.parcel_key, return_id, lambda found: found.record, ORDERED)
    assert await parcel.seconds_left("claim") == pytest.approx(CLAIM_TTL + LEASE - passed, abs=5)


@pytest.mark.parametrize(("age", "left"), [(0, RETURN_TTL), (200, 400), (599, 1), (5000, 1)])
async def test_looks_do_not_prolong_a_return(parcel: Parcel, age: float, left: int) -> None:
    """A return is kept from the last change the shopper could see on, however often its label is looked at."""
    found = await parcel.created()
    looked = found.record.model_copy(update={"updated_at": found.now - age, "polls": 1})
    await parcel.returns.update(parcel.parcel_key, found, looked)
    assert await parcel.seconds_left("r:") == pytest.approx(left, abs=2)


async def test_a_claim_ends_by_itself(parcel: Parcel) -> None:
    """Units and key are free when their own claim ends, whatever happens to other returns of the parcel."""
    store = Store(topology(parcel.valkey.url))
    brief = replace(
        parcel,
        attempts=Attempts(
            store,
            ParcelLayout(KEYRING, return_ttl=1, claim_ttl=1, lease=0.5, clean=clean),
            Outbox(store, KEYRING, shops()).commit,
        ),
    )
    first = await brief.claimed()
    await brief.attempts.first_byte(first)
    await brief.attempts.settle(first, Event.ACCEPTED, accepted)
    hats = Selection(counted(hat=1), counted(shirt=1, hat=100))

    async def is_free() -> bool:
        hat = [ReturnItem(id="hat", name="Hat", quantity=1, reason=1, comment=None)]
        await brief.attempts.claim(brief.parcel_key, secrets.token_hex(8), forms("hat"), return_record(items=hat), hats)
        return (await brief.returns.of_parcel(brief.parcel_key, ORDERED)).free.lines["shirt"] == 1

    await eventually(is_free, 5)
    assert await brief.attempts.repeated(brief.parcel_key, "key", forms("swordfish")) is None
    await store.aclose()


async def test_what_stays_without_its_content(parcel: Parcel) -> None:
    """A return whose content has gone says how it stands and names nothing that was in it; its key gives that."""
    made = await parcel.created()
    await parcel.valkey.client.delete(*await parcel.keys("r:"))
    found = await parcel.returns.get(parcel.parcel_key, made.record.id)
    assert (found.record.state, found.record.revision) == (made.record.state, made.record.revision)
    assert (found.record.items, found.record.poller_token, found.record.drop_off) == ([], None, None)
    again = await parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish"))
    assert again
    assert public(again) == public(found)


@pytest.mark.parametrize("lost", [False, True])
async def test_a_return_whose_place_was_told(parcel: Parcel, lost: bool) -> None:  # noqa: FBT001  a column of the table
    """A return that was sent, and that upstream then turned away unread, stays as failed; units and key are free."""
    attempt = await parcel.posted()
    if lost:
        await parcel.attempts.settle(attempt, Event.LOST, outcome_unknown)
    assert await parcel.attempts.settle(attempt, Event.NOT_TAKEN, refused) is None
    assert (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record.state is ReturnState.FAILED
    assert (await parcel.returns.of_parcel(parcel.parcel_key, ORDERED)).free == ORDERED
    await parcel.claimed()


async def test_the_key_of_a_request_that_has_sent_nothing(parcel: Parcel) -> None:
    """A repetition of a request that has sent nothing is told to wait, without a location until it was sent."""
    attempt = await parcel.claimed()
    with pytest.raises(ReturnInProgress) as before:
        await parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish"))
    await parcel.attempts.first_byte(attempt)
    with pytest.raises(ReturnInProgress) as after:
        await parcel.claimed()
    assert (before.value.location, after.value.location) == (None, f"/v1/returns/{attempt.return_id}")


async def test_what_somebody_else_stored_wins(parcel: Parcel) -> None:
    """Two replicas poll the same label, and the slower one gets the version of the faster one."""
    before = await parcel.created()
    first = await parcel.returns.update(parcel.parcel_key, before, before.became(ReturnState.LABEL_READY))
    second = await parcel.returns.update(parcel.parcel_key, before, before.record.model_copy(update={"polls": 7}))
    assert second.record == first.record
    assert (first.version, second.version) == (before.version + 1, before.version + 1)


def test_the_same_state_is_no_news() -> None:
    """A return that becomes what it already is does not change, not even its revision."""
    found = VersionedReturn(return_record(), 1, 5.0)
    assert found.became(ReturnState.CREATING, payment_url="https://pay.example") is found.record
    later = found.became(ReturnState.LABEL_PENDING)
    assert (later.revision, later.updated_at) == (2, 5.0)


async def test_what_others_made_and_lost_is_seen(parcel: Parcel) -> None:
    """A replica that has listed a parcel's returns before lists those that others made since, and no lost ones."""
    store = Store(topology(parcel.valkey.url))
    elsewhere = attempts_on(store).returns
    listed = [(await elsewhere.of_parcel(parcel.parcel_key, ORDERED)).returns]
    made = await parcel.created()
    listed.append((await elsewhere.of_parcel(parcel.parcel_key, ORDERED)).returns)
    await parcel.valkey.client.delete(*await parcel.keys("claim"))
    listed.append((await elsewhere.of_parcel(parcel.parcel_key, ORDERED)).returns)
    assert [[each.record.id for each in found] for found in listed] == [[], [made.record.id], []]
    await store.aclose()


async def test_the_clock_of_a_parcel(parcel: Parcel) -> None:
    """A parcel without returns is known too, at a moment of the store's clock."""
    seconds, _ = await parcel.valkey.client.time()
    found = await parcel.returns.of_parcel(parcel.parcel_key, counted(shirt=1, hat=2))
    assert (found.returns, found.free) == ([], counted(shirt=1, hat=2))
    assert seconds <= found.moment.now < seconds + 10


@pytest.mark.parametrize(
    ("event", "change", "state"),
    [
        (Event.ACCEPTED, accepted, ReturnState.LABEL_PENDING),
        (Event.REFUSED, refused, ReturnState.FAILED),
        (Event.LOST, outcome_unknown, ReturnState.OUTCOME_UNKNOWN),
    ],
)
async def test_a_store_that_forgot_is_told_again(
    parcel: Parcel, event: Event, change: RecordChange, state: ReturnState
) -> None:
    """News of a POST that left restores claim and return from what the owner knows, should the store have lost both."""
    attempt = await parcel.posted()
    await parcel.valkey.client.delete(*await parcel.keys("r:"), *await parcel.keys("claim"))
    assert await parcel.attempts.settle(attempt, event, change)
    found = await parcel.returns.get(parcel.parcel_key, attempt.return_id)
    assert (found.record.state, found.record.items) == (state, attempt.record.items)


@pytest.mark.parametrize("event", sorted(AFTER_FIRST_BYTE))
async def test_a_restored_return_is_found(parcel: Parcel, event: Event) -> None:
    """A return that is restored after the store lost everything is found by its id and its order, as it was before."""
    attempt = await parcel.posted()
    await parcel.valkey.client.delete(*await parcel.keys(), index_key(attempt.return_id), ORDER_KEY)
    await parcel.attempts.settle(attempt, event, accepted)
    assert await parcel.attempts.index.parcel_of(attempt.return_id) == parcel.parcel_key
    assert parcel.parcel_key in await parcel.attempts.index.parcels_of(attempt.record.brand, "#1001")


@pytest.mark.parametrize("passed", [0, LEASE])
@pytest.mark.parametrize("event", sorted(AFTER_FIRST_BYTE))
async def test_a_store_that_forgot_the_first_byte(parcel: Parcel, event: Event, passed: float) -> None:
    """News of a POST restores what was stored as it left, should a failover have lost it, also after the lease."""
    attempt, server = await parcel.claimed(), parcel.valkey.client
    before = {name: (await server.dump(name) or b"", await server.pttl(name)) for name in await parcel.keys()}
    await parcel.attempts.first_byte(attempt)
    await server.delete(*await parcel.keys(), index_key(attempt.return_id))
    for name, (kept, milliseconds) in before.items():
        await server.restore(name, milliseconds, kept)
    await let_pass(server, attempt.return_id, passed)
    settled = await parcel.attempts.settle(attempt, event, accepted)
    assert settled
    assert settled.record == (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record
    assert await parcel.seconds_left("key:") == pytest.approx(CLAIM_TTL + 2 * LEASE, abs=5)
    assert await parcel.attempts.index.parcel_of(attempt.return_id) == parcel.parcel_key


async def test_a_refused_request_leaves_nothing(parcel: Parcel) -> None:
    """Requests for units that another return holds leave nothing in the store, however many they are."""
    await parcel.created()
    before = {*await parcel.keys()}
    refused = return_record()
    with pytest.raises(UnitsClaimed):
        await parcel.attempts.claim(parcel.parcel_key, "other key", forms("swordfish"), refused, SHIRT)
    assert {*await parcel.keys()} == before
    assert await parcel.attempts.index.parcel_of(refused.id) is None


async def test_a_request_that_has_sent_nothing_is_soon_forgotten(parcel: Parcel) -> None:
    """What a request leaves in the store that gave up before its first byte is gone soon after its lease."""
    attempt = await parcel.claimed()
    await parcel.attempts.settle(attempt, Event.NOT_TAKEN, refused)
    assert await parcel.seconds_left("key:") <= 2 * LEASE
    assert await parcel.attempts.index.parcel_of(attempt.return_id) is None


@pytest_asyncio.fixture(name="servers")
async def server_with_a_replica(valkey: Valkey) -> AsyncIterator[Replicated]:
    """The shared server, seen as one with a replica."""
    servers = Replicated(valkey.client.connection_pool.connection_kwargs["port"])
    yield servers
    await servers.aclose()


async def test_a_replica_knows_the_parcel_of_a_return(parcel: Parcel, servers: Replicated) -> None:
    """Before anything is sent, a replica has the entries by which the return is found by its id and its order."""
    attempt = await replace(parcel, attempts=attempts_on(Store(servers))).posted()
    claimed, *entries, sent = servers.awaited
    assert set(entries) == {index_key(attempt.return_id), ORDER_KEY}
    assert claimed == sent == f"p:{{{parcel.parcel_key}}}:claim"


@pytest.mark.parametrize("finding", list(Finding))
async def test_a_repeated_finding_waits_for_a_replica(
    parcel: Parcel, servers: Replicated, finding: Finding, capsys: pytest.CaptureFixture[str]
) -> None:
    """A finding is told only once a replica has it and its line is written, also by a call that finds it recorded."""
    attempt = await parcel.released(finding)
    capsys.readouterr()
    await replace(parcel, attempts=attempts_on(Store(servers))).finds(attempt, finding)
    assert servers.awaited == [f"p:{{{parcel.parcel_key}}}:claim"]
    assert f"return_id={attempt.return_id}" in capsys.readouterr().out


async def test_restored_units_and_answer(parcel: Parcel) -> None:
    """A return that is restored after the store lost everything holds its units, and its key gives its answer."""
    attempt = await parcel.posted()
    await parcel.valkey.client.delete(*await parcel.keys())
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    assert found
    again = await parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish"))
    assert again
    assert again.record.first_answer == found.record.first_answer
    with pytest.raises(UnitsClaimed):
        await parcel.attempts.claim(parcel.parcel_key, "other key", forms("swordfish"), attempt.record, SHIRT)


async def test_a_restored_return_takes_no_key_away(parcel: Parcel) -> None:
    """A key that was used again after the store lost everything gives the answer of that use, whatever is restored."""
    attempt = await parcel.posted()
    await parcel.valkey.client.delete(*await parcel.keys())
    again = await parcel.created()
    await parcel.attempts.settle(attempt, Event.LOST, outcome_unknown)
    repeated = await parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish"))
    assert repeated
    assert repeated.record.id == again.record.id


async def test_a_restored_return_takes_the_key_of_a_request_that_has_sent_nothing(parcel: Parcel) -> None:
    """A key that was used again after the store lost everything leads to what is restored if that use is given up."""
    attempt = await parcel.posted()
    await parcel.valkey.client.delete(*await parcel.keys())
    again = await parcel.claimed()
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    await parcel.attempts.settle(again, Event.NOT_TAKEN, refused)
    repeated = await parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish"))
    assert found
    assert repeated
    assert repeated.record.id == found.record.id


async def test_a_forgotten_claim_may_not_post(parcel: Parcel) -> None:
    """A request whose claim the store lost before its first byte must not post: another return may hold its units."""
    attempt = await parcel.claimed()
    await parcel.valkey.client.delete(*await parcel.keys())
    with pytest.raises(ClaimLost):
        await parcel.attempts.first_byte(attempt)
    assert await parcel.attempts.settle(attempt, Event.NOT_TAKEN, refused) is None
    with pytest.raises(ReturnNotFound):
        await parcel.returns.get(parcel.parcel_key, attempt.return_id)


async def test_a_lease_that_passed_on_the_way(parcel: Parcel) -> None:
    """A request that hears of its stored first byte after its lease must not post, and its units are free again."""
    async with running_proxy(parcel.valkey.client.connection_pool.connection_kwargs["port"]) as proxy:
        store = Store(topology(f"redis://127.0.0.1:{proxy.port}/0"))
        slow = replace(parcel, attempts=attempts_on(store, lease=3 * PROXY_SECONDS))
        attempt = await slow.claimed()
        proxy.delay = PROXY_SECONDS
        with pytest.raises(ClaimLost):
            await slow.attempts.first_byte(attempt)
        await slow.attempts.settle(attempt, Event.NOT_TAKEN, refused)
        await store.aclose()
    await parcel.claimed()


async def test_an_outcome_waits_for_the_store(lone: Parcel) -> None:
    """An outcome that the store does not take at once is stored as soon as it does."""
    attempt = await lone.posted()
    await lone.valkey.client.client_pause(PAUSE_MS)
    found = await lone.attempts.settle(attempt, Event.ACCEPTED, accepted)
    assert found
    assert (await lone.returns.get(lone.parcel_key, attempt.return_id)).record == found.record


async def test_an_outcome_outlives_its_request(lone: Parcel) -> None:
    """An outcome whose caller has left is stored all the same."""
    attempt = await lone.posted()
    await lone.valkey.client.client_pause(PAUSE_MS)
    request = asyncio.create_task(lone.attempts.settle(attempt, Event.ACCEPTED, accepted))
    await asyncio.sleep(0)
    request.cancel()

    async def is_stored() -> bool:
        try:
            found = await lone.returns.get(lone.parcel_key, attempt.return_id)
        except StoreUnavailable:
            return False
        return found.record.state is ReturnState.LABEL_PENDING

    await eventually(is_stored, 5)


async def test_an_outcome_of_a_return_that_no_key_opens(lone: Parcel) -> None:
    """The outcome of a return that no key opens is tried once, and a background try ends silently, too."""
    attempt = await lone.posted()
    [name] = await lone.keys("r:")
    await lone.valkey.client.hset(name, "v", b"sealed by somebody else")
    with pytest.raises(RecordUnreadable):
        await lone.attempts.settle(attempt, Event.ACCEPTED, accepted)
    await lone.valkey.client.client_pause(PAUSE_MS)
    request = asyncio.create_task(lone.attempts.settle(attempt, Event.ACCEPTED, accepted))
    await asyncio.sleep(0)
    request.cancel()
    async with asyncio.timeout(SETTLE_SECONDS / 2):
        await lone.attempts.aclose()


@pytest.mark.parametrize(
    "later", [b'{"rtn_later": {"format": 2}}', b'{"rtn_later": {"phase": "later"}}', b"[]", b"\xff"]
)
async def test_claims_of_a_later_build(parcel: Parcel, later: bytes) -> None:
    """Claims that cannot be read are an unanswered question: no unit is free, no return is absent, no key unused."""
    found = await parcel.created()
    [name] = await parcel.keys("claim")
    await parcel.valkey.client.hset(name, "v", later)
    for question in (
        parcel.returns.get(parcel.parcel_key, found.record.id),
        parcel.returns.of_parcel(parcel.parcel_key, ORDERED),
        parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish")),
        parcel.claimed(),
    ):
        with pytest.raises(RecordUnreadable):
            await question


async def test_a_key_of_a_later_build(parcel: Parcel) -> None:
    """A key whose record cannot be read counts as unknown: not as unused, and not as used for another body."""
    found = await parcel.created()
    [name] = await parcel.keys("key:")
    kept = json.loads(await parcel.valkey.client.hget(name, "v") or b"")
    await parcel.valkey.client.hset(name, "v", json.dumps(kept | {"format": 2}))
    for question in (parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish")), parcel.claimed()):
        with pytest.raises(RecordUnreadable):
            await question
    assert (await parcel.returns.get(parcel.parcel_key, found.record.id)).record.state is ReturnState.LABEL_PENDING


async def test_a_return_of_a_later_build(parcel: Parcel) -> None:
    """A return that cannot be read is not absent, and its units stay held."""
    found = await parcel.created()
    [name] = await parcel.keys("r:")
    sealed = KEYRING.seal(b'{"state": "later"}', parcel.parcel_key, f"return|{found.record.id}|1")
    await parcel.valkey.client.hset(name, "v", sealed)
    for question in (
        parcel.returns.get(parcel.parcel_key, found.record.id),
        parcel.returns.of_parcel(parcel.parcel_key, ORDERED),
        parcel.attempts.repeated(parcel.parcel_key, "key", forms("swordfish")),
    ):
        with pytest.raises(RecordUnreadable):
            await question


async def test_open_outcomes_are_stored_before_the_end(lone: Parcel) -> None:
    """A replica that stops waits for its open outcomes, as long as the store is about to take them."""
    attempt = await lone.posted()
    await lone.valkey.client.client_pause(PAUSE_MS)
    request = asyncio.create_task(lone.attempts.settle(attempt, Event.ACCEPTED, accepted))
    await asyncio.sleep(0)
    await lone.attempts.aclose()
    assert await request
    assert (await lone.returns.get(lone.parcel_key, attempt.return_id)).record.state is ReturnState.LABEL_PENDING


async def test_nothing_of_a_return_is_readable_in_the_store(parcel: Parcel) -> None:
    """Tokens, items and fingerprints are never stored in clear text."""
    await parcel.created()
    kept = str([await parcel.valkey.client.hgetall(name) for name in await parcel.keys()])
    assert "done" in kept
    for secret in ("poller", "shirt", "Shirt", "swordfish"):
        assert secret not in kept


async def test_what_is_kept_of_an_erased_return(parcel: Parcel) -> None:
    """Nothing that any of our keys opens names what the return was about; a late acceptance brings none of it back."""
    attempt = await parcel.released(Finding.NEVER_MADE)
    erased = await erase(parcel.returns, parcel.parcel_key, attempt.return_id)
    assert erased.record == erased.record.erased()
    await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    for kind in ("r", "summary"):
        name = f"p:{{{parcel.parcel_key}}}:{kind}:{attempt.return_id}"
        sealed = await parcel.valkey.client.hget(name, "v")
        assert isinstance(sealed, bytes)
        content = KEYRING.unseal(sealed, parcel.parcel_key, f"return|{attempt.return_id}|1")
        assert b"hirt" not in content


async def test_a_failed_return_can_be_found_alive_after_its_erasure(parcel: Parcel) -> None:
    """An erased return whose announcement failed keeps the token by which it is polled before its units go again."""
    found = await parcel.created()
    await parcel.returns.announcement_failed(parcel.parcel_key, found)
    erased = await erase(parcel.returns, parcel.parcel_key, found.record.id)
    assert (erased.record.announcement_failed, erased.record.items) == (True, [])
    again = await erase(parcel.returns, parcel.parcel_key, found.record.id)
    assert again.record == erased.record


async def test_a_return_under_way_is_not_erased(parcel: Parcel) -> None:
    """A return that is being created or waits for its label keeps its content."""
    attempt = await parcel.posted()
    with pytest.raises(ReturnStillOpen):
        await erase(parcel.returns, parcel.parcel_key, attempt.return_id)
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    with pytest.raises(ReturnStillOpen):
        await erase(parcel.returns, parcel.parcel_key, attempt.return_id)
    assert found is not None
    assert (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record == found.record


async def test_another_parcel_cannot_open_a_return(parcel: Parcel) -> None:
    """A record moved under another parcel's name does not open: its parcel is part of its seal."""
    found = await parcel.created()
    thief = replace(parcel, parcel_key=secrets.token_hex(8))
    (name,) = await parcel.keys("r:")
    await parcel.valkey.client.copy(name, f"p:{{{thief.parcel_key}}}:r:{found.record.id}")
    with pytest.raises(StoreUnavailable):
        await thief.returns.get(thief.parcel_key, found.record.id)


async def test_a_late_acceptance_wins(parcel: Parcel) -> None:
    """An owner who brings an acceptance after a finding of "never made" is believed, and its units are held."""
    attempt = await parcel.released(Finding.NEVER_MADE)
    assert (await parcel.returns.of_parcel(parcel.parcel_key, ORDERED)).free == ORDERED
    before = REGISTRY.get_sample_value("bff_return_conflicts_total", {"by": "accepted"}) or 0
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    assert found is not None
    assert found.record.state is ReturnState.LABEL_PENDING
    assert (await parcel.returns.of_parcel(parcel.parcel_key, ORDERED)).free.lines["shirt"] == 0
    assert REGISTRY.get_sample_value("bff_return_conflicts_total", {"by": "accepted"}) == before + 1


async def test_a_late_acceptance_whose_answer_got_lost_is_a_conflict_too(parcel: Parcel) -> None:
    """An acceptance after a finding of "never made" is counted once although the store's first answer got lost."""
    attempt = await parcel.released(Finding.NEVER_MADE)
    store = Store(topology(parcel.valkey.url))
    commit, answers = Outbox(store, KEYRING, shops()).commit, iter([StoreUnavailable("on the way")])

    async def losing_one_answer(
        events: ParcelEvents, operation: str, changes: Sequence[Change], news: str, *, durable: bool = False
    ) -> bool:
        is_done = await commit(events, operation, changes, news, durable=durable)
        for lost in answers:
            raise lost
        return is_done

    before = REGISTRY.get_sample_value("bff_return_conflicts_total", {"by": "accepted"}) or 0
    found = await Attempts(store, layout_of(LEASE), losing_one_answer).settle(attempt, Event.ACCEPTED, accepted)
    assert found is not None
    assert found.record.state is ReturnState.LABEL_PENDING
    assert REGISTRY.get_sample_value("bff_return_conflicts_total", {"by": "accepted"}) == before + 1
    await store.aclose()


async def test_a_late_acceptance_brings_its_number(parcel: Parcel) -> None:
    """An acceptance without a label brings the upstream's numbers, also to a return that the shop found before it."""
    attempt = await parcel.released(Finding.ACCEPTED)
    created = AcceptedReturn(return_id=4711, incoming_parcels=(12,), poller_token=None, payment_url=None)
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, partial(created_record, SCHEDULE, created))
    assert found is not None
    assert (found.record.state, found.record.sendcloud_return_id) == (ReturnState.ACCEPTED, 4711)
    assert [each.id for each in found.record.parcels] == [12]
    assert found.record.first_answer is not None
    assert found.record.first_answer.sendcloud_return_id == 4711


async def test_a_late_acceptance_brings_the_label(parcel: Parcel) -> None:
    """An acceptance brings its label also to a return of which an event of the upstream brought the number before."""
    attempt = await parcel.unanswered()
    await record_finding(
        parcel.returns, parcel.parcel_key, attempt.return_id, Report(Finding.ACCEPTED, "sendcloud", 4711)
    )
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    assert found is not None
    assert (found.record.state, found.record.sendcloud_return_id) == (ReturnState.LABEL_PENDING, 4711)
    assert found.record.first_answer is not None


async def test_a_repeated_acceptance_takes_no_cancellation_back(parcel: Parcel) -> None:
    """An owner that missed the store's answer stores its acceptance again, and units freed meanwhile stay free."""
    attempt = await parcel.posted()
    await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    await parcel.finds(attempt, Finding.CANCELLED)
    before = REGISTRY.get_sample_value("bff_return_conflicts_total", {"by": "accepted"}) or 0
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    assert found is not None
    assert found.record.state is ReturnState.FAILED
    assert (await parcel.returns.of_parcel(parcel.parcel_key, ORDERED)).free == ORDERED
    assert (REGISTRY.get_sample_value("bff_return_conflicts_total", {"by": "accepted"}) or 0) == before


async def test_a_repeated_acceptance_takes_no_erasure_back(parcel: Parcel) -> None:
    """An owner that missed the store's answer brings nothing back of a return that was cancelled and erased since."""
    attempt, created = (
        await parcel.posted(),
        AcceptedReturn(return_id=4711, incoming_parcels=(12,), poller_token="poller", payment_url=None),
    )
    change = partial(created_record, SCHEDULE, created)
    await parcel.attempts.settle(attempt, Event.ACCEPTED, change)
    await parcel.finds(attempt, Finding.CANCELLED)
    erased = await erase(parcel.returns, parcel.parcel_key, attempt.return_id)
    found = await parcel.attempts.settle(attempt, Event.ACCEPTED, change)
    assert found is not None
    assert found.record == erased.record
    assert (await parcel.returns.of_parcel(parcel.parcel_key, ORDERED)).free == ORDERED


@pytest.mark.parametrize("event", [Event.LOST, Event.REFUSED])
async def test_an_outcome_that_a_finding_overtook(parcel: Parcel, event: Event) -> None:
    """An owner whose return was found meanwhile says that the outcome is unknown and where it stands, nothing else."""
    attempt = await parcel.unanswered()
    await parcel.finds(attempt, Finding.ACCEPTED)
    with pytest.raises(ReturnOutcomeUnknown) as caught:
        await parcel.attempts.settle(attempt, event, accepted)
    assert caught.value.location == f"/v1/returns/{attempt.return_id}"
    assert (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record.state is ReturnState.ACCEPTED


@pytest.mark.parametrize("finding", list(Finding))
async def test_a_finding_is_recorded_once(parcel: Parcel, finding: Finding) -> None:
    """The same finding again, also several times at once, succeeds and makes no further revision."""
    attempt = await parcel.released(finding)
    before = (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record
    await asyncio.gather(*(parcel.finds(attempt, finding) for _ in range(5)))
    assert (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record == before


async def test_findings_of_many_at_once(parcel: Parcel) -> None:
    """Of several callers who record the same finding at once, each succeeds."""
    attempt = await parcel.unanswered()
    await asyncio.gather(*(parcel.finds(attempt, Finding.ACCEPTED) for _ in range(5)))
    assert (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record.state is ReturnState.ACCEPTED


async def test_a_repeated_finding_does_not_override_a_late_acceptance(parcel: Parcel) -> None:
    """A finding of "never made" that comes once more after an acceptance is refused, and the units stay held."""
    attempt = await parcel.released(Finding.NEVER_MADE)
    await parcel.attempts.settle(attempt, Event.ACCEPTED, accepted)
    with pytest.raises(FindingRefused):
        await parcel.finds(attempt, Finding.NEVER_MADE)
    assert (await parcel.returns.of_parcel(parcel.parcel_key, ORDERED)).free.lines["shirt"] == 0


async def test_contradicting_findings(parcel: Parcel) -> None:
    """Of two findings that contradict each other the first one stands."""
    attempt = await parcel.released(Finding.NEVER_MADE)
    for other in (Finding.ACCEPTED, Finding.CANCELLED):
        with pytest.raises(FindingRefused):
            await parcel.finds(attempt, other)
    assert await parcel.returns.findings(parcel.parcel_key, [attempt.return_id]) == {attempt.return_id: "never-made"}


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("finding", list(Finding))
async def test_a_creation_under_way_is_not_released(parcel: Parcel, finding: Finding, *, sent: bool) -> None:
    """While the lease of a creation lasts, a finding is refused and changes nothing."""
    attempt = await (parcel.posted() if sent else parcel.claimed())
    with pytest.raises(FindingRefused):
        await parcel.finds(attempt, finding)
    assert not await parcel.returns.findings(parcel.parcel_key, [attempt.return_id])
    assert (await parcel.returns.get(parcel.parcel_key, attempt.return_id)).record.state is ReturnState.CREATING
