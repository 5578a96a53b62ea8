"""Routes without FastAPI's dependency resolution, for the most frequent calls."""

import inspect
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from fastapi import Request, params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp


class _Parameter(NamedTuple):
    """A plain parameter of the path, the query or a header, and its validator."""

    name: str
    place: str
    alias: str
    type: TypeAdapter[object]
    is_required: bool


class HotRoute(APIRoute):
    """A route that `HotRoutes` calls itself; FastAPI describes it by its signature like any other.

    Its handler takes the request, dependencies that take the request alone, and plain parameters of path, query and
    headers; nothing else.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401  FastAPI's own
        super().__init__(path, endpoint, **options)
        self._pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        self._dependencies: dict[str, Callable[[Request], Any]] = {}
        self._parameters: list[_Parameter] = []
        for parameter in inspect.signature(endpoint).parameters.values():
            if parameter.annotation is not Request:
                self._add(parameter)

    def _add(self, parameter: inspect.Parameter) -> None:
        notes = get_args(parameter.annotation)[1:]
        depends = next((note for note in notes if isinstance(note, params.Depends)), None)
        if depends and depends.dependency:
            self._dependencies[parameter.name] = depends.dependency
            return
        declared = next((note for note in notes if isinstance(note, params.Param)), None)
        place = declared.in_.value if declared else "path"
        name = parameter.name.replace("_", "-") if place == "header" else parameter.name
        required = parameter.default is parameter.empty
        self._parameters.append(
            _Parameter(parameter.name, place, name, TypeAdapter(parameter.annotation), is_required=required)
        )

    def path_params(self, path: str) -> dict[str, str] | None:
        """The parameters of a path of this route, None for any other path."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None

    async def answer(self, request: Request) -> ASGIApp:
        """The handler's answer, a response or what makes one later; dependencies come first.

        Raises:
            RequestValidationError: a parameter is not as declared.
        """
        arguments = {name: await depends(request) for name, depends in self._dependencies.items()}
        answer: ASGIApp = await self.endpoint(request=request, **arguments, **self._read(request))
        return answer

    def _read(self, request: Request) -> dict[str, object]:
        values: dict[str, object] = {}
        wrong: list[object] = []
        for each in self._parameters:
            text = _TEXTS[each.place](request, each.alias)
            if text is None and not each.is_required:
                continue
            try:
                values[each.name] = each.type.validate_python(text)
            except ValidationError as error:
                wrong += [{**found, "loc": (each.place, each.alias, *found["loc"])} for found in error.errors()]
        if wrong:
            raise RequestValidationError(wrong)
        return values


def _in_path(request: Request, name: str) -> str | None:
    text: str | None = request.scope["path_params"].get(name)
    return text


def _in_query(request: Request, name: str) -> str | None:
    return request.query_params.get(name) if request.scope["query_string"] else None


def _in_headers(request: Request, name: str) -> str | None:
    # All fields of this name are one (RFC 9110, section 5.3).
    wanted = name.encode()
    found = [value for field, value in request.scope["headers"] if field == wanted]
    return b", ".join(found).decode("latin-1") if found else None


_TEXTS: Mapping[str, Callable[[Request, str], str | None]] = MappingProxyType(
    {"path": _in_path, "query": _in_query, "header": _in_headers}
)
