"""When labels are looked at, and who is told."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from app.documents.delivery import Documents
from app.documents.opening import ReturnDocuments
from app.domain import Selection, Units
from app.errors import CustomsDeclarationNotFound, NoLabel, UpstreamUnavailable
from app.events.outbox import Outbox
from app.models.fields import utc_datetime
from app.models.returns import ParcelTracking, ReturnParcel, ReturnState
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring
from app.redis.limits.rate_limits import ParcelLimit
from app.redis.store import Store
from app.returns.claims import Event, Phase
from app.returns.erasure import erase
from app.returns.labels.evidence import Evidence
from app.returns.labels.polling import GROWTH, JITTER, Polling, Schedule
from app.returns.labels.watching import WOKEN_AT_ONCE, Labels, Watch
from app.returns.store.attempts import Attempt, Attempts
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import ParcelLayout, Returns
from app.sendcloud.client import Sendcloud
from app.sendcloud.earlier_records import service_point_of_schema_1 as clean
from app.sendcloud.leniency.tokens import portal_url
from app.sendcloud.transport.httpx_transport import HttpxTransport
from tests.support.processes import LOCAL, Valkey, eventually, free_port
from tests.support.samples import forms, return_record, session
from tests.support.shops import shops
from tests.support.unlimited import unlimited

INTERVAL = 0.02


@dataclass
class Upstream(httpx.AsyncBaseTransport):
    """An upstream that gives one answer to every look, and counts the looks."""

    looks: int = 0
    answer: httpx.Response = field(default_factory=lambda: httpx.Response(202))

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.looks += 1
        return self.answer


@dataclass
class Desk:
    """Labels with their returns and their upstream."""

    labels: Labels
    attempts: Attempts
    returns: Returns
    upstream: Upstream

    async def sent(self, parcel_key: str) -> Attempt:
        """An attempt whose first byte has left."""
        attempt = await self.attempts.claim(
            parcel_key, "key", forms("body"), return_record(), Selection(Units({}, {}), Units({}, {}))
        )
        await self.attempts.first_byte(attempt)
        return attempt

    async def pending(self, parcel_key: str) -> VersionedReturn:
        """A new return whose label is to come."""
        attempt = await self.sent(parcel_key)
        found = await self.attempts.settle(attempt, Event.ACCEPTED, self.created)
        assert found
        return found

    async def current(self, parcel_key: str, found: VersionedReturn) -> VersionedReturn:
        """The return read once more, after a look if one is due."""
        return await self.labels.current(parcel_key, await self.returns.get(parcel_key, found.record.id))

    async def looked(self, parcel_key: str, before: VersionedReturn) -> VersionedReturn:
        """The return after the next look, as soon as that is due."""
        found = before

        async def is_later() -> bool:
            nonlocal found
            found = await self.current(parcel_key, before)
            return found.record.polls > before.record.polls

        await eventually(is_later, 5)
        return found

    def created(self, found: VersionedReturn) -> ReturnRecord:
        """The record of a return that was just created."""
        first_look = self.labels.polling.schedule.next_look_at(0, found.now)
        return found.became(ReturnState.LABEL_PENDING, poller_token="poller", next_poll_at=first_look)


def desk_on(store: Store, interval: float) -> Desk:
    """Labels that are looked at first after so many seconds."""
    upstream = Upstream()
    sendcloud = Sendcloud(
        "https://panel.example",
        "https://points.example",
        reads=HttpxTransport(upstream),
        creates=HttpxTransport(upstream),
        guards=unlimited(),
    )
    keyring = Keyring([b"k" * 32])
    layout = ParcelLayout(keyring, return_ttl=600, claim_ttl=600, lease=600, clean=clean)
    attempts = Attempts(store, layout, Outbox(store, keyring, shops()).commit)
    returns = attempts.returns
    polling = Polling(store, returns, sendcloud, Evidence(store, keyring, 600), Schedule(interval, 5, 5, 600))
    return Desk(Labels(store, returns, polling), attempts, returns, upstream)


@pytest_asyncio.fixture(scope="module", name="store")
async def connected_store(valkey: Valkey) -> AsyncIterator[Store]:
    """A store on the shared Valkey."""
    store = Store(topology(valkey.url))
    yield store
    await store.aclose()


@pytest.fixture(name="desk")
def quick_desk(store: Store) -> Desk:
    """Labels that are looked at often."""
    return desk_on(store, INTERVAL)


@pytest.fixture(name="parcel_key")
def fresh_scope() -> str:
    """A parcel of this test alone."""
    return secrets.token_hex(8)


async def test_news_are_looked_for_as_long_as_a_new_return_may_have_some(desk: Desk, parcel_key: str) -> None:
    """Somebody looks again while a return is created, and then for its label until the budget of that is used up."""
    labels, polling = desk.labels, desk.labels.polling
    attempt = await desk.sent(parcel_key)

    async def is_due() -> bool:
        return (await desk.returns.get(parcel_key, attempt.return_id)).due_in == 0

    assert await labels.look_for_news(parcel_key, attempt.return_id)
    await desk.attempts.settle(attempt, Event.ACCEPTED, desk.created)
    assert await labels.look_for_news(parcel_key, attempt.return_id)
    await labels.aclose()
    await eventually(is_due, 5)
    without_budget = replace(polling, schedule=polling.schedule._replace(budget=0))
    used_up = Labels(polling.store, desk.returns, without_budget)
    assert not await used_up.look_for_news(parcel_key, attempt.return_id)
    await asyncio.sleep(0)
    assert used_up.watched == 0


async def test_no_news_are_looked_for_of_a_return_that_is_gone(desk: Desk, parcel_key: str) -> None:
    """Nobody looks again for a return that is not there."""
    assert not await desk.labels.look_for_news(parcel_key, return_record().id)


def is_jittered(pause: float | None, growth: float) -> bool:
    """Whether a pause is this multiple of the first one, give or take a fifth."""
    return pause is not None and (1 - JITTER) * growth <= pause / INTERVAL * (1 + 1e-6) <= (1 + JITTER) * growth + 1e-3


@given(now=st.floats(0, 2e9), interval=st.floats(0.1, 600))
def test_first_look(now: float, interval: float) -> None:
    """A new label is looked at after the first wait, give or take a fifth of it."""
    labels = desk_on(Store(topology("redis://store.example")), interval).labels
    pause = labels.polling.schedule.next_look_at(0, now) - now
    assert 0.8 * interval == pytest.approx(min(pause, 0.8 * interval), abs=1e-5)
    assert 1.2 * interval == pytest.approx(max(pause, 1.2 * interval), abs=1e-5)


def test_first_looks_are_spread() -> None:
    """Labels that are created at the same moment are not all looked at in the same moment."""
    labels = desk_on(Store(topology("redis://store.example")), 10).labels
    looks = [labels.polling.schedule.next_look_at(0, 0) for _ in range(200)]
    assert min(looks) < 9
    assert max(looks) > 11


async def test_looks_grow_apart(desk: Desk, parcel_key: str) -> None:
    """Each wait is longer than the one before, up to eight times the first one and no further."""
    found = await desk.pending(parcel_key)
    pauses = [found.due_in]
    for _ in range(6):
        found = await desk.looked(parcel_key, found)
        pauses.append(found.due_in)
    assert GROWTH == (1, 2, 3, 5, 8)
    assert all(map(is_jittered, pauses, (1, 2, 3, 5, 8, 8, 8))), pauses
    assert desk.upstream.looks == 6


async def test_no_look_before_its_time(store: Store, parcel_key: str) -> None:
    """However often a return is asked for, the upstream is asked when it is time."""
    desk = desk_on(store, 60)
    found = await desk.pending(parcel_key)
    for _ in range(5):
        assert (await desk.current(parcel_key, found)).record == found.record
    assert desk.upstream.looks == 0


async def test_a_replica_that_comes_late(store: Store, parcel_key: str) -> None:
    """A replica that gets the lease once another has polled does not poll again."""
    desk = desk_on(store, 60)
    found = await desk.pending(parcel_key)
    late = await desk.labels.polling.look(parcel_key, found.record.id)
    assert late.record == found.record
    assert desk.upstream.looks == 0


@pytest.mark.parametrize(("stated", "wait"), [("", 5), ("0", 5), ("7", 7), ("59", 59), ("3600", 60)])
async def test_upstream_is_obeyed(desk: Desk, parcel_key: str, stated: str, wait: float) -> None:
    """An upstream that has no time for us is asked when it says, a minute later at most, some seconds at least."""
    desk.upstream.answer = httpx.Response(429, headers={"retry-after": stated} if stated else {})
    found = await desk.looked(parcel_key, await desk.pending(parcel_key))
    assert found.due_in == pytest.approx(wait, abs=0.01)


async def test_trouble_does_not_hurry(desk: Desk, parcel_key: str) -> None:
    """A poll without news counts like any other, so that the next one is later."""
    desk.upstream.answer = httpx.Response(503)
    found = await desk.looked(parcel_key, await desk.pending(parcel_key))
    assert is_jittered(found.due_in, 2)
    assert is_jittered((await desk.looked(parcel_key, found)).due_in, 3)


DAY = 24 * 3600.0


async def since(desk: Desk, parcel_key: str, found: VersionedReturn, **moments: float) -> VersionedReturn:
    """The return after these moments of it were moved to so many seconds ago, due now."""
    news = {name: found.now - seconds for name, seconds in moments.items()} | {"next_poll_at": found.now}
    return await desk.returns.update(parcel_key, found, found.record.model_copy(update=news))


@pytest.mark.parametrize(
    ("status", "body"),
    [*((status, b"") for status in (400, 401, 403, 404, 410, 422)), (200, b"{}"), (200, b"<html>"), (302, b"")],
)
async def test_a_label_is_lost_after_a_day_of_refusals(desk: Desk, parcel_key: str, status: int, body: bytes) -> None:
    """Polls that are refused, or answered unusably, for a day end the wait; a rare look may still find the label."""
    other = await desk.pending(secrets.token_hex(8))
    await desk.labels.polling.evidence.answered(other.record.brand, other.record.id)
    desk.upstream.answer = httpx.Response(status, content=body)
    found = await desk.looked(parcel_key, await desk.pending(parcel_key))
    almost = await desk.looked(parcel_key, await since(desk, parcel_key, found, refused_since=DAY - 60))
    assert [found.record.state, almost.record.state] == [ReturnState.LABEL_PENDING] * 2
    lost = await desk.looked(parcel_key, await since(desk, parcel_key, almost, refused_since=DAY))
    assert (lost.record.state, lost.record.revision) == (ReturnState.LABEL_LOST, found.record.revision + 1)
    assert lost.record.poller_token == found.record.poller_token
    assert lost.due_in is not None
    assert lost.due_in > DAY / 5
    desk.upstream.answer = httpx.Response(202)
    again = await desk.looked(parcel_key, await since(desk, parcel_key, lost))
    assert again.record.state is ReturnState.LABEL_PENDING
    assert again.record.refused_since is None


async def test_a_label_that_names_some_parcels_loses_none(desk: Desk, parcel_key: str) -> None:
    """A parcel of the return that the label's answer does not name, or not readably, stays one of the return."""
    found = await desk.pending(parcel_key)
    parcels = tuple(ReturnParcel(id=each, tracking_number=None) for each in (1, 2))
    news = {"parcels": parcels, "next_poll_at": found.now}
    await desk.returns.update(parcel_key, found, found.record.model_copy(update=news))
    url = f"{portal_url('https://panel.example', found.record.brand)}/label/download?token=a.b.c"
    ready = {"download_url": url, "parcels": [2, None], "tracking_numbers": ["3SABC"]}
    desk.upstream.answer = httpx.Response(200, json=ready)
    labelled = await desk.current(parcel_key, found)
    assert labelled.record.state is ReturnState.LABEL_READY
    assert [(each.id, each.tracking_number) for each in labelled.record.parcels] == [(2, "3SABC"), (1, None)]
    assert not labelled.record.has_unnamed_parcels


