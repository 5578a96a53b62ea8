"""How errors look outside: one table, one document, nothing of the caller's in it."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from structlog.testing import capture_logs

from app import errors
from app.errors import BffError, FieldProblem
from app.http.answers.openapi import Described, links, responses
from app.http.answers.problems import MEDIA_TYPE, handle_errors, problem_response
from app.http.load_shedding import Load
from app.http.middleware import Admission, Exchanges
from app.http.problem_types import ALL_PROBLEM_TYPES, PROBLEM_TYPES, ProblemType, problem_type_of
from app.http.problem_types.pages import documented, page
from app.main import create_app
from app.models.requests import NewReturn, NewSession
from app.redis.encryption import RecordUnreadable
from app.service_points import view
from app.sessions.dependencies import end_session
from app.settings import Settings
from tests.support.descriptions import OURS
from tests.support.processes import SECRET_KEY
from tests.support.samples import service_point

SECRET = "swordfish"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "retryable", "request_id", "errors"}


def descendants(error_type: type[BffError]) -> Iterator[type[BffError]]:
    """Every class below this one."""
    for child in error_type.__subclasses__():
        yield child
        yield from descendants(child)


ALL = sorted(set(descendants(BffError)), key=lambda error_type: error_type.__name__)
RAISED = [error_type for error_type in ALL if error_type in PROBLEM_TYPES or not error_type.__subclasses__()]


class Inner(BaseModel):
    """A member of a body."""

    model_config = ConfigDict(extra="forbid", strict=True)

    number: int = 0


class Outer(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid", strict=True)

    inners: list[Inner] = []


async def raise_it(name: str, wait: int | None = None) -> None:
    """Raises the error of this name."""
    error_type: type[BffError] = getattr(errors, name)
    raise error_type(SECRET) if wait is None else error_type(SECRET, retry_after=wait, location="/v1/returns/rtn_1")


async def raise_status(status: int) -> None:
    """Raises what the framework raises."""
    raise HTTPException(status, SECRET, {"Allow": "GET"})


async def raise_group(size: int = 1) -> None:
    """Raises several field problems."""
    problem = FieldProblem("#/items/0/id", "unknown-item", "The order has no such item.")
    raise errors.InvalidRequest(errors=[problem] * size)


async def raise_unavailable(found: int) -> None:
    """Raises that a service point is not available, with so many others."""
    others = [view.service_point(service_point(id=number + 1), 0.0, 0.0) for number in range(found)]
    raise errors.ServicePointUnavailable(SECRET, alternatives=others)


async def raise_missing() -> None:
    """Raises what our own checks say of a missing member."""
    raise errors.InvalidRequest(errors=[FieldProblem("#/refund", "missing", "It is missing.", "#/refund/message")])


async def take_body(body: Outer) -> None:
    """Takes a body."""


async def take_real_body(body: NewReturn) -> None:
    """Takes a body of the service."""


async def take_session(body: NewSession) -> None:
    """Takes another body of the service."""


async def take_parameters(radius: Annotated[int, Query(le=9)], x_needed: Annotated[str, Header()]) -> None:
    """Takes parameters."""


def app_with_problems(public_url: str = "", load: Load | None = None) -> Described:
    """A small application that answers errors as the service does."""
    app = Described(openapi_url=None, telemetry={"tracing": False})
    render = problem_response(public_url)
    handle_errors(app, render, end_session)
    load = load or Load(1, 0.25)
    app.entrance = Exchanges(Admission(app.entrance, load, render), load)
    for handler in (raise_it, raise_status, raise_group, raise_unavailable, raise_missing, take_parameters):
        app.add_api_route(f"/{handler.__name__}", handler)
    for taker in (take_body, take_real_body, take_session):
        app.add_api_route(f"/{taker.__name__}", taker, methods=["POST"])
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the small application."""
    transport = httpx.ASGITransport(app_with_problems())
    async with httpx.AsyncClient(transport=transport, base_url="http://bff.example") as opened:
        yield opened


