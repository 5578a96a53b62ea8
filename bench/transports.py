"""Which transport should carry the reads? Run `python -m bench.transports` with the `bench` group installed.

Every library is handed `httpx.Request` objects directly, as the transport of the POSTs does, against a stub in
another process that answers 4.8 KB of JSON. Rounds alternate between the candidates; figures are medians of
"""  # noqa: INP001  run as a module, never imported

import asyncio
import contextlib
import importlib
import importlib.util
import json
import multiprocessing
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
from typing_extensions import override

from app.sendcloud import protocol
from app.sendcloud.protocol import Request
from app.sendcloud.transport.base import exchange
from app.sendcloud.transport.httptools_transport import HttptoolsTransport

IN_FLIGHT = 32
ROUND_SECONDS = 1.0
ROUNDS = 5
STORM_SECONDS = 3.0
STALLED = 40
"""One request in so many is answered late during the storm."""

Call = Callable[[str, dict[str, float]], Awaitable[int]]
Candidate = Callable[[ssl.SSLContext], AbstractAsyncContextManager[Call]]

_BODY = json.dumps({"data": "x" * 4780}).encode()
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY
_NATIVE = {"connect": 1.0, "pool": 0.25, "read": 5.0, "write": 5.0}


# The stub


class Stub(asyncio.Protocol):
    """Answers every request head; a path of /stall is answered late one time in `STALLED`."""

    seen = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        """Answer each head that is complete; heads come whole here."""
        for _ in range(data.count(b"\r\n\r\n")):
            Stub.seen += 1
            late = b" /stall" in data and Stub.seen % STALLED == 0
            asyncio.get_running_loop().call_later(1.0 if late else 0.0, self.answer)

    def answer(self) -> None:
        """Send the answer unless the other side has gone."""
        if not self.transport.is_closing():
            self.transport.write(_ANSWER)


def serve(plain: socket.socket, tls: socket.socket, certificate: str) -> None:
    """The stub's process."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(Stub, sock=plain)
        await loop.create_server(Stub, sock=tls, ssl=context)
        await asyncio.Event().wait()

    importlib.import_module("uvloop").run(main())


# The candidates


async def _drained(transport: httpx.AsyncBaseTransport, url: str, limits: dict[str, float]) -> int:
    response = await transport.handle_async_request(httpx.Request("GET", url, extensions={"timeout": limits}))
    try:
        return sum([len(chunk) async for chunk in response.aiter_raw()])
    finally:
        await response.aclose()


@asynccontextmanager
async def client(tls: ssl.SSLContext) -> AsyncIterator[Call]:
    """`httpx.AsyncClient` as commonly written."""
    async with httpx.AsyncClient(verify=tls, limits=httpx.Limits(max_connections=IN_FLIGHT)) as session:

        async def call(url: str, limits: dict[str, float]) -> int:
            return len((await session.get(url, timeout=httpx.Timeout(**limits))).content)

        yield call


@asynccontextmanager
async def pool(tls: ssl.SSLContext) -> AsyncIterator[Call]:
    """The default transport of httpx, one pool."""
    size = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=size) as transport:
        yield lambda url, limits: _drained(transport, url, limits)


@asynccontextmanager
async def singles(tls: ssl.SSLContext) -> AsyncIterator[Call]:
    """The default transport of httpx, a stack of pools of one connection."""
    free: asyncio.LifoQueue[httpx.AsyncHTTPTransport] = asyncio.LifoQueue()
    size = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(IN_FLIGHT):
            single = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=size)
            free.put_nowait(await stack.enter_async_context(single))

        async def call(url: str, limits: dict[str, float]) -> int:
            transport = await free.get()
            try:
                return await _drained(transport, url, limits)
            finally:
                free.put_nowait(transport)

        yield call


@asynccontextmanager
async def aiohttp(tls: ssl.SSLContext) -> AsyncIterator[Call]:
    """The transport of httpx-aiohttp on a session that has no cookie jar and no environment."""
    aio, adapter = importlib.import_module("aiohttp"), importlib.import_module("httpx_aiohttp")
    connector = aio.TCPConnector(limit=IN_FLIGHT, ssl=tls)
    session = aio.ClientSession(connector=connector, cookie_jar=aio.DummyCookieJar(), trust_env=False)
    async with adapter.AiohttpTransport(client=session) as transport:
        yield lambda url, limits: _drained(transport, url, limits)


@asynccontextmanager
async def httpx2(tls: ssl.SSLContext) -> AsyncIterator[Call]:
    """The default transport of httpx2, one pool."""
    lib = importlib.import_module("httpx2")
    size = lib.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with lib.AsyncHTTPTransport(verify=tls, trust_env=False, limits=size) as transport:

        async def call(url: str, limits: dict[str, float]) -> int:
            request = lib.Request("GET", url, extensions={"timeout": limits})
            response = await transport.handle_async_request(request)
            try:
                return sum([len(chunk) async for chunk in response.aiter_raw()])
            finally:
                await response.aclose()

        yield call


@asynccontextmanager
async def ours(tls: ssl.SSLContext) -> AsyncIterator[Call]:
    """The transport of the service's reads."""
    async with contextlib.aclosing(HttptoolsTransport(tls)) as transport:

        async def call(url: str, limits: dict[str, float]) -> int:
            request: Request[None] = Request(protocol.Call.SETTINGS, "GET", url, {}, brand="", failure_key="")
            deadline = asyncio.get_running_loop().time() + limits["read"]
            return len((await exchange(transport, request, limits, deadline))[2])

        yield call