@pytest.mark.parametrize("before", [(), (2,)])
@pytest.mark.parametrize(("parcels", "is_known"), [([2, 3], True), ([2, None], False)])
async def test_a_label_that_names_more_parcels(
    desk: Desk, parcel_key: str, before: tuple[int, ...], parcels: list[int | None], *, is_known: bool
) -> None:
    """A return of which the label's answer names new parcels is known to have more if one of those cannot be read."""
    found = await desk.pending(parcel_key)
    known = tuple(ReturnParcel(id=each, tracking_number=None) for each in before)
    news = {"parcels": known, "next_poll_at": found.now}
    await desk.returns.update(parcel_key, found, found.record.model_copy(update=news))
    url = f"{portal_url('https://panel.example', found.record.brand)}/label/download?token=a.b.c"
    desk.upstream.answer = httpx.Response(200, json={"download_url": url, "parcels": parcels})
    labelled = await desk.current(parcel_key, found)
    assert labelled.record.state is ReturnState.LABEL_READY
    assert labelled.record.has_unnamed_parcels is not is_known


async def test_a_document_is_not_downloaded_after_its_erasure(desk: Desk, parcel_key: str) -> None:
    """A reader who read the return before it was erased, and asks for its documents after, brings none into the store.

    On a busy replica, downloads wait for their turn in between.
    """
    found, polling = await desk.pending(parcel_key), desk.labels.polling
    portal = portal_url("https://panel.example", found.record.brand)
    ready = {"download_url": f"{portal}/label/download?token=a.b.c", "customs_declaration_url": f"{portal}/customs/1"}
    desk.upstream.answer = httpx.Response(200, json=ready)
    await desk.returns.update(parcel_key, found, found.record.model_copy(update={"next_poll_at": found.now}))
    labelled = await desk.current(parcel_key, found)
    assert None not in {labelled.record.download_token, labelled.record.customs_path}
    kept = Documents(polling.store, Keyring([b"k" * 32]), total_bytes=10**6, idle_timeout=5)
    documents = ReturnDocuments(polling.sendcloud, polling, kept, ParcelLimit(polling.store, 10))
    reader, looks = session(parcel_key=parcel_key, brand=found.record.brand), desk.upstream.looks
    await erase(desk.returns, parcel_key, found.record.id)
    with pytest.raises(NoLabel):
        await documents.label(reader, labelled).__aenter__()
    with pytest.raises(CustomsDeclarationNotFound):
        await documents.customs_declaration(reader, labelled).__aenter__()
    assert desk.upstream.looks == looks


