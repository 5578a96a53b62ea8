"""Returns on a real Valkey against a model in plain Python: any sequence of requests, deaths and late answers."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from typing_extensions import override

from app.domain import Selection, Units
from app.errors import (
    BffError,
    ClaimLost,
    IdempotencyKeyReused,
    ReturnInProgress,
    ReturnNotFound,
    ReturnOutcomeUnknown,
    ReturnRefused,
    UnitsClaimed,
)
from app.events.outbox import Outbox
from app.models.returns import Return, ReturnItem, ReturnState
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring
from app.redis.store import Store
from app.returns.claims import AFTER_FIRST_BYTE, Event, Phase
from app.returns.store.attempts import Attempt, Attempts
from app.returns.store.records import ReturnRecord, VersionedReturn
from app.returns.store.returns import ParcelLayout, RecordChange
from app.returns.view import public
from app.sendcloud.earlier_records import service_point_of_schema_1 as clean
from tests.support.processes import Valkey, eventually
from tests.support.samples import forms, return_record
from tests.support.shops import shops

T = TypeVar("T")

ORDERED: Mapping[str, int] = {"shirt": 3, "hat": 1}
BODIES: Mapping[str, list[tuple[str, int]]] = {
    "a shirt": [("shirt", 1)],
    "two shirts on two lines": [("shirt", 1), ("shirt", 1)],
    "a hat and two shirts": [("hat", 1), ("shirt", 2)],
    "two hats, of which one was ordered": [("hat", 2)],
}
OUTCOMES: Mapping[Event, tuple[frozenset[Phase | None], Phase | None]] = {
    Event.NOT_TAKEN: (frozenset({None, Phase.INTENT, Phase.SENT, Phase.OUTCOME_UNKNOWN}), None),
    Event.ACCEPTED: (frozenset({Phase.SENT, Phase.OUTCOME_UNKNOWN, Phase.DONE}), Phase.DONE),
    Event.REFUSED: (frozenset({Phase.SENT, Phase.OUTCOME_UNKNOWN, Phase.FAILED}), Phase.FAILED),
    Event.LOST: (frozenset({Phase.SENT, Phase.OUTCOME_UNKNOWN}), Phase.OUTCOME_UNKNOWN),
}
"""Where the owner's news is possible, and where it leads."""
STATES: Mapping[Phase, ReturnState] = {
    Phase.INTENT: ReturnState.CREATING,
    Phase.SENT: ReturnState.CREATING,
    Phase.DONE: ReturnState.LABEL_PENDING,
    Phase.FAILED: ReturnState.FAILED,
    Phase.OUTCOME_UNKNOWN: ReturnState.OUTCOME_UNKNOWN,
}
WITHOUT_ANSWER: Mapping[Phase, type[BffError]] = {
    Phase.INTENT: ReturnInProgress,
    Phase.SENT: ReturnInProgress,
    Phase.FAILED: ReturnRefused,
    Phase.OUTCOME_UNKNOWN: ReturnOutcomeUnknown,
}
LONG, SHORT, NONE = 600.0, 0.03, 0.0
"""Leases in seconds: that of a request that lives on, and those of requests that die."""

parcels = st.sampled_from(["one", "other"])
keys = st.sampled_from(["key-1", "key-2", "key-3"])
bodies = st.sampled_from(sorted(BODIES))


def accepted(found: VersionedReturn) -> ReturnRecord:
    """The record after upstream took the return, with the answer to repeat."""
    record = found.became(ReturnState.LABEL_PENDING, poller_token="poller", next_poll_at=found.now + LONG)
    return record.model_copy(update={"first_answer": public(VersionedReturn(record, found.version + 1, found.now))})


CHANGES: Mapping[Event, RecordChange] = {
    Event.NOT_TAKEN: lambda found: found.became(ReturnState.FAILED),
    Event.ACCEPTED: accepted,
    Event.REFUSED: lambda found: found.became(ReturnState.FAILED),
    Event.LOST: lambda found: found.became(ReturnState.OUTCOME_UNKNOWN),
}


def units(body: str) -> Counter[str]:
    """How many units of each item this body asks for."""
    wanted: Counter[str] = Counter()
    for item_id, quantity in BODIES[body]:
        wanted[item_id] += quantity
    return wanted


def selection(body: str) -> Selection:
    """The units of a body, each item a line and a product of its own."""
    wanted = dict(units(body))
    return Selection(Units(wanted, wanted), Units(ORDERED, ORDERED))


def record_of(body: str) -> ReturnRecord:
    """A fresh return of these units."""
    lines = BODIES[body]
    items = [ReturnItem(id=item, name=item, quantity=count, reason=1, comment=None) for item, count in lines]
    return return_record(items=items)


