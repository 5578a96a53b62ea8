"""Evidence from the polls of all returns: whether a 500 means one failed label or an outage of polling."""

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from app.domain import RedactedModel
from app.redis.encryption import Keyring, RecordUnreadable, parsing
from app.redis.store import Store

BELIEVED_AFTER = 15.0
"""Seconds between the first and the last 500 before a label counts as failed, if polling works in between."""
BELIEVED_WITHOUT_EVIDENCE = 3600.0
"""The same without that evidence, if no other return was answered 500 in that time."""
REMEMBERED_SECONDS = 2 * 3600
_FAILED, _ANSWERED = "w:{polls}:failed", "w:{polls}:answered"


class Control(RedactedModel):
    """A return whose label was ready, so that a poll of it is answered as long as polling works."""

    return_id: str
    poller_token: str


class Polls(NamedTuple):
    """The latest polls by their answer: return ids with moments, in seconds on the store's clock.

    Two of each kind are known, so that the latest one of another return is among them.
    """

    now: float
    failed: Mapping[str, float]
    """Polls of the whole fleet that were answered 500."""
    answered: Mapping[str, float]
    """Polls of the whole fleet that were answered 200 or 202."""
    of_brand: Mapping[str, float]
    """Polls of one brand that were answered 200 or 202."""

    def show_that_polling_works(self, return_id: str) -> bool:
        """Whether another return of the fleet was answered within the last hour."""
        return _latest_other(self.answered, return_id) > self.now - BELIEVED_WITHOUT_EVIDENCE

    def prove_failure(self, return_id: str, since: float, scale: float = 1.0) -> bool:
        """Whether a return that was answered 500 from `since` until now has failed, rather than polling itself.

        `scale` stretches or shortens all waits.
        """
        failing = self.now - since
        others_failed, works = _latest_other(self.failed, return_id), _latest_other(self.of_brand, return_id)
        if works >= since and works > others_failed:
            return failing >= BELIEVED_AFTER * scale
        unproven = BELIEVED_WITHOUT_EVIDENCE * scale
        return failing >= unproven and others_failed < self.now - unproven


class Evidence:
    """The latest polls of the fleet, and a control for each brand."""

    def __init__(self, store: Store, keyring: Keyring, control_ttl: int) -> None:
        self._store = store
        self._keyring = keyring
        self._control_ttl = control_ttl

    async def polls(self, brand: str) -> Polls:
        """The latest polls, as known now."""
        now, (failed, answered, of_brand) = await self._store.marks(_FAILED, _ANSWERED, _answered_of(brand))
        return Polls(now, failed, answered, of_brand)

    async def answered(self, brand: str, return_id: str) -> None:
        """Notes that a poll of this return was answered 200 or 202."""
        await self._store.mark(return_id, [_ANSWERED, _answered_of(brand)], REMEMBERED_SECONDS)

    async def failed(self, return_id: str) -> None:
        """Notes that a poll of this return was answered 500."""
        await self._store.mark(return_id, [_FAILED], REMEMBERED_SECONDS)

    async def control(self, brand: str) -> Control | None:
        """The return of this brand whose label became ready last; None if none is known, or none can be read."""
        sealed = await self._store.get(_control(brand))
        if sealed is None:
            return None
        # The control only helps to judge polling; the label being polled does not depend on it.
        with suppress(RecordUnreadable), parsing():
            return Control.model_validate_json(self._keyring.unseal(sealed, brand, "control"))
        return None

    async def forget(self, brand: str, return_id: str) -> None:
        """Makes this return the control of its brand no more."""
        control = await self.control(brand)
        if control and control.return_id == return_id:
            await self._store.delete(_control(brand), durable=True)

    async def keep_control(self, brand: str, control: Control) -> None:
        """Makes this return the control of its brand."""
        sealed = self._keyring.seal(control.model_dump_json().encode(), brand, "control")
        await self._store.put(_control(brand), sealed, self._control_ttl)


def _answered_of(brand: str) -> str:
    return f"{_ANSWERED}:{brand}"


def _control(brand: str) -> str:
    return f"w:{{polls}}:control:{brand}"


def _latest_other(marks: Mapping[str, float], return_id: str) -> float:
    return max((at for marked, at in marks.items() if marked != return_id), default=0.0)
