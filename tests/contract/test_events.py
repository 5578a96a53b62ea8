"""Events on a real Valkey, delivered to real endpoints."""

import asyncio
import secrets
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from app.domain import Selection, Units
from app.events.delivery import AT_ONCE, GIVEN_UP_SECONDS, UNREADABLE_PAUSE_SECONDS, Delivery, ToldReturns
from app.events.endpoint import Poster
from app.events.event import Event, EventData, EventType, ParcelEvents
from app.events.outbox import Outbox
from app.events.queue import Name
from app.models.returns import ReturnState
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring
from app.redis.store import Change, Store
from app.returns.claims import Event as Outcome
from app.returns.labels.evidence import Evidence
from app.returns.labels.polling import Polling, Schedule
from app.returns.labels.watching import Labels
from app.returns.store.attempts import Attempt, Attempts
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import ParcelLayout
from app.sendcloud.client import Sendcloud
from app.sendcloud.earlier_records import service_point_of_schema_1 as clean
from app.sendcloud.transport.httpx_transport import HttpxTransport
from app.shops import Shops
from app.telemetry.metrics import EVENTS_ALERTED, REGISTRY
from tests.support.processes import Valkey, eventually, free_port
from tests.support.raw_server import listening
from tests.support.receiver import SECRETS, Post, Receiver, running_receiver, shops_entry
from tests.support.samples import forms, return_record
from tests.support.shops import shops
from tests.support.unlimited import unlimited

KEYRING = Keyring([b"k" * 32])


@dataclass
class World:
    """Two shops with an endpoint each, in a store that other tests use too."""

    store: Store
    valkey: Valkey
    receiver: Receiver
    other: Receiver
    folder: Path
    brand: str = field(default_factory=lambda: "a" + secrets.token_hex(6))
    other_brand: str = field(default_factory=lambda: "b" + secrets.token_hex(6))
    parcel_key: str = field(default_factory=lambda: secrets.token_hex(8))

    def shops(self, *, url: str = "", private: bool = True) -> Shops:
        """The shops as their file has them."""
        file = self.folder / "shops.toml"
        entries = [
            shops_entry(self.brand, url or self.receiver.url, private=private),
            shops_entry(self.other_brand, self.other.url),
        ]
        file.write_text("".join(entries))
        return shops(shops=str(file))

    def outbox(self) -> Outbox:
        """The outbox of a replica that delivers nothing."""
        return Outbox(self.store, KEYRING, self.shops())

    async def written(self, outbox: Outbox, brand: str = "", age: float = 0) -> Name:
        """The name of a letter about an event that happened so long ago."""
        event = event_of(brand or self.brand, await self.store.now() - age)
        change = Change(f"p:{{{self.parcel_key}}}:claim", -1, b"{}", 60)
        assert await outbox.commit(ParcelEvents(self.parcel_key, [event]), secrets.token_hex(4), [change], "")
        return Name(self.parcel_key, event.id)

    async def due_at(self, name: Name, kind: str = "due") -> float | None:
        """When this letter is due, or was given up (seconds since the epoch); None if it is neither."""
        at = await self.valkey.client.zscore(f"e:{{events}}:{kind}:{self.brand}", f"{self.parcel_key}/{name.event_id}")
        return None if at is None else float(at) / 1000

    async def is_kept(self, name: Name) -> bool:
        """Whether the store has the letter."""
        return bool(await self.valkey.client.exists(f"p:{{{self.parcel_key}}}:event:{name.event_id}"))

    async def until(self, receiver: Receiver, names: Sequence[Name], seconds: float = 10) -> None:
        """Waits until the endpoint has these events."""

        async def has_them() -> bool:
            return {name.event_id for name in names} <= set(receiver.ids)

        await eventually(has_them, seconds)

    async def until_counted(self, outcome: str) -> None:
        """Waits until a try for the first shop ended like this."""
        labels = {"brand": self.brand, "outcome": outcome}

        async def is_counted() -> bool:
            return bool(REGISTRY.get_sample_value("bff_events_total", labels))

        await eventually(is_counted, 10)

    async def until_dead(self, name: Name) -> None:
        """Waits until the letter is given up."""

        async def is_dead() -> bool:
            return await self.due_at(name, "dead") is not None and await self.due_at(name) is None

        await eventually(is_dead, 10)


