"""Calls 7, 8 and 10: create a return, see how it stands, fetch its label."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response, StreamingResponse

from app.api.problems import responses
from app.claims import location_of
from app.dependencies import IdempotencyKeyDep, ServicesDep, SessionDep, json_body
from app.errors import (
    BadUpstream,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    InvalidRequest,
    LabelNotReady,
    NoLabel,
    NotReturnableOnline,
    OriginNotAllowed,
    ReturnInProgress,
    ReturnNotFound,
    ReturnOutcomeUnknown,
    ReturnRefused,
    ServicePointUnavailable,
    SessionExpired,
    StoreUnavailable,
    UnitsClaimed,
    UnsupportedMediaType,
    UpstreamTimeout,
)
from app.labels import Pdf
from app.models import NewReturn, Return

router = APIRouter(tags=["returns"])


@router.post(
    "/v1/returns",
    operation_id="createReturn",
    status_code=202,
    response_model=Return,
    dependencies=[Depends(json_body)],
    responses=responses(
        IdempotencyKeyInvalid,
        SessionExpired,
        OriginNotAllowed,
        NotReturnableOnline,
        ReturnInProgress,
        UnitsClaimed,
        ServicePointUnavailable,
        UnsupportedMediaType,
        IdempotencyKeyReused,
        InvalidRequest,
        ReturnRefused,
        BadUpstream,
        StoreUnavailable,
        ReturnOutcomeUnknown,
    ),
)
async def create_return(
    session: SessionDep, key: IdempotencyKeyDep, body: NewReturn, services: ServicesDep
) -> Response:
    """Creates the return, once: repeating the call with the same key and body gives the first answer again."""
    return _json(await services.flows.create_return(session, key, body), HTTPStatus.ACCEPTED)


@router.get(
    "/v1/returns/{return_id}",
    operation_id="getReturn",
    response_model=Return,
    responses=responses(SessionExpired, ReturnNotFound, StoreUnavailable),
)
async def get_return(return_id: str, session: SessionDep, services: ServicesDep) -> Response:
    """How the return stands; `retry_after` (seconds) says when it can have changed."""
    found = await services.labels.current(session, return_id)
    return _json(found.public())


async def label(return_id: str, session: SessionDep, services: ServicesDep) -> AsyncIterator[Pdf]:
    """The label on its way; the upstream connection is given back when the answer is over."""
    async with services.labels.document(session, return_id) as pdf:
        yield pdf


@router.get(
    "/v1/returns/{return_id}/label",
    operation_id="getLabel",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/pdf": {}}, "description": "The label."},
        **responses(
            SessionExpired, ReturnNotFound, LabelNotReady, NoLabel, BadUpstream, StoreUnavailable, UpstreamTimeout
        ),
    },
)
async def get_label(return_id: str, pdf: Annotated[Pdf, Depends(label)]) -> StreamingResponse:
    """Streams the PDF; one that breaks off is cut, never ended as if it were whole."""
    headers = {
        "Content-Disposition": f'attachment; filename="{return_id}.pdf"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    } | ({"Content-Length": str(pdf.length)} if pdf.length is not None else {})
    return StreamingResponse(pdf, headers=headers, media_type="application/pdf")


def _json(answer: Return, status: HTTPStatus = HTTPStatus.OK) -> Response:
    headers = {"Location": location_of(answer.id)} if status is HTTPStatus.ACCEPTED else {}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    return Response(answer.model_dump_json(), status, headers, media_type="application/json")
