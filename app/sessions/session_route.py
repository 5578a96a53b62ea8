"""A way to a handler without FastAPI's solving of dependencies, for what is asked for all the time."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response
from typing_extensions import override

from app.sessions.dependencies import live_session


class SessionRoute(APIRoute):
    """A route whose handler takes the request, the session, and plain parameters of path and headers; nothing else.

    FastAPI describes it by its signature like any other.
    """

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        wanted = self.dependant

        async def handle(request: Request) -> Response:
            session = await live_session(request)
            path, wrong_path = request_params_to_args(wanted.path_params, request.path_params)
            headers, wrong_headers = request_params_to_args(wanted.header_params, request.headers)
            if wrong_path or wrong_headers:
                raise RequestValidationError([*wrong_path, *wrong_headers])
            answer: Response = await self.endpoint(request=request, session=session, **path, **headers)
            return answer

        return handle