async def field_problems(client: httpx.AsyncClient, body: object) -> list[tuple[str, str]]:
    """Pointer and code of each field problem of a body."""
    response = await client.post("/take_body", content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code == 422
    return [(each["pointer"], each["code"]) for each in response.json()["errors"]]


@pytest.mark.parametrize("error_type", RAISED)
def test_every_error_has_a_kind(error_type: type[BffError]) -> None:
    """Each error that is raised looks like its own row of the table or that of a class above it."""
    assert problem_type_of(error_type) in PROBLEM_TYPES.values()


def test_only_groups_have_no_kind() -> None:
    """Errors without a row are base classes that are never raised; if one is, it becomes an internal error."""
    groups = {
        error_type.__name__ for error_type in ALL if not any(each in PROBLEM_TYPES for each in error_type.__mro__)
    }
    assert groups == {"Conflict", "NotFound", "UpstreamError"}
    assert {problem_type_of(getattr(errors, name)) for name in groups} == {PROBLEM_TYPES[errors.InternalError]}


def test_an_error_below_another_looks_like_it() -> None:
    """A class without a row of its own takes that of the nearest class above."""
    assert RecordUnreadable not in PROBLEM_TYPES
    assert problem_type_of(RecordUnreadable) is PROBLEM_TYPES[errors.StoreUnavailable]


def test_codes_are_unique() -> None:
    """A code means one thing: errors that share it look the same in every respect."""
    by_code: dict[str, set[ProblemType]] = {}
    for kind in PROBLEM_TYPES.values():
        by_code.setdefault(kind.code, set()).add(kind)
    assert [kinds for kinds in by_code.values() if len(kinds) > 1] == []


@pytest.mark.parametrize("kind", ALL_PROBLEM_TYPES.values(), ids=lambda kind: kind.code)
def test_form_of_a_kind(kind: ProblemType) -> None:
    """Codes are lower-case words with hyphens, statuses are errors, titles are phrases and details sentences."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)
    assert kind.status >= 400
    assert kind.title
    assert not kind.title.endswith(".")
    for sentence in (kind.detail, kind.when, kind.front_end):
        assert re.fullmatch(r"[A-Z].*\.", sentence)


@pytest.mark.parametrize("kind", ALL_PROBLEM_TYPES.values(), ids=lambda kind: kind.code)
def test_nothing_is_said_twice(kind: ProblemType) -> None:
    """What has happened, what helps and what a front end does have no sentence in common."""
    sentences = [kind.title, *(each for text in kind[3:6] for each in re.split(r"(?<=\.) ", text))]
    assert len(set(sentences)) == len(sentences)


def test_calls_of_a_problem() -> None:
    """The page of a problem names the calls whose description names it, under the status it has."""
    known = {kind.code: documented(kind, OURS).calls for kind in ALL_PROBLEM_TYPES.values()}
    assert known["label-not-ready"] == ["GET /v1/returns/{return_id}/label"]
    assert known["claim-lost"] == known["return-outcome-unknown"] == ["POST /v1/returns"]
    assert known["internal-error"] == known["uri-too-long"] == []


def test_pages_are_escaped() -> None:
    """The page shows any text of the table and any path of the description as text."""
    hostile = ProblemType("a&b", HTTPStatus.CONFLICT, "<i>", "<script>", when='"<b>"', front_end="<u>")
    described = {"paths": {"/<s>": {"get": {"responses": {"409": {"description": "`a&b`"}}}}}}
    shown = page(documented(hostile, described))
    assert re.findall(r"<(?:i|script|b|u|s)>", shown) == []
    assert all(each in shown for each in ("a&amp;b", "&lt;script&gt;", "&quot;&lt;b&gt;&quot;", "GET /&lt;s&gt;"))


@pytest.mark.parametrize("kind", ALL_PROBLEM_TYPES.values(), ids=lambda kind: kind.code)
def test_retryable_means_that_repeating_can_help(kind: ProblemType) -> None:
    """A problem is retryable only where time alone can solve it, and every 503 is."""
    if kind.retryable:
        assert kind.status in {
            HTTPStatus.CONFLICT,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.BAD_GATEWAY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.GATEWAY_TIMEOUT,
        }
    assert kind.retryable or kind.status is not HTTPStatus.SERVICE_UNAVAILABLE


def test_what_must_not_be_repeated() -> None:
    """A return whose outcome is unknown, or that was refused, is not retryable."""
    for error_type in (errors.ReturnOutcomeUnknown, errors.ReturnRefused, errors.IdempotencyKeyReused):
        assert problem_type_of(error_type).retryable is False


def test_unknown_order_and_wrong_postal_code_are_one() -> None:
    """Nothing in the problem tells which of the two a caller guessed right."""
    kind = problem_type_of(errors.ParcelNotFound)
    assert (kind.code, kind.status) == ("parcel-not-found", 404)
    assert len([other for other in ALL if kind_of_or_none(other) is kind]) == 1


def kind_of_or_none(error_type: type[BffError]) -> ProblemType | None:
    """The kind, or None for a group."""
    return next((PROBLEM_TYPES[each] for each in error_type.__mro__ if each in PROBLEM_TYPES), None)


@pytest.mark.parametrize("error_type", [each for each in RAISED if each.__module__ == "app.errors"])
async def test_problem_document(client: httpx.AsyncClient, error_type: type[BffError]) -> None:
    """Each error is answered with the members of its kind, and with nothing of its own text."""
    kind = problem_type_of(error_type)
    response = await client.get(f"/raise_it?name={error_type.__name__}", headers={"x-request-id": "a-request"})
    assert (response.status_code, response.headers["content-type"]) == (kind.status, MEDIA_TYPE)
    assert SECRET not in f"{response.text} {response.headers}"
    document = response.json()
    assert document.pop("alternatives", []) == []
    assert document == {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status.value,
        "detail": kind.detail,
        "instance": "/raise_it",
        "code": kind.code,
        "retryable": kind.retryable,
        "request_id": "a-request",
        "errors": [],
    }


async def test_public_url_makes_types_absolute() -> None:
    """Problem types stand below the public URL where one is set; the request's Host is never used."""
    transport = httpx.ASGITransport(app_with_problems("https://returns.example"))
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as opened:
        response = await opened.get("/raise_it?name=NoLabel")
    assert response.json()["type"] == "https://returns.example/problems/no-label"
    assert "evil" not in response.text


@pytest.mark.parametrize(
    ("name", "wait", "stated"),
    [
        ("StoreUnavailable", None, "2"),
        ("StoreUnavailable", 7, "7"),
        ("UpstreamUnavailable", 0, "0"),
        ("ClaimLost", None, "2"),
        ("LabelNotReady", 5, "5"),
        ("LabelNotReady", None, None),
        ("NoLabel", None, None),
    ],
)
async def test_retry_after(client: httpx.AsyncClient, name: str, wait: int | None, stated: str | None) -> None:
    """The answer says how long to wait where that is known, and on every 503."""
    response = await client.get("/raise_it", params={"name": name} | ({} if wait is None else {"wait": wait}))
    assert response.headers.get("retry-after") == stated


async def test_location(client: httpx.AsyncClient) -> None:
    """The answer names the resource that stands in the way, if one does."""
    assert (await client.get("/raise_it?name=UnitsClaimed&wait=1")).headers["location"] == "/v1/returns/rtn_1"
    assert "location" not in (await client.get("/raise_it?name=UnitsClaimed")).headers


@pytest.mark.parametrize("name", ["SessionRequired", "SessionExpired", "OriginNotAllowed", "BrandNotFound"])
async def test_a_401_says_how_to_sign_in(client: httpx.AsyncClient, name: str) -> None:
    """Where a session is missing the answer names the scheme, as RFC 9110 wants it, and nowhere else."""
    response = await client.get("/raise_it", params={"name": name})
    assert response.headers.get("www-authenticate") == ("Bearer" if response.status_code == 401 else None)


async def test_a_finding_is_a_sentence(client: httpx.AsyncClient) -> None:
    """The validator's findings appear in its own words, ended by a full stop."""
    problem = (await client.post("/take_body", json={"inners": 1})).json()
    assert problem["errors"] == [
        {"pointer": "#/inners", "code": "list-type", "detail": "Input should be a valid list."}
    ]


async def test_a_problem_is_logged(client: httpx.AsyncClient) -> None:
    """The log has the code, our own words for the reason, and the id that the answer shows."""
    with capture_logs() as logged:
        await client.get("/raise_it?name=NoLabel", headers={"x-request-id": "a-request"})
    line = {"event": "problem", "log_level": "info", "code": "no-label", "reason": SECRET, "request_id": "a-request"}
    assert line in logged


async def test_a_foreseen_server_error_is_a_warning(client: httpx.AsyncClient) -> None:
    """A problem that is ours or the upstream's stands out in the log from the mistakes of callers."""
    with capture_logs() as logged:
        response = await client.get("/raise_it?name=BadUpstream")
    assert response.status_code == 502
    assert [line["log_level"] for line in logged if line["event"] == "problem"] == ["warning"]


async def test_field_problems_of_the_service(client: httpx.AsyncClient) -> None:
    """The findings of our own checks appear in the document unchanged."""
    response = await client.get("/raise_group")
    assert response.json()["errors"] == [
        {"pointer": "#/items/0/id", "code": "unknown-item", "detail": "The order has no such item."}
    ]


async def test_missing_members_of_the_service(client: httpx.AsyncClient) -> None:
    """Only the preview points at a missing member; a problem points at its parent."""
    response = await client.get("/raise_missing")
    assert response.json()["errors"] == [{"pointer": "#/refund", "code": "missing", "detail": "It is missing."}]


@pytest.mark.parametrize("found", [0, 1, 3])
async def test_alternatives(client: httpx.AsyncClient, found: int) -> None:
    """A service point that is not available comes with the others that are, and no other problem has such a member."""
    document = (await client.get(f"/raise_unavailable?found={found}")).json()
    assert [point["id"] for point in document["alternatives"]] == list(range(1, found + 1))
    assert "alternatives" not in (await client.get("/raise_group")).json()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"inners": [{"number": "1"}]}, [("#/inners/0/number", "int-type")]),
        (
            {"inners": [{}, {"number": None, "x": 1}]},
            [("#/inners/1/number", "int-type"), ("#/inners/1/x", "extra-forbidden")],
        ),
        ({"inners": 1}, [("#/inners", "list-type")]),
        ({"a/b~c": 1}, [("#/a~1b~0c", "extra-forbidden")]),
        ({"~1": 1}, [("#/~01", "extra-forbidden")]),
        ({"": 1}, [("#/", "extra-forbidden")]),
        ({"a b": 1}, [("#/a%20b", "extra-forbidden")]),
        ({"%41": 1}, [("#/%2541", "extra-forbidden")]),
        ({"é": 1}, [("#/%C3%A9", "extra-forbidden")]),
        ({'"#?^|\\\n': 1}, [("#/%22%23%3F%5E%7C%5C%0A", "extra-forbidden")]),
        ({"\ud800": 1}, [("#", "string-unicode")]),
        ({"a-._~!$&'()*+,;=:@": 1}, [("#/a-._~0!$&'()*+,;=:@", "extra-forbidden")]),
    ],
)
async def test_pointer(client: httpx.AsyncClient, body: object, expected: list[tuple[str, str]]) -> None:
    """A wrong member is named by a JSON Pointer fit for a URL fragment (RFC 6901 section 6); all are named at once."""
    assert await field_problems(client, body) == expected