async def test_a_label_is_looked_at_though_no_caller_waits(desk: Desk, parcel_key: str) -> None:
    """A shopper who leaves after the creation finds a ready label later, because it is polled in the background."""
    found = await desk.pending(parcel_key)
    url = f"{portal_url('https://panel.example', found.record.brand)}/label/download?token=a.b.c"
    desk.upstream.answer = httpx.Response(200, json={"download_url": url})
    desk.labels.watch_in_background(parcel_key, found)

    async def is_ready() -> bool:
        return (await desk.returns.get(parcel_key, found.record.id)).record.state is ReturnState.LABEL_READY

    await eventually(is_ready, 5)


async def test_a_lost_label_frees_no_units(desk: Desk, parcel_key: str) -> None:
    """A look for a lost label that is answered 500 leaves it lost, however often that happens."""
    found = await desk.pending(parcel_key)
    lost = await desk.returns.update(parcel_key, found, found.became(ReturnState.LABEL_LOST))
    desk.upstream.answer = httpx.Response(500)
    for _ in range(3):
        lost = await desk.looked(parcel_key, await since(desk, parcel_key, lost, failing_since=DAY))
    assert lost.record.state is ReturnState.LABEL_LOST


async def test_a_late_failure_frees_no_units_of_a_ready_label(desk: Desk, parcel_key: str) -> None:
    """A 500 that is stored late, by a replica that stood still, changes nothing of a label that is ready by then."""
    found = await desk.pending(parcel_key)
    ready = await desk.returns.update(parcel_key, found, found.became(ReturnState.LABEL_READY, next_poll_at=None))
    after = await desk.returns.announcement_failed(parcel_key, found)
    assert after.record == ready.record
    _, claims = await desk.returns.claims(parcel_key)
    assert claims[found.record.id].phase is Phase.DONE


