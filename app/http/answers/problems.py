"""How an error becomes a problem document (RFC 9457)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from app import errors
from app.errors import BffError, FieldProblem
from app.http.exchange import Exchange, exchange_of
from app.http.middleware import ErrorResponse, ProblemResponse
from app.http.problem_types import ProblemType, problem_type_of
from app.http.problem_types.texts import language_for, text_of
from app.models.fields import Json, ProblemError
from app.models.problems import Problem
from app.telemetry.logs import log

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 50
"""More errors do not help, and an answer must not be larger than its request."""
RETRY_AFTER_SECONDS = 2
"""Where waiting helps and no better number is known."""


_STATUSES_OF_ROUTING: Mapping[int, type[BffError]] = MappingProxyType(
    {404: errors.RouteNotFound, 405: errors.MethodNotAllowed, 400: errors.MalformedRequest}
)
_PATH_CHARACTERS = "/~!$&'()*+,;=:@"
"""What stands unescaped in a URI's path (RFC 3986, section 3.3)."""
_DETAILS: Mapping[str, str] = MappingProxyType({"model_attributes_type": "Input should be an object"})
"""Sentences in place of those that speak of Python."""
EndSession = Callable[[Request], Awaitable[None]]
_WAITING_HELPS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def problem_response(public_url: str) -> ProblemResponse:
    """A function that renders errors as problem documents, whose types are below `public_url`."""

    def render(exchange: Exchange, error: BffError) -> Response:
        kind = problem_type_of(type(error))
        exchange.problem = kind.code
        language = language_for(exchange.accept_language)
        text = text_of(kind, language)
        problem = Problem(
            type=f"{public_url}/problems/{kind.code}",
            title=text.title,
            status=kind.status,
            detail=text.detail,
            instance=quote(exchange.path, safe=_PATH_CHARACTERS),
            code=kind.code,
            retryable=kind.retryable,
            request_id=exchange.request_id,
            errors=[ProblemError(**asdict(each)) for each in error.errors[:MAX_ERRORS]],
            alternatives=getattr(error, "alternatives", None),
        )
        body = problem.model_dump_json(exclude={"alternatives"} if problem.alternatives is None else None)
        return Response(body, kind.status, _headers(kind, error, language), media_type=MEDIA_TYPE)

    return render


def _headers(kind: ProblemType, error: BffError, language: str) -> dict[str, str]:
    wait = error.retry_after
    if wait is None and kind.status in _WAITING_HELPS:
        wait = RETRY_AFTER_SECONDS
    stated = {
        "Content-Language": language,
        "Vary": "Accept-Language",
        "Retry-After": None if wait is None else str(wait),
        "Location": error.location,
        "WWW-Authenticate": "Bearer" if kind.status is HTTPStatus.UNAUTHORIZED else None,
        # What comes late is still a part of the body, and would be waited for.
        "Connection": "close" if kind.status is HTTPStatus.REQUEST_TIMEOUT else None,
    }
    return {name: value for name, value in stated.items() if value is not None}


def handle_errors(app: FastAPI, render: ProblemResponse, end_session: EndSession) -> ErrorResponse:
    """Makes the app answer with problem documents; a session whose tokens the upstream refuses is ended.

    Returns:
        The answer to such an error, for handlers that are not called by the app.
    """

    async def foreseen(request: Request, error: Exception) -> Response:
        if not isinstance(error, BffError):
            raise error
        if isinstance(error, errors.UpstreamUnauthorized):
            await end_session(request)
        exchange = exchange_of(request.scope)
        answer = render(exchange, error)
        _log(error, exchange.request_id)
        return answer

    async def unforeseen(request: Request, error: Exception) -> Response:
        return render(exchange_of(request.scope), error if isinstance(error, BffError) else errors.InternalError())

    async def of_routing(request: Request, error: Exception) -> Response:
        told = _of_routing(error)
        response = render(exchange_of(request.scope), told)
        if isinstance(told, errors.MethodNotAllowed):
            # Files are no routes.
            response.headers["Allow"] = ", ".join(_methods_of(app, request.scope)) or "GET, HEAD"
        return response

    async def of_validation(request: Request, error: Exception) -> Response:
        return render(exchange_of(request.scope), _invalid(error))

    async def of_handler(request: Request, error: Exception) -> Response:
        return await (of_validation if isinstance(error, RequestValidationError) else foreseen)(request, error)

    app.add_exception_handler(BffError, foreseen)
    app.add_exception_handler(Exception, unforeseen)
    app.add_exception_handler(HTTPException, of_routing)
    app.add_exception_handler(RequestValidationError, of_validation)
    return of_handler


def _log(error: BffError, request_id: str) -> None:
    kind = problem_type_of(type(error))
    tell = log.warning if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR else log.info
    tell("problem", code=kind.code, reason=str(error), request_id=request_id)


def _of_routing(error: Exception) -> BffError:
    # FastAPI wraps any error that ends the reading of a body.
    if isinstance(error.__cause__, BffError):
        return error.__cause__
    status = error.status_code if isinstance(error, HTTPException) else 0
    return _STATUSES_OF_ROUTING.get(status, errors.InternalError)()


def _methods_of(app: FastAPI, scope: Scope) -> Iterator[str]:
    """Every method of this path; Starlette names only those of the first route that has it."""
    for method in ("DELETE", "GET", "POST"):
        asked = {**scope, "method": method}
        if any(route.matches(asked)[0] is Match.FULL for route in app.router.routes):
            yield from ("GET", "HEAD") if method == "GET" else (method,)


def _invalid(error: Exception) -> BffError:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if any(each["type"] == "json_invalid" for each in found):
        return errors.MalformedRequest()
    # The validator finds thousands of unknown members in one body.
    return errors.InvalidRequest(errors=[_field_problem(each) for each in found[:MAX_ERRORS]])


def _field_problem(found: Json) -> FieldProblem:
    """The validator's finding without the offending value; a missing member is reported at its parent."""
    place, *path = found["loc"]
    if found["type"] == "missing":
        path, detail = path[:-1], f"{path[-1] if path else 'The body'} is missing."
    else:
        detail = _DETAILS.get(found["type"], found["msg"]) + "."
    where = "#" if place == "body" else f"#/{place}"
    return FieldProblem("/".join([where, *map(_escaped, path)]), found["type"].replace("_", "-"), detail)


def _escaped(part: str | int) -> str:
    return quote(str(part).replace("~", "~0").replace("/", "~1"), safe=_PATH_CHARACTERS)