@dataclass(eq=False)
class Request:
    """A creating request whose claim was stored, and where the model has it."""

    attempt: Attempt
    key: str
    body: str
    phase: Phase | None = Phase.INTENT
    posted: bool = False
    answer: Return | None = None


class Bench:
    """Returns with any lease on one store, called from outside its event loop."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.store = Store(topology(url))
        self._keyring = Keyring([b"k" * 32])
        self.attempts = self.with_lease(LONG)
        self.returns = self.attempts.returns

    def with_lease(self, lease: float) -> Attempts:
        """A replica whose requests count as dead after so many seconds."""
        return Attempts(
            self.store,
            ParcelLayout(self._keyring, return_ttl=600, claim_ttl=600, lease=lease, clean=clean),
            Outbox(self.store, self._keyring, shops()).commit,
        )

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """What the call answers."""
        return self._runner.run(call)

    def told(self, call: Coroutine[Any, Any, T]) -> T | type[BffError]:
        """What the call answers, or the class of the error it raises."""
        try:
            return self.run(call)
        except BffError as error:
            return type(error)

    async def outlive(self, lease: float) -> None:
        """Returns when every lease of this length that was given so far has ended on the store's clock."""
        end = await self.store.now() + lease + 0.001

        async def is_over() -> bool:
            return await self.store.now() >= end

        await eventually(is_over, 5)


