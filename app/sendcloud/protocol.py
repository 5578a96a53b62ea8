"""The protocol of both upstream APIs without I/O: requests out, answers in (docs/upstream.md)."""

import json
import re
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from typing import Generic, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from app.domain import OpenedOrder, ReturnRequest, ServicePoint, ServicePointQuery, ShopSettings
from app.errors import (
    BadUpstream,
    BffError,
    BrandNotFound,
    NotReturnableNow,
    ParcelNotFound,
    ServicePointNotFound,
    UpstreamError,
    UpstreamGone,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.made_returns import AcceptedReturn, LabelFailed, LabelPending, LabelStatus
from app.sendcloud import schemas, translation
from app.sendcloud.leniency import answers
from app.sendcloud.leniency.answers import MAX_JSON_BYTES, MAX_SEARCH_BYTES
from app.sendcloud.leniency.tokens import portal_url
from app.upstream import Picture

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Method = Literal["GET", "POST"]

MAX_RETRY_AFTER = 60
"""Seconds; a longer wait that the upstream asks for is cut to this."""
RETRY_AFTER_WITHOUT_ADVICE = 5
"""Seconds after a 429 that names none; the upstream documents no Retry-After (docs/upstream.md C10)."""


class Call(StrEnum):
    """The upstream calls, by what they ask for."""

    SETTINGS = "settings"
    OUTGOING = "outgoing"
    UPLOADS = "uploads"
    INCOMING = "incoming"
    POLLING = "polling"
    DOWNLOAD = "download"
    CUSTOMS = "customs"
    SERVICE_POINTS = "service_points"
    SERVICE_POINT = "service_point"
    SERVICE_POINT_CARRIERS = "service_point_carriers"
    AVAILABILITY = "availability"


SERVICE_POINT_CALLS = frozenset(
    {Call.SERVICE_POINTS, Call.SERVICE_POINT, Call.SERVICE_POINT_CARRIERS, Call.AVAILABILITY}
)


@dataclass(frozen=True)
class Request(Generic[T_co]):
    """One call, ready to be sent, and a reader for each status that is an answer rather than a refusal."""

    call: Call
    method: Method
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | AsyncIterable[bytes] | None = field(repr=False, default=None)
    answers: Mapping[int, Callable[[bytes], T_co]] = field(repr=False, default_factory=dict)
    brand: str = field(repr=False, kw_only=True)
    """The shop that the call is for: its failures say nothing about other shops."""
    failure_key: str = field(repr=False, kw_only=True)
    """The object of the call: repeated failures about one object say nothing about others."""
    max_bytes: int = field(repr=False, default=MAX_JSON_BYTES, kw_only=True)
    """The largest answer, unless it is streamed."""


# Requests

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a compressed answer could be any size once unpacked
    "User-Agent": "return-portal-bff",
}
_DOCUMENT_HEADERS = _HEADERS | {"Accept": "application/pdf"}


def settings(panel_url: str, brand: str, language: str | None = None) -> Request[ShopSettings]:
    """E1. `language` is a tag like `en-GB` (docs/upstream.md C15)."""
    url = portal_url(panel_url, brand) + (f"?{urlencode({'language': language})}" if language else "")
    return Request(
        Call.SETTINGS,
        "GET",
        url,
        _HEADERS,
        answers={200: partial(translation.settings, brand)},
        brand=brand,
        failure_key=brand,
    )


def outgoing(panel_url: str, brand: str, identifier: str, postal_code: str) -> Request[OpenedOrder]:
    """E2. `identifier` is a tracking number or an order number."""
    query = urlencode({"postal_code": postal_code, "identifier": identifier}, quote_via=quote)
    url = f"{portal_url(panel_url, brand)}/outgoing?{query}"
    return Request(
        Call.OUTGOING,
        "GET",
        url,
        _HEADERS,
        answers={200: translation.opened_order},
        brand=brand,
        failure_key=identifier,
    )


def uploads(panel_url: str, brand: str, access_token: str, pictures: Sequence[Picture]) -> Request[list[str]]:
    """E3. The answer has the pictures' order; any 2xx is one, because the status 201 is inferred.

    Field names are free (documented), so we make them: no text of the shopper gets into the framing.
    """
    boundary = secrets.token_hex(16)
    names = [f"photo-{number}" for number in range(len(pictures))]
    parts = [(_head(boundary, name, each.media_type), each) for name, each in zip(names, pictures, strict=True)]
    end = f"--{boundary}--\r\n".encode()
    length = sum(len(head) + picture.size + len(_LINE) for head, picture in parts)
    return Request(
        Call.UPLOADS,
        "POST",
        f"{portal_url(panel_url, brand)}/uploads",
        _HEADERS
        | {
            "Authorization": f"Bearer {access_token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(length + len(end)),
        },
        _form(parts, end),
        dict.fromkeys(range(200, 300), partial(translation.uploaded, names)),
        brand=brand,
        failure_key=access_token,
    )


_LINE = b"\r\n"


