"""The parts of the API description (OpenAPI 3.1) that FastAPI cannot read from the handlers."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from types import MappingProxyType

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from app import errors
from app.errors import BffError
from app.http.answers.problems import MEDIA_TYPE
from app.http.callers.credentials import COOKIE
from app.http.problem_types import PROBLEM_TYPES, ProblemType, problem_type_of
from app.models.fields import Json
from app.models.problems import Problem

STORE = (errors.StoreUnavailable, errors.Overloaded)
"""The problems that any call that asks the store may answer, except for readiness, which is never turned away."""
SESSION = (errors.SessionRequired, errors.SessionExpired, errors.TwoCredentials, *STORE)
"""The problems that any call with a session may answer."""
JSON_BODY = (errors.MalformedRequest, errors.UnsupportedMediaType, errors.InvalidRequest)
UPSTREAM = (errors.BadUpstream, errors.UpstreamRejected, errors.UpstreamUnavailable, errors.UpstreamTimeout)
NEW_SESSION = (*STORE, errors.TwoCredentials, *JSON_BODY, *UPSTREAM)
"""The problems that any call that starts a session may answer."""
_ANYWHERE = (errors.BodyTooLarge, errors.HeadersTooLarge)
_OTHERS = (errors.InternalError, errors.MethodNotAllowed, errors.BodyTooSlow, errors.Overloaded)
"""Problems that are not of any one call."""

ABOUT = """Between a shop's own front end and Sendcloud's Return Portal API: look an order up, choose what comes back,
create the return once, follow it, fetch the label.

Calls stand in the order of the journey. Later versions of v1 may add paths, members of answers, optional members of
requests, and words to open lists (`x-extensible-enum`), problem codes among them. Ignore members that you do not know,
and have a branch for words that you do not know.
"""
TAGS: Mapping[str, str] = MappingProxyType(
    {
        "portal": "What the shop offers; needs no session.",
        "session": "An order, proved by its number and postal code.",
        "service points": "Where the parcel can be handed in.",
        "returns": "From pictures and preview to the label.",
        "shop": "Its returns, for the shop's own systems; the shipping service is not asked.",
        "operations": "For those who run the service, and what problem codes mean.",
    }
)
JOURNEY = (
    "/v1/brands/{brand}/portal",
    "/v1/brands/{brand}/sessions",
    "/v1/session",
    "/v1/session/handoff",
    "/v1/handoffs",
    "/v1/service-points",
    "/v1/service-points/{service_point_id}",
    "/v1/uploads",
    "/v1/returns/preview",
    "/v1/returns",
    "/v1/returns/{return_id}",
    "/v1/returns/{return_id}/events",
    "/v1/returns/{return_id}/label",
    "/v1/returns/{return_id}/customs-declaration",
    "/v1/shops/{brand}/returns/{return_id}",
    "/v1/shops/{brand}/returns/{return_id}/units",
    "/v1/shops/{brand}/returns/{return_id}/resolve",
    "/v1/shops/{brand}/returns/{return_id}/erase",
    "/v1/shops/{brand}/returns/search",
    "/v1/shops/{brand}/returns/erase",
    "/v1/shops/{brand}/dead-events",
    "/v1/shops/{brand}/dead-events/resend",
    "/v1/brands/{brand}/upstream-events",
)
"""The order in which a front end calls them, and then its shop; the description lists them in this order."""
PDF: Json = {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}
"""The content of an answer that is a document."""
_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "For how long the answer may be kept.",
        "Content-Disposition": "The file name of the document.",
        "Content-Language": "The language of the texts.",
        "ETag": "Names this version of the answer, for `If-None-Match`.",
        "Location": "The path of the return in question, or the shop's hosted return portal.",
        "Preference-Applied": "For how long the answer was held at most, where `Prefer` asked for it.",
        "RateLimit": "How many lookups are left, and for how long (seconds).",
        "RateLimit-Policy": "How many lookups are allowed in how many seconds.",
        "Retry-After": "Seconds after which to ask again.",
        "Set-Cookie": "The session cookie, or its end.",
        "Vary": "The request headers that the answer depends on.",
        "WWW-Authenticate": "How to prove a session: `Bearer`.",
        "X-Request-Id": "Names the request, to quote when you report a problem.",
    }
)
QUOTA = ("RateLimit", "RateLimit-Policy")
"""Headers of any answer to a call that counts lookups."""
_PROBLEM_HEADERS: Mapping[int, Sequence[str]] = MappingProxyType(
    {
        HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
        HTTPStatus.CONFLICT: ("Location", "Retry-After"),
        HTTPStatus.UNPROCESSABLE_ENTITY: ("Location",),
        HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", *QUOTA),
        HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
        HTTPStatus.GATEWAY_TIMEOUT: ("Location",),
    }
)
"""Headers that a problem with this status may have."""


def responses(*error_types: type[BffError]) -> dict[int | str, Json]:
    """The problem answers of a route, each with an example of every code."""
    by_status: dict[int, dict[str, None]] = {}
    for kind in map(problem_type_of, (*error_types, *_ANYWHERE)):
        by_status.setdefault(int(kind.status), {})[kind.code] = None
    quota = QUOTA if errors.TooManyLookups in error_types else ()
    described: dict[int | str, Json] = {
        status: described_as(
            " ".join(f"`{code}`" for code in codes), codes, (*_PROBLEM_HEADERS.get(status, ()), *quota)
        )
        for status, codes in by_status.items()
    }
    # `default` describes no status that the call names.
    others = [kind.code for kind in map(problem_type_of, _OTHERS) if int(kind.status) not in by_status]
    return {"default": described_as("Any other problem.", others, quota), **described}


def links(*operation_ids: str, **parameters: str) -> dict[str, Json]:
    """Links for an OpenAPI description: the operations an answer leads to, and where it has their parameters."""
    return {each: {"operationId": each, "parameters": parameters} for each in operation_ids}


def headers(*names: str) -> dict[str, Json]:
    """Headers that an answer may have; every answer has `X-Request-Id` besides."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def body_examples(examples: Mapping[str, Json]) -> Json:
    """Named examples of a JSON body, as an extra of its operation."""
    return {"requestBody": {"content": {"application/json": {"examples": dict(examples)}}}}


