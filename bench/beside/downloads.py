"""P6: labels of 2 MB and of 100 KB, streamed."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.beside import servers
from bench.beside.machine import resident_kb
from bench.beside.pass_through import LABEL
from bench.beside.results import Result, Spread, at_least, at_most, in_turns
from bench.beside.servers import Server, Start, Surroundings, running_stub
from bench.beside.stage import SHOPPERS, Stage, Visitor
from bench.beside.stub import write_answer
from tests.support.raw_client import request

LABEL_BYTES, SMALL_LABEL_BYTES = 2_000_000, 100_000
BURSTS = {LABEL_BYTES: 3, SMALL_LABEL_BYTES: 12}
"""How often all visitors download in a round, so that it lasts a second or two."""
PIECE_BYTES = 256 * 1024
SLOW_PIECE_BYTES, SLOW_PAUSE_SECONDS = 5_000, 0.1
"""50 KB/s."""
SLOW_SECONDS = 3.0
SLOW_WINDOW_BYTES = 16 * 1024
"""Little fits into the kernel's buffers of a slow reader, so that the sender has to hold the rest."""
SAMPLE_SECONDS = 0.02
PATIENCE_SECONDS = 30.0
KB_PER_MB = 1024
FASTAPI, PASS_THROUGH = "FastAPI + httpx", "a pass-through without login and store"
Read = Callable[[Server, Visitor], Awaitable[bool]]


class Timed(NamedTuple):
    """How many labels of a burst came whole, and how long it took."""

    whole: int
    seconds: float


Burst = Callable[[int], Awaitable[Timed]]
"""All visitors download at once, a label of so many bytes each."""


class Round(NamedTuple):
    """Megabytes a second of whole labels, and how many were not whole."""

    speed: float
    broken: int


async def labels(stage: Stage, rounds: int) -> list[Result]:
    """P6: 64 downloads at once, beside FastAPI + httpx and a pass-through; then what they cost in memory."""
    return [
        *await _large(stage, rounds),
        *await _small(stage, rounds),
        await _memory(stage, "peak memory above idle, fast readers", _fast),
        await _memory(stage, "peak memory above idle, readers of 50 KB/s", _slow),
    ]


async def _large(stage: Stage, rounds: int) -> list[Result]:
    async with servers.pass_through(stage.around) as passed_on:
        found = await _compared(stage, [stage.ours, stage.fastapi, passed_on], LABEL_BYTES, rounds)
    label = f"label, {SHOPPERS} x 2 MB at once"
    return [
        _result(label, "from upstream", FASTAPI, found, 2.3),
        _result(label, "from upstream", PASS_THROUGH, found, 0.65),
        _result(label, "kept", FASTAPI, found),
    ]


async def _small(stage: Stage, rounds: int) -> list[Result]:
    starts = (servers.ours, servers.fastapi, servers.pass_through)
    async with _small_labels(stage.around) as around, _all(starts, around) as compared:
        found = await _compared(stage, compared, SMALL_LABEL_BYTES, rounds)
    label = f"label, {SHOPPERS} x 100 KB at once"
    return [_result(label, "from upstream", beside, found) for beside in (FASTAPI, PASS_THROUGH)]


async def _compared(stage: Stage, compared: Sequence[Server], size: int, rounds: int) -> dict[str, list[Round]]:
    """The rounds of ours, of FastAPI + httpx and of the pass-through, in this order."""
    ours, fastapi, passed_on = compared
    bursts: Mapping[str, Burst] = {
        "from upstream": partial(_fresh_burst, stage, ours),
        FASTAPI: partial(_burst, stage, fastapi),
        PASS_THROUGH: partial(_burst, stage, passed_on),
        "kept": partial(_burst, stage, ours),
    }
    await _fresh_burst(stage, ours, size)
    return await in_turns({name: partial(_round, burst, size) for name, burst in bursts.items()}, rounds)


@asynccontextmanager
async def _small_labels(around: Surroundings) -> AsyncIterator[Surroundings]:
    """The same with another stand-in for the upstream, which gives a label of 100 KB."""
    document = b"%PDF-1.7\n".ljust(SMALL_LABEL_BYTES - 6) + b"%%EOF\n"
    asked = httpx.Request("GET", f"{around.stub}/api/v2/{LABEL}")
    answer = httpx.Response(200, headers={"Content-Type": "application/pdf"}, content=document, request=asked)
    with tempfile.TemporaryDirectory(prefix="bff-bench-") as folder:
        write_answer(Path(folder), answer)
        async with running_stub(Path(folder)) as stub:
            yield replace(around, stub=stub)