async def test_number_of_field_problems(client: httpx.AsyncClient) -> None:
    """A body that is wrong in many places gets its first fifty faults named."""
    found = await field_problems(client, {"inners": [{"number": "1"}] * 200})
    assert found == [(f"#/inners/{index}/number", "int-type") for index in range(50)]


@pytest.mark.parametrize(("size", "named"), [(0, 0), (49, 49), (50, 50), (51, 50), (600, 50)])
async def test_number_of_field_problems_of_the_service(client: httpx.AsyncClient, size: int, named: int) -> None:
    """The service's own checks name their first fifty findings, too."""
    assert len((await client.get(f"/raise_group?size={size}")).json()["errors"]) == named


async def test_missing_member(client: httpx.AsyncClient) -> None:
    """A missing member is reported at its parent, which is there, and named in the detail."""
    body = {"items": [{"id": "shirt"}], "refund": {"type": "money"}}
    response = await client.post("/take_real_body", json=body)
    assert [(each["pointer"], each["code"], each["detail"]) for each in response.json()["errors"]] == [
        ("#/items/0", "missing", "quantity is missing."),
        ("#", "missing", "delivery is missing."),
    ]


async def test_missing_body(client: httpx.AsyncClient) -> None:
    """A missing body is reported as missing."""
    response = await client.post("/take_body", headers={"content-type": "application/json"})
    assert response.json()["errors"] == [{"pointer": "#", "code": "missing", "detail": "The body is missing."}]


