"""The routes by which a shop's own systems find and ask for events that were given up."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.errors import InvalidRequest, PartnerKeyUnknown, TooManyLookups
from app.events.event import return_id_of, type_of
from app.events.queue import Queue
from app.http.answers.openapi import STORE, responses
from app.http.exchange import exchange_of
from app.models.events import DeadEvent, DeadEvents, ResentEvents
from app.models.fields import utc_datetime
from app.services import service
from app.sessions.dependencies import CallingShopDep
from app.telemetry.logs import log

router = APIRouter(tags=["shop"])

LISTED = 100
PROBLEMS = (PartnerKeyUnknown, TooManyLookups, InvalidRequest, *STORE)

QueueDep = Annotated[Queue, Depends(service(Queue))]


@router.get("/v1/shops/{brand}/dead-events", operation_id="getDeadEvents", responses=responses(*PROBLEMS))
async def get_dead_events(brand: CallingShopDep, queue: QueueDep) -> DeadEvents:
    """Events of the shop that its endpoint did not take for three days, or because it was switched off by a 410."""
    return DeadEvents(
        events=[
            DeadEvent(
                id=name.event_id,
                return_id=return_id_of(name.event_id),
                type=type_of(name.event_id),
                given_up_at=utc_datetime(at),
            )
            for name, at in await queue.dead(brand, LISTED)
        ]
    )


@router.post("/v1/shops/{brand}/dead-events/resend", operation_id="resendDeadEvents", responses=responses(*PROBLEMS))
async def resend_dead_events(brand: CallingShopDep, queue: QueueDep, request: Request) -> ResentEvents:
    """Sends the oldest 1,000 again, once each, to an address that a 410 switched off, too."""
    count = await queue.revive(brand)
    log.info("events sent again", brand=brand, by=exchange_of(request.scope).partner, count=count)
    return ResentEvents(count=count)
