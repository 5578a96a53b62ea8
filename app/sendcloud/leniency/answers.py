"""Reads answers as JSON, and leniently: only a member that a step needs can make it fail.

What cannot be read is taken away and the rest is read again: a member with a default counts as absent, an element of a
list is left out, and an object goes with a member that it needs. So the fields of `schemas` say it all.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from app.errors import BadUpstream
from app.telemetry.logs import log
from app.telemetry.metrics import MEMBERS_DROPPED

T = TypeVar("T")

MAX_JSON_BYTES = 1024 * 1024
MAX_SEARCH_BYTES = 8 * MAX_JSON_BYTES
"""For a search of service points, which the upstream answers whole: 2,500 points of one city take 1.7 MB."""
MAX_DIGITS = 400
"""Longer integers have no use here, and Python refuses those of thousands of digits."""
MAX_VALUES = 500_000
"""Commas of an answer: the points of the largest city have a fifth of that, and more would take seconds to read."""
_EMPTY_REFUSALS = frozenset({403, 404})

Path = tuple[str | int, ...]
"""The path of a value in an answer: names of members and indexes of lists."""


def read(adapter: TypeAdapter[T], body: bytes) -> T:
    """The model in a body. Raises `BadUpstream` if it is not JSON, or as `fitted` does."""
    return fitted(adapter, document(body))


def fitted(adapter: TypeAdapter[T], answer: object) -> T:
    """The model in parsed JSON, which is changed; dropped members are counted by name, and named in the log.

    Raises:
        BadUpstream: something needed is missing; it names the member and none of its text.
    """
    dropped = set[str]()
    while True:
        try:
            model = adapter.validate_python(answer)
        except ValidationError as error:
            wrong = {_misread(answer, each["loc"]) for each in _errors(error)}
            if () in wrong:
                # `from None`: the cause would carry the upstream's text into tracebacks.
                raise _unusable(error, dropped) from None
            # The deepest first, so that dropping one leaves the paths of the others valid.
            for path in sorted(wrong, key=len, reverse=True):
                _take_away(answer, path)
            for name, count in Counter(map(_named, wrong)).items():
                dropped.add(name)
                MEMBERS_DROPPED.labels(name).inc(count)
        else:
            if dropped:
                log.warning("members dropped", members=sorted(dropped))
            return model


def taken(member: str, said: object, usable: T | None) -> T | None:
    """What is usable of a member that models take as it comes; if it says something and nothing is, that is counted."""
    if usable is None and said not in (None, ""):
        MEMBERS_DROPPED.labels(member).inc()
        log.warning("members dropped", members=[member])
    return usable


def _errors(error: ValidationError) -> list[ErrorDetails]:
    # Without inputs, contexts and URLs: unused here, they cost more than the rest if thousands of elements are wrong.
    return error.errors(include_url=False, include_input=False, include_context=False)


def _misread(answer: object, place: Sequence[str | int]) -> Path:
    """The path of the value that could not be read, or of the object that lacks it."""
    path: Path = ()
    value = answer
    for key in place:
        value = _inside(value, key)
        if value is None:
            break
        path = (*path, key)
    return path


def _inside(value: object, key: str | int) -> object:
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) else None


def _take_away(answer: object, path: Path) -> None:
    *parents, key = path
    for each in parents:
        answer = _inside(answer, each)
    if isinstance(answer, dict):
        del answer[key]
    elif isinstance(answer, list) and isinstance(key, int):
        # Its index stays, so that the others keep theirs.
        answer[key] = None


def _named(path: Sequence[str | int]) -> str:
    """The path without indexes. Its names are those of `schemas`, because other members are ignored."""
    return "".join("[]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def _unusable(error: ValidationError, dropped: set[str]) -> BadUpstream:
    missing = _named(_errors(error)[0]["loc"])
    return BadUpstream(f"no usable {max([missing, *dropped], key=len) or 'answer'}")


def document(body: bytes) -> object:
    """The JSON in a body: bounded, and no member twice.

    Members that are null are left out, and so are NaN and the infinities, which Python's servers may write. A byte
    order mark is skipped, and bytes that are not UTF-8 are replaced: one odd text costs no whole answer.
    """
    if body.count(b",") > MAX_VALUES:
        raise BadUpstream("an answer of too many values")
    try:
        return _parsed(_text(body))
    except (ValueError, RecursionError):
        raise BadUpstream("an answer that is not JSON") from None


def _text(body: bytes) -> str:
    # The codec utf-8-sig is written in Python.
    return body.decode(errors="replace").removeprefix("\ufeff")


def _parsed(text: str) -> object:
    parsed: object = _DECODER.decode(text)
    if "\\u" not in text:
        return parsed
    # A string with half a surrogate pair cannot be sent on.
    whole = json.dumps(parsed, ensure_ascii=False).encode(errors="replace")
    return json.loads(whole, parse_int=_integer)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return _stated(pairs)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < MAX_DIGITS else math.inf


def _nothing(_name: str) -> None:
    """In place of NaN and the infinities."""


# One decoder for all answers; `json.loads` would make one for each.
_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_nothing, parse_int=_integer)


def refuses(status: int, body: bytes) -> bool:
    """Whether the body of a 4xx refuses a creation: any JSON object without `return`, `{}` included.

    The upstream documents an empty body only for 403 and 404 (docs/upstream.md).
    """
    if not body:
        return status in _EMPTY_REFUSALS
    said = odd_object(body)
    return said is not None and "return" not in said


def is_page(body: bytes) -> bool:
    """Whether a body is neither empty nor a JSON object, so that it is none of upstream's but a proxy's before it."""
    return bool(body) and odd_object(body) is None


def odd_object(body: bytes) -> dict[str, object] | None:
    """The JSON object in a body, even if it is not strictly JSON; None if it is no object."""
    try:
        parsed: object = json.loads(_text(body), object_pairs_hook=_stated, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _stated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {name: value for name, value in pairs if value is not None}