def _head(boundary: str, name: str, media_type: str) -> bytes:
    disposition = f'form-data; name="{name}"; filename="{name}.{media_type.removeprefix("image/")}"'
    return f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n\r\n".encode()


async def _form(parts: Sequence[tuple[bytes, Picture]], end: bytes) -> AsyncIterator[bytes]:
    for head, picture in parts:
        yield head
        async for chunk in picture.content:
            yield chunk
        yield _LINE
    yield end


def incoming(
    panel_url: str, brand: str, access_token: str, request: ReturnRequest, public_url: str = ""
) -> Request[AcceptedReturn]:
    """E4, the one call that must not be repeated. The status is inferred to be 200, so any 2xx is an answer."""
    return Request(
        Call.INCOMING,
        "POST",
        f"{portal_url(panel_url, brand)}/incoming",
        _HEADERS | {"Authorization": f"Bearer {access_token}", "Content-Type": "application/json"},
        _body(translation.new_return(request)),
        dict.fromkeys(range(200, 300), partial(translation.accepted, panel_url, public_url, brand)),
        brand=brand,
        failure_key=str(request.parcel_id),
    )


def _body(new_return: schemas.NewReturn) -> bytes:
    """The body of E4 without what is not stated; only `reason` may be null, as clients send it."""
    stated = new_return.model_dump(mode="json", exclude_none=True)
    return json.dumps({"reason": None} | stated, ensure_ascii=False).encode()


def polling(panel_url: str, brand: str, token: str, public_url: str = "") -> Request[LabelStatus]:
    """E5. 500 is an answer here: the announcement failed (documented)."""
    return Request(
        Call.POLLING,
        "GET",
        f"{portal_url(panel_url, brand)}/label/polling?token={quote_plus(token)}",
        _HEADERS,
        answers={
            200: partial(translation.label, panel_url, public_url, brand),
            202: lambda _: LabelPending(),
            500: lambda _: LabelFailed(),
        },
        brand=brand,
        failure_key=token,
    )


def download(panel_url: str, brand: str, token: str) -> Request[None]:
    """E6. The answer is streamed, never decoded."""
    url = f"{portal_url(panel_url, brand)}/label/download?token={quote_plus(token)}"
    return Request(Call.DOWNLOAD, "GET", url, _DOCUMENT_HEADERS, brand=brand, failure_key=token)


def customs(panel_url: str, brand: str, path: str) -> Request[None]:
    """The customs declaration at a path that `customs_path` accepted; streamed as well."""
    return Request(Call.CUSTOMS, "GET", panel_url + path, _DOCUMENT_HEADERS, brand=brand, failure_key=path)


def service_points(
    base_url: str, brand: str, token: str, query: ServicePointQuery, carriers: Sequence[str] = ()
) -> Request[list[ServicePoint]]:
    """S1, of all carriers unless some are named. The token goes into the query, as the Return Portal's guide says."""
    asked = {
        "country": query.country,
        "latitude": None if query.latitude is None else f"{query.latitude:.6f}",
        "longitude": None if query.longitude is None else f"{query.longitude:.6f}",
        "radius": query.radius,
        "weight": query.weight,
        "carrier": ",".join(carriers) or None,
        "access_token": token,
    }
    url = f"{base_url}/service-points?{urlencode({name: value for name, value in asked.items() if value is not None})}"
    return Request(
        Call.SERVICE_POINTS,
        "GET",
        url,
        _HEADERS,
        answers={200: translation.service_points},
        brand=brand,
        failure_key=token,
        max_bytes=MAX_SEARCH_BYTES,
    )


def service_point_carriers(base_url: str, brand: str, token: str) -> Request[list[str]]:
    """S4."""
    url = f"{base_url}/carriers?access_token={quote_plus(token)}"
    named = {200: translation.carriers}
    return Request(Call.SERVICE_POINT_CARRIERS, "GET", url, _HEADERS, answers=named, brand=brand, failure_key=token)


def service_point(base_url: str, brand: str, token: str, service_point_id: int) -> Request[ServicePoint]:
    """S2."""
    url = f"{base_url}/service-points/{service_point_id}?access_token={quote_plus(token)}"
    found = {200: translation.service_point}
    return Request(
        Call.SERVICE_POINT, "GET", url, _HEADERS, answers=found, brand=brand, failure_key=str(service_point_id)
    )


def availability(base_url: str, brand: str, token: str, service_point_id: int) -> Request[bool]:
    """S3. The answer is a bare boolean."""
    url = f"{base_url}/service-points/{service_point_id}/check-availability?access_token={quote_plus(token)}"
    found = {200: translation.available}
    return Request(
        Call.AVAILABILITY, "GET", url, _HEADERS, answers=found, brand=brand, failure_key=str(service_point_id)
    )


def with_token_in_header(request: Request[T]) -> Request[T]:
    """A call about service points whose token goes in a header, so that no URL holds it (documented, untried)."""
    url, _, query = request.url.partition("?")
    asked = dict(parse_qsl(query))
    headers = {**request.headers, "Authorization": f"AccessToken {asked.pop('access_token')}"}
    return replace(request, url=f"{url}?{urlencode(asked)}" if asked else url, headers=headers)