async def test_a_control_that_nobody_can_read(desk: Desk, store: Store, parcel_key: str) -> None:
    """A label is looked at although the control of its brand is sealed with a key that is gone."""
    found = await desk.pending(parcel_key)
    lost = await desk.returns.update(parcel_key, found, found.became(ReturnState.LABEL_LOST))
    await store.put(f"w:{{polls}}:control:{found.record.brand}", b"sealed with a key that is gone", 60)
    desk.upstream.answer = httpx.Response(500)
    again = await desk.looked(parcel_key, await since(desk, parcel_key, lost, failing_since=DAY))
    assert again.record.polls == found.record.polls + 1


@pytest.mark.parametrize(("failed_for", "passes"), [(DAY + 1, True), (DAY - 60, False)])
async def test_a_failed_return_whose_polls_are_refused(
    desk: Desk, parcel_key: str, failed_for: float, *, passes: bool
) -> None:
    """After a day, a failed return whose poller is gone no longer keeps its units from being claimed again."""
    found = await desk.pending(parcel_key)
    failed = await desk.returns.announcement_failed(parcel_key, found)
    moments = {"updated_at": failed.now - failed_for, "created_at": failed.now - failed_for}
    await desk.returns.update(parcel_key, failed, failed.record.model_copy(update=moments))
    desk.upstream.answer = httpx.Response(404)
    recheck = desk.labels.polling.recheck(parcel_key, found.record.id, Units({}, {}))
    with nullcontext() if passes else pytest.raises(UpstreamUnavailable):
        await recheck


