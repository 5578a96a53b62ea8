"""The routes of returns: create, preview, read, and watch as events."""

import asyncio
import contextlib
import random
import re
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import (
    ClaimLost,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    NotReturnableOnline,
    OriginNotAllowed,
    ReturnInProgress,
    ReturnNotFound,
    ReturnOutcomeUnknown,
    ReturnRefused,
    ReturnReleased,
    ServicePointUnavailable,
    TooManyCalls,
    UnitsClaimed,
)
from app.http.answers.deferred import (
    Leaving,
    Prefer,
    is_head,
    leaving,
    preference_applied,
    preferred_wait,
    retry_after,
)
from app.http.answers.openapi import (
    JSON_BODY,
    SESSION,
    UPSTREAM,
    body_examples,
    events_of,
    headers,
    links,
    responses,
)
from app.http.callers.credentials import IDEMPOTENCY_KEY, IdempotencyKeyDep, json_body
from app.http.hot_route import HotRoute
from app.models.examples import NEW_RETURNS
from app.models.requests import NewReturn, ReturnDraft
from app.models.returns import FINAL_STATES, Preview, Return, ReturnId
from app.redis.limits.rate_limits import PerParcelLimit
from app.returns.claims import location_of
from app.returns.create import Creation
from app.returns.labels.watching import Labels, Watch
from app.returns.store.records import VersionedReturn
from app.returns.view import ReturnBodies
from app.services import service, service_of
from app.sessions.dependencies import (
    SessionDep,
    SessionIdDep,
    check_session,
    leaving_or_logged_out,
    live_session_beside,
)
from app.sessions.store import SessionStore

CreationDep = Annotated[Creation, Depends(service(Creation))]
router = APIRouter(tags=["returns"])
hot = APIRouter(tags=["returns"], route_class=HotRoute)

RECONNECT_MS = range(500, 3000)
"""Spread, so that the watchers of a replica that stops do not all come back at once."""
KEEP_ALIVE_SECONDS = 15.0
EVENT_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
OF_A_RETURN = ("getReturn", "watchReturn", "getLabel", "getCustomsDeclaration")


