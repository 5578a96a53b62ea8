"""A connection of HTTP/1.1 for one answer after the other; what comes with an answer and is not its own ends it."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Self, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser
from typing_extensions import override

from app.errors import BadUpstream, UpstreamTimeout

MAX_HEAD_BYTES = 64 * 1024
"""The most that an answer may hold beside its body: interim answers, fields, trailers, sizes of chunks."""
FIELD_BYTES = 32
"""What a field counts beside its name and value, so that the bound limits their number, too (as in HTTP/2)."""
BUFFERED_BYTES = 128 * 1024
"""How much of a body waits for its reader before the connection is read no further."""
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Answer:
    """An answer while it arrives; iterating it gives the body, piece by piece.

    It raises `UpstreamTimeout` after so many seconds of `silence` and at the `deadline`, and `BadUpstream` where its
    end does not come. Its parser calls the methods `on_...`; what they raise spoils it.
    """

    def __init__(self, transport: asyncio.Transport, silence: float, deadline: float) -> None:
        self.status = 0
        """0 until the head is here."""
        self.headers: dict[str, str] = {}
        """By names in lower case; of several fields of one name the first."""
        self.is_complete = False
        self.keeps_connection = False
        """Whether the connection can carry another exchange once the answer is complete."""
        self._failure = ""
        self._ends_with_connection = False
        self._head_bytes = 0
        self._other_bytes = 0
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._transport = transport
        self._silence = silence
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] | None = None
        self._parser = HttpResponseParser(self)

    async def head(self) -> None:
        """Returns when the head is here."""
        while not self.status:
            await self._more()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self.is_complete and not self._failure:
                raise StopAsyncIteration
            await self._more()
        pieces, self._pieces = self._pieces, []
        if self._buffered > BUFFERED_BYTES and not self.is_over:
            self._transport.resume_reading()
        self._buffered = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _more(self) -> None:
        if self._failure:
            error = BadUpstream(self._failure)
            # Another connection may do better.
            error.transient = True
            raise error from None
        self._news = self._loop.create_future()
        timer = self._loop.call_at(min(self._loop.time() + self._silence, self._deadline), _expire, self._news)
        try:
            await self._news
        finally:
            timer.cancel()

    # Told by the connection

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it can arrive."""
        return self.is_complete or bool(self._failure)

    def feed(self, data: bytes) -> None:
        """Takes bytes that arrived, until it is over."""
        self._other_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            # Otherwise an answer to nothing has been met, behind this one.
            if not self.is_complete:
                self.fail(type(error).__name__)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.fail(type(error).__name__)
        if self._other_bytes > MAX_HEAD_BYTES and not self.is_complete:
            self.fail("too much beside the body")
        if self.is_over:
            # The two refer to each other, and would wait for the garbage collector.
            del self._parser
        elif self._buffered > BUFFERED_BYTES:
            self._transport.pause_reading()
        self._tell()

    def end(self) -> None:
        """Takes the end of the connection, which completes an answer without a length."""
        self.is_complete = self.is_complete or (self._ends_with_connection and not self._failure)
        self._tell()

    def fail(self, reason: str) -> None:
        """Spoils it; the reason quotes nothing of it."""
        self._failure = self._failure or reason
        self.keeps_connection = False
        self._tell()

    def _tell(self) -> None:
        if self._news and not self._news.done():
            self._news.set_result(None)

    # Found by the parser

    def on_message_begin(self) -> None:
        """An interim answer begins, the answer, or one to nothing."""
        if self.is_complete:
            self.keeps_connection = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of a head, or of the trailers, which are ignored."""
        self._head_bytes += len(name) + len(value) + FIELD_BYTES
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("a head too long")
        if not self.status:
            # Blanks may stand behind a value. The parser leaves them; with a tab, "chunked" is another coding to it.
            self.headers.setdefault(name.decode("latin-1").lower(), value.rstrip(b" ").decode("latin-1"))

    def on_headers_complete(self) -> None:
        """A head ends; that of an interim answer is forgotten."""
        if self.is_complete:
            raise ValueError("an answer to nothing")
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK:
            self.headers.clear()
            return
        coding = self.headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            raise ValueError("a transfer coding that was not asked for")
        self.keeps_connection = self._parser.should_keep_alive()
        is_framed = coding is not None or "content-length" in self.headers or status in _WITHOUT_BODY
        self._ends_with_connection = not is_framed
        self.status = status

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, which allows as many bytes more beside it."""
        if not self.status:
            raise ValueError("a body of an interim answer")
        self._pieces.append(piece)
        self._buffered += len(piece)
        self._other_bytes -= 2 * len(piece)

    def on_message_complete(self) -> None:
        """An answer ends, unless it was an interim one."""
        self.is_complete = self.status > 0


class Connection(asyncio.Protocol):
    """A connection with one exchange at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self.closed = asyncio.get_running_loop().create_future()
        """Done once its socket is closed."""
        self._answer: Answer | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, silence: float, deadline: float) -> Answer:
        """Sends a request on a free connection; its answer is on the way."""
        self._answer = Answer(self.transport, silence, deadline)
        if self.is_open:
            self.transport.write(request)
        else:
            self._answer.fail("the connection was closed before it was used")
        return self._answer

    @property
    def is_free(self) -> bool:
        """Whether another request can be sent."""
        return self.is_open and (self._answer is None or (self._answer.is_complete and self._answer.keeps_connection))

    def close(self) -> None:
        """Closes it at once."""
        self.is_open = False
        self.transport.abort()

    @override
    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.is_over:
            # No request is left that these bytes could answer.
            self.close()
        else:
            self._answer.feed(data)

    @override
    def eof_received(self) -> None:
        self.is_open = False
        if self._answer:
            self._answer.end()

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._answer and not self._answer.is_complete:
            self._answer.fail(type(error).__name__ if error else "the connection was closed")
        self.closed.set_result(None)


def request_head(method: str, authority: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request for `/` and the target.

    Raises `BadUpstream` where a value could be read as something else.
    """
    lines = [f"{method} /{target} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "".join(lines)
    if " " in target or not (text.isascii() and text.isprintable()):
        raise BadUpstream("a request that cannot be sent")
    return "\r\n".join([*lines, "", ""]).encode()


def _expire(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_exception(UpstreamTimeout("no answer in time"))
