"""HTTP/1.1 for clients that ask to upgrade to another protocol, and without trailers."""

import asyncio
from typing import cast

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.joined_writes import JoinedWrites

MAX_HEAD_BYTES = 64 * 1024
"""Of a head or trailers that do not end, twice what `Exchange` allows; the parser itself has no bound."""


class PlainHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, but a wish to upgrade is ignored, as RFC 9110 section 7.8 allows, and the body is read.

    Java's clients ask for `h2c` with each request in clear text. uvicorn would take the bytes after the head for the
    other protocol and lose the body.

    Blanks behind the value of a field are no part of it (RFC 9110, section 5.5), but the parser leaves them there.

    Trailers are ignored as well (RFC 9110, section 6.5.1). uvicorn would add them to the headers, those of the proxy
    in front included.
    """

    # With more members than 30, the interpreter would keep 1.5 KB for the names of each connection's own.
    __slots__ = ("_is_in_head", "_without_end")

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport)))
        self._is_in_head = False
        # Bytes received since a head began or ended, or a part of a body came.
        self._without_end = 0

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._without_end += len(data)
        try:
            while data:
                data = self._fed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._without_end = True, 0

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:
            super().on_header(name, value.rstrip(b" \t"))

    @override
    def on_headers_complete(self) -> None:
        self._is_in_head, self._without_end = False, 0
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._without_end = 0

    @override
    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _fed(self, data: bytes) -> bytes:
        """Feeds the parser; the bytes to feed next, in place of a request that wants to upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            method, version = self.parser.get_method(), self.parser.get_http_version().encode()
            if method == b"CONNECT":
                raise httptools.HttpParserError("a tunnel") from None
            rest: int = upgrade.args[0]
            fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            return b"".join([method, b" ", self.url, b" HTTP/", version, b"\r\n", *fields, b"\r\n", data[rest:]])
        if self._without_end > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("a head or trailers without end")
        return b""