async def on_its_way(desk: Desk, parcel_key: str, found: VersionedReturn) -> VersionedReturn:
    """The return with a parcel that the upstream says is in transit, last changed two days ago."""
    tracking = ParcelTracking(status="in_transit", carrier="postnl", number="3S2", updated_at=utc_datetime(found.now))
    parcels = (ReturnParcel(id=2, tracking_number="3S2", tracking=tracking),)
    news = {"parcels": parcels, "updated_at": found.now - 2 * DAY, "created_at": found.now - 2 * DAY}
    return await desk.returns.update(parcel_key, found, found.record.model_copy(update=news))


@pytest.mark.parametrize(("status", "is_erased"), [(404, False), (500, False), (500, True)])
async def test_a_failed_return_that_is_on_its_way(desk: Desk, parcel_key: str, status: int, *, is_erased: bool) -> None:
    """A return whose announcement failed takes its units back if the upstream has told since that a parcel moves."""
    failed = await desk.returns.announcement_failed(parcel_key, await desk.pending(parcel_key))
    await on_its_way(desk, parcel_key, failed)
    if is_erased:
        erased = await erase(desk.returns, parcel_key, failed.record.id)
        assert "3S2" not in erased.record.model_dump_json()
    desk.upstream.answer = httpx.Response(status)
    await desk.labels.polling.recheck(parcel_key, failed.record.id, Units({}, {}))
    _, claims = await desk.returns.claims(parcel_key)
    assert claims[failed.record.id].phase is Phase.DONE
    assert (await desk.returns.get(parcel_key, failed.record.id)).record.state is ReturnState.LABEL_PENDING


