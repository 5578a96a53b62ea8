"""Routes that FastAPI describes and does not solve."""

import pytest
from fastapi.routing import APIRoute

from app.main import api
from app.sessions.dependencies import live_session
from app.sessions.session_route import SessionRoute

ROUTES = [route for route in api().routes if isinstance(route, APIRoute)]
HOT = [route for route in ROUTES if isinstance(route, SessionRoute)]


@pytest.mark.parametrize("route", HOT, ids=lambda route: route.path)
def test_nothing_is_left_unsolved(route: SessionRoute) -> None:
    """A handler of such a route asks for the request, the session, and parameters of path and headers: for no more."""
    wanted = route.dependant
    assert wanted.request_param_name == "request"
    assert [(each.name, each.call) for each in wanted.dependencies] == [("session", live_session)]
    assert (wanted.query_params, wanted.cookie_params, wanted.body_params) == ([], [], [])


def test_they_are_matched_first() -> None:
    """What is asked for most stands before all others, for paths are compared one after the other."""
    assert ROUTES[:3] == HOT
