"""Creating a return: the checks, their preview, and the one POST that creates it."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from app import models
from app.domain import AcceptedReturn, Order, ReturnRequest, ServicePoint
from app.errors import (
    BffError,
    ClaimLost,
    FieldProblem,
    InvalidRequest,
    NotReturnableOnline,
    ReturnOutcomeUnknown,
    ReturnRefused,
    ServicePointNotFound,
    ServicePointUnavailable,
    UpstreamError,
    UpstreamRejected,
)
from app.http.session_id import SessionId
from app.models import (
    NewReturn,
    Preview,
    ProblemError,
    Return,
    ReturnDelivery,
    ReturnItem,
    ReturnParcel,
    ReturnState,
)
from app.portal.cache import PortalCache
from app.portal.view import money
from app.redis.marker import Markers
from app.redis.rate_limits import ParcelLimit
from app.returns import checks
from app.returns.attempts import Attempt, Attempts
from app.returns.claims import Event, location_of
from app.returns.fingerprints import fingerprints
from app.returns.labels import Labels
from app.returns.polling import MAX_PARCELS
from app.returns.records import SCHEMA, ReturnRecord, VersionedReturn
from app.returns.store import ParcelReturns, Returns
from app.returns.view import public
from app.service_points.search import Place, Search, ServicePoints
from app.service_points.view import service_point
from app.sessions.store import Session
from app.telemetry.metrics import FOREIGN_POLLERS
from app.uploads import handles
from app.upstream import Picture, Upstream

RETURN_ID_BYTES = 16
UPLOAD_CALLS = 6
"""An upload counts as so many calls: the upstream accepts ten times as many GETs as POSTs."""
ALTERNATIVES = 3
ALTERNATIVES_WITHIN_METRES = 10_000


@dataclass(frozen=True)
class Creation:
    """Creates and previews returns, and stores their pictures."""

    sendcloud: Upstream
    portals: PortalCache
    points: ServicePoints
    returns: Returns
    attempts: Attempts
    labels: Labels
    parcel_limit: ParcelLimit
    markers: Markers

    async def preview(self, session: Session, session_id: SessionId, body: NewReturn) -> Preview:
        """Everything that would prevent this return, found without creating anything."""
        order = session.order
        settings = (await self.portals.get(session.brand, session.languages)).settings
        parcel = await self.returns.of_parcel(session.scope, order.units)
        problems = checks.problems(body, order, settings, parcel.now, _files(session_id, body))
        problems += checks.held_units(body, order, order.left(parcel.free))
        if order.parcel_id is None:
            problems.append(FieldProblem("#", "not-returnable-online", "This order cannot be returned here."))
        try:
            await self._service_point(session, body)
        except ServicePointUnavailable:
            where = "#/delivery/service_point"
            problems.append(FieldProblem(where, "unavailable", "The service point cannot take this parcel."))
        return Preview(
            valid=not problems,
            problems=[ProblemError(**asdict(problem)) for problem in problems],
            fee=money(settings.return_fee),
            missing=[problem.missing for problem in problems if problem.missing] + checks.hints(body, order, settings),
        )

    async def upload(self, session: Session, session_id: SessionId, pictures: Sequence[Picture]) -> list[str]:
        """A handle for each picture, good in this session alone."""
        await self.parcel_limit.spend(session.scope, UPLOAD_CALLS)
        stored = await self.sendcloud.upload(session.brand, session.access_token, pictures)
        return [handles.handle(session_id, filename) for filename in stored]

    async def create(self, session: Session, session_id: SessionId, key: str, body: NewReturn) -> Return:
        """The return, created once even if the same key asks again.

        Raises:
            InvalidRequest: `errors` says everything that is wrong with the body.
            UnitsClaimed, ReturnInProgress, ReturnRefused, ReturnOutcomeUnknown: as `Returns` has it.
        """
        # First, because a repetition is answered even if the units, the point or the shop have changed since.
        forms = fingerprints(body)
        repeated = await self.attempts.repeated(session.scope, key, forms)
        if repeated is not None:
            # Once the content of a return is gone, its first answer is gone with it.
            return repeated.record.first_answer or public(repeated)
        order = session.order
        if order.parcel_id is None:
            raise NotReturnableOnline("no parcel id", location=self.sendcloud.hosted_portal(session.brand))
        settings = (await self.portals.get(session.brand, session.languages)).settings
        parcel = await self.returns.of_parcel(session.scope, order.units)
        files = _files(session_id, body)
        if problems := checks.problems(body, order, settings, parcel.now, files):
            raise InvalidRequest("the body does not fit the parcel", errors=problems)
        record = _record(session.brand, body, order)
        selection = order.selection(checks.units(body))
        await self._recheck_failures(session, parcel)
        attempt = await self.attempts.claim(session.scope, key, forms, record, selection)
        point = await self._prepared(session, attempt, body)
        request = checks.return_request(body, order.parcel_id, order, point, files)
        return await self._post(session, attempt.sending_to(point), request)

    async def _recheck_failures(self, session: Session, parcel: ParcelReturns) -> None:
        """Polls returns whose announcement failed once more, before their units are claimed again."""
        for found in parcel.returns:
            if found.record.announcement_failed:
                await self.parcel_limit.spend(session.scope)
                await self.labels.polling.recheck(session.scope, found.record.id, session.order.units)

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
        found = await self.attempts.settle(attempt, Event.ACCEPTED, partial(self._created, created))
        if found is None or found.record.first_answer is None:
            raise ClaimLost("the return vanished from the store")
        self.labels.watch_in_background(session.scope, found)
        return found.record.first_answer

    async def _prepared(self, session: Session, attempt: Attempt, body: NewReturn) -> ServicePoint | None:
        """The chosen point, once key and units are stored: duplicates cost the upstream nothing.

        Only then the store is asked whether it remembers: what it forgot before, the claim cannot have seen.
        """
        try:
            await self.markers.check(session.scope)
            return await self._service_point(session, body)
        except BffError:
            await self.attempts.settle(attempt, Event.NOT_TAKEN, _refused)
            raise

    async def _service_point(self, session: Session, body: NewReturn) -> ServicePoint | None:
        if body.delivery.service_point is None:
            return None
        await self.parcel_limit.spend(session.scope)
        try:
            point = await self.sendcloud.service_point(
                session.brand, session.service_points_token, body.delivery.service_point
            )
        except ServicePointNotFound:
            point = None
        offered = tuple(carrier.code for carrier in session.order.carriers)
        wanted = (body.delivery.carrier,) if body.delivery.carrier else offered
        if point is None or point.carrier not in wanted:
            raise ServicePointUnavailable("gone, or of another carrier", alternatives=await self._near(session, wanted))
        return point

    async def _near(self, session: Session, carriers: tuple[str, ...]) -> list[models.ServicePoint]:
        order = session.order
        if order.coordinates is None:
            return []
        place = Place(order.coordinates.latitude, order.coordinates.longitude)
        search = Search(session.brand, order.address.country, place, ALTERNATIVES_WITHIN_METRES, carriers, order.weight)
        try:
            found = await self.points.near(search, session.service_points_token, session.scope)
        except UpstreamError:
            # The point is gone, even if the search fails.
            return []
        return [service_point(point, found.now, found.asked_at) for point in found.points[:ALTERNATIVES]]

    def _created(self, created: AcceptedReturn, found: VersionedReturn) -> ReturnRecord:
        """The record once the upstream took the return; it is polled unless no label can come through us."""
        if found.record.first_answer:  # it is stored already, and only the store's answer got lost
            return found.record
        state = ReturnState.LABEL_PENDING
        if created.payment_url:
            state = ReturnState.AWAITING_PAYMENT
        elif found.record.delivery.option == "in_store":
            state = ReturnState.NO_LABEL_NEEDED
        elif created.poller_token is None:
            state = ReturnState.ACCEPTED
        polled = created.poller_token is not None and state is not ReturnState.NO_LABEL_NEEDED
        record = found.became(
            state,
            sendcloud_return_id=created.return_id,
            parcels=tuple(
                ReturnParcel(id=parcel, tracking_number=None) for parcel in created.incoming_parcels[:MAX_PARCELS]
            ),
            payment_url=created.payment_url,
            poller_token=created.poller_token,
            poller_expires_at=created.poller_expires_at,
            next_poll_at=self.labels.first_look_at(found.now) if polled else None,
        )
        return record.model_copy(update={"first_answer": public(VersionedReturn(record, found.version + 1, found.now))})


def _record(brand: str, body: NewReturn, order: Order) -> ReturnRecord:
    known = checks.order_lines(order)
    items = [
        ReturnItem(
            id=line.id,
            name=known[line.id].name,
            quantity=line.quantity,
            reason=line.reason if line.reason is not None else body.reason,
            comment=line.comment,
        )
        for line in checks.lines(body)
    ]
    return ReturnRecord(
        schema_number=SCHEMA,
        id="rtn_" + secrets.token_urlsafe(RETURN_ID_BYTES),
        brand=brand,
        created_at=0,
        updated_at=0,
        items=items,
        delivery=ReturnDelivery.model_validate(body.delivery.model_dump()),
        drop_off=None,
    )


def _files(session_id: SessionId, body: NewReturn) -> dict[str, str]:
    return handles.opened(session_id, [photo.file for photo in body.photos or []])


def _unknown(found: VersionedReturn) -> ReturnRecord:
    return found.became(ReturnState.OUTCOME_UNKNOWN)


def _refused(found: VersionedReturn) -> ReturnRecord:
    return found.became(ReturnState.FAILED)
