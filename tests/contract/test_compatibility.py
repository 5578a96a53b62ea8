"""Version 1 stays what it was: docs/compatibility.md, held against openapi/released.json."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.descriptions import OURS

Json = dict[str, Any]
RELEASED: Json = json.loads(Path("openapi/released.json").read_text("utf-8"))


def breaks(released: Json, present: Json) -> Iterator[str]:
    """The places where a client of the released description can fail on the present one."""
    for path, operations in released["paths"].items():
        for method, before in operations.items():
            after = present["paths"].get(path, {}).get(method)
            if after is None or after["operationId"] != before["operationId"]:
                yield f"{method} {path} is gone"
            else:
                yield from _operation(f"{method} {path}", before, after)
    bodies = _bodies(released)
    for name, before in released["components"]["schemas"].items():
        after = present["components"]["schemas"].get(name)
        if after is None:
            yield f"{name} is gone"
        else:
            yield from _schema(name, before, after, is_sent=name in bodies)


def _bodies(described: Json) -> set[str]:
    """The schemas of everything that is sent: request models are closed, answers are open."""
    schemas = described["components"]["schemas"]
    return {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}


def _operation(place: str, before: Json, after: Json) -> Iterator[str]:
    if after["security"] != before["security"]:
        yield f"{place} wants other credentials"
    known = {(each["in"], each["name"]) for each in before.get("parameters", [])}
    for each in after.get("parameters", []):
        if each.get("required") and (each["in"], each["name"]) not in known:
            yield f"{place} requires {each['name']}"
    for status, answer in before["responses"].items():
        if status.startswith("2") and set(answer.get("content", {})) - set(
            after["responses"].get(status, {}).get("content", {})
        ):
            yield f"{place} has another answer {status}"


def _schema(name: str, before: Json, after: Json, *, is_sent: bool) -> Iterator[str]:
    required, was_required = set(after.get("required", [])), set(before.get("required", []))
    yield from (f"{name}.{each} is required now" for each in (required - was_required if is_sent else ()))
    yield from (f"{name}.{each} may be missing now" for each in (() if is_sent else was_required - required))
    for member, schema in before.get("properties", {}).items():
        if member not in after.get("properties", {}):
            yield f"{name}.{member} is gone"
        elif _shape(schema) != _shape(after["properties"][member]):
            yield f"{name}.{member} is of another type"
    if set(before.get("x-extensible-enum", [])) - set(after.get("x-extensible-enum", [])):
        yield f"{name} has lost a word"


def _shape(schema: Json) -> object:
    """The type of a member, without what only describes or bounds it."""
    kept = {key: schema[key] for key in ("type", "format", "$ref", "const", "enum") if key in schema}
    inner = [_shape(each) for each in schema.get("anyOf", [])]
    return (kept, inner, _shape(schema["items"]) if "items" in schema else None)


def test_nothing_breaks_a_released_client() -> None:
    """Every call, member and word of the last released description is still there, and no more is asked of a client."""
    assert list(breaks(RELEASED, OURS)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda present: present["paths"].pop("/v1/session"), "get /v1/session is gone"),
        (
            lambda present: present["components"]["schemas"]["Return"]["properties"].pop("state"),
            "Return.state is gone",
        ),
        (
            lambda present: present["components"]["schemas"]["NewReturn"]["required"].append("message"),
            "NewReturn.message is required now",
        ),
        (
            lambda present: present["components"]["schemas"]["Return"]["required"].remove("state"),
            "Return.state may be missing now",
        ),
        (
            lambda present: present["components"]["schemas"]["Reason"]["properties"]["id"].update(type="string"),
            "Reason.id is of another type",
        ),
        (
            lambda present: present["components"]["schemas"]["ReturnState"]["x-extensible-enum"].pop(),
            "ReturnState has lost a word",
        ),
    ],
)
def test_breaks_are_seen(change: Callable[[Json], object], told: str) -> None:
    """Each kind of change that the policy rules out is found."""
    present = copy.deepcopy(RELEASED)
    change(present)
    assert told in list(breaks(RELEASED, present))
