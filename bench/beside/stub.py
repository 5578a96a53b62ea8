"""The upstream while speed is measured: answers recorded from the sandbox, given at next to no cost.

`python -m bench.beside.stub PORT FOLDER`; a file of the folder is a whole answer, its name the path it answers, quoted.
`/.late/20` has all answers wait 20 ms from then on, `/.seen` tells how many were given.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast
from urllib.parse import quote, unquote

import httpx
import uvloop
from typing_extensions import override

HEAD_END = b"\r\n\r\n"
MILLISECONDS = 1000


def write_answer(folder: Path, response: httpx.Response) -> None:
    """Records this answer under the path it was asked at."""
    kind = response.headers["content-type"]
    head = f"HTTP/1.1 {response.status_code} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(response.content)}"
    Path(folder, quote(response.url.path, safe="")).write_bytes(head.encode() + HEAD_END + response.content)


def _plain(status: int, text: str) -> bytes:
    return b"HTTP/1.1 %d -\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(text),
        text.encode(),
    )


class Stub(asyncio.Protocol):
    """One connection."""

    answers: dict[bytes, bytes]
    late = 0.0
    """Seconds."""
    seen = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._rest = b""

    @override
    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(HEAD_END)
        for head in heads:
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            answer = self.answers.get(path) or self._control(path.decode())
            if Stub.late:
                asyncio.get_running_loop().call_later(Stub.late, self._send, answer)
            else:
                self._send(answer)

    def _control(self, path: str) -> bytes:
        if path == "/.seen":
            return _plain(200, str(Stub.seen))
        if path.startswith("/.late/"):
            Stub.late = int(path.removeprefix("/.late/")) / MILLISECONDS
            return _plain(200, "")
        return _plain(404, path)

    def _send(self, answer: bytes) -> None:
        Stub.seen += 1
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(port: int) -> None:
    await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port, backlog=2048)
    await asyncio.Event().wait()


if __name__ == "__main__":
    Stub.answers = {unquote(file.name).encode(): file.read_bytes() for file in Path(sys.argv[2]).iterdir()}
    uvloop.run(_serve(int(sys.argv[1])))