def event_of(brand: str, at: float) -> Event:
    """An event about a return that no other test knows."""
    data = EventData(
        return_id="rtn_" + secrets.token_urlsafe(16),
        brand=brand,
        state="label_ready",
        revision=3,
        sendcloud_return_id=7,
        items=[],
    )
    return Event(EventType.LABEL_READY, at, data)


async def no_contact(_parcel_key: str, _return_id: str) -> None:
    """There is none."""


async def no_news(_parcel_key: str, _return_id: str) -> bool:
    """No such return is kept."""
    return False


NO_RETURNS = ToldReturns(no_contact, no_news)


@asynccontextmanager
async def delivering(
    world: World, outbox: Outbox, shops: Shops | None = None, returns: ToldReturns = NO_RETURNS
) -> AsyncIterator[None]:
    """A replica that delivers."""
    poster = Poster(ssl.create_default_context())
    delivery = Delivery(shops or world.shops(), outbox, KEYRING, poster, returns)
    task = asyncio.create_task(delivery.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await delivery.aclose()
        await outbox.aclose()


@pytest_asyncio.fixture
async def world(valkey: Valkey, tmp_path: Path) -> AsyncIterator[World]:
    """Two shops and their endpoints."""
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(running_receiver()) for _ in range(2)]
        store = Store(topology(valkey.url))
        stack.push_async_callback(store.aclose)
        yield World(store, valkey, one, other, tmp_path)


def always(status: int) -> Callable[[Post], Awaitable[int]]:
    """An endpoint that gives this answer to every post."""

    async def answer(_: Post) -> int:
        return status

    return answer


async def test_an_event_arrives_signed_by_both_secrets(world: World) -> None:
    """A public verifier accepts the event with the present secret and with the next; it holds what happened."""
    outbox = world.outbox()
    async with delivering(world, outbox):
        name = await world.written(outbox)
        await world.until(world.receiver, [name])
    [post] = world.receiver.posts
    event = post.verified(SECRETS[0])
    assert event == post.verified(SECRETS[1])
    assert event["type"] == "return.label_ready"
    assert event["data"].items() >= {"brand": world.brand, "state": "label_ready", "items": []}.items()
    assert not await world.is_kept(name)
    assert await world.due_at(name) is None


async def test_an_event_that_is_refused_comes_again(world: World) -> None:
    """After an answer 500 the letter waits about five seconds, and the same event comes again."""
    statuses = iter([500, 204])

    async def answer(_: Post) -> int:
        return next(statuses)

    world.receiver.answer = answer
    outbox = world.outbox()
    async with delivering(world, outbox):
        name = await world.written(outbox)
        await world.until(world.receiver, [name])
        now = await world.store.now()

        async def waits() -> bool:
            at = await world.due_at(name)
            return at is not None and at < now + 10

        await eventually(waits, 5)
        assert (await world.due_at(name) or 0) > now + 3
        await outbox.queue.add(world.brand, name, 0)

        async def came_again() -> bool:
            return len(world.receiver.posts) > 1

        await eventually(came_again, 5)
    first, second = world.receiver.posts
    assert (first.event_id, first.body) == (second.event_id, second.body)


async def test_an_old_event_is_given_up(world: World) -> None:
    """A letter about an event of three days ago is tried once more, and then kept for the shop to ask for."""
    world.receiver.answer = always(503)
    outbox = world.outbox()
    async with delivering(world, outbox):
        name = await world.written(outbox, age=GIVEN_UP_SECONDS)
        await world.until_dead(name)
    assert len(world.receiver.posts) == 1
    assert await world.is_kept(name)


