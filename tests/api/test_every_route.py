"""What every route refuses alike, taken from the app's own list of routes: always a problem document."""

import httpx
import pytest
from fastapi.routing import APIRoute

from app import main
from app.http.exchange import MAX_BODY_BYTES, MAX_HEADER_BYTES
from app.models.problems import Problem
from app.uploads.multipart import MAX_BYTES
from app.uploads.routes import PATH as UPLOADS
from tests.support.descriptions import OURS
from tests.support.processes import Bff, fresh
from tests.support.raw_client import request
from tests.support.shopper import key, look_up, shopper

ROUTES = [
    (method, route.path.format(brand="demo", return_id="rtn_none", code="no-label", service_point_id=1))
    for route in main.api().routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
WITHOUT_BODY = ("/resend", "/rtn_none/erase", "/upstream-events")
"""Calls that take no body, or one of which nothing is read before its signature."""
OPERATIONS = {each["operationId"]: each for methods in OURS["paths"].values() for each in methods.values()}
ON_EVERY_ANSWER = {"cache-control", "content-length", "content-type", "date", "vary", "x-content-type-options"}
POSTS = [path for method, path in ROUTES if method == "POST" and not path.endswith(WITHOUT_BODY)]


def check_problem(response: httpx.Response, status: int, code: str) -> None:
    """It is this problem, and a whole document."""
    problem = Problem.model_validate_json(response.content, strict=True)
    assert (response.status_code, problem.status, problem.code) == (status, status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem.request_id == response.headers["x-request-id"]


def test_the_list_is_whole() -> None:
    """The table has every call of the description, and the calls outside it."""
    described = {(method.upper(), path) for path, methods in OURS["paths"].items() for method in methods}
    assert len(ROUTES) == len(set(ROUTES)) >= len(described) + 1
    assert ("GET", "/metrics") in ROUTES


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_another_method(bff: Bff, method: str, path: str) -> None:
    """A method that no route of the path has is refused with a list of those it has."""
    response = await bff.http.patch(path)
    check_problem(response, 405, "method-not-allowed")
    assert method in response.headers["allow"].split(", ")


async def test_another_method_for_a_file(bff: Bff) -> None:
    """A file of the description's page has GET and HEAD."""
    response = await bff.http.post("/docs/files/swagger-ui.css")
    check_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_large_headers(bff: Bff, method: str, path: str) -> None:
    """More than 32 KiB of header fields are refused."""
    response = await bff.http.request(method, path, headers={"X-Padding": "x" * MAX_HEADER_BYTES})
    check_problem(response, 431, "headers-too-large")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_large_bodies(bff: Bff, method: str, path: str) -> None:
    """A body that is announced with more bytes than the call takes is refused before it comes."""
    limit = MAX_BYTES if path == UPLOADS else MAX_BODY_BYTES
    reader, writer = await request(bff.port, path, {"Content-Length": str(limit + 1)}, method=method)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    fields = [line.partition(b": ")[::2] for line in head.split(b"\r\n")[1:]]
    check_problem(httpx.Response(int(head.split()[1]), headers=fields, content=body), 413, "body-too-large")


@pytest.mark.parametrize("path", POSTS)
async def test_other_media_types(bff: Bff, path: str) -> None:
    """A body of another media type is refused, whatever its content."""
    someone = await shopper(bff.http, fresh("LABEL"))
    headers = someone.headers | {"Content-Type": "text/plain", "Idempotency-Key": key()}
    check_problem(await bff.http.post(path, content=b"{}", headers=headers), 415, "unsupported-media-type")


@pytest.mark.parametrize("path", POSTS)
async def test_malformed_bodies(bff: Bff, path: str) -> None:
    """A body of the right media type that cannot be read is malformed."""
    someone = await shopper(bff.http, fresh("LABEL"))
    media_type = "multipart/form-data; boundary=x" if path == UPLOADS else "application/json"
    headers = someone.headers | {"Content-Type": media_type, "Idempotency-Key": key()}
    check_problem(await bff.http.post(path, content=b"{", headers=headers), 400, "malformed-request")


def undeclared(operation_id: str, answer: httpx.Response) -> set[str]:
    """The headers of this answer that the description does not name for its status."""
    declared = OPERATIONS[operation_id]["responses"][str(answer.status_code)]["headers"]
    return {*answer.headers} - ON_EVERY_ANSWER - {name.lower() for name in declared}


@pytest.mark.parametrize("prefix", ["LABEL", "WINDOW", "LOOKUPHTML", "LOOKUP429"])
async def test_headers_of_lookups_are_declared(bff: Bff, prefix: str) -> None:
    """The answer to a lookup, found or refused, has no header that the description does not name."""
    assert undeclared("createSession", await look_up(bff.http, fresh(prefix))) == set()


@pytest.mark.parametrize("prefix", ["PAID", "REFUSE", "CREATE429", "UNSHIPPED", "CREATEFIN"])
async def test_headers_of_creations_are_declared(bff: Bff, prefix: str) -> None:
    """The answer to a creation, accepted or refused, has no header that the description does not name."""
    someone = await shopper(bff.http, fresh(prefix))
    assert undeclared("createReturn", await someone.create()) == set()


async def test_headers_of_refused_keys_are_declared(bff: Bff) -> None:
    """A shop's call with an unknown key is answered with no header that the description does not name."""
    refused = await bff.http.get("/v1/shops/demo/dead-events", headers={"X-Partner-Key": "unknown"})
    assert (refused.status_code, undeclared("getDeadEvents", refused)) == (403, set())
