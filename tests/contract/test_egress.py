"""Ways out of closed networks: a CA bundle, and a proxy through which both transports reach the upstream."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.errors import BadUpstream, BrandNotFound, UpstreamGone, UpstreamUnavailable
from app.sendcloud.client import DIRECT, Egress, Sendcloud, connect
from tests.support.raw_server import RawServer, answer, listening, raw_server, self_signed
from tests.support.unlimited import unlimited
from tests.unit.test_protocol_answers import RETURN_REQUEST


@dataclass
class Tunnels:
    """A proxy that opens tunnels to this machine, or answers with a status instead; `heads` are what it was asked."""

    port: int = 0
    status: int = 200
    heads: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        writer.write(f"HTTP/1.1 {self.status} -\r\n\r\n".encode())
        if self.status == 200:
            port = int(head.split(b" ")[1].rpartition(b":")[2])
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_move(reader, to_writer), _move(to_reader, writer))


async def _move(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer), suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def tunnels(status: int = 200) -> AsyncIterator[Tunnels]:
    """A running proxy."""
    here = Tunnels(status=status)
    async with listening(here.handle) as here.port:
        yield here


@asynccontextmanager
async def upstream(tmp_path: Path) -> AsyncIterator[tuple[RawServer, str]]:
    """An upstream that answers 404 by TLS, and the path of the certificate that vouches for it."""
    bundle = tmp_path / "ca.pem"
    async with raw_server(answer(404), tls=self_signed("localhost")[0]) as server:
        certificate = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", server.port))
        await asyncio.to_thread(bundle.write_text, certificate)
        yield server, str(bundle)


@asynccontextmanager
async def client(port: int, egress: Egress) -> AsyncIterator[Sendcloud]:
    """The client as production makes it, on this port of this machine."""
    url = f"https://localhost:{port}"
    sendcloud = connect(url, url, unlimited(), egress=egress)
    try:
        yield sendcloud
    finally:
        await sendcloud.aclose()


async def create(sendcloud: Sendcloud, marks: list[str]) -> None:
    """A creation that notes when its first byte may leave."""

    async def note() -> None:
        marks.append("sent")

    await sendcloud.create_return("my-shop", "secret-token", RETURN_REQUEST, note)


async def test_a_bundle_vouches_for_the_upstream(tmp_path: Path) -> None:
    """With the bundle reads and creations are answered; without it neither gets as far as a request."""
    marks: list[str] = []
    async with upstream(tmp_path) as (server, bundle):
        async with client(server.port, DIRECT) as sendcloud:
            for call in (sendcloud.portal_settings("my-shop"), create(sendcloud, marks)):
                with pytest.raises(BadUpstream):
                    await call
        assert (server.requests, marks) == ([], [])
        async with client(server.port, Egress(ca=bundle)) as sendcloud:
            with pytest.raises(BrandNotFound):
                await sendcloud.portal_settings("my-shop")
            with pytest.raises(UpstreamGone):
                await create(sendcloud, marks)
        assert (len(server.requests), marks) == (2, ["sent"])


async def test_all_calls_go_through_the_proxy(tmp_path: Path) -> None:
    """Reads and creations go through tunnels; the proxy learns the upstream's name, and no token or path."""
    marks: list[str] = []
    async with upstream(tmp_path) as (server, bundle), tunnels() as proxy:
        async with client(server.port, Egress(bundle, f"http://127.0.0.1:{proxy.port}")) as sendcloud:
            with pytest.raises(BrandNotFound):
                await sendcloud.portal_settings("my-shop")
            with pytest.raises(UpstreamGone):
                await create(sendcloud, marks)
        assert [head.split(b"\r\n")[0] for head in proxy.heads] == [
            f"CONNECT localhost:{server.port} HTTP/1.1".encode()
        ] * 2
        assert not [head for head in proxy.heads if b"my-shop" in head or b"secret-token" in head]
        assert (len(server.requests), marks) == (2, ["sent"])


async def test_a_proxy_that_refuses_proves_that_nothing_was_sent(tmp_path: Path) -> None:
    """A proxy that opens no tunnel, or is away, is an upstream out of reach: a creation was never sent."""
    marks: list[str] = []
    async with upstream(tmp_path) as (server, bundle), tunnels(status=503) as proxy:
        for port in (proxy.port, 1):
            async with client(server.port, Egress(bundle, f"http://127.0.0.1:{port}")) as sendcloud:
                for call in (sendcloud.portal_settings("my-shop"), create(sendcloud, marks)):
                    with pytest.raises(UpstreamUnavailable):
                        await call
        assert (server.requests, marks) == ([], [])