CANDIDATES: dict[str, tuple[Candidate, str | None]] = {
    "AsyncClient": (client, None),
    "httpx, one pool": (pool, None),
    "httpx, pools of one": (singles, None),
    "httpx-aiohttp": (aiohttp, "httpx_aiohttp"),
    "httpx2, one pool": (httpx2, "httpx2"),
    "ours": (ours, None),
}


# The measurements


async def throughput(call: Call, url: str) -> float:
    """Calls a second with `IN_FLIGHT` under way."""
    done, end = 0, time.monotonic() + ROUND_SECONDS

    async def worker() -> None:
        nonlocal done
        while time.monotonic() < end:
            await call(url, _NATIVE)
            done += 1

    start = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return done / (time.monotonic() - start)


async def storm(call: Call, url: str, *, outer: bool) -> tuple[int, int]:
    """Calls done under deadlines of 50 to 150 ms, from outside or native, and how many of 40 work afterwards."""
    done, end = 0, time.monotonic() + STORM_SECONDS

    async def worker(number: int) -> None:
        nonlocal done
        deadline = 0.05 + 0.1 * number / 60
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                if outer:
                    await asyncio.wait_for(call(url + "/stall", _NATIVE), deadline)
                else:
                    await call(url + "/stall", _NATIVE | {"read": deadline})
                done += 1
            await asyncio.sleep(0)

    await asyncio.gather(*(worker(number) for number in range(60)))
    healthy = 0
    for _ in range(40):
        with contextlib.suppress(Exception):
            healthy += await call(url, _NATIVE) == len(_BODY)
    return done, healthy


async def failure(call: Call, url: str) -> str:
    """The name of the exception that a call ends with."""
    try:
        await call(url, _NATIVE)
    except Exception as error:  # noqa: BLE001  any of them is the result
        return type(error).__name__
    return "none"


async def telling(call: Call) -> tuple[str, str, int]:
    """How a refusal looks, how a kept connection that dies under the second GET, and how many GETs arrived for two."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refused = await failure(call, f"http://127.0.0.1:{free.getsockname()[1]}")
    arrived = 0

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                arrived += 1
                if arrived > 1:
                    break
                writer.write(_ANSWER)
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await call(url, _NATIVE)
        return refused, await failure(call, url), arrived


async def compare(plain: str, tls_url: str, certificate: str) -> None:
    """Print one line for each candidate that is installed."""
    tls = ssl.create_default_context(cafile=certificate)
    here = {name: make for name, (make, module) in CANDIDATES.items() if not module or importlib.util.find_spec(module)}
    for title, url in (("plain", plain), ("TLS", tls_url)):
        rates: dict[str, list[float]] = {name: [] for name in here}
        async with contextlib.AsyncExitStack() as stack:
            calls = {name: await stack.enter_async_context(make(tls)) for name, make in here.items()}
            for _ in range(ROUNDS):
                for name, call in calls.items():
                    rates[name].append(await throughput(call, url))
        for name in here:
            ratio = statistics.median(own / base for own, base in zip(rates[name], rates["AsyncClient"], strict=True))
            print(f"{title:6}{name:22}{ratio:6.2f} x AsyncClient {statistics.median(rates[name]):8.0f}/s")  # noqa: T201
    for name, make in here.items():
        async with make(tls) as call:
            refused, lost, arrived = await telling(call)
        print(f"tells  {name:22}refused {refused}, lost {lost}, {arrived} GETs arrived for 2")  # noqa: T201
    for name, make in here.items():
        for outer in (False, True):
            async with make(tls) as call:
                done, healthy = await storm(call, plain, outer=outer)
            kind = "outer cancellation" if outer else "native timeouts"
            print(f"storm  {name:22}{kind:20}{done:6} done, {healthy} of 40 afterwards")  # noqa: T201


def main() -> None:
    """Start the stub and compare."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "localhost.pem"
        request = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        files = ["-keyout", str(certificate), "-out", f"{certificate}.crt"]
        subprocess.run(["/usr/bin/openssl", *request.split(), *files], check=True, capture_output=True)  # noqa: S603  constant
        certificate.write_bytes(certificate.read_bytes() + Path(f"{certificate}.crt").read_bytes())
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        stub = multiprocessing.Process(target=serve, args=(*sockets, str(certificate)), daemon=True)
        stub.start()
        plain, tls = (listening.getsockname()[1] for listening in sockets)
        uvloop = importlib.import_module("uvloop")
        uvloop.run(compare(f"http://127.0.0.1:{plain}", f"https://localhost:{tls}", str(certificate)))
        stub.terminate()


if __name__ == "__main__":
    main()