@pytest.mark.parametrize("body", [None, [], 1, "text", True])
async def test_body_of_another_kind(client: httpx.AsyncClient, body: object) -> None:
    """A body that is no object is wrong as a whole."""
    assert [pointer for pointer, _ in await field_problems(client, body)] == ["#"]


async def test_parameters(client: httpx.AsyncClient) -> None:
    """Parameters are named by where they stand; a missing one is reported there."""
    response = await client.get("/take_parameters?radius=10")
    assert [(each["pointer"], each["code"]) for each in response.json()["errors"]] == [
        ("#/query/radius", "less-than-equal"),
        ("#/header", "missing"),
    ]


@pytest.mark.parametrize(
    "content",
    [b"{", b"{'a': 1}", b'{"a": 1,}', b'{"a": 1} x', b"\xff\xfe{}", b"[" * 30_000, b'{"a": ' + b"9" * 5000 + b"}"],
)
async def test_body_that_cannot_be_read(client: httpx.AsyncClient, content: bytes) -> None:
    """A body that is no JSON in UTF-8, or beyond any parser, is malformed, which is another problem than wrong."""
    response = await client.post("/take_body", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed-request")
    assert response.json()["errors"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/take_session", {"identifier": f"{SECRET}\x00", "postal_code": [SECRET], "language": f"!{SECRET}"}),
        ("/take_session", {"identifier": SECRET * 20, "postal_code": SECRET * 20, "token_delivery": SECRET}),
        ("/take_session", {"identifier": f"{SECRET}\ud800"}),
        (
            "/take_real_body",
            {
                "items": [{"id": SECRET, "quantity": SECRET, "comment": f"{SECRET}\x00"}],
                "reason": SECRET,
                "refund": SECRET,
                "delivery": {"option": SECRET, "pickup_date": [SECRET], "store": SECRET},
                "customs": {"invoice_number": SECRET * 9, "export_type": SECRET},
            },
        ),
        (
            "/take_real_body",
            {
                "delivery": {"option": "pickup", "pickup_date": SECRET},
                "customs": {"invoice_number": "1", "invoice_date": f"2026-{SECRET}", "freight_costs": SECRET},
                "contact": {"name": f"{SECRET}\x00", "email": SECRET},
                "photos": [{"file": [SECRET], "item": SECRET * 20}],
            },
        ),
    ],
)
async def test_values_are_never_quoted(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    """The answer never repeats a faulty value, which may be a token or an address."""
    response = await client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert len(response.json()["errors"]) > 1
    assert SECRET not in response.text


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "not-found"), (405, "method-not-allowed"), (400, "malformed-request"), (418, "internal-error")],
)
async def test_errors_of_the_framework(client: httpx.AsyncClient, status: int, code: str) -> None:
    """A refusal by the framework itself is a problem document too, without the framework's text."""
    response = await client.get(f"/raise_status?status={status}")
    assert response.json()["code"] == code
    assert set(response.json()) == MEMBERS
    assert SECRET not in response.text


