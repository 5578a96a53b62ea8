"""Routes that FastAPI describes and does not call."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.responses import JSONResponse, Response

from app.errors import NoLabel
from app.http.answers.problems import handle_errors, problem_response
from app.http.hot_route import HotRoute
from app.http.load_shedding import Load
from app.http.middleware import Admission, Exchanges, HotRoutes
from app.main import api
from app.sessions.dependencies import end_session

ROUTES = [route for route in api().routes if isinstance(route, APIRoute)]
HOT = [route for route in ROUTES if isinstance(route, HotRoute)]


async def caller(request: Request) -> str:
    """Who asks, as the request says."""
    return request.headers.get("x-caller", "nobody")


async def show(
    request: Request,
    number: Annotated[int, Field(ge=1, le=9)],
    known: Annotated[str, Depends(caller)],
    size: Annotated[int, Query(ge=10)] = 10,
    x_colour: Annotated[str, Header(max_length=5)] = "red",
) -> Response:
    """Answers what it was called with; the ninth has no label."""
    if number == 9:
        raise NoLabel
    return JSONResponse([request.method, number, known, size, x_colour])


async def show_cold(number: int) -> list[int]:
    """Answers what it was called with."""
    return [number]


def small_app(route_class: type[APIRoute]) -> FastAPI:
    """An application with one route of this class and one that is never hot."""
    router = APIRouter(route_class=route_class)
    router.get("/things/{number}")(show)
    app = FastAPI(openapi_url=None, telemetry={"tracing": False})
    app.router.routes.extend(router.routes)
    app.get("/cold/{number}")(show_cold)
    render, load = problem_response(""), Load(1, 0.25)
    hot = [route for route in app.routes if isinstance(route, HotRoute)]
    app.add_middleware(HotRoutes, routes=hot, answer_error=handle_errors(app, render, end_session))
    app.add_middleware(Admission, load=load, problem=render)
    app.add_middleware(Exchanges, load=load)
    return app


@pytest.fixture(name="clients")
async def _clients() -> AsyncIterator[list[httpx.AsyncClient]]:
    transports = [httpx.ASGITransport(small_app(kind)) for kind in (HotRoute, APIRoute)]
    async with (
        httpx.AsyncClient(transport=transports[0], base_url="http://bff.example") as hot,
        httpx.AsyncClient(transport=transports[1], base_url="http://bff.example") as cold,
    ):
        yield [hot, cold]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/things/3", {}),
        ("/things/3?size=12", {"x-caller": "someone", "x-colour": "blue"}),
        ("/things/3?size=12&size=13", {"x-colour": "blue"}),
        ("/things/3?size=&size=11", {}),
        ("/things/3?size=", {}),
        ("/things/0", {}),
        ("/things/ten?size=9", {"x-colour": "turquoise"}),
        ("/things/%33", {}),
        ("/things/9", {}),
        ("/things/", {}),
        ("/cold/3", {}),
        ("/cold/x", {}),
    ],
    ids=str,
)
async def test_a_hot_route_answers_as_fastapi_would(
    clients: list[httpx.AsyncClient], path: str, headers: dict[str, str], method: str
) -> None:
    """For any request, status, body and media type are those of FastAPI's own routing."""
    hot, cold = [
        await each.request(method, path, headers=[("x-request-id", "a-request"), *httpx.Headers(headers).multi_items()])
        for each in clients
    ]
    assert (hot.status_code, hot.text) == (cold.status_code, cold.text)
    assert hot.headers == cold.headers


async def test_several_fields_of_one_name(clients: list[httpx.AsyncClient]) -> None:
    """A header that comes in several fields is read as their list, as RFC 9110 has it."""
    answer = await clients[0].get("/things/3", headers=[("x-colour", "a"), ("x-colour", "b")])
    assert answer.json()[-1] == "a, b"


async def test_head_is_get(clients: list[httpx.AsyncClient]) -> None:
    """The handler of a hot route is called with GET for a HEAD request too."""
    answer = await clients[0].head("/things/3")
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len('["GET",3,"nobody",10,"red"]'))


def test_they_are_matched_first() -> None:
    """The routes that are asked for most stand before all others in the description."""
    assert HOT
    assert ROUTES[: len(HOT)] == HOT
