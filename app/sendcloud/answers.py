"""How the bodies of answers are read: strictly as JSON, leniently as models, and of URLs only what can do no harm."""

import json
from collections.abc import Sequence
from typing import TypeVar

from pydantic import StrictBool, TypeAdapter, ValidationError

from app.errors import BadUpstream
from app.sendcloud.schemas import (
    CreatedReturn,
    LabelAnnounced,
    LabelReady,
    LenientList,
    Outgoing,
    PortalSettings,
    ReturnAccepted,
    ServicePoint,
    Upload,
)
from app.sendcloud.tokens import customs_path, https_url, token_of

T = TypeVar("T")

MAX_JSON_BYTES = 1024 * 1024
_EMPTY_REFUSALS = frozenset({403, 404})

SETTINGS: TypeAdapter[PortalSettings] = TypeAdapter(PortalSettings)
OUTGOING: TypeAdapter[Outgoing] = TypeAdapter(Outgoing)
_STORED: TypeAdapter[list[Upload]] = TypeAdapter(list[Upload])
_ACCEPTED: TypeAdapter[ReturnAccepted] = TypeAdapter(ReturnAccepted)
_ANNOUNCED: TypeAdapter[LabelAnnounced] = TypeAdapter(LabelAnnounced)
SERVICE_POINTS: TypeAdapter[list[ServicePoint]] = TypeAdapter(LenientList[ServicePoint])
SERVICE_POINT: TypeAdapter[ServicePoint] = TypeAdapter(ServicePoint)
AVAILABILITY: TypeAdapter[bool] = TypeAdapter(StrictBool)


def read(adapter: TypeAdapter[T], body: bytes) -> T:
    """The model in a body. Raises `BadUpstream` with the place of the first misfit and none of its text."""
    return _validated(adapter, document(body))


def _validated(adapter: TypeAdapter[T], said: object) -> T:
    try:
        return adapter.validate_python(said)
    except ValidationError as error:
        where = error.errors()[0]
        # `from None`: the cause would carry the upstream's text into tracebacks.
        raise BadUpstream(f"{where['type']} at {'.'.join(map(str, where['loc']))}") from None


def document(body: bytes) -> object:
    """The JSON in a body, read strictly: UTF-8 without BOM, no NaN, no member twice, bounded size and depth."""
    if len(body) > MAX_JSON_BYTES:
        raise BadUpstream("an answer of more than 1 MiB")
    try:
        text = body.decode()
        parsed: object = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
        if "\\u" in text:
            # Half a surrogate pair is a string that nobody can send on.
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadUpstream("an answer that is not JSON") from None
    return parsed


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_constant(_name: str) -> None:
    raise ValueError


def uploaded(names: Sequence[str], body: bytes) -> list[Upload]:
    """The answer to E3 in the order in which the fields were sent, whatever order it came in."""
    stored = {upload.name: upload for upload in read(_STORED, body)}
    if not stored.keys() >= set(names):
        raise BadUpstream("a file that was sent and not stored")
    return [stored[name] for name in names]


def created(panel_url: str, brand: str, body: bytes) -> CreatedReturn:
    """The answer to E4. An integer `return` makes it an acceptance, whatever the other members are like."""
    accepted = _validated(_ACCEPTED, _object(body))
    try:
        poller_token = token_of(accepted.poller_url, panel_url, brand, "polling")
    except BadUpstream:
        poller_token = None
    return CreatedReturn(
        return_id=accepted.return_id,
        incoming_parcels=accepted.incoming_parcels or [],
        poller_token=poller_token,
        poller_is_foreign=poller_token is None and accepted.poller_url not in (None, ""),
        payment_url=https_url(accepted.payment_url),
    )


def refuses(status: int, body: bytes) -> bool:
    """Whether the body of a 4xx says no to a creation: any JSON object without `return`, `{}` included.

    Upstream documents an empty body for 403 and 404 alone (docs/upstream.md).
    """
    if not body:
        return status in _EMPTY_REFUSALS
    said = _object(body)
    return said is not None and "return" not in said


def _object(body: bytes) -> dict[str, object] | None:
    """The JSON object in a body, odd members included; None if it is something else."""
    try:
        parsed: object = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def label(panel_url: str, brand: str, body: bytes) -> LabelReady:
    """The 200 answer to E5."""
    announced = read(_ANNOUNCED, body)
    return LabelReady(
        download_token=token_of(announced.download_url, panel_url, brand, "download"),
        return_id=announced.return_id,
        parcels=announced.parcels,
        tracking_numbers=announced.tracking_numbers,
        customs_path=customs_path(announced.customs_declaration_url, panel_url, brand),
    )