async def test_what_an_alert_counts_is_shown_before_the_first_event(world: World) -> None:
    """A shop that is told has a series at 0 for each outcome of which an alert takes the increase."""
    async with delivering(world, world.outbox()):

        async def are_shown() -> bool:
            labels = [{"brand": world.brand, "outcome": outcome} for outcome in EVENTS_ALERTED]
            return [REGISTRY.get_sample_value("bff_events_total", each) for each in labels] == [0] * len(labels)

        await eventually(are_shown, 10)


async def test_an_endpoint_that_is_gone_is_switched_off(world: World) -> None:
    """After a 410 nothing is posted any more, until the shop asks for the dead letters; those then arrive."""
    world.receiver.answer = always(410)
    outbox = world.outbox()
    async with delivering(world, outbox):
        first = await world.written(outbox)
        await world.until_dead(first)
        second = await world.written(outbox)
        await world.until_dead(second)
        assert world.receiver.ids == [first.event_id]
        world.receiver.answer = Receiver().answer
        assert await outbox.queue.revive(world.brand) == 2
        await world.until(world.receiver, [first, second])


async def test_a_new_address_is_not_switched_off(world: World) -> None:
    """A 410 switches off the one address that answered it."""
    world.receiver.answer = always(410)
    outbox = world.outbox()
    async with delivering(world, outbox):
        await world.until_dead(await world.written(outbox))
    outbox = world.outbox()
    async with delivering(world, outbox, world.shops(url=world.receiver.url + "/new")):
        name = await world.written(outbox)
        await world.until(world.receiver, [name])