@pytest.mark.parametrize(("moves", "has_moved"), [(False, False), (False, True), (True, False)])
async def test_no_announcement_of_a_parcel_on_its_way_fails(
    desk: Desk, store: Store, parcel_key: str, *, moves: bool, has_moved: bool
) -> None:
    """A poll that proves that an announcement failed frees no units if the upstream told that a parcel moves."""
    found = await desk.pending(parcel_key)
    found = await desk.returns.update(parcel_key, found, found.record.model_copy(update={"has_moved": has_moved}))
    if moves:
        found = await on_its_way(desk, parcel_key, found)
    found = await since(desk, parcel_key, found, failing_since=DAY)
    await store.delete(f"w:{{polls}}:control:{found.record.brand}")
    await desk.labels.polling.evidence.answered(found.record.brand, "another return")
    desk.upstream.answer = httpx.Response(500)
    after = await desk.current(parcel_key, found)
    assert after.record.state is (ReturnState.LABEL_PENDING if moves or has_moved else ReturnState.FAILED)


def seen(revision: int) -> VersionedReturn:
    """A return as read, in this revision."""
    return VersionedReturn(return_record(revision=revision), 1, 0.0)


async def stays() -> None:
    """A caller that waits without end."""
    await asyncio.get_running_loop().create_future()


async def newer(watch: Watch, revision: int) -> VersionedReturn | None:
    """The news for a caller that waits without end."""
    return await watch.newer_than(revision, None, stays)


async def turns() -> None:
    """Enough turns of the event loop to wake a waiter."""
    for _ in range(8):
        await asyncio.sleep(0)


async def waiting(
    *calls: Callable[[], object], watch: Watch, revision: int
) -> list[asyncio.Task[VersionedReturn | None]]:
    """Three who wait for something newer and have begun to wait; then the calls are made and heard."""
    tasks = [asyncio.create_task(newer(watch, revision)) for _ in range(3)]
    await turns()
    for call in calls:
        call()
        await turns()
    return tasks


async def test_news_wakes_all() -> None:
    """A later revision reaches all waiters at once."""
    watch, news = Watch("parcel", seen(1)), seen(2)
    tasks = await waiting(lambda: watch.tell(news), watch=watch, revision=1)
    assert await asyncio.gather(*tasks) == [news] * 3
    assert watch.found is news


@pytest.mark.parametrize("revision", [1, 2])
async def test_old_news_wakes_nobody(revision: int) -> None:
    """An older or equal revision changes nothing and wakes no waiter."""
    known, news = seen(2), seen(3)
    watch = Watch("parcel", known)
    tasks = await waiting(lambda: watch.tell(seen(revision)), watch=watch, revision=2)
    assert not any(task.done() for task in tasks)
    assert watch.found is known
    watch.tell(news)
    assert await asyncio.gather(*tasks) == [news] * 3


async def test_waiting_for_a_later_revision() -> None:
    """A caller who has seen a later revision than is known here waits for one beyond it."""
    watch, news = Watch("parcel", seen(1)), seen(4)
    tasks = await waiting(lambda: watch.tell(seen(2)), lambda: watch.tell(seen(3)), watch=watch, revision=3)
    assert not any(task.done() for task in tasks)
    watch.tell(news)
    assert await asyncio.gather(*tasks) == [news] * 3


@pytest.mark.parametrize("ended", [False, True])
async def test_known_news(ended: bool) -> None:  # noqa: FBT001  a column of the table
    """A caller that has not seen the present revision gets it without waiting, even after the end."""
    watch = Watch("parcel", seen(2))
    if ended:
        watch.end()
    assert await newer(watch, 1) is watch.found


async def test_end_wakes_all() -> None:
    """When no more will come, waiters end without news, and so do later callers."""
    watch = Watch("parcel", seen(1))
    tasks = await waiting(watch.end, watch=watch, revision=1)
    assert await asyncio.gather(*tasks) == [None] * 3
    assert await newer(watch, 1) is None