class Parcels(RuleBasedStateMachine):
    """Requests for two parcels that share their keys; what the model expects is what Returns answers."""

    requests: Bundle[Request] = Bundle("requests")

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.attempts, self.returns = bench.attempts, bench.returns
        self.told = bench.told
        self.parcel_keys = {name: f"{name}-{secrets.token_hex(8)}" for name in ("one", "other")}
        self.known: list[Request] = []

    @rule(target=requests, parcel=parcels, key=keys, body=bodies)
    def claim(self, parcel: str, key: str, body: str) -> Any:
        """A request claims its units, unless its key is in use or the units are not free."""
        parcel_key = self.parcel_keys[parcel]
        expected = self.refusal(parcel_key, key, body)
        claimed = self.told(self.attempts.claim(parcel_key, key, forms(body), record_of(body), selection(body)))
        if not isinstance(claimed, Attempt):
            assert claimed is expected
            return multiple()
        assert expected is None
        return self.remember(claimed, key, body)

    @rule(target=requests, parcel=parcels, key=keys, body=bodies)
    def claim_twice_at_once(self, parcel: str, key: str, body: str) -> Any:
        """Of two requests with one key at the same moment at most one gets the claim."""
        parcel_key = self.parcel_keys[parcel]
        expected = self.refusal(parcel_key, key, body)
        calls = [self.attempts.claim(parcel_key, key, forms(body), record_of(body), selection(body)) for _ in range(2)]
        answers = self.bench.run(_all_of(calls))
        claimed = [answer for answer in answers if isinstance(answer, Attempt)]
        refused = [type(answer) for answer in answers if isinstance(answer, BffError)]
        if expected is not None:
            assert refused == [expected] * 2
            return multiple()
        assert refused == [ReturnInProgress]
        return self.remember(claimed[0], key, body)

    @rule(target=requests, parcel=parcels, key=keys, body=bodies, lease=st.sampled_from([NONE, SHORT]))
    def claim_and_die(self, parcel: str, key: str, body: str, lease: float) -> Any:
        """A request dies before or after its first byte: its units are free again, or their fate is unknown."""
        parcel_key = self.parcel_keys[parcel]
        if self.refusal(parcel_key, key, body) is not None:
            return multiple()
        mortal = self.bench.with_lease(lease)
        attempt, posted = self.claim_and_send(mortal, parcel_key, key, body)
        while lease is SHORT and not posted:
            # The lease passed on a busy machine. Hypothesis needs the same course of events each time.
            attempt, posted = self.claim_and_send(mortal, parcel_key, key, body)
        assert not (posted and lease is NONE)
        request = self.remember(attempt, key, body)
        request.posted = posted
        self.bench.run(self.bench.outlive(lease))
        request.phase = Phase.OUTCOME_UNKNOWN if request.posted else None
        return request

    @rule(request=requests)
    def first_byte(self, request: Request) -> None:
        """A request may post once, and only with a claim of its own that is still standing."""
        may_post = request.phase is Phase.INTENT
        assert self.told(self.attempts.first_byte(request.attempt)) is (None if may_post else ClaimLost)
        if may_post:
            request.posted, request.phase = True, Phase.SENT

    @rule(request=requests, event=st.sampled_from(sorted(OUTCOMES)))
    def settle(self, request: Request, event: Event) -> None:
        """The owner's news is stored where it is possible, however late it comes; who never posted has none."""
        if request.phase in {None, Phase.INTENT} and event in AFTER_FIRST_BYTE:
            return
        if request.phase is Phase.FAILED and event is Event.ACCEPTED:
            # Of a return that an operator released; what becomes of it is shown in tests of the release.
            return
        possible, after = OUTCOMES[event]
        found = self.told(self.attempts.settle(request.attempt, event, CHANGES[event]))
        if request.phase not in possible:
            assert found is (ReturnOutcomeUnknown if event in AFTER_FIRST_BYTE else ClaimLost)
            return
        request.phase = after
        if isinstance(found, VersionedReturn):
            request.answer = found.record.first_answer
        self.look(request)

    @rule(request=requests, event=st.sampled_from(sorted(OUTCOMES)))
    def post(self, request: Request, event: Event) -> None:
        """A request posts and hears at once what became of it."""
        self.first_byte(request)
        self.settle(request, event)

    @rule(request=requests, event=st.sampled_from(sorted(OUTCOMES)))
    def settle_for_somebody_else(self, request: Request, event: Event) -> None:
        """Only the owner of a claim can change it."""
        if request.phase is None and event in AFTER_FIRST_BYTE:
            return
        claim = request.attempt.claim.model_copy(update={"owner": "stranger"})
        stranger = replace(request.attempt, claim=claim)
        found = self.told(self.attempts.settle(stranger, event, CHANGES[event]))
        if isinstance(found, VersionedReturn):
            # An acceptance that is stored already changes nothing, whoever brings it.
            assert found.record.first_answer == request.answer
        elif event in AFTER_FIRST_BYTE:
            assert found is ReturnOutcomeUnknown
        else:
            assert found is (None if request.phase is None else ClaimLost)
        self.look(request)

    @rule(request=requests)
    def fail_announcement(self, request: Request) -> None:
        """A label that will never come frees the units of a return that exists."""
        if request.phase not in {None, Phase.DONE, Phase.FAILED}:
            return
        found = self.told(self.returns.get(request.attempt.parcel_key, request.attempt.return_id))
        if isinstance(found, VersionedReturn):
            found = self.told(self.returns.announcement_failed(request.attempt.parcel_key, found))
        if request.phase is None:
            assert found is ReturnNotFound
            return
        request.phase = Phase.FAILED
        self.look(request)

    @rule(request=requests)
    def look(self, request: Request) -> None:
        """A return stands where the model has it."""
        found = self.told(self.returns.get(request.attempt.parcel_key, request.attempt.return_id))
        if request.phase is None and not isinstance(found, VersionedReturn):
            assert found is ReturnNotFound
            return
        assert isinstance(found, VersionedReturn)
        if request.phase is None:
            assert found.record.state is ReturnState.FAILED
            return
        assert found.record.state is STATES[request.phase]
        assert [(item.id, item.quantity) for item in found.record.items] == BODIES[request.body]

    @rule(request=requests)
    def look_from_elsewhere(self, request: Request) -> None:
        """A return cannot be found through another parcel."""
        for parcel_key in {*self.parcel_keys.values(), "nobody"} - {request.attempt.parcel_key}:
            assert self.told(self.returns.get(parcel_key, request.attempt.return_id)) is ReturnNotFound

    @rule(parcel=parcels, key=keys, body=bodies)
    def repeat(self, parcel: str, key: str, body: str) -> None:
        """A key that was used gives the first answer, or says why there is none; another body is refused."""
        again = self.told(self.attempts.repeated(self.parcel_keys[parcel], key, forms(body)))
        answer = again.record.first_answer if isinstance(again, VersionedReturn) else again
        use = self.use_of(self.parcel_keys[parcel], key)
        if use is None:
            assert answer is None
        elif use.body != body:
            assert answer is IdempotencyKeyReused
        else:
            assert use.phase
            assert answer == (use.answer or WITHOUT_ANSWER[use.phase])

    @rule(parcel=parcels)
    def list_parcel(self, parcel: str) -> None:
        """A parcel has its own returns, oldest first, and what they hold adds up."""
        parcel_key = self.parcel_keys[parcel]
        found, free, *_ = self.bench.run(self.returns.of_parcel(parcel_key, Units(ORDERED, ORDERED)))
        here = [(request.attempt.return_id, STATES[request.phase]) for request in self.of(parcel_key) if request.phase]
        assert [(each.record.id, each.record.state) for each in found] == here
        left = {item_id: ordered - self.held(parcel_key)[item_id] for item_id, ordered in ORDERED.items()}
        assert free == Units(left, left)

    @invariant()
    def never_more_than_ordered(self) -> None:
        """The units that may exist upstream never exceed those ordered."""
        for parcel_key in self.parcel_keys.values():
            assert all(self.held(parcel_key)[item_id] <= ordered for item_id, ordered in ORDERED.items())

    @invariant()
    def at_most_one_post_for_each_key(self) -> None:
        """A key leads to a second post only after upstream turned the first one away unread."""
        posted = [
            (request.attempt.parcel_key, request.key) for request in self.known if request.posted and request.phase
        ]
        assert len(posted) == len(set(posted))

    @override
    def teardown(self) -> None:
        """In the end everything is where the model has it."""
        for parcel in self.parcel_keys:
            self.list_parcel(parcel)

    def claim_and_send(self, mortal: Attempts, parcel_key: str, key: str, body: str) -> tuple[Attempt, bool]:
        """A claim, and whether its first byte may leave; one that may not is given back."""
        attempt = self.bench.run(mortal.claim(parcel_key, key, forms(body), record_of(body), selection(body)))
        posted = self.told(mortal.first_byte(attempt)) is None
        if not posted:
            # It may have been stored as sent, and the lease have passed before this was known.
            self.bench.run(mortal.settle(attempt, Event.NOT_TAKEN, CHANGES[Event.NOT_TAKEN]))
        return attempt, posted

    def remember(self, attempt: Attempt, key: str, body: str) -> Request:
        """A request the model follows from here on."""
        self.known.append(Request(attempt, key, body))
        return self.known[-1]

    def of(self, parcel_key: str) -> Iterator[Request]:
        """The requests of one parcel, oldest first."""
        return (request for request in self.known if request.attempt.parcel_key == parcel_key)

    def use_of(self, parcel_key: str, key: str) -> Request | None:
        """The request that came of this key."""
        return next((request for request in self.of(parcel_key) if request.key == key and request.phase), None)

    def held(self, parcel_key: str) -> Counter[str]:
        """How many units of each item no other return holds."""
        held: Counter[str] = Counter()
        for request in self.of(parcel_key):
            if request.phase not in {None, Phase.FAILED}:
                held.update(units(request.body))
        return held

    def refusal(self, parcel_key: str, key: str, body: str) -> type[BffError] | None:
        """Why a claim is to be refused, if it is."""
        use, held = self.use_of(parcel_key, key), self.held(parcel_key)
        if use:
            return ReturnInProgress if use.body == body else IdempotencyKeyReused
        fits = all(held[item_id] + wanted <= ORDERED[item_id] for item_id, wanted in units(body).items())
        return None if fits else UnitsClaimed


