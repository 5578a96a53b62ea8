"""The one table of problems, and how an error becomes a problem document (RFC 9457)."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from app import errors
from app.errors import BffError, FieldProblem
from app.middleware import ProblemResponse
from app.models import Problem, ProblemError
from app.observability import log

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 50
"""More is no help, and an answer must not be larger than the question."""
RETRY_AFTER_SECONDS = 2
"""Where waiting helps and nobody said how long."""


class Kind(NamedTuple):
    """How one class of errors looks outside."""

    code: str
    status: HTTPStatus
    title: str
    detail: str
    retryable: bool = False


KINDS: Mapping[type[BffError], Kind] = MappingProxyType(
    {
        errors.InvalidRequest: Kind(
            "invalid-request",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The request has wrong fields",
            "Each entry of errors names a member and what is wrong with it.",
        ),
        errors.MalformedRequest: Kind(
            "malformed-request",
            HTTPStatus.BAD_REQUEST,
            "The request cannot be read",
            "The body has to be one JSON document in UTF-8.",
        ),
        errors.UnsupportedMediaType: Kind(
            "unsupported-media-type",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body has the wrong media type",
            "Send the body as application/json.",
        ),
        errors.BodyTooLarge: Kind(
            "body-too-large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The body is too large",
            "A body has at most 64 KiB.",
        ),
        errors.HeadersTooLarge: Kind(
            "headers-too-large",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The headers are too large",
            "All header fields together have at most 32 KiB.",
        ),
        errors.MethodNotAllowed: Kind(
            "method-not-allowed",
            HTTPStatus.METHOD_NOT_ALLOWED,
            "The resource has no such method",
            "The Allow header lists the methods it has.",
        ),
        errors.InternalError: Kind(
            "internal-error",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something went wrong on our side",
            "Quote the request_id when you report it.",
        ),
        errors.IdempotencyKeyInvalid: Kind(
            "idempotency-key-invalid",
            HTTPStatus.BAD_REQUEST,
            "The Idempotency-Key is missing or malformed",
            "Send a fresh random key of 16 to 255 visible ASCII characters with each new return.",
        ),
        errors.IdempotencyKeyReused: Kind(
            "idempotency-key-reused",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The Idempotency-Key came with another body before",
            "Repeat the first body, or use a fresh key for a new return.",
        ),
        errors.TwoCredentials: Kind(
            "two-credentials",
            HTTPStatus.BAD_REQUEST,
            "Cookie and bearer token came together",
            "Send one of the two.",
        ),
        errors.SessionRequired: Kind(
            "session-required",
            HTTPStatus.UNAUTHORIZED,
            "The call needs a session",
            "Look the parcel up first.",
        ),
        errors.SessionExpired: Kind(
            "session-expired",
            HTTPStatus.UNAUTHORIZED,
            "The session is over",
            "Look the parcel up again; its returns are still there.",
        ),
        errors.OriginNotAllowed: Kind(
            "origin-not-allowed",
            HTTPStatus.FORBIDDEN,
            "The page that made this call is not allowed to",
            "Call from the same origin, or have the origin listed.",
        ),
        errors.RouteNotFound: Kind(
            "not-found",
            HTTPStatus.NOT_FOUND,
            "There is nothing here",
            "The API description lists all paths.",
        ),
        errors.BrandNotFound: Kind(
            "brand-not-found",
            HTTPStatus.NOT_FOUND,
            "No return portal of this name",
            "Check the brand in the path.",
        ),
        errors.ParcelNotFound: Kind(
            "parcel-not-found",
            HTTPStatus.NOT_FOUND,
            "No parcel matches",
            "Check the order or tracking number and the postal code the parcel went to.",
        ),
        errors.ReturnNotFound: Kind(
            "return-not-found",
            HTTPStatus.NOT_FOUND,
            "This parcel has no such return",
            "The session lists the returns of its parcel.",
        ),
        errors.CustomsDeclarationNotFound: Kind(
            "customs-declaration-not-found",
            HTTPStatus.NOT_FOUND,
            "The return has no customs declaration",
            "It comes with the label, and only where customs asks for one.",
        ),
        errors.ServicePointNotFound: Kind(
            "service-point-not-found",
            HTTPStatus.NOT_FOUND,
            "No such service point",
            "Search again; points come and go.",
        ),
        errors.LabelNotReady: Kind(
            "label-not-ready",
            HTTPStatus.CONFLICT,
            "The label is not ready yet",
            "Ask again after Retry-After seconds.",
            retryable=True,
        ),
        errors.NoLabel: Kind(
            "no-label",
            HTTPStatus.CONFLICT,
            "This return has no label",
            "Its state says why.",
        ),
        errors.NotReturnableOnline: Kind(
            "not-returnable-online",
            HTTPStatus.CONFLICT,
            "This order cannot be returned here",
            "Location names the shop's hosted return portal.",
        ),
        errors.ServicePointUnavailable: Kind(
            "service-point-unavailable",
            HTTPStatus.CONFLICT,
            "The service point cannot take this parcel",
            "Choose another one of the carrier you chose.",
        ),
        errors.ReturnInProgress: Kind(
            "return-in-progress",
            HTTPStatus.CONFLICT,
            "The first request with this key still runs",
            "Repeat the request after Retry-After seconds to get its answer.",
            retryable=True,
        ),
        errors.UnitsClaimed: Kind(
            "units-claimed",
            HTTPStatus.CONFLICT,
            "Another return holds these units",
            "Location names that return.",
        ),
        errors.ClaimLost: Kind(
            "claim-lost",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The request stalled before anything was sent",
            "Repeat it with the same key.",
            retryable=True,
        ),
        errors.ReturnRefused: Kind(
            "return-refused",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The return was refused",
            "Nothing was created and the units are free. Change the return and use a fresh key, or contact the shop.",
        ),
        errors.ReturnOutcomeUnknown: Kind(
            "return-outcome-unknown",
            HTTPStatus.GATEWAY_TIMEOUT,
            "It is not known whether the return was created",
            "Do not send it again: it will not be sent twice. Follow Location, watch for the confirmation e-mail, "
            "and contact the shop if neither tells.",
        ),
        errors.StoreUnavailable: Kind(
            "temporarily-unavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The service cannot answer now",
            "Nothing was lost. Repeat the request after Retry-After seconds.",
            retryable=True,
        ),
        errors.BadUpstream: Kind(
            "bad-upstream",
            HTTPStatus.BAD_GATEWAY,
            "The shipping service answered something unusable",
            "Repeat the request later.",
            retryable=True,
        ),
        errors.UpstreamTimeout: Kind(
            "upstream-timeout",
            HTTPStatus.GATEWAY_TIMEOUT,
            "The shipping service did not answer in time",
            "Repeat the request later.",
            retryable=True,
        ),
        errors.UpstreamUnauthorized: Kind(
            "session-expired",
            HTTPStatus.UNAUTHORIZED,
            "The session is over",
            "Look the parcel up again; its returns are still there.",
        ),
        errors.UpstreamRejected: Kind(
            "upstream-refused",
            HTTPStatus.BAD_GATEWAY,
            "The shipping service refused the request",
            "Repeating it will not help.",
        ),
        errors.UpstreamUnavailable: Kind(
            "upstream-unavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The shipping service cannot be reached or is busy",
            "Repeat the request after Retry-After seconds.",
            retryable=True,
        ),
    }
)
_STATUSES_OF_ROUTING: Mapping[int, type[BffError]] = MappingProxyType(
    {404: errors.RouteNotFound, 405: errors.MethodNotAllowed, 400: errors.MalformedRequest}
)
_WAITING_HELPS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def kind_of(error_type: type[BffError]) -> Kind:
    """How this class of errors looks outside: its own row, or that of the nearest class above it."""
    return next((KINDS[each] for each in error_type.__mro__ if each in KINDS), KINDS[errors.InternalError])


def problem_response(public_url: str) -> ProblemResponse:
    """What renders errors as problem documents; their types are below `public_url`."""

    def render(scope: Scope, error: BffError) -> Response:
        kind = kind_of(type(error))
        problem = Problem(
            type=f"{public_url}/problems/{kind.code}",
            title=kind.title,
            status=kind.status,
            detail=kind.detail,
            instance=scope["path"],
            code=kind.code,
            retryable=kind.retryable,
            request_id=scope["state"]["request_id"],
            errors=[ProblemError(**asdict(each)) for each in error.errors],
        )
        return Response(problem.model_dump_json(), kind.status, _headers(kind, error), media_type=MEDIA_TYPE)

    return render


def _headers(kind: Kind, error: BffError) -> dict[str, str]:
    wait = error.retry_after
    if wait is None and kind.status in _WAITING_HELPS:
        wait = RETRY_AFTER_SECONDS
    stated = {"Retry-After": None if wait is None else str(wait), "Location": error.location}
    return {name: value for name, value in stated.items() if value is not None}


def handle_errors(app: FastAPI, render: ProblemResponse) -> None:
    """Makes the app answer with problem documents."""

    async def foreseen(request: Request, error: Exception) -> Response:
        if isinstance(error, BffError):
            kind = kind_of(type(error))
            log.info("problem", code=kind.code, reason=str(error), request_id=request.state.request_id)
            return render(request.scope, error)
        raise error

    async def of_routing(request: Request, error: Exception) -> Response:
        # FastAPI wraps whatever ends the reading of a body.
        if isinstance(error.__cause__, BffError):
            return render(request.scope, error.__cause__)
        status = error.status_code if isinstance(error, HTTPException) else 0
        response = render(request.scope, _STATUSES_OF_ROUTING.get(status, errors.InternalError)())
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(_methods_of(app, request.scope))
        return response

    async def of_validation(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        if any(each["type"] == "json_invalid" for each in found):
            return render(request.scope, errors.MalformedRequest())
        listed = [_field_problem(each) for each in found[:MAX_ERRORS]]
        return render(request.scope, errors.InvalidRequest(errors=listed))

    app.add_exception_handler(BffError, foreseen)
    app.add_exception_handler(HTTPException, of_routing)
    app.add_exception_handler(RequestValidationError, of_validation)


def _methods_of(app: FastAPI, scope: Scope) -> Iterator[str]:
    """Every method of this path; routing alone names those of the first route that has it."""
    for method in ("DELETE", "GET", "POST"):
        asked = {**scope, "method": method}
        if any(route.matches(asked)[0] is Match.FULL for route in app.router.routes):
            yield method


def _field_problem(found: Mapping[str, Any]) -> FieldProblem:
    """The validator's finding without the value it found; a missing member is reported at its parent."""
    place, *path = found["loc"]
    if found["type"] == "missing":
        path, detail = path[:-1], f"{path[-1] if path else 'The body'} is missing."
    else:
        detail = found["msg"] + "."
    where = "#" if place == "body" else f"#/{place}"
    return FieldProblem("/".join([where, *map(_escaped, path)]), found["type"].replace("_", "-"), detail)


def _escaped(part: str | int) -> str:
    return quote(str(part).replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@")


def responses(*error_types: type[BffError]) -> dict[int | str, dict[str, Any]]:
    """The problem answers of a route, for its OpenAPI description."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in map(kind_of, error_types):
        entry = described.setdefault(
            int(kind.status), {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA}}}}
        )
        entry["description"] = " ".join(filter(None, [entry["description"], f"`{kind.code}`"]))
    return described


_SCHEMA = "#/components/schemas/Problem"