async def test_odd_paths(client: httpx.AsyncClient) -> None:
    """The path of a problem is a URI reference, as RFC 9457 has it, whatever characters the caller put into it."""
    response = await client.get("/a%20b/%C3%A9%00%22/~c:d@e%25")
    assert response.json()["instance"] == "/a%20b/%C3%A9%00%22/~c:d@e%25"


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/nowhere", "not-found"), ("PUT", "/raise_group", "method-not-allowed")]
)
async def test_unknown_routes(client: httpx.AsyncClient, method: str, path: str, code: str) -> None:
    """Unknown paths and methods are problems like all others."""
    response = await client.request(method, path)
    assert (response.json()["code"], response.json()["instance"]) == (code, path)


@pytest.fixture
async def service() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole service, none of whose connections is made."""
    wanted = {"brands": "my-shop", "redis_url": "redis://store.example", "secret_key": SECRET_KEY}
    transport = httpx.ASGITransport(create_app(Settings.model_validate(wanted)))
    async with httpx.AsyncClient(transport=transport, base_url="http://bff.example") as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/session", "DELETE, GET, HEAD"),
        ("POST", "/v1/session", "DELETE, GET, HEAD"),
        ("DELETE", "/v1/brands/my-shop/sessions", "POST"),
        ("GET", "/v1/returns", "POST"),
        ("POST", "/v1/returns/rtn_1", "GET, HEAD"),
        ("GET", "/v1/uploads", "POST"),
        ("PUT", "/v1/returns/preview", "GET, HEAD, POST"),
        ("PATCH", "/livez", "GET, HEAD"),
    ],
)
async def test_methods_of_a_path(service: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    """A method that a path does not have is answered with all those it has, whichever routes they stand on."""
    response = await service.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allow)
    assert response.json()["code"] == "method-not-allowed"


async def test_body_of_unknown_length(service: httpx.AsyncClient) -> None:
    """A body that announces no length and turns out larger than 64 KiB is too large, not malformed."""

    async def pieces() -> AsyncIterator[bytes]:
        """Three times 30000 bytes."""
        for _ in range(3):
            yield b" " * 30_000

    headers = {"content-type": "application/json"}
    response = await service.post("/v1/brands/my-shop/sessions", content=pieces(), headers=headers)
    assert "content-length" not in response.request.headers
    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("announced", [str(64 * 1024 + 1), "9" * 5000])
async def test_body_announced_too_large(service: httpx.AsyncClient, announced: str) -> None:
    """A body announced with more than 64 KiB is too large, be the number beyond any that Python reads."""
    headers = {"content-type": "application/json", "content-length": announced}
    response = await service.post("/v1/brands/my-shop/sessions", headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


async def test_foreign_errors_are_left_to_the_last_net() -> None:
    """The handler for our errors lets any other error through, which then is an internal one."""
    app = app_with_problems()
    app.add_exception_handler(AttributeError, app.exception_handlers[BffError])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bff.example") as opened:
        response = await opened.get("/raise_it?name=NoSuchError")
    assert (response.status_code, response.json()["code"]) == (500, "internal-error")


async def test_an_unforeseen_error_is_answered_once(client: httpx.AsyncClient) -> None:
    """An error that nobody foresaw in a handler of FastAPI's is one whole problem document, without its text."""
    with capture_logs() as logged:
        response = await client.get("/raise_it?name=NoSuchError")
    assert (response.status_code, response.json()["code"]) == (500, "internal-error")
    (failed,) = (entry for entry in logged if entry["event"] == "failed")
    assert (failed["error"], failed["answer_cut"]) == ("AttributeError", False)
    assert "NoSuchError" not in f"{response.text}{failed}"