@router.post(
    "/v1/returns",
    operation_id="createReturn",
    status_code=202,
    response_model=Return,
    dependencies=[Depends(json_body)],
    openapi_extra={"parameters": [IDEMPOTENCY_KEY], **body_examples(NEW_RETURNS)},
    responses={
        202: {
            "headers": headers("Location", "Retry-After"),
            "links": links(*OF_A_RETURN, return_id="$response.body#/id"),
        },
        **responses(
            *SESSION,
            OriginNotAllowed,
            *JSON_BODY,
            IdempotencyKeyInvalid,
            IdempotencyKeyReused,
            NotReturnableOnline,
            ReturnInProgress,
            ReturnReleased,
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
    session: SessionDep, session_id: SessionIdDep, key: IdempotencyKeyDep, body: NewReturn, creation: CreationDep
) -> Response:
    """Creates the return, once: repeating the call with the same key and body gives the first answer again."""
    answer = await creation.create(session, session_id, key, body)
    headers = {"Location": location_of(answer.id)} | retry_after(answer.retry_after)
    return Response(answer.model_dump_json(), HTTPStatus.ACCEPTED, headers, media_type="application/json")


@router.post(
    "/v1/returns/preview",
    operation_id="previewReturn",
    response_model=Preview,
    dependencies=[Depends(json_body)],
    openapi_extra=body_examples(NEW_RETURNS),
    responses=responses(*SESSION, OriginNotAllowed, *JSON_BODY, TooManyCalls, *UPSTREAM),
)
async def preview_return(
    session: SessionDep, session_id: SessionIdDep, body: ReturnDraft, creation: CreationDep
) -> Response:
    """Everything that would prevent this return, in one answer; nothing is created."""
    preview = await creation.preview(session, session_id, body)
    return Response(preview.model_dump_json(), media_type="application/json")


@hot.get(
    "/v1/returns/{return_id}",
    operation_id="getReturn",
    response_model=Return,
    responses={
        200: {"headers": headers("Preference-Applied", "Retry-After", "Vary")},
        **responses(*SESSION, ReturnNotFound, TooManyCalls),
    },
)
async def get_return(return_id: ReturnId, request: Request, session_id: SessionIdDep, prefer: Prefer = "") -> ASGIApp:
    """The state of the return; `retry_after` (seconds) says when it can have changed."""
    labels, bodies = service_of(request, Labels), service_of(request, ReturnBodies)
    wait = preferred_wait(request, prefer)
    session, found = await live_session_beside(
        request, session_id, lambda parcel_key: labels.returns.get(parcel_key, return_id)
    )
    found = await labels.current(session.parcel_key, found)
    if not wait or found.record.state in FINAL_STATES:
        return _return(found, wait, bodies)

    async def once_it_changed(scope: Scope, receive: Receive, send: Send) -> None:
        gone = leaving_or_logged_out(request, leaving(scope, receive))
        with service_of(request, PerParcelLimit).place(session.parcel_key):
            newer = await labels.awaited(session.parcel_key, found, wait, gone)
        await check_session(request)
        await _return(newer, wait, bodies)(scope, receive, send)

    return once_it_changed


@hot.get(
    "/v1/returns/{return_id}/events",
    operation_id="watchReturn",
    response_class=StreamingResponse,
    response_model=None,
    responses={
        200: {
            "content": events_of("return", Return),
            "description": "One `return` event for each change; its `data` is the return, its `id` the revision.",
            "headers": headers("Cache-Control"),
        },
        204: {"description": "The state is final and was seen: do not reconnect."},
        **responses(*SESSION, ReturnNotFound, TooManyCalls),
    },
)
async def watch_return(
    return_id: ReturnId,
    request: Request,
    session_id: SessionIdDep,
    last_event_id: Annotated[str, Header(description="The revision seen last.")] = "",
) -> ASGIApp:
    """The return as Server-Sent Events: its state now unless it was seen, then each change until a final one."""
    labels, bodies = service_of(request, Labels), service_of(request, ReturnBodies)
    session, found = await live_session_beside(
        request, session_id, lambda parcel_key: labels.returns.get(parcel_key, return_id)
    )
    found = await labels.current(session.parcel_key, found)
    seen = int(last_event_id) if re.fullmatch("[0-9]{1,9}", last_event_id) else 0
    if seen > found.record.revision:
        # The store lost what came after this revision; it will come again, perhaps with the same numbers.
        seen = 0
    if found.record.state in FINAL_STATES and found.record.revision <= seen:
        return Response(status_code=204)
    if is_head(request):
        without_body = Response()
        without_body.raw_headers = [*EVENT_HEADERS]
        return without_body
    goes_on = partial(service_of(request, SessionStore).may_go_on, session_id)

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        with service_of(request, PerParcelLimit).place(session.parcel_key):
            events = Events(labels, bodies, session.parcel_key, found, seen, goes_on)
            await events(scope, receive, send)

    return tell


class Events:
    """A return as Server-Sent Events (WHATWG HTML section 9.2), with comments that keep the connection alive."""

    def __init__(
        self,
        labels: Labels,
        bodies: ReturnBodies,
        parcel_key: str,
        found: VersionedReturn,
        seen: int,
        goes_on: Callable[[Hashable], Awaitable[bool]],
    ) -> None:
        self._labels = labels
        self._bodies = bodies
        self._parcel_key = parcel_key
        self._found = found
        self._seen = seen
        self._goes_on = goes_on
        # With the first event: some clients read a block without data as an event.
        self._retry = b"retry: %d\n" % random.choice(RECONNECT_MS)  # noqa: S311  spreads load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the present state and then each change, until the state is final or the caller leaves."""
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": EVENT_HEADERS})
        with self._labels.watching(self._parcel_key, self._found) as watch:
            await _say(send, self._piece(), goes_on=(goes_on := not self._is_final))
            gone = leaving(scope, receive)
            while goes_on:
                piece, goes_on = await self._next(watch, gone)
                await _say(send, piece, goes_on=goes_on)

    async def _next(self, watch: Watch, gone: Leaving) -> tuple[bytes, bool]:
        """The next piece to send, and whether more will follow."""
        until = asyncio.get_running_loop().time() + KEEP_ALIVE_SECONDS
        revision = self._found.record.revision
        with contextlib.suppress(TimeoutError):
            newer = await watch.newer_than(revision, until, gone)
            if newer is None:
                return b"", False
            self._found = newer
        if not await self._goes_on((self._found.record.id, self._found.record.revision)):
            return b"", False
        return self._piece(), not self._is_final

    @property
    def _is_final(self) -> bool:
        return self._found.record.state in FINAL_STATES

    def _piece(self) -> bytes:
        revision = self._found.record.revision
        if revision <= self._seen:
            return b": still here\n\n"
        self._seen = revision
        retry, self._retry = self._retry, b""
        return retry + self._bodies.event_of(self._found)


async def _say(send: Send, piece: bytes, *, goes_on: bool) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": goes_on})


def _return(found: VersionedReturn, wait: int, bodies: ReturnBodies) -> Response:
    headers = preference_applied(wait) | retry_after(found.retry_after)
    return Response(bodies.of(found), headers=headers, media_type="application/json")