# Answers


def decode(request: Request[T], status: int, headers: Mapping[str, str], body: bytes) -> T:
    """The upstream's answer. Raises the error that the table of refusals names, `BadUpstream` for nonsense.

    `headers` has lower-case names or ignores case.
    """
    answer = request.answers.get(status)
    if answer is None:
        raise refusal(request.call, status, headers, body)
    return answer(body)


class _Refusal(NamedTuple):
    calls: frozenset[Call]
    statuses: Container[int]
    code: str | None
    error: type[BffError]

    def fits(self, call: Call, status: int, code: str | None, *, is_page: bool) -> bool:
        """Whether the row is about this answer; the page of a proxy gives no verdict."""
        is_said = not (is_page and self.error in _VERDICTS)
        return is_said and call in self.calls and status in self.statuses and self.code in {None, code}


TRANSIENT_STATUSES = frozenset({502, 503, 504})
"""Statuses that a gateway answers while the upstream is away."""
NO_VERDICT = frozenset({408, 409, 423, 424, 425, 499})
"""Statuses that do not tell whether a creation was carried out: it timed out, or it conflicted with itself."""
_VERDICTS = frozenset({ParcelNotFound, NotReturnableNow, BrandNotFound, ServicePointNotFound})
"""What only the upstream can say: the page of a proxy before it says nothing about an order, a shop or a point."""
_ALL = frozenset(Call)
_WITHOUT_TOKEN = frozenset({Call.SETTINGS, Call.OUTGOING})
_LOOKUP = frozenset({Call.OUTGOING})
_BUSINESS = frozenset({400, 409, 410, 422})
"""Statuses of a lookup that refuse the order, for the reason that the code tells."""
_CREATION = frozenset({Call.INCOMING})
_ONE_POINT = frozenset({Call.SERVICE_POINT, Call.AVAILABILITY})

# The first row that fits decides, so the most specific stand first.
_REFUSALS = (
    _Refusal(_LOOKUP, _BUSINESS, "order_not_found", ParcelNotFound),
    _Refusal(_LOOKUP, _BUSINESS, "invalid_postal_code", ParcelNotFound),
    _Refusal(_LOOKUP, {404}, None, ParcelNotFound),
    _Refusal(_LOOKUP, _BUSINESS, None, NotReturnableNow),
    _Refusal(frozenset({Call.SETTINGS}), range(404, 405), None, BrandNotFound),
    _Refusal(_ONE_POINT, {404, 410}, None, ServicePointNotFound),
    _Refusal(_WITHOUT_TOKEN, range(401, 402), None, BadUpstream),
    _Refusal(_WITHOUT_TOKEN, range(403, 404), None, BadUpstream),
    _Refusal(_ALL, range(401, 402), None, UpstreamUnauthorized),
    _Refusal(_ALL, range(429, 430), None, UpstreamUnavailable),
    _Refusal(_CREATION, NO_VERDICT, None, BadUpstream),
    _Refusal(_ALL, {403, 404, 410}, None, UpstreamGone),
    _Refusal(_ALL, range(400, 500), None, UpstreamRejected),
    _Refusal(_ALL, range(1000), None, BadUpstream),
)


def refusal(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> BffError:
    """The error for a status that is no answer to this call; of the body only an error code is read.

    A creation counts as refused only if its body says so, too: behind a proxy's page, the upstream may have made it.
    """
    code, is_page = _error_code(body), answers.is_page(body)
    row = next(row for row in _REFUSALS if row.fits(call, status, code, is_page=is_page))
    if call is Call.INCOMING and issubclass(row.error, UpstreamRejected) and not answers.refuses(status, body):
        return BadUpstream(f"{call} answered {status} without a refusal")
    retry_after = _retry_after(headers) if row.error is UpstreamUnavailable else None
    error = row.error(f"{call} answered {status} ({code or 'no code'})", retry_after=retry_after)
    if isinstance(error, UpstreamError):
        error.transient = status in TRANSIENT_STATUSES
    return error


def _error_code(body: bytes) -> str | None:
    """The code of any of the error envelopes (openapi/sendcloud.yaml), if it is a slug or an integer."""
    try:
        envelope = answers.document(body)
    except BadUpstream:
        return None
    match envelope:
        case {"error": {"code": str() | int() as code}} | {"errors": [{"code": str() | int() as code}, *_]}:
            return str(code) if re.fullmatch(r"[a-z0-9_]{1,64}", str(code)) else None
        case _:
            return None


def _retry_after(headers: Mapping[str, str]) -> int:
    """Seconds to wait; a date is compared with the upstream's own clock. Undocumented (docs/upstream.md C10)."""
    value = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(int(value), MAX_RETRY_AFTER) or RETRY_AFTER_WITHOUT_ADVICE
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return RETRY_AFTER_WITHOUT_ADVICE
    return max(0, min(int(seconds), MAX_RETRY_AFTER)) or RETRY_AFTER_WITHOUT_ADVICE
