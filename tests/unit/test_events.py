"""Events without a store: which change makes which, when they are tried, and where they may go."""

from dataclasses import replace

import pytest

from app.events.delivery import LONGEST_PAUSE_SECONDS, pause
from app.events.endpoint import is_public
from app.events.event import Event, EventType
from app.models.returns import ReturnItem, ReturnState
from app.returns.store.records import ReturnRecord, VersionedReturn, news
from tests.support.samples import return_record

CREATING, UNKNOWN, PENDING = ReturnState.CREATING, ReturnState.OUTCOME_UNKNOWN, ReturnState.LABEL_PENDING
READY, LOST, FAILED = ReturnState.LABEL_READY, ReturnState.LABEL_LOST, ReturnState.FAILED


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (CREATING, PENDING, ["created"]),
        (CREATING, ReturnState.NO_LABEL_NEEDED, ["created"]),
        (CREATING, ReturnState.ACCEPTED, ["created"]),
        (CREATING, ReturnState.AWAITING_PAYMENT, ["created", "awaiting_payment"]),
        (CREATING, FAILED, ["failed"]),
        (CREATING, UNKNOWN, ["outcome_unknown"]),
        (UNKNOWN, PENDING, ["created"]),
        (FAILED, PENDING, ["created"]),
        (FAILED, READY, ["created", "label_ready"]),
        (PENDING, READY, ["label_ready"]),
        (ReturnState.AWAITING_PAYMENT, READY, ["label_ready"]),
        (PENDING, FAILED, ["failed"]),
        (PENDING, PENDING, []),
        (PENDING, LOST, []),
        (LOST, PENDING, []),
    ],
)
def test_what_a_change_tells(before: ReturnState, after: ReturnState, types: list[str]) -> None:
    """A shop is told when a return is made, needs payment, has its label, fails or becomes unknown; of nothing else."""
    record = return_record(state=before)
    told = changed(record, after)
    assert [each.type for each in told] == [f"return.{name}" for name in types]


def changed(record: ReturnRecord, state: ReturnState, found_out: EventType | None = None) -> list[Event]:
    """The events of a change to this state."""
    found = VersionedReturn(record, 1, 5)
    return news(found, replace(found, record=found.became(state)), found_out)


@pytest.mark.parametrize("found_out", [EventType.SETTLED, EventType.CANCELLED])
def test_a_finding_is_an_event_of_its_own(found_out: EventType) -> None:
    """A change that a finding made is told as the finding."""
    record = return_record(state=UNKNOWN)
    [event] = changed(record, FAILED, found_out)
    assert event.type is found_out


def test_an_erasure_is_told_once() -> None:
    """An erasure is an event although the state stays; one that changed nothing is none."""
    found = VersionedReturn(return_record(state=READY), 1, 5)
    [event] = news(found, replace(found, record=found.changed()), EventType.ERASED)
    assert event.type == "return.erased"
    assert not news(found, replace(found, version=2), EventType.ERASED)


def test_an_event_holds_nothing_personal() -> None:
    """An event has ids, state, units and reasons; neither a name of an item nor the shopper's comment."""
    item = ReturnItem(id="i1", name="Secret shirt", quantity=2, reason="3", comment="Call Sam")
    record = return_record(state=CREATING, items=[item])
    [event] = changed(record, PENDING)
    assert '"items":[{"id":"i1","quantity":2,"reason":"3"}]' in event.body()
    assert '"timestamp":"1970-01-01T00:00:05.000Z"' in event.body()
    assert "Secret" not in event.body()
    assert "Sam" not in event.body()


@pytest.mark.parametrize(("age", "expected"), [(0, 5), (5, 5), (60, 60), (10**6, LONGEST_PAUSE_SECONDS)])
def test_pauses_grow(age: float, expected: float) -> None:
    """The pause is about as long as the event is old, at least five seconds and at most eight hours, and jittered."""
    pauses = [pause(age) for _ in range(50)]
    assert all(0.8 * expected <= each <= 1.2 * expected for each in pauses)
    assert len(set(pauses)) > 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.9.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("2001:0:5ef5:79fd::1", False),
        ("64:ff9b:1::a00:1", False),
        ("::a00:1", False),
        ("5f00::1", False),
        ("4000::1", False),
        ("::ffff:93.184.215.14", True),
    ],
)
def test_where_events_may_go(address: str, *, public: bool) -> None:
    """Addresses of the internet alone are public; those that lead to private ones by translation are not."""
    assert is_public(address) is public
