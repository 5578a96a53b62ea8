"""Calls 7 to 11: create a return, see and watch how it stands, fetch its documents."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from app.api.problems import JSON_BODY, SESSION, UPSTREAM, links, responses
from app.api.session_route import SessionRoute
from app.api.waiting import Prefer, preference_applied, preferred_wait, retry_after, while_connected
from app.claims import location_of
from app.dependencies import (
    IDEMPOTENCY_KEY,
    IdempotencyKeyDep,
    ServicesDep,
    SessionDep,
    SessionIdDep,
    json_body,
    services_of,
)
from app.documents import Delivery
from app.errors import (
    ClaimLost,
    CustomsDeclarationNotFound,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    LabelNotReady,
    NoLabel,
    NotReturnableOnline,
    OriginNotAllowed,
    ReturnInProgress,
    ReturnNotFound,
    ReturnOutcomeUnknown,
    ReturnRefused,
    ServicePointUnavailable,
    TooManyCalls,
    UnitsClaimed,
)
from app.models import FINAL_STATES, NewReturn, Preview, Return
from app.records import Found

router = APIRouter(tags=["returns"])
hot = APIRouter(tags=["returns"], route_class=SessionRoute)

RECONNECT_MS = 3000
RECONNECT_ELSEWHERE_MS = range(100, 2000)
"""Spread, so that those who watched a replica that stops do not all come back at once."""
KEEP_ALIVE_SECONDS = 15.0
OF_A_RETURN = ("getReturn", "watchReturn", "getLabel", "getCustomsDeclaration")


@router.post(
    "/v1/returns",
    operation_id="createReturn",
    status_code=202,
    response_model=Return,
    dependencies=[Depends(json_body)],
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
    responses={
        202: {"links": links(*OF_A_RETURN, return_id="$response.body#/id")},
        **responses(
            *SESSION,
            OriginNotAllowed,
            *JSON_BODY,
            IdempotencyKeyInvalid,
            IdempotencyKeyReused,
            NotReturnableOnline,
            ReturnInProgress,
            UnitsClaimed,
            ServicePointUnavailable,
            ReturnRefused,
            ClaimLost,
            ReturnOutcomeUnknown,
            TooManyCalls,
            *UPSTREAM,
        ),
    },
)
async def create_return(
    session: SessionDep, session_id: SessionIdDep, key: IdempotencyKeyDep, body: NewReturn, services: ServicesDep
) -> Response:
    """Creates the return, once: repeating the call with the same key and body gives the first answer again."""
    answer = await services.creation.create(session, session_id, key, body)
    headers = {"Location": location_of(answer.id)} | retry_after(answer.retry_after)
    return Response(answer.model_dump_json(), HTTPStatus.ACCEPTED, headers, media_type="application/json")


@router.post(
    "/v1/returns/preview",
    operation_id="previewReturn",
    response_model=Preview,
    dependencies=[Depends(json_body)],
    responses=responses(*SESSION, OriginNotAllowed, *JSON_BODY, TooManyCalls, *UPSTREAM),
)
async def preview_return(
    session: SessionDep, session_id: SessionIdDep, body: NewReturn, services: ServicesDep
) -> Response:
    """Everything that would keep this return from being created, at once; nothing is created."""
    preview = await services.creation.preview(session, session_id, body)
    return Response(preview.model_dump_json(), media_type="application/json")


@hot.get(
    "/v1/returns/{return_id}",
    operation_id="getReturn",
    response_model=Return,
    responses=responses(*SESSION, ReturnNotFound),
)
async def get_return(return_id: str, request: Request, session: SessionDep, prefer: Prefer = "") -> Response:
    """How the return stands; `retry_after` (seconds) says when it can have changed."""
    services, wait = services_of(request), preferred_wait(prefer)
    found = await services.labels.current(session.scope, return_id)
    if wait:
        found = await while_connected(request, services.labels.awaited(session.scope, found, wait)) or found
    headers = preference_applied(wait) | retry_after(found.retry_after)
    return Response(found.body, headers=headers, media_type="application/json")


@router.get(
    "/v1/returns/{return_id}/events",
    operation_id="watchReturn",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "One `return` event for each change."},
        204: {"description": "The state is final and was seen: do not reconnect."},
        **responses(*SESSION, ReturnNotFound),
    },
)
async def watch_return(
    return_id: str,
    session: SessionDep,
    session_id: SessionIdDep,
    services: ServicesDep,
    last_event_id: Annotated[str, Header(description="The revision seen last.")] = "",
) -> Response:
    """The return as Server-Sent Events: its state now unless it was seen, then each change until a final one."""
    found = await services.labels.current(session.scope, return_id)
    seen = int(last_event_id) if re.fullmatch("[0-9]{1,9}", last_event_id) else 0
    if found.record.state in FINAL_STATES and found.record.revision <= seen:
        return Response(status_code=204)
    changes = services.labels.changes(session.scope, found)
    goes_on = partial(services.sessions.may_go_on, session_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(event_stream(changes, seen, goes_on), headers=headers, media_type="text/event-stream")


async def label(
    return_id: str, request: Request, session: SessionDep, services: ServicesDep, prefer: Prefer = ""
) -> AsyncIterator[Delivery]:
    """The label on its way; whatever it holds is given back when the answer is over."""
    wait = preferred_wait(prefer)
    found = await services.labels.current(session.scope, return_id)
    if wait:
        found = await while_connected(request, services.labels.settled(session.scope, found, wait)) or found
    async with services.flows.label(session, found) as delivery:
        yield delivery


@router.get(
    "/v1/returns/{return_id}/label",
    operation_id="getLabel",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/pdf": {}}, "description": "The label."},
        **responses(*SESSION, ReturnNotFound, LabelNotReady, NoLabel, TooManyCalls, *UPSTREAM),
    },
)
async def get_label(
    return_id: str, delivery: Annotated[Delivery, Depends(label)], prefer: Prefer = ""
) -> StreamingResponse:
    """Streams the PDF; one that breaks off is cut, never ended as if it were whole."""
    return _pdf(delivery, f"{return_id}.pdf", preference_applied(preferred_wait(prefer)))


async def customs_declaration(return_id: str, session: SessionDep, services: ServicesDep) -> AsyncIterator[Delivery]:
    """The customs declaration on its way."""
    async with services.flows.customs_declaration(session, return_id) as delivery:
        yield delivery


@router.get(
    "/v1/returns/{return_id}/customs-declaration",
    operation_id="getCustomsDeclaration",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/pdf": {}}, "description": "The customs declaration."},
        **responses(*SESSION, ReturnNotFound, CustomsDeclarationNotFound, TooManyCalls, *UPSTREAM),
    },
)
async def get_customs_declaration(
    return_id: str, delivery: Annotated[Delivery, Depends(customs_declaration)]
) -> StreamingResponse:
    """Streams the PDF like the label."""
    return _pdf(delivery, f"{return_id}-customs.pdf", {})


class Bounded(StreamingResponse):
    """A document that is cut off when its reader takes too long."""

    def __init__(self, delivery: Delivery, headers: dict[str, str]) -> None:
        super().__init__(delivery.chunks, headers=headers, media_type="application/pdf")
        self._seconds = delivery.seconds

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(self._seconds):
            await super().__call__(scope, receive, send)


async def event_stream(
    changes: AsyncGenerator[Found], seen: int, goes_on: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """Events in the wire form of WHATWG HTML section 9.2, with a comment now and then to keep the connection alive."""
    yield b"retry: %d\n\n" % RECONNECT_MS
    async with contextlib.aclosing(changes):
        upcoming = asyncio.ensure_future(anext(changes, None))
        final = False
        try:
            while not final:
                await asyncio.wait({upcoming}, timeout=KEEP_ALIVE_SECONDS)
                if not await goes_on():
                    return
                if not upcoming.done():
                    yield b": still here\n\n"
                    continue
                found = upcoming.result()
                if found is None:
                    yield b"retry: %d\n\n" % random.choice(RECONNECT_ELSEWHERE_MS)  # noqa: S311  spreads load
                    return
                if found.record.revision > seen:
                    yield b"id: %d\nevent: return\ndata: %b\n\n" % (found.record.revision, found.body)
                final = found.record.state in FINAL_STATES
                upcoming = asyncio.ensure_future(anext(changes, None))
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


def _pdf(delivery: Delivery, filename: str, headers: dict[str, str]) -> StreamingResponse:
    guarded = {
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    length = {} if delivery.length is None else {"Content-Length": str(delivery.length)}
    return Bounded(delivery, headers=guarded | length | headers)
