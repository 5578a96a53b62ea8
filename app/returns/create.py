"""Creating a return: the checks, their preview, and the one POST that creates it."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial

from app.domain import ReturnRequest, ServicePoint
from app.errors import (
    BffError,
    FieldProblem,
    InvalidRequest,
    NotReturnableOnline,
    ReturnOutcomeUnknown,
    ReturnRefused,
    ServicePointUnavailable,
    UpstreamRejected,
)
from app.http.callers.session_id import SessionId
from app.made_returns import AcceptedReturn
from app.models.fields import ProblemError
from app.models.requests import NewDelivery, NewReturn
from app.models.returns import Preview, Return, ReturnDelivery, ReturnParcel, ReturnState
from app.portal.cache import PortalCache
from app.redis.limits.rate_limits import ParcelLimit
from app.redis.marker import Markers
from app.returns.checks.checked_return import CheckedReturn
from app.returns.checks.fingerprints import fingerprints
from app.returns.checks.return_methods import RETURN_METHODS, ReturnMethod
from app.returns.claims import Event, location_of
from app.returns.creation_outage import CreationOutages
from app.returns.labels.polling import MAX_PARCELS, Polling, Schedule
from app.returns.store.attempts import Attempt, Attempts
from app.returns.store.records import SCHEMA, ParcelReturns, ReturnRecord, VersionedReturn
from app.returns.store.returns import Returns
from app.returns.view import public
from app.sessions.session import Session
from app.shops import Shop
from app.telemetry.metrics import FOREIGN_POLLERS
from app.uploads import handles
from app.upstream import Upstream

RETURN_ID_BYTES = 16
FetchPoint = Callable[[Session, NewDelivery], Awaitable[ServicePoint | None]]
"""Fetches the chosen service point as it is now, like `DropOff.fetch`."""
WatchLabel = Callable[[str, VersionedReturn], None]
"""Follows the label of a return of the parcel with this key in the background."""


@dataclass(frozen=True)
class Creation:
    """Creates and previews returns."""

    sendcloud: Upstream
    portals: PortalCache
    fetch_point: FetchPoint
    returns: Returns
    attempts: Attempts
    polling: Polling
    watch: WatchLabel
    parcel_limit: ParcelLimit
    markers: Markers
    outages: CreationOutages
    shop_of: Callable[[str], Shop]

    async def create(self, session: Session, session_id: SessionId, key: str, body: NewReturn) -> Return:
        """The return, created once even if the same key asks again.

        Raises:
            InvalidRequest: `errors` says everything that is wrong with the body.
            UnitsClaimed, ReturnInProgress, ReturnRefused, ReturnOutcomeUnknown: as in `Attempts`.
        """
        # First, because a repetition is answered even if the units, the point or the shop have changed since.
        forms = fingerprints(body)
        repeated = await self.attempts.repeated(session.parcel_key, key, forms)
        if repeated is not None:
            # Once the content of a return is gone, its first answer is gone with it.
            return repeated.record.first_answer or public(repeated)
        order, parcel_id = session.order, session.order.returnable_parcel
        if parcel_id is None:
            raise NotReturnableOnline("no parcel id or country", location=self.sendcloud.hosted_portal(session.brand))
        parcel, checked = await self._check(session, session_id, body)
        if checked.problems:
            raise InvalidRequest("the body does not fit the parcel", errors=checked.problems)
        # Before anything is asked for it, so that impatient repetitions of a creation cost the upstream nothing.
        self.sendcloud.check_creation(session.brand, parcel_id)
        await self._recheck_failures(session, parcel)
        record, selection = self._new_record(session.brand, body, checked), order.selection(checked.units)
        async with self.outages.passing(session.brand):
            attempt = await self.attempts.claim(session.parcel_key, key, forms, record, selection)
            point = await self._prepare(session, attempt, body)
            return await self._post(session, attempt.sending_to(point), checked.request(parcel_id, point))

    async def preview(self, session: Session, session_id: SessionId, body: NewReturn) -> Preview:
        """Everything that would prevent this return, found without creating anything."""
        parcel, checked = await self._check(session, session_id, body)
        problems = checked.problems + checked.units_held(session.order.left(parcel.free))
        if session.order.returnable_parcel is None:
            problems.append(FieldProblem("#", "not-returnable-online", "This order cannot be returned here."))
        try:
            await self.fetch_point(session, body.delivery)
        except ServicePointUnavailable:
            where = "#/delivery/service_point"
            problems.append(FieldProblem(where, "unavailable", "The service point cannot take this parcel."))
        return Preview(
            valid=not problems,
            problems=[ProblemError(**asdict(problem)) for problem in problems],
            fee=checked.fee,
            missing=[problem.missing for problem in problems if problem.missing] + checked.hints(),
        )

    async def _check(
        self, session: Session, session_id: SessionId, body: NewReturn
    ) -> tuple[ParcelReturns, CheckedReturn]:
        """The parcel's returns, and the body checked against them and the shop's settings."""
        settings = (await self.portals.get(session.brand, session.languages)).settings
        # Last, because a failure that is stored between this and the claim is not polled again.
        parcel = await self.returns.of_parcel(session.parcel_key, session.order.units)
        files = handles.opened(session_id, [photo.file for photo in body.photos or []])
        return parcel, CheckedReturn(body, session.order, settings, parcel.moment, files)

    def _new_record(self, brand: str, body: NewReturn, checked: CheckedReturn) -> ReturnRecord:
        return ReturnRecord(
            schema_number=SCHEMA,
            id="rtn_" + secrets.token_urlsafe(RETURN_ID_BYTES),
            brand=brand,
            created_at=0,
            updated_at=0,
            items=checked.items(),
            delivery=ReturnDelivery.model_validate(body.delivery.model_dump()),
            drop_off=None,
            parcels_announced=body.parcels,
            store=checked.store(),
            refund_type=body.refund and body.refund.type,
            fee=checked.fee,
            contact=checked.contact if self.shop_of(brand).is_told_contacts else None,
        )

    async def _recheck_failures(self, session: Session, parcel: ParcelReturns) -> None:
        """Polls returns whose announcement failed once more, before their units are claimed again."""
        for found in parcel.returns + await self.returns.unlisted(session.parcel_key, parcel):
            if found.record.announcement_failed:
                await self.parcel_limit.spend(session.parcel_key)
                await self.polling.recheck(session.parcel_key, found.record.id, session.order.units)

    async def _prepare(self, session: Session, attempt: Attempt, body: NewReturn) -> ServicePoint | None:
        """The chosen point, fetched once key and units are stored, so that duplicates cost the upstream nothing.

        The store's marker is checked after the claim, because claims that were lost before are covered only then.
        """
        try:
            await self.markers.check(session.parcel_key)
            return await self.fetch_point(session, body.delivery)
        except BffError:
            await self.attempts.settle(attempt, Event.NOT_TAKEN, _refused)
            raise

    async def _post(self, session: Session, attempt: Attempt, request: ReturnRequest) -> Return:
        location = location_of(attempt.return_id)
        try:
            created = await self.sendcloud.create_return(
                session.brand,
                session.access_token,
                request,
                partial(self.attempts.first_byte, attempt),
            )
        except ReturnOutcomeUnknown as error:
            await self.attempts.settle(attempt, Event.LOST, _unknown)
            raise ReturnOutcomeUnknown(str(error), location=location) from error
        except UpstreamRejected as error:
            await self.attempts.settle(attempt, Event.REFUSED, _refused)
            raise ReturnRefused(str(error), location=location) from error
        except BffError:
            # By the client's promise, every other error proves that nothing was created.
            await self.attempts.settle(attempt, Event.NOT_TAKEN, _refused)
            raise
        if created.poller_is_foreign:
            FOREIGN_POLLERS.inc()
        found = await self.attempts.settle(
            attempt, Event.ACCEPTED, partial(created_record, self.polling.schedule, created)
        )
        if found is None or found.record.first_answer is None:
            raise ReturnOutcomeUnknown("the return vanished from the store", location=location)
        self.watch(session.parcel_key, found)
        return found.record.first_answer


def created_record(schedule: Schedule, created: AcceptedReturn, found: VersionedReturn) -> ReturnRecord:
    """The record once the upstream took the return; it is polled unless no label can come through us."""
    state = _accepted_state(created, RETURN_METHODS[found.record.delivery.option])
    parcels = [parcel for parcel in created.incoming_parcels if parcel is not None][:MAX_PARCELS]
    polled = created.poller_token is not None and state is not ReturnState.NO_LABEL_NEEDED
    # News even in its present state: a return that the shop found before has got its number only now.
    record = found.changed(
        state=state,
        sendcloud_return_id=created.return_id,
        parcels=tuple(ReturnParcel(id=parcel, tracking_number=None) for parcel in parcels),
        has_unnamed_parcels=len(parcels) < len(created.incoming_parcels),
        payment_url=created.payment_url,
        poller_token=created.poller_token,
        poller_expires_at=created.poller_expires_at,
        next_poll_at=schedule.next_look_at(0, found.now) if polled else None,
    )
    return record.model_copy(update={"first_answer": public(VersionedReturn(record, found.version + 1, found.now))})


def _accepted_state(created: AcceptedReturn, method: ReturnMethod) -> ReturnState:
    if created.payment_url:
        return ReturnState.AWAITING_PAYMENT
    if not method.has_label:
        return ReturnState.NO_LABEL_NEEDED
    return ReturnState.ACCEPTED if created.poller_token is None else ReturnState.LABEL_PENDING


def _unknown(found: VersionedReturn) -> ReturnRecord:
    return found.became(ReturnState.OUTCOME_UNKNOWN)


def _refused(found: VersionedReturn) -> ReturnRecord:
    return found.became(ReturnState.FAILED)
