"""A TCP server that counts whole HTTP requests and then misbehaves as told: what no HTTP server would do."""

import asyncio
import socket
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What to do once a request has arrived whole; the connection stays open unless this closes it."""


class RawServer:
    """Where it listens and what has arrived."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        """Connections that neither side has closed."""


@asynccontextmanager
async def raw_server(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A server on a free port of 127.0.0.1, gone with all its connections afterwards."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        here.connections += 1
        here.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while True:
                    here.requests.append(await _request(reader))
                    await behaviour(writer)
        finally:
            here.open -= 1

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    here = RawServer(server.sockets[0].getsockname()[1])
    try:
        yield here
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        # Else its socket may be found open by the collector, in whichever test runs then.
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def deaf_server(answer: bytes) -> AsyncIterator[RawServer]:
    """A server that sends the same bytes on every connection and closes it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        with closing(writer):
            await reader.read(1)
            writer.write(answer)
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    here = RawServer(server.sockets[0].getsockname()[1])
    async with server:
        yield here


def answer(status: int, body: bytes = b"", *, headers: str = "", length: int | None = None) -> Behaviour:
    """Answer with a status and a body, whose announced length may be a lie."""
    head = f"HTTP/1.1 {status} -\r\ncontent-length: {len(body) if length is None else length}\r\n{headers}\r\n"
    return saying(head.encode() + body)


def saying(data: bytes) -> Behaviour:
    """Send these bytes and wait for the next request."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return behave


def trickle(data: bytes, pause: float) -> Behaviour:
    """Send these bytes one by one with a pause in seconds between them."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()  # raises once the client has gone
            await asyncio.sleep(pause)

    return behave


def fin(data: bytes = b"") -> Behaviour:
    """Send these bytes and close the connection cleanly."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        if data:
            # A transport that is closed with bytes still to send cannot be aborted at the end (Python 3.11).
            writer.transport.set_write_buffer_limits(0)
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    return behave


async def rst(writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def silence(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await writer.wait_closed()


def self_signed(host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server with a fresh certificate for `host`, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "certificate.pem")
        path.write_bytes(private + certificate)
        server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=certificate.decode())


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)