@asynccontextmanager
async def _all(starts: Sequence[Start], around: Surroundings) -> AsyncIterator[list[Server]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(start(around)) for start in starts]


def _result(label: str, how: str, beside: str, found: Mapping[str, Sequence[Round]], *limits: float) -> Result:
    ours, peer = found[how], found[beside]
    ratio = Spread.of_ratios([each.speed for each in ours], [each.speed for each in peer])
    errors, peer_errors = (sum(each.broken for each in rounds) for rounds in (ours, peer))
    goals = [at_least(ratio, limit) for limit in limits]
    return Result("P6", f"{label}, {how}, vs {beside}", _speed(ours), _speed(peer), goals, ratio, errors, peer_errors)


def _speed(rounds: Sequence[Round]) -> str:
    return f"{Spread.of([each.speed for each in rounds]).median:.0f} MB/s"


async def _round(burst: Burst, size: int) -> Round:
    """So many bursts of labels of this size, and the pauses between them left out."""
    bursts = [await burst(size) for _ in range(BURSTS[size])]
    whole = sum(each.whole for each in bursts)
    return Round(whole * size / 1e6 / sum(each.seconds for each in bursts), len(bursts) * SHOPPERS - whole)


async def _fresh_burst(stage: Stage, server: Server, size: int) -> Timed:
    """A burst before which no document is kept."""
    await _forget_documents(stage)
    return await _burst(stage, server, size)


async def _burst(stage: Stage, server: Server, size: int) -> Timed:
    """All visitors download at once."""
    began = time.monotonic()
    whole = await asyncio.gather(*(_fast(server, visitor, size) for visitor in stage.visitors))
    return Timed(sum(whole), time.monotonic() - began)


async def _forget_documents(stage: Stage) -> None:
    client = stage.around.store.client
    names = [name async for name in client.scan_iter(match="l:*", count=1000)]
    if names:
        await client.delete(*names)


async def _fast(server: Server, visitor: Visitor, size: int = LABEL_BYTES) -> bool:
    """Whether the label came whole, read as fast as it comes."""
    headers = {"Authorization": f"Bearer {visitor.token}"}
    received, first, last = 0, b"", b""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await request(server.port, f"{visitor.return_path}/label", headers, limit=PIECE_BYTES)
            while piece := await reader.read(PIECE_BYTES):
                received, first, last = received + len(piece), first or piece, (last + piece)[-100:]
    except (OSError, TimeoutError):
        return False
    writer.close()
    return received >= size and first.startswith(b"HTTP/1.1 200") and b"%%EOF" in last


async def _slow(server: Server, visitor: Visitor) -> bool:
    """Whether a label that is read slowly keeps coming; it is not read to its end."""
    headers = {"Authorization": f"Bearer {visitor.token}"}
    reader, writer = await request(server.port, f"{visitor.return_path}/label", headers, limit=SLOW_PIECE_BYTES)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_WINDOW_BYTES)
    end, received = time.monotonic() + SLOW_SECONDS, b""
    while time.monotonic() < end:
        received += await reader.read(SLOW_PIECE_BYTES)
        await asyncio.sleep(SLOW_PAUSE_SECONDS)
    writer.transport.abort()
    return received.startswith(b"HTTP/1.1 200") and len(received) > SLOW_PIECE_BYTES


async def _memory(stage: Stage, what: str, read: Read) -> Result:
    ours, errors = await _peak(stage, servers.ours, read)
    theirs, peer_errors = await _peak(stage, servers.fastapi, read)
    goal = at_most(ours, 48, "MB")
    ratio = Spread.of_savings([ours], [theirs])
    return Result("P6", what, f"{ours:.0f} MB", f"{theirs:.0f} MB", [goal], ratio, errors, peer_errors)


async def _peak(stage: Stage, start: Start, read: Read) -> tuple[float, int]:
    """How much more memory a fresh process had than idle, in MB, and how many readers were not served."""
    async with start(stage.around) as server:
        await _forget_documents(stage)
        await _fast(server, stage.visitors[0])
        await _forget_documents(stage)
        await asyncio.sleep(0.5)
        idle, most = resident_kb(server.pid), 0
        reading = asyncio.gather(*(read(server, visitor) for visitor in stage.visitors))
        while not reading.done():
            await asyncio.wait({reading}, timeout=SAMPLE_SECONDS)
            most = max(most, resident_kb(server.pid))
        served = reading.result()
    return (most - idle) / KB_PER_MB, len(served) - sum(served)
