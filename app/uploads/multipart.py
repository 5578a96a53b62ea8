"""Pictures in multipart/form-data, parsed while it arrives: limits hold at once, and memory stays small."""

import asyncio
import errno
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from app.errors import (
    BffError,
    FieldProblem,
    FileTooLarge,
    InvalidRequest,
    MalformedRequest,
    NotAnImage,
    TooManyFiles,
    UnsupportedMediaType,
    UploadsBusy,
    UploadTooSlow,
)
from app.upstream import Picture

MAX_BYTES = 100 * 1024 * 1024
"""A whole body: ten files of the largest size and their framing."""
MAX_FILES = 10
TOO_LARGE_BYTES = 10_000_000
"""Every file must be smaller."""
MAX_NAME_CHARS = 200
MAX_HEADER_BYTES = 1000
"""The longest header with parameters, which the standard library parses in quadratic time."""
RECEIVE_SECONDS = 120.0
"""Seconds for the whole body: the longest that one upload may keep others from the disk."""
# The last one: Python finds no directory to write in, because it has tried each with a file.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOENT})
FULL_SECONDS = 30
"""Retry-After in seconds: by then uploads that fill the disk may have ended."""
IN_MEMORY_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024
HEAD_BYTES = 12
SIGNATURES = (
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("image/heic", re.compile(rb".{4}ftyp(?:heic|heix|mif1)", re.DOTALL)),
)


@dataclass
class File:
    """A picture on our disk, and the name of the form field it came in."""

    name: str
    content: SpooledTemporaryFile[bytes] = field(repr=False)
    is_named: bool
    """Whether it came with a file name."""
    size: int = 0
    media_type: str = ""
    """Told by the first bytes, never by the caller."""

    def picture(self) -> Picture:
        """The picture to send upstream."""
        return Picture(self.media_type, self.size, self._chunks())

    async def _chunks(self) -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(self.content.read, CHUNK_BYTES):
            yield chunk


class Form:
    """The files of a form that is fed to it piece by piece; the first fault is raised at once."""

    def __init__(self, boundary: bytes) -> None:
        self._files: list[File] = []
        self._spools = ExitStack()
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._part = -1
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_begin": self._begin_header,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_file,
                "on_part_data": self._write,
                "on_part_end": self._end_file,
                "on_end": self._end,
            },
        )

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the form; it writes to the disk, so call it in a thread.

        Raises:
            MalformedRequest, InvalidRequest, TooManyFiles, FileTooLarge, NotAnImage: the form breaks a rule or a limit.
        """
        try:
            self._parser.write(data)
        except FormParserError:
            # `from None`, because the parser quotes the bytes.
            raise MalformedRequest("no well-formed multipart body") from None

    def files(self) -> list[File]:
        """The files, ready to be read.

        Raises:
            MalformedRequest: the form has not come to its end.
            InvalidRequest: there is none.
        """
        if not self._ended:
            raise MalformedRequest("a multipart body without an end")
        if not self._files:
            raise InvalidRequest(errors=[FieldProblem("#", "missing", "A file is needed.")])
        return self._files

    def close(self) -> None:
        """Frees the disk."""
        self._spools.close()

    def _begin_part(self) -> None:
        self._disposition = b""
        self._part += 1

    def _begin_header(self) -> None:
        self._header.clear()
        self._value.clear()

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)

    def _begin_file(self) -> None:
        _, options = _parameters(self._disposition)
        if b"filename" not in options:
            raise self._refused(InvalidRequest, "not-a-file", "Only files can be uploaded.")
        if self._part == MAX_FILES:
            raise TooManyFiles
        spool = self._spools.enter_context(SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115  by close()
        self._files.append(File(_name(options), spool, is_named=bool(options[b"filename"])))

    def _write(self, data: bytes, start: int, end: int) -> None:
        file = self._files[-1]
        file.size += end - start
        if file.size >= TOO_LARGE_BYTES:
            raise self._refused(FileTooLarge, "too-large", "The file has 10 MB or more.")
        file.content.write(data[start:end])
        if not file.media_type and file.size >= HEAD_BYTES:
            self._sniff(file)

    def _end_file(self) -> None:
        file = self._files[-1]
        if not (file.size or file.is_named):
            # So browsers send a file input in which nothing was chosen.
            self._files.pop()
            return
        if not file.media_type:
            self._sniff(file)
        file.content.seek(0)

    def _sniff(self, file: File) -> None:
        file.content.seek(0)
        head = file.content.read(HEAD_BYTES)
        file.content.seek(file.size)
        file.media_type = next((name for name, signature in SIGNATURES if signature.match(head)), "")
        if not file.media_type:
            raise self._refused(NotAnImage, "not-an-image", "The file does not begin like a picture.")

    def _refused(self, error: type[BffError], code: str, detail: str) -> BffError:
        return error(errors=[FieldProblem(f"#/{self._part}", code, detail)])

    def _end(self) -> None:
        self._ended = True


@asynccontextmanager
async def received(request: Request, seconds: float = RECEIVE_SECONDS) -> AsyncIterator[list[File]]:
    """The pictures in the body of this request, on the disk until the context ends.

    Raises:
        UnsupportedMediaType: it is no form.
        UploadTooSlow: it did not end within so many seconds.
        UploadsBusy: the disk has no room for it.
        MalformedRequest, InvalidRequest, TooManyFiles, FileTooLarge, NotAnImage: as soon as that is known.
    """
    form = Form(_boundary(request))
    try:
        async for chunk in _body(request, seconds):
            with _room():
                await asyncio.to_thread(form.feed, chunk)
        yield form.files()
    finally:
        form.close()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UploadsBusy("the disk is full, or no directory can be written", retry_after=FULL_SECONDS) from None


def _boundary(request: Request) -> bytes:
    media_type, options = _parameters(request.headers.get("content-type", "").encode("latin-1"))
    if media_type != b"multipart/form-data":
        raise UnsupportedMediaType
    boundary = options.get(b"boundary", b"")
    # RFC 2046, 5.1.1
    if not re.fullmatch(rb"[ -~]{1,70}", boundary):
        raise MalformedRequest("no usable boundary")
    return boundary


def _parameters(header: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The value of a header and its parameters."""
    if len(header) > MAX_HEADER_BYTES:
        raise MalformedRequest("a header of a form that is too long")
    return parse_options_header(header)


async def _body(request: Request, seconds: float) -> AsyncIterator[bytes]:
    deadline = asyncio.get_running_loop().time() + seconds
    more = True
    while more:
        try:
            async with asyncio.timeout_at(deadline):
                message = await request.receive()
        except TimeoutError:
            raise UploadTooSlow from None
        if message["type"] == "http.disconnect":
            raise MalformedRequest("the caller left")
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _name(options: dict[bytes, bytes]) -> str:
    try:
        name = options.get(b"name", b"").decode()
    except UnicodeDecodeError:
        raise MalformedRequest("a field name that is not UTF-8") from None
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise MalformedRequest("a field without a name, or with a long one")
    return name