async def test_who_leaves_is_forgotten() -> None:
    """A caller that leaves ends its wait, and the others still get the news."""
    watch, news, gone = Watch("parcel", seen(1)), seen(2), asyncio.Event()
    leaver = asyncio.create_task(watch.newer_than(1, None, gone.wait))
    tasks = await waiting(gone.set, watch=watch, revision=1)
    assert leaver.done()
    assert await leaver is None
    watch.tell(news)
    assert await asyncio.gather(*tasks) == [news] * 3


async def test_time_is_up() -> None:
    """A wait ends when its time is up, and can be repeated."""
    watch, news, clock = Watch("parcel", seen(1)), seen(2), asyncio.get_running_loop().time
    with pytest.raises(TimeoutError):
        await watch.newer_than(1, clock() + 0.01, stays)
    again = asyncio.create_task(watch.newer_than(1, clock() + 60, stays))
    await turns()
    watch.tell(news)
    assert await again is news


async def test_news_when_time_is_up() -> None:
    """News that come in the moment a waiter's time is up reach it, and all others."""
    watch, news, loop = Watch("parcel", seen(1)), seen(2), asyncio.get_running_loop()
    until = loop.time() + 0.01
    hasty = asyncio.create_task(watch.newer_than(1, until, stays))
    tasks = [asyncio.create_task(newer(watch, 1)) for _ in range(20)]
    await turns()
    loop.call_at(until + 0.001, watch.tell, news)
    # Both timers are run in one turn.
    time.sleep(0.02)  # noqa: ASYNC251  a stall is what it is about
    assert await asyncio.wait_for(asyncio.gather(hasty, *tasks), 5) == [news] * 21


async def test_who_leaves_a_crowd_holds_up_no_other() -> None:
    """While a crowd is told few at a time, callers who leave keep no other from the news."""
    watch, news, gone = Watch("parcel", seen(1)), seen(2), asyncio.Event()
    leavers = [asyncio.create_task(watch.newer_than(1, None, gone.wait)) for _ in range(2 * WOKEN_AT_ONCE)]
    tasks = [asyncio.create_task(newer(watch, 1)) for _ in range(2 * WOKEN_AT_ONCE)]
    await turns()
    watch.tell(news)
    gone.set()
    assert await asyncio.wait_for(asyncio.gather(*tasks), 5) == [news] * len(tasks)
    await asyncio.gather(*leavers)


async def test_a_crowd_is_told_in_turns() -> None:
    """However many wait, few of them are told in one turn of the event loop, in which others have their turn too."""
    watch = Watch("parcel", seen(1))
    tasks = [asyncio.create_task(newer(watch, 1)) for _ in range(5 * WOKEN_AT_ONCE)]
    await turns()
    watch.tell(seen(2))
    told = [0]
    while told[-1] < len(tasks):
        await asyncio.sleep(0)
        told.append(sum(task.done() for task in tasks))
    assert max(after - before for before, after in itertools.pairwise(told)) <= WOKEN_AT_ONCE


async def test_a_return_without_polls_takes_no_lease(desk: Desk, store: Store, parcel_key: str) -> None:
    """A watched return that has nothing to poll is only read, so that its news comes though no lease is to be had."""
    away = Store(topology(f"redis://{LOCAL}:{free_port()}"))
    labels = Labels(store, desk.returns, replace(desk.labels.polling, store=away))
    attempt = await desk.sent(parcel_key)
    found = await desk.returns.get(parcel_key, attempt.return_id)
    with labels.watching(parcel_key, found) as watch:

        async def is_read() -> bool:
            return not watch.nudge.is_set()

        await eventually(is_read, 5)
        await desk.attempts.settle(attempt, Event.LOST, lambda found: found.became(ReturnState.OUTCOME_UNKNOWN))
        until = asyncio.get_running_loop().time() + 5
        newer = await watch.newer_than(found.record.revision, until, stays)
    assert newer
    assert newer.record.state is ReturnState.OUTCOME_UNKNOWN
    await labels.aclose()
    await away.aclose()