def events_of(name: str, data: type[BaseModel]) -> Json:
    """The content of a stream of events of this name, whose data is such an object as JSON.

    OpenAPI 3.2 states the form of an event as `itemSchema`; 3.1 has no place for it but an extension.
    """
    schema = {"$ref": _REFERENCE.format(model=data.__name__)}
    members = {
        "event": {"const": name},
        "id": {"type": "string", "description": "For `Last-Event-ID`."},
        "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": schema},
        "retry": {"type": "integer", "description": "Milliseconds before a reconnection; with the first event."},
    }
    event = {"type": "object", "required": ["event", "id", "data"], "properties": members}
    return {"text/event-stream": {"x-itemSchema": event}}


def described_as(description: str, codes: Iterable[str], header_names: Sequence[str] = ()) -> Json:
    """A problem answer in the OpenAPI description, with an example of each code."""
    schema = {"$ref": _REFERENCE.format(model=Problem.__name__)}
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    content = {MEDIA_TYPE: {"schema": schema, "examples": examples}}
    return {
        "description": description,
        "headers": headers("Content-Language", "Vary", *header_names),
        "content": content,
    }


class Described(FastAPI):
    """An app whose API description, made on demand, adds facts that FastAPI cannot know.

    A call that depends on one of `session_dependencies` needs a session, and one that depends on one of
    `shop_dependencies` a shop's key. Paths stand in the order of `journey`.

    Requests come to its `entrance`, which may have layers before FastAPI's own: a hot route needs none of those, and
    each would keep a frame in memory for every caller who waits.
    """

    session_dependencies: Container[object] = ()
    shop_dependencies: Container[object] = ()
    journey: Sequence[str] = ()

    @cached_property
    def entrance(self) -> ASGIApp:
        """FastAPI's own layers, until others are put before them."""
        return super().__call__

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await (self.entrance if scope["type"] == "http" else super().__call__)(scope, receive, send)

    @override
    def openapi(self) -> Json:
        if self.openapi_schema is None:
            description = super().openapi()
            paths = description["paths"]
            description["paths"] = {path: paths[path] for path in self.journey if path in paths} | paths
            self._complete(description["paths"])
            description["components"] = _components(description["components"])
        return super().openapi()

    def _complete(self, paths: Json) -> None:
        for route in self._described_routes():
            for method in route.methods or ():
                operation = paths[route.path][method.lower()]
                operation["security"] = self._security(route.dependant)
                for response in operation["responses"].values():
                    response["headers"] = response.get("headers", {}) | headers("X-Request-Id")

    def _described_routes(self) -> Iterator[APIRoute]:
        return (each for each in self.routes if isinstance(each, APIRoute) and each.include_in_schema)

    def _security(self, dependant: Dependant) -> list[Json]:
        if _depends_on(self.session_dependencies, dependant):
            return [{"bearer": []}, {"cookie": []}]
        return [{"shop_key": []}] if _depends_on(self.shop_dependencies, dependant) else []


def _depends_on(calls: Container[object], dependant: Dependant) -> bool:
    return dependant.call in calls or any(_depends_on(calls, each) for each in dependant.dependencies)


def _components(found: Json) -> Json:
    schemas = found["schemas"] | _problem_schemas()
    for schema in schemas.values():
        for member in schema.get("properties", {}).values():
            # The title repeats the name, and generators derive type names from it.
            member.pop("title", None)
    return {
        "schemas": schemas,
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()},
        "examples": {kind.code: {"summary": kind.title, "value": _problem(kind)} for kind in PROBLEM_TYPES.values()},
        "securitySchemes": _CREDENTIALS,
    }


def _problem(kind: ProblemType) -> Json:
    return Problem(
        type=f"/problems/{kind.code}",
        title=kind.title,
        status=kind.status,
        detail=kind.detail,
        instance="/v1/returns",
        code=kind.code,
        retryable=kind.retryable,
        request_id="0b7c5f0e6d3a4c1f9e2b8a7d",
    ).model_dump(mode="json", exclude_none=True)


def _problem_schemas() -> Json:
    """The schema of problem documents, which FastAPI includes for JSON answers only."""
    schema = Problem.model_json_schema(ref_template=_REFERENCE)
    # No `enum`: a new code must not break a client that was generated before.
    schema["properties"]["code"]["x-extensible-enum"] = sorted({kind.code for kind in PROBLEM_TYPES.values()})
    return {**schema.pop("$defs"), Problem.__name__: schema}


# Declared as dependencies, both schemes would be tried in every request.
_CREDENTIALS = {
    "bearer": {"type": "http", "description": "`session_token`.", "scheme": "bearer"},
    "cookie": {"type": "apiKey", "description": "Set by createSession.", "in": "cookie", "name": COOKIE},
    "shop_key": {
        "type": "apiKey",
        "description": "The key of a system of the shop.",
        "in": "header",
        "name": "X-Partner-Key",
    },
}
_REFERENCE = "#/components/schemas/{model}"
