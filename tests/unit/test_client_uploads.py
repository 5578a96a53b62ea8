"""Pictures on their way up, without a network: the form that is sent, and what becomes of every answer."""

import json
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from typing import Any

import httpx
import pytest
from typing_extensions import override

from app.errors import BadUpstream, UpstreamError, UpstreamGone, UpstreamRejected, UpstreamTimeout, UpstreamUnauthorized
from app.errors import UpstreamUnavailable as Unavailable
from app.sendcloud.client import Sendcloud
from app.sendcloud.transport.httpx_transport import HttpxTransport
from app.upstream import Picture
from tests.support.unlimited import unlimited

BACK_AND_FRONT = [
    {"filename": f"{name}.webp", "name": name, "path": f"https://cdn.example/{name}.webp"}
    for name in ("photo-1", "photo-0")
]


class Creates(httpx.AsyncBaseTransport):
    """A transport for creations that keeps the forms it was given, and answers or fails."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        await request.aread()
        return self._answer


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    """The content of a file as it is read."""
    for piece in data:
        yield piece


async def upload(creates: Creates) -> list[str]:
    """Two pictures stored over this transport; a call over the transport of reads fails."""
    reads = httpx.MockTransport(lambda _: httpx.Response(500))
    client = Sendcloud(
        "https://p.example",
        "https://s.example",
        reads=HttpxTransport(reads),
        creates=HttpxTransport(creates),
        guards=unlimited(),
    )
    pictures = [Picture("image/png", 6, pieces(b"abc", b"def")), Picture("image/heic", 4, pieces(b"\r\n--"))]
    return await client.upload("my-shop", "access", pictures)


def answer(status: int, body: Any = None, **headers: str) -> Creates:
    """A transport that answers with this."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Creates(httpx.Response(status, content=json.dumps(body), headers=named))


def parts(request: httpx.Request) -> list[Message]:
    """The parts of a form, as another parser reads them."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    form = message_from_bytes(head + request.content, policy=HTTP)
    return [part for part in form.walk() if not part.is_multipart()]


async def test_pictures_go_up_in_one_form() -> None:
    """Each has a field and a file name of our own and its media type; the length is announced."""
    creates = answer(201, BACK_AND_FRONT)
    await upload(creates)
    [request] = creates.requests
    assert (request.method, request.url.path) == ("POST", "/brand/my-shop/return-portal/uploads")
    assert request.headers["Authorization"] == "Bearer access"
    assert int(request.headers["Content-Length"]) == len(request.content)
    assert "Transfer-Encoding" not in request.headers
    assert [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_content_type())
        for part in parts(request)
    ] == [("photo-0", "photo-0.png", "image/png"), ("photo-1", "photo-1.heic", "image/heic")]
    assert [part.get_payload(decode=True) for part in parts(request)] == [b"abcdef", b"\r\n--"]


async def test_no_two_forms_have_the_same_boundary() -> None:
    """The boundary is random, so that no picture can contain it."""
    both = [answer(201, BACK_AND_FRONT) for _ in range(2)]
    for creates in both:
        await upload(creates)
    assert len({creates.requests[0].headers["Content-Type"] for creates in both}) == 2


async def test_files_come_in_the_order_of_the_pictures() -> None:
    """File names come in the order of the pictures, by field names, in any order of the answer."""
    assert await upload(answer(201, BACK_AND_FRONT)) == ["photo-0.webp", "photo-1.webp"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"code": "invalid_upload"}}, UpstreamRejected),
        (413, None, UpstreamRejected),
        (401, None, UpstreamUnauthorized),
        (403, None, UpstreamGone),
        (429, None, Unavailable),
        (500, None, BadUpstream),
        (302, None, BadUpstream),
        (201, None, BadUpstream),
        (201, [], BadUpstream),
        (201, BACK_AND_FRONT[:1], BadUpstream),
        (201, [BACK_AND_FRONT[0], {"name": "photo-0"}], BadUpstream),
        (201, [BACK_AND_FRONT[0], BACK_AND_FRONT[1] | {"filename": ""}], BadUpstream),
        (201, [BACK_AND_FRONT[0], BACK_AND_FRONT[1] | {"filename": "x" * 1025}], BadUpstream),
    ],
)
async def test_answers_that_are_none(status: int, body: Any, error: type[UpstreamError]) -> None:
    """Refused, or nonsense: every picture has to have a file name of sensible length."""
    with pytest.raises(UpstreamError) as caught:
        await upload(answer(status, body))
    assert caught.type is error


async def test_a_busy_upstream_says_when() -> None:
    """The Retry-After of a busy upstream is passed on."""
    with pytest.raises(Unavailable) as caught:
        await upload(answer(429, retry_after="7"))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.ReadTimeout(""), UpstreamTimeout),
        (httpx.WriteError(""), BadUpstream),
        (httpx.RemoteProtocolError(""), BadUpstream),
    ],
    ids=repr,
)
async def test_a_failed_upload_is_not_repeated(failure: Exception, error: type[UpstreamError]) -> None:
    """A picture that may be stored twice does no harm, and still a POST goes out once; no outcome is left unknown."""
    creates = Creates(failure)
    with pytest.raises(UpstreamError) as caught:
        await upload(creates)
    assert (caught.type, len(creates.requests)) == (error, 1)
