"""A TCP server that counts whole HTTP requests and then misbehaves as told: what no HTTP server would do."""

import asyncio
import ipaddress
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

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one connection, which is closed afterwards."""
Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What to do once a request has arrived whole; the connection stays open unless this closes it."""


ACCEPTING_TURNS = 4
"""Turns of the event loop until a connection that it has accepted is being served."""


class RawServer:
    """Where it listens and what has arrived."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        """Connections that neither side has closed."""


@asynccontextmanager
async def listening(handle: Handle, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server, gone with all its connections afterwards."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with closing(writer):
            await handle(reader, writer)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await refuse(server)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await server.wait_closed()


async def refuse(server: asyncio.Server) -> None:
    """Closes the server, once all that it has accepted are being served.

    Else asyncio would leave them open, until the collector finds them in whichever test runs then.
    """
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(ACCEPTING_TURNS):
        await asyncio.sleep(0)
    server.close()


@asynccontextmanager
async def raw_server(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A server on a free port of 127.0.0.1, gone with all its connections afterwards."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        here.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while True:
                    here.requests.append(await _request(reader))
                    await behaviour(writer)
        finally:
            here.open -= 1

    async with listening(handle, tls=tls) as port:
        here = RawServer(port)
        yield here


@asynccontextmanager
async def deaf_server(answer: bytes) -> AsyncIterator[RawServer]:
    """A server that sends the same bytes on every connection and closes it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        await reader.read(1)
        writer.write(answer)

    async with listening(handle) as port:
        here = RawServer(port)
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
    try:
        certified: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        certified = x509.DNSName(host)
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
        .add_extension(x509.SubjectAlternativeName([certified]), critical=False)
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