async def test_redirects_are_not_followed(world: World) -> None:
    """A redirect counts as a failure; nothing is asked where it leads."""
    world.receiver.answer = always(307)
    outbox = world.outbox()
    async with delivering(world, outbox):
        name = await world.written(outbox, age=GIVEN_UP_SECONDS)
        await world.until_dead(name)
    assert world.receiver.ids == [name.event_id]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_private_addresses_are_refused(world: World, host: str) -> None:
    """No connection is made to a private address unless the entry allows it, whether named or written out."""
    connections = 0

    async def count(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1

    async with listening(count) as port:
        public = world.shops(url=f"https://{host}:{port}", private=False)
        outbox = Outbox(world.store, KEYRING, public)
        async with delivering(world, outbox, public):
            await world.until_dead(await world.written(outbox, age=GIVEN_UP_SECONDS))
        assert connections == 0
        allowed = world.shops(url=f"https://{host}:{port}", private=True)
        outbox = Outbox(world.store, KEYRING, allowed)
        async with delivering(world, outbox, allowed):
            await world.until_dead(await world.written(outbox, age=GIVEN_UP_SECONDS))
    assert connections == 1


async def test_a_slow_endpoint_slows_no_other(world: World) -> None:
    """While one endpoint answers nothing, the events of another shop arrive."""
    others_have_theirs = asyncio.Event()

    async def hang(_: Post) -> int:
        await others_have_theirs.wait()
        return 204

    world.receiver.answer = hang
    outbox = world.outbox()
    for _ in range(3 * AT_ONCE):
        await world.written(outbox)
    async with delivering(world, outbox):

        async def is_busy() -> bool:
            return len(world.receiver.posts) == AT_ONCE

        await eventually(is_busy, 5)
        names = await asyncio.gather(*[world.written(outbox, world.other_brand) for _ in range(20)])
        await world.until(world.other, names)
        # None of the slow posts has ended, or the next one would have begun.
        assert len(world.receiver.posts) == AT_ONCE
        others_have_theirs.set()


async def test_a_failing_endpoint_gets_one_post_at_a_time(world: World) -> None:
    """An endpoint that did not take the last event is tried with one of those that wait, until it takes one."""
    statuses = iter([500])
    others_have_theirs = asyncio.Event()

    async def answer(_: Post) -> int:
        with suppress(StopIteration):
            return next(statuses)
        await others_have_theirs.wait()
        return 204

    world.receiver.answer = answer
    outbox = world.outbox()
    async with delivering(world, outbox):
        first = await world.written(outbox)
        await world.until(world.receiver, [first])
        await world.until_counted("status")
        names = [await world.written(outbox) for _ in range(5)]
        await world.until(world.other, [await world.written(outbox, world.other_brand)])
        assert len(world.receiver.posts) == 2
        others_have_theirs.set()
        await world.until(world.receiver, names)


async def test_no_more_letters_are_taken_than_there_are_places(world: World) -> None:
    """A replica takes so many letters of one shop, and so many of all."""
    outbox = world.outbox()
    for brand in (world.brand, world.other_brand):
        for _ in range(5):
            await world.written(outbox, brand)
    await outbox.aclose()
    room = {world.brand: 4, world.other_brand: 4}
    assert [len(await outbox.queue.take(room, at_most)) for at_most in (6, 6, 0)] == [6, 4, 0]


async def test_an_unreadable_letter_is_kept_and_named(world: World) -> None:
    """A letter that none of the keys opens is named in the log, counted, and tried again in an hour."""
    written = Outbox(world.store, Keyring([b"o" * 32]), world.shops())
    name = await world.written(written)
    outbox = world.outbox()
    with capture_logs() as lines:
        async with delivering(world, outbox):
            await world.until_counted("unreadable")
    assert {"event": "event unreadable", "log_level": "error", "event_id": name.event_id, "brand": world.brand} in lines
    assert await world.due_at(name) == pytest.approx(await world.store.now() + UNREADABLE_PAUSE_SECONDS, abs=30)
    assert await world.is_kept(name)


async def test_the_time_of_a_delivery_includes_the_post(world: World) -> None:
    """The measured time of a delivery ends with the answer of the endpoint."""

    async def slow(_: Post) -> int:
        await asyncio.sleep(0.3)
        return 204

    world.receiver.answer = slow
    before = REGISTRY.get_sample_value("bff_event_seconds_sum") or 0
    outbox = world.outbox()
    async with delivering(world, outbox):
        await world.until(world.receiver, [await world.written(outbox)])
    assert (REGISTRY.get_sample_value("bff_event_seconds_sum") or 0) - before > 0.3


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # Longer than names may be, so that no name server is asked.
        ("https://" + ".".join(["a" * 63] * 5) + "/events", "name"),
        ("https://localhost:{port}/events", "address"),
        ("http://127.0.0.1:{closed}/events", "connection"),
        ("https://127.0.0.1:{port}/events", "tls"),
        ("http://127.0.0.1:{port}/events", "status"),
    ],
)
async def test_why_an_event_was_not_taken(world: World, url: str, expected: str) -> None:
    """A post that an endpoint did not take says why, in one of few words."""
    world.receiver.answer = always(500)
    url = url.format(port=world.receiver.port, closed=free_port())
    endpoint = world.shops(url=url, private=expected != "address").told[world.brand]
    poster = Poster(ssl.create_default_context())
    posted = await poster.post(endpoint, "rtn_a:2:created", "{}", time.time())
    await poster.aclose()
    assert posted.failure == expected


