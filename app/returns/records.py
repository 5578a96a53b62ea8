"""Returns and idempotency keys as Redis keeps them, and a return as it was read."""

from dataclasses import dataclass
from typing import Literal, Self

from app.domain import RedactedModel, ServicePoint
from app.models import Return, ReturnDelivery, ReturnItem, ReturnParcel, ReturnState
from app.returns.fingerprints import CURRENT, FIRST, Fingerprints
from app.sendcloud.stored import service_point_of_schema_1

_NEW_STATES = frozenset({ReturnState.ACCEPTED, ReturnState.LABEL_LOST})
"""States that the release before this one cannot read."""


SCHEMA = 2
"""What records are written in. Releases before this one wrote 1, read 2 as well, and drop the number: then it is 1."""


class Newer(RedactedModel):
    """Members of a record as they are, where the release before this one has to see others in their place."""

    state: ReturnState
    next_poll_at: float | None
    first_answer: Return | None


class ReturnRecord(RedactedModel):
    """A return as Redis keeps it, sealed; upstream tokens included."""

    schema_number: int = 1
    id: str
    brand: str
    state: ReturnState = ReturnState.CREATING
    revision: int = 1
    """Counts what the shopper can see change."""
    created_at: float
    updated_at: float
    items: list[ReturnItem]
    delivery: ReturnDelivery
    drop_off: ServicePoint | None
    """The chosen point as upstream described it then."""
    sendcloud_return_id: int | None = None
    parcels: tuple[ReturnParcel, ...] = ()
    payment_url: str | None = None
    poller_token: str | None = None
    poller_expires_at: int | None = None
    """Unix seconds; None where the token does not say."""
    download_token: str | None = None
    customs_path: str | None = None
    label_expires_at: float | None = None
    polls: int = 0
    failing_since: float | None = None
    """Since when every look is answered 500; None while none is. All moments are seconds on the store's clock."""
    refused_since: float | None = None
    """Since when every look is refused."""
    delayed: bool = False
    """Whether the shopper is told that the label takes longer than usual."""
    next_poll_at: float | None = None
    """Seconds on the store's clock; None when there is nothing to poll."""
    first_answer: Return | None = None
    """What the creating request answered, for every repetition of it."""
    newer: Newer | None = None
    """In the store alone."""

    def summary(self) -> Self:
        """What stays when the content goes: how it stands and the upstream's number, nothing of the person."""
        return type(self)(
            **self.model_dump(include={"id", "brand", "state", "revision", "created_at", "updated_at"}),
            items=[],
            delivery=ReturnDelivery(
                option=self.delivery.option, service_point=None, carrier=None, store=None, pickup_date=None
            ),
            drop_off=None,
            sendcloud_return_id=self.sendcloud_return_id,
        )

    @property
    def announcement_failed(self) -> bool:
        """Whether upstream took the return, and said later that its announcement failed."""
        return self.state is ReturnState.FAILED and self.poller_token is not None

    def dumped(self) -> bytes:
        """The record as JSON. The release before this one sees a new state as a label that is pending, never polled."""
        answer = self.first_answer
        if _NEW_STATES.isdisjoint({self.state, answer and answer.state}):
            return self.model_dump_json().encode()
        older = {
            "state": _older(self.state),
            "next_poll_at": None if self.state in _NEW_STATES else self.next_poll_at,
            "first_answer": answer and answer.model_copy(update={"state": _older(answer.state)}),
            "newer": Newer(state=self.state, next_poll_at=self.next_poll_at, first_answer=answer),
        }
        return self.model_copy(update=older).model_dump_json().encode()

    @classmethod
    def loaded(cls, stored: bytes) -> "ReturnRecord":
        """The record that was dumped, by this release or the one before."""
        record = cls.model_validate_json(stored)
        newer = {**dict(record.newer), "newer": None} if record.newer else {}
        if record.schema_number < SCHEMA and record.drop_off:
            newer["drop_off"] = service_point_of_schema_1(record.drop_off)
        return record.model_copy(update=newer)


def _older(state: ReturnState) -> ReturnState:
    return ReturnState.LABEL_PENDING if state in _NEW_STATES else state


class KeyRecord(RedactedModel):
    """What an idempotency key was used for."""

    format: Literal[1] = 1
    fingerprint: str
    """Of the body, in the first form."""
    versioned: tuple[int, str] | None = None
    """The version of a later form and the fingerprint in it; the release before ignores it."""
    return_id: str

    @classmethod
    def of(cls, fingerprints: Fingerprints, return_id: str) -> Self:
        """The record of a key that this return was made with."""
        return cls(fingerprint=fingerprints[FIRST], versioned=(CURRENT, fingerprints[CURRENT]), return_id=return_id)

    def is_of(self, fingerprints: Fingerprints) -> bool:
        """Whether the key came with this body; a form that we do not know yet gives way to the first one."""
        version, kept = self.versioned or (FIRST, self.fingerprint)
        if version not in fingerprints:
            version, kept = FIRST, self.fingerprint
        return kept == fingerprints[version]


@dataclass(frozen=True)
class VersionedReturn:
    """A return as read: what to compare when it is changed, and the store's clock then (seconds)."""

    record: ReturnRecord
    version: int
    now: float

    def became(self, state: ReturnState, **news: object) -> ReturnRecord:
        """The record in another state, which the shopper sees as a new revision; the same news twice is no news."""
        if state is self.record.state:
            return self.record
        seen = {"state": state, "revision": self.record.revision + 1, "updated_at": self.now}
        return self.record.model_copy(update=seen | news)

    @property
    def due_in(self) -> float | None:
        """Seconds until the upstream is to be asked; None if it is not."""
        return None if self.record.next_poll_at is None else max(0.0, self.record.next_poll_at - self.now)

    @property
    def retry_after(self) -> int | None:
        """Whole seconds until there can be news, at least one; None if there will be none."""
        if self.record.state is ReturnState.CREATING:
            return 1
        return None if self.due_in is None else max(1, round(self.due_in))
