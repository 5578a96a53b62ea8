"""HTTP/1.1 for clients that ask to upgrade to another protocol."""

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Of an incomplete head, twice what `RequestLimits` allows; the parser itself has no bound."""


class PlainHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, but a wish to upgrade is ignored, as RFC 9110 section 7.8 allows, and the body is read.

    Java's clients ask for `h2c` with each request in clear text. uvicorn would take the bytes after the head for the
    other protocol and lose the body.
    """

    _head_bytes: int | None = None
    """Bytes received of an incomplete head, from its second piece on; None between requests."""

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            if self._head_bytes is not None:
                self._count_head(len(data))
            while data:
                data = self._fed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    @override
    def on_headers_complete(self) -> None:
        self._head_bytes = None
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _count_head(self, received: int) -> None:
        self._head_bytes = (self._head_bytes or 0) + received
        if self._head_bytes > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("a head without end")

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
        return b""