async def _all_of(calls: list[Coroutine[Any, Any, T]]) -> list[T | BaseException]:
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.fixture(name="bench")
def _bench(valkey: Valkey) -> Iterator[Bench]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        bench = Bench(valkey.url, runner)
        yield bench
        bench.run(bench.store.aclose())


@pytest.mark.timeout(600)  # a failure is made small before it is told
def test_any_sequence_of_requests(bench: Bench) -> None:
    """No sequence of requests, deaths and late answers posts twice, over-claims, or tells one parcel of another."""

    class HereParcels(Parcels):
        """Parcels on this bench."""

        def __init__(self) -> None:
            super().__init__(bench)

    run_state_machine_as_test(HereParcels, settings=settings(max_examples=60, stateful_step_count=25))


@pytest.mark.parametrize("event", [Event.ACCEPTED, Event.REFUSED])
def test_late_answer_while_somebody_looks(bench: Bench, event: Event) -> None:
    """The owner's late answer is stored, even if a reader declares the return orphaned at the same moment."""
    mortal, parcel_keys = bench.with_lease(0.5), [secrets.token_hex(8) for _ in range(20)]
    attempts = [
        bench.run(mortal.claim(parcel_key, "key", forms("a shirt"), record_of("a shirt"), selection("a shirt")))
        for parcel_key in parcel_keys
    ]
    for attempt in attempts:
        bench.run(mortal.first_byte(attempt))
    bench.run(bench.outlive(0.5))
    for attempt in attempts:
        look = bench.returns.get(attempt.parcel_key, attempt.return_id)
        bench.run(_all_of([look, bench.attempts.settle(attempt, event, CHANGES[event])]))
    states = {bench.run(bench.returns.get(each.parcel_key, each.return_id)).record.state for each in attempts}
    assert states == {ReturnState.LABEL_PENDING if event is Event.ACCEPTED else ReturnState.FAILED}


@pytest.mark.parametrize("event", [Event.ACCEPTED, Event.REFUSED, Event.LOST])
def test_the_same_news_once_more(bench: Bench, event: Event) -> None:
    """News that was stored, and is told again because the store's answer got lost, changes nothing."""
    attempts, parcel_key = bench.attempts, secrets.token_hex(8)
    attempt = bench.run(attempts.claim(parcel_key, "key", forms("a shirt"), record_of("a shirt"), selection("a shirt")))
    bench.run(attempts.first_byte(attempt))
    first, again = (bench.run(attempts.settle(attempt, event, CHANGES[event])) for _ in range(2))
    assert first
    assert again
    assert again.record == first.record
