"""The routes of a return's documents: label and customs declaration."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from app.documents.delivery import Delivery
from app.documents.opening import ReturnDocuments
from app.errors import (
    BodyTooSlow,
    CustomsDeclarationNotFound,
    InvalidRequest,
    LabelNotReady,
    NoLabel,
    ReturnNotFound,
    TooManyCalls,
)
from app.http.answers.deferred import Prefer, leaving, preference_applied, preferred_wait
from app.http.answers.openapi import PDF, SESSION, UPSTREAM, headers, responses
from app.http.hot_route import HotRoute
from app.models.returns import ReturnId
from app.redis.limits.rate_limits import PerParcelLimit
from app.returns.labels.watching import Labels
from app.services import service_of
from app.sessions.dependencies import SessionIdDep, check_session, leaving_or_logged_out, live_session_beside

router = APIRouter(tags=["returns"])
hot = APIRouter(tags=["returns"], route_class=HotRoute)
Disposition = Annotated[
    Literal["attachment", "inline"],
    Query(description="Whether a browser saves the document, or a web view shows it."),
]


@hot.get(
    "/v1/returns/{return_id}/label",
    operation_id="getLabel",
    response_class=StreamingResponse,
    response_model=None,
    responses={
        200: {
            "content": PDF,
            "description": "The label.",
            "headers": headers("Content-Disposition", "Preference-Applied", "Vary"),
        },
        **responses(*SESSION, InvalidRequest, ReturnNotFound, LabelNotReady, NoLabel, TooManyCalls, *UPSTREAM),
    },
)
async def get_label(
    return_id: ReturnId,
    request: Request,
    session_id: SessionIdDep,
    disposition: Disposition = "attachment",
    prefer: Prefer = "",
) -> ASGIApp:
    """Streams the PDF. If it breaks off, the connection is cut, so that it never looks whole."""
    labels, wait = service_of(request, Labels), preferred_wait(request, prefer)
    session, found = await live_session_beside(
        request, session_id, lambda parcel_key: labels.returns.get(parcel_key, return_id)
    )
    found = await labels.current(session.parcel_key, found)

    async def once_it_is_there(scope: Scope, receive: Receive, send: Send) -> None:
        newest = found
        if wait:
            gone = leaving_or_logged_out(request, leaving(scope, receive))
            with service_of(request, PerParcelLimit).place(session.parcel_key):
                newest = await labels.settled(session.parcel_key, found, wait, gone)
            await check_session(request)
        async with service_of(request, ReturnDocuments).label(session, newest) as delivery:
            document = _pdf(delivery, f"{return_id}.pdf", disposition, preference_applied(wait))
            await document(scope, receive, send)

    return once_it_is_there


async def customs_declaration(
    return_id: ReturnId, session_id: SessionIdDep, request: Request
) -> AsyncIterator[Delivery]:
    """The customs declaration as a delivery."""
    labels = service_of(request, Labels)
    session, found = await live_session_beside(
        request, session_id, lambda parcel_key: labels.returns.get(parcel_key, return_id)
    )
    found = await labels.current(session.parcel_key, found)
    async with service_of(request, ReturnDocuments).customs_declaration(session, found) as delivery:
        yield delivery


@router.get(
    "/v1/returns/{return_id}/customs-declaration",
    operation_id="getCustomsDeclaration",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": PDF,
            "description": "The customs declaration.",
            "headers": headers("Content-Disposition"),
        },
        **responses(*SESSION, InvalidRequest, ReturnNotFound, CustomsDeclarationNotFound, TooManyCalls, *UPSTREAM),
    },
)
async def get_customs_declaration(
    return_id: ReturnId,
    delivery: Annotated[Delivery, Depends(customs_declaration)],
    disposition: Disposition = "attachment",
) -> StreamingResponse:
    """Streams the PDF like the label."""
    return _pdf(delivery, f"{return_id}-customs.pdf", disposition, {})


class Bounded(StreamingResponse):
    """A document whose connection is cut when its reader takes too long."""

    def __init__(self, delivery: Delivery, headers: dict[str, str]) -> None:
        super().__init__(delivery.chunks, headers=headers, media_type="application/pdf")
        self._seconds = delivery.seconds

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            raise BodyTooSlow from None


def _pdf(delivery: Delivery, filename: str, disposition: Disposition, headers: dict[str, str]) -> StreamingResponse:
    guarded = {
        "Content-Disposition": f'{disposition}; filename="{filename}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    length = {} if delivery.length is None else {"Content-Length": str(delivery.length)}
    return Bounded(delivery, headers=guarded | length | headers)