async def test_dead_name_servers_of_shops_hold_up_no_other_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the name servers of two shops are dead, upstream and store are still found by their names."""
    asked, is_over, look_up = set[str](), threading.Event(), socket.getaddrinfo

    def addresses(host: str, *rest: Any, **named: Any) -> list[Any]:
        if not host.endswith(".dead.example"):
            return list(look_up(host, *rest, **named))
        asked.add(host)
        is_over.wait()
        raise socket.gaierror

    async def both_are_asked_for() -> bool:
        return len(asked) == 2

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    loop, poster = asyncio.get_running_loop(), Poster(ssl.create_default_context())
    # As many as uvloop looks names up in.
    loop.set_default_executor(ThreadPoolExecutor(2))
    ends = [world.shops(url=f"https://{n}.dead.example/", private=False).told[world.brand] for n in range(2)]
    posts = [asyncio.create_task(poster.post(each, "rtn_a:2:created", "{}", time.time())) for each in ends]
    try:
        await eventually(both_are_asked_for, 30)
        async with asyncio.timeout(30):
            assert await loop.getaddrinfo("localhost", 80)
    finally:
        is_over.set()
        await asyncio.gather(*posts)
        await poster.aclose()


async def test_each_letter_is_tried_by_one_replica(world: World) -> None:
    """Two replicas that deliver at the same time post each event once."""
    outbox = world.outbox()
    names = [await world.written(outbox) for _ in range(60)]
    async with delivering(world, outbox), delivering(world, world.outbox()):
        await world.until(world.receiver, names)
    assert sorted(world.receiver.ids) == sorted(name.event_id for name in names)


async def test_a_letter_of_a_commit_that_was_not_made_is_forgotten(world: World) -> None:
    """A process that dies between queue and commit leaves a place in the queue, which goes when its time has come."""
    outbox = world.outbox()
    event = event_of(world.brand, 0)
    name = Name(world.parcel_key, event.id)
    refused = Change(f"p:{{{world.parcel_key}}}:claim", 9, b"{}", 60)
    assert not await outbox.commit(ParcelEvents(world.parcel_key, [event]), "operation", [refused], "")
    now = await world.store.now()
    assert (await world.due_at(name) or 0) > now + 30
    assert not await world.is_kept(name)
    await outbox.queue.add(world.brand, name, 0)
    async with delivering(world, outbox):

        async def is_forgotten() -> bool:
            return await world.due_at(name) is None

        await eventually(is_forgotten, 5)
    assert world.receiver.posts == []


async def test_a_lost_race_postpones_no_letter(world: World) -> None:
    """Where two replicas store the same change, the letter of the one that was first stays due."""
    outbox, event = world.outbox(), event_of(world.brand, await world.store.now())
    of_both, name = ParcelEvents(world.parcel_key, [event]), Name(world.parcel_key, event.id)
    made, refused = (Change(f"p:{{{world.parcel_key}}}:claim", revision, b"{}", 60) for revision in (-1, 9))
    assert await outbox.commit(of_both, "first", [made], "")
    await outbox.aclose()
    due_at = await world.due_at(name)
    assert not await world.outbox().commit(of_both, "second", [refused], "")
    assert (await world.due_at(name) or 0) < (due_at or 0) + 1


async def test_a_stalled_replica_drops_no_letter_that_was_written_meanwhile(world: World) -> None:
    """A replica that found no letter, and stood still until its lease was over, leaves the place to others."""
    outbox, event = world.outbox(), event_of(world.brand, await world.store.now())
    name = Name(world.parcel_key, event.id)
    await outbox.queue.add(world.brand, name, 0)
    [taken] = await outbox.queue.take({world.brand: 1}, 1)
    over = taken._replace(lease_until_ms=taken.lease_until_ms - 60_000)
    member = {f"{world.parcel_key}/{event.id}": over.lease_until_ms}
    await world.valkey.client.zadd(f"e:{{events}}:due:{world.brand}", member)
    change = Change(f"p:{{{world.parcel_key}}}:claim", -1, b"{}", 60)
    other = world.outbox()
    assert await other.commit(ParcelEvents(world.parcel_key, [event]), "operation", [change], "")
    await other.aclose()
    await outbox.queue.drop(over)
    assert await world.due_at(name) is not None


async def test_a_letter_of_a_process_that_died_arrives(world: World) -> None:
    """A process that dies right after the commit leaves a letter that is in the queue already."""
    outbox = world.outbox()
    name = await world.written(outbox)
    # The process had no time to make it due.
    await outbox.aclose()
    await outbox.queue.add(world.brand, name, 0.5)
    async with delivering(world, world.outbox()):
        await world.until(world.receiver, [name])


async def test_a_taken_letter_is_due_again(world: World) -> None:
    """A letter that a replica took is due again within half a minute, whatever becomes of the replica."""
    outbox = world.outbox()
    name = await world.written(outbox)
    await outbox.aclose()
    [taken] = await outbox.queue.take({world.brand: 5}, 5)
    assert taken.name == name
    assert await outbox.queue.take({world.brand: 5}, 5) == []
    assert await world.due_at(name) == pytest.approx(taken.now + 30, abs=0.01)


@pytest.mark.parametrize("told", ["dropped", "buried", "postponed"])
async def test_a_letter_that_was_queued_again_is_left_alone(world: World, told: str) -> None:
    """What a replica tells of a letter counts for nothing once the letter was queued again, as after its lease."""
    outbox = world.outbox()
    name = await world.written(outbox)
    await outbox.aclose()
    [taken] = await outbox.queue.take({world.brand: 5}, 5)
    await outbox.queue.add(world.brand, name, 60)
    due_at = await world.due_at(name)
    await {
        "dropped": lambda: outbox.queue.drop(taken),
        "buried": lambda: outbox.queue.bury(taken),
        "postponed": lambda: outbox.queue.postpone(taken, 1),
    }[told]()
    assert await world.due_at(name) == due_at
    assert await world.due_at(name, "dead") is None


async def posted(world: World, outbox: Outbox, lease: float) -> tuple[Attempts, Attempt, Name]:
    """A creation of the first shop whose first byte has left, and the place that is queued in case its request dies."""
    layout = ParcelLayout(KEYRING, return_ttl=600, claim_ttl=600, lease=lease, clean=clean)
    attempts, one = Attempts(world.store, layout, outbox.commit), Units({"shirt": 1}, {"shirt": 1})
    record = return_record(id="rtn_" + secrets.token_urlsafe(16), brand=world.brand, state=ReturnState.CREATING)
    attempt = await attempts.claim(world.parcel_key, "key", forms("body"), record, Selection(one, one, ""))
    await attempts.first_byte(attempt)
    return attempts, attempt, Name(world.parcel_key, f"{attempt.return_id}:2:outcome_unknown")


async def accepted(world: World, outbox: Outbox) -> tuple[Attempts, Attempt, Name]:
    """As `posted`, but Sendcloud took the return; its label is due, and so is its place."""
    attempts, attempt, place = await posted(world, outbox, lease=60)

    def pending(found: VersionedReturn) -> ReturnRecord:
        return found.became(ReturnState.LABEL_PENDING, poller_token="poller", next_poll_at=attempt.record.created_at)

    await attempts.settle(attempt, Outcome.ACCEPTED, pending)
    await outbox.queue.add(world.brand, place, 0)
    return attempts, attempt, place


async def on_its_way(_: httpx.Request) -> httpx.Response:
    """The answer to a poll for a label that is not ready."""
    return httpx.Response(202)


@asynccontextmanager
async def told_by(
    world: World,
    attempts: Attempts,
    answer: Callable[[httpx.Request], Coroutine[None, None, httpx.Response]] = on_its_way,
) -> AsyncIterator[ToldReturns]:
    """The returns as events tell of them; polls of their labels are answered like this."""
    upstream = HttpxTransport(httpx.MockTransport(answer))
    sendcloud = Sendcloud(
        "https://panel.example", "https://points.example", reads=upstream, creates=upstream, guards=unlimited()
    )
    evidence, schedule = Evidence(world.store, KEYRING, 600), Schedule(1, 5, 120, 600)
    polling = Polling(world.store, attempts.returns, sendcloud, evidence, schedule)
    labels = Labels(world.store, attempts.returns, polling)
    yield ToldReturns(attempts.returns.contact, labels.look_for_news)
    await labels.aclose()


async def test_a_creation_whose_request_died_is_told_without_a_read(world: World) -> None:
    """A creation of which nothing is heard is told as unknown soon after its lease, once, though nobody reads it."""
    attempts, _, place = await posted(world, outbox := world.outbox(), lease=0.3)
    async with (
        told_by(world, attempts) as told,
        delivering(world, outbox, returns=told),
        delivering(world, other := world.outbox(), returns=told),
    ):
        await world.until(world.receiver, [place])

        async def is_forgotten() -> bool:
            return await world.due_at(place) is None

        await eventually(is_forgotten, 5)
    await other.aclose()
    [post] = world.receiver.posts
    assert post.verified()["data"]["state"] == "outcome_unknown"


async def test_a_creation_that_was_answered_is_not_told_as_unknown(world: World) -> None:
    """Once its outcome is known, the place that was queued in case its request dies is dropped, and nothing changes."""
    attempts, attempt, place = await posted(world, outbox := world.outbox(), lease=60)
    await attempts.settle(attempt, Outcome.ACCEPTED, lambda found: found.became(ReturnState.LABEL_PENDING))
    await outbox.queue.add(world.brand, place, 0)
    async with told_by(world, attempts) as told, delivering(world, outbox, returns=told):

        async def is_forgotten() -> bool:
            return await world.due_at(place) is None

        await eventually(is_forgotten, 5)
    assert [each.event_id for each in world.receiver.posts] == [f"{attempt.return_id}:2:created"]
    assert (await attempts.returns.get(world.parcel_key, attempt.return_id)).record.state is ReturnState.LABEL_PENDING


async def test_a_creation_whose_label_is_still_to_come_is_looked_at_again(world: World) -> None:
    """The place that was queued for a creation stays while its label may come, and polls are made when due."""
    attempts, attempt, place = await accepted(world, outbox := world.outbox())
    due_at = await world.due_at(place) or 0
    async with told_by(world, attempts) as told, delivering(world, outbox, returns=told):

        async def is_postponed() -> bool:
            moved_to = await world.due_at(place) or 0
            return due_at + 4 < moved_to < due_at + 25

        async def is_polled() -> bool:
            return (await attempts.returns.get(world.parcel_key, attempt.return_id)).record.polls == 1

        await eventually(is_postponed, 10)
        await eventually(is_polled, 10)


async def test_slow_polls_hold_up_no_event(world: World) -> None:
    """An event of a shop is posted while as many of its labels are polled as posts of a shop may be under way."""
    outbox, polled, may_answer = world.outbox(), asyncio.Semaphore(0), asyncio.Event()
    parcels = [replace(world, parcel_key=secrets.token_hex(8)) for _ in range(AT_ONCE)]
    attempts, *_ = [(await accepted(each, outbox))[0] for each in parcels]

    async def slow(request: httpx.Request) -> httpx.Response:
        polled.release()
        await may_answer.wait()
        return await on_its_way(request)

    async with told_by(world, attempts, slow) as told, delivering(world, outbox, returns=told):
        try:
            for _ in range(AT_ONCE):
                await polled.acquire()
            await world.until(world.receiver, [await world.written(outbox)])
        finally:
            may_answer.set()


async def test_a_creation_that_still_runs_is_looked_at_again(world: World) -> None:
    """A look before the lease has ended, as by a server whose clock is ahead, changes nothing and is repeated."""
    attempts, attempt, place = await posted(world, outbox := world.outbox(), lease=60)
    await outbox.queue.add(world.brand, place, 0)
    due_at = await world.due_at(place) or 0
    async with told_by(world, attempts) as told, delivering(world, outbox, returns=told):

        async def is_postponed() -> bool:
            moved_to = await world.due_at(place) or 0
            return due_at + 4 < moved_to < due_at + 25

        await eventually(is_postponed, 10)
    assert world.receiver.posts == []
    assert (await attempts.returns.get(world.parcel_key, attempt.return_id)).record.state is ReturnState.CREATING


async def test_other_shops_get_no_letters(world: World) -> None:
    """Nothing at all is written for a shop that takes no events."""
    before = set(await world.valkey.client.keys("e:*"))
    event = event_of("demo", 0)
    change = Change(f"p:{{{world.parcel_key}}}:claim", -1, b"{}", 60)
    assert await world.outbox().commit(ParcelEvents(world.parcel_key, [event]), "operation", [change], "")
    assert not await world.is_kept(Name(world.parcel_key, event.id))
    assert b"e:{events}:due:demo" not in set(await world.valkey.client.keys("e:*")) - before
