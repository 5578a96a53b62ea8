"""Forms while they arrive: which files are accepted, and how soon others are refused."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing

import pytest
from fastapi import Request
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Message

from app.errors import (
    BffError,
    FileTooLarge,
    InvalidRequest,
    MalformedRequest,
    NotAnImage,
    TooManyFiles,
    UnsupportedMediaType,
    UploadTooSlow,
)
from app.uploads.multipart import MAX_FILES, TOO_LARGE_BYTES, File, Form, received

PNG = b"\x89PNG\r\n\x1a\n"
END = b"--limit--\r\n"
FORM = "multipart/form-data; boundary=limit"


def part(content: bytes = PNG, disposition: bytes = b'form-data; name="photos"; filename="a.png"') -> bytes:
    """One part of a form."""
    return b"--limit\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + content + b"\r\n"


def fed(*pieces: bytes) -> list[tuple[str, str, int, bytes]]:
    """Name, media type, size and content of each file of a form."""
    with closing(Form(b"limit")) as form:
        for piece in pieces:
            form.feed(piece)
        return [(file.name, file.media_type, file.size, file.content.read()) for file in form.files()]


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (PNG, "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x0a\x00\x00\x00WEBP", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"\x00\x00\x00\x18ftypheix", "image/heic"),
        (b"\x00\x00\x00\x18ftypmif1", "image/heic"),
    ],
)
@pytest.mark.parametrize("rest", [0, 1, 100, 200_000])
def test_pictures_are_known_by_their_first_bytes(head: bytes, media_type: str, rest: int) -> None:
    """Files are told by their first bytes, with any name and of any length."""
    content = head + bytes(rest)
    assert fed(part(content), END) == [("photos", media_type, len(content), content)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        PNG[:-1],
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"RIFF\x0a\x00\x00\x00WAVE",
        b"\x00\x00\x00\x18ftypisom",
        b" " + PNG,
        b"MZ" + bytes(100_000),
    ],
)
def test_what_is_no_picture(content: bytes) -> None:
    """A file that is no picture is refused under the number of its part, even if its name ends in .png."""
    with pytest.raises(NotAnImage) as caught:
        fed(part(), part(content), END)
    assert [error.pointer for error in caught.value.errors] == ["#/1"]


CONTENTS = st.binary(max_size=300).map(lambda tail: PNG + b"\r\n--limi" + tail).filter(lambda c: b"\n--limit" not in c)


@given(st.lists(CONTENTS, min_size=1, max_size=10), st.integers(1, 400))
@example([PNG + b"\r\n--limi\r\n--lim\r\r\n-"], 1)
def test_pieces_make_no_difference(contents: list[bytes], size: int) -> None:
    """However the bytes of a form are cut, the files are the same, with bytes like those of a boundary in them too."""
    form = b"".join(map(part, contents)) + END
    pieces = [form[start : start + size] for start in range(0, len(form), size)]
    assert [content for *_, content in fed(*pieces)] == contents


def refusal(*pieces: bytes) -> type[BffError]:
    """The error that a form raises at the last of these pieces; the others are taken."""
    with closing(Form(b"limit")) as form:
        for piece in pieces[:-1]:
            form.feed(piece)
        with pytest.raises(BffError) as caught:
            form.feed(pieces[-1])
    return caught.type


def test_an_eleventh_file() -> None:
    """An eleventh file is refused when its head has come, before its content."""
    head = part().partition(PNG)[0]
    assert refusal(part() * MAX_FILES, head) is TooManyFiles


def test_a_file_that_is_too_large() -> None:
    """A file of 10 MB is refused at its last byte, before anything that follows; one byte less is accepted."""
    largest = PNG + bytes(TOO_LARGE_BYTES - len(PNG) - 1)
    assert refusal(part(largest).removesuffix(b"\r\n"), b"\x00") is FileTooLarge
    assert [size for _, _, size, _ in fed(part(largest), END)] == [TOO_LARGE_BYTES - 1]


def test_inputs_without_a_choice() -> None:
    """File inputs in which nothing was chosen, which a browser sends as empty files without a name, do not count."""
    empty = part(b"", b'form-data; name="back"; filename=""')
    assert [name for name, *_ in fed(empty, part(), empty, END)] == ["photos"]
    with pytest.raises(NotAnImage) as caught:
        fed(empty, part(b"<html><body>"), END)
    assert [error.pointer for error in caught.value.errors] == ["#/1"]
    with pytest.raises(InvalidRequest):
        fed(empty, END)


def test_inputs_without_a_choice_are_bounded() -> None:
    """An eleventh part is refused even if the ten before it were empty, because each costs memory."""
    empty = part(b"", b'form-data; name="back"; filename=""')
    assert refusal(empty * MAX_FILES, empty) is TooManyFiles


def test_html_is_refused_at_once() -> None:
    """A web page is refused as no picture after a dozen bytes."""
    head = part(b"<html><body>").removesuffix(b"\r\n")
    assert refusal(head[:-1], head[-1:]) is NotAnImage


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (part(disposition=b'form-data; name="comment"'), InvalidRequest),
        (part(disposition=b"form-data"), InvalidRequest),
        (b"--limit\r\n\r\n", InvalidRequest),
        (END, InvalidRequest),
        (part(disposition=b'form-data; filename="a.png"'), MalformedRequest),
        (part(disposition=b'form-data; name=""; filename="a.png"'), MalformedRequest),
        (part(disposition=b'form-data; name="\xff"; filename="a.png"'), MalformedRequest),
        (part(disposition=b'form-data; name="' + b"n" * 201 + b'"; filename="a.png"'), MalformedRequest),
        (part(disposition=b"f" * 5000), MalformedRequest),
        (b"--other\r\n", MalformedRequest),
        (b"no form", MalformedRequest),
        (b"", MalformedRequest),
        (part(), MalformedRequest),
        (part() + b"--limit", MalformedRequest),
    ],
)
def test_forms_that_are_none(form: bytes, error: type[BffError]) -> None:
    """Fields that are no files, files without names, boundaries that are none, and a form without an end."""
    with pytest.raises(BffError) as caught:
        fed(form)
    assert caught.type is error


def test_field_names_are_kept() -> None:
    """Field names may be any text, and the same one may come twice."""
    named = [part(disposition=f'form-data; name="{name}"; filename=""'.encode()) for name in ("é[]", "é[]")]
    assert [name for name, *_ in fed(*named, END)] == ["é[]", "é[]"]


@asynccontextmanager
async def arriving(
    messages: Sequence[Message], content_type: str = FORM, seconds: float = 5
) -> AsyncIterator[list[File]]:
    """The files of a request whose body arrives in these messages, and then no more."""
    coming = iter(messages)

    async def receive() -> Message:
        """The next message, once there is one."""
        message = next(coming, None)
        return message if message is not None else await asyncio.Future()

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
    async with received(Request(scope, receive), seconds) as files:
        yield files


def chunk(data: bytes, *, more: bool = True) -> Message:
    """A piece of a body."""
    return {"type": "http.request", "body": data, "more_body": more}


async def test_files_live_as_long_as_they_are_needed() -> None:
    """Files can be read inside the context, and are deleted from the disk after it."""
    content = PNG + bytes(200_000)
    async with arriving([chunk(part(content)), chunk(END, more=False)]) as files:
        assert b"".join([piece async for piece in files[0].picture().content]) == content
    assert [file.content.closed for file in files] == [True]


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("application/json", UnsupportedMediaType),
        ("", UnsupportedMediaType),
        ("multipart/mixed; boundary=limit", UnsupportedMediaType),
        ("multipart/form-data", MalformedRequest),
        ("multipart/form-data; boundary=", MalformedRequest),
        ("multipart/form-data; boundary=" + "x" * 71, MalformedRequest),
        ("multipart/form-data; boundary=\xff", MalformedRequest),
        ('multipart/form-data; boundary=limit; a="' + ";" * 1000, MalformedRequest),
    ],
)
async def test_content_types(content_type: str, error: type[BffError]) -> None:
    """Anything but a form with a boundary is refused before a byte of it is read."""
    async with AsyncExitStack() as stack:
        with pytest.raises(BffError) as caught:
            await stack.enter_async_context(arriving([], content_type))
    assert caught.type is error


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([chunk(part())], UploadTooSlow),
        ([chunk(part()), {"type": "http.disconnect"}], MalformedRequest),
    ],
)
async def test_bodies_that_do_not_end(messages: list[Message], error: type[BffError]) -> None:
    """A caller who leaves, or takes too long, is waited for no longer."""
    async with AsyncExitStack() as stack:
        with pytest.raises(BffError) as caught:
            await stack.enter_async_context(arriving(messages, seconds=0.05))
    assert caught.type is error