def test_described_answers() -> None:
    """A route's description lists the codes of each status, those of any call included, and the document they share."""
    described = responses(errors.SessionExpired, errors.SessionRequired, errors.RouteNotFound)
    assert {status: answer["description"] for status, answer in described.items()} == {
        401: "`session-expired` `session-required`",
        404: "`not-found`",
        413: "`body-too-large`",
        431: "`headers-too-large`",
        "default": "Any other problem.",
    }
    assert described[404]["content"][MEDIA_TYPE] == {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {"not-found": {"$ref": "#/components/examples/not-found"}},
    }
    assert described[401]["headers"].keys() == {"Content-Language", "Vary", "WWW-Authenticate"}


def test_links() -> None:
    """A link names the operation that goes on and where in the answer its parameters stand."""
    assert links("getReturn", return_id="$response.body#/id") == {
        "getReturn": {"operationId": "getReturn", "parameters": {"return_id": "$response.body#/id"}}
    }


def test_described_answers_are_in_the_table() -> None:
    """The API description names no code that the table does not have."""
    codes = {kind.code for kind in PROBLEM_TYPES.values()}
    described = [
        code
        for operations in OURS["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status >= "4" and status != "default"
        for code in re.findall(r"`([a-z-]+)`", answer["description"])
    ]
    assert {"Problem", "ProblemError", "NewReturn"} <= OURS["components"]["schemas"].keys()
    assert "parcel-not-found" in described
    assert set(described) <= codes
