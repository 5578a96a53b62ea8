"""P6: labels of 2 MB, streamed."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from bench.beside import servers
from bench.beside.machine import resident_kb
from bench.beside.results import Result, Spread, at_least, at_most, in_turns
from bench.beside.servers import Server, Start
from bench.beside.stage import SHOPPERS, Stage, Visitor
from tests.support.raw_client import request

LABEL_BYTES = 2_000_000
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


class Round(NamedTuple):
    """Megabytes a second of whole labels, and how many were not whole."""

    speed: float
    broken: int


async def labels(stage: Stage, rounds: int) -> list[Result]:
    """P6: 64 downloads at once, beside FastAPI + httpx and a pass-through; then what they cost in memory."""
    async with servers.pass_through(stage.around) as passed_on:
        measures = {
            "from upstream": partial(_fresh_round, stage),
            FASTAPI: partial(_round, stage.fastapi, stage.visitors),
            PASS_THROUGH: partial(_round, passed_on, stage.visitors),
            "kept": partial(_round, stage.ours, stage.visitors),
        }
        await _fresh_round(stage)
        found = await in_turns(measures, rounds)
    return [
        _result("from upstream", FASTAPI, found, 3, 2.3),
        _result("from upstream", PASS_THROUGH, found, 0.65),
        _result("kept", FASTAPI, found),
        await _memory(stage, "peak memory above idle, fast readers", _fast),
        await _memory(stage, "peak memory above idle, readers of 50 KB/s", _slow),
    ]


def _result(how: str, beside: str, found: Mapping[str, Sequence[Round]], *limits: float) -> Result:
    ours, peer = found[how], found[beside]
    ratio = Spread.of_ratios([each.speed for each in ours], [each.speed for each in peer])
    what = f"label, {SHOPPERS} x 2 MB at once, {how}, vs {beside}"
    errors, peer_errors = (sum(each.broken for each in rounds) for rounds in (ours, peer))
    return Result("P6", what, _speed(ours), _speed(peer), at_least(ratio, *limits), ratio, errors, peer_errors)


def _speed(rounds: Sequence[Round]) -> str:
    return f"{Spread.of([each.speed for each in rounds]).median:.0f} MB/s"


async def _fresh_round(stage: Stage) -> Round:
    """A round in which no document is kept."""
    await _forget_documents(stage)
    return await _round(stage.ours, stage.visitors)


async def _forget_documents(stage: Stage) -> None:
    client = stage.around.store.client
    names = [name async for name in client.scan_iter(match="l:*", count=1000)]
    if names:
        await client.delete(*names)


async def _round(server: Server, visitors: Sequence[Visitor]) -> Round:
    """All visitors download at once."""
    began = time.monotonic()
    whole = await asyncio.gather(*(_fast(server, visitor) for visitor in visitors))
    return Round(sum(whole) * LABEL_BYTES / 1e6 / (time.monotonic() - began), len(whole) - sum(whole))


async def _fast(server: Server, visitor: Visitor) -> bool:
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
    return received >= LABEL_BYTES and first.startswith(b"HTTP/1.1 200") and b"%%EOF" in last


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
