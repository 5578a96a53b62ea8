"""A stopping process sends new callers elsewhere, ends waits and finishes requests under way."""

import asyncio
import signal
from contextlib import suppress

import httpx
import pytest

from app.returns.routes import RECONNECT_MS
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper, told

STOP_WITHIN_SECONDS = 5.0
LONG_DRAIN_SECONDS = 60
SERVES_ON_SECONDS = 1.2
"""Longer than a server that only finishes requests under way goes on answering."""


async def test_those_who_wait_are_answered(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """On SIGTERM held requests get the return as it stands, event streams end, and the process is gone soon."""
    async with running_bff(valkey.url, sandbox, poll_interval=0.1, covered=True) as bff:
        someone = await shopper(bff.http, fresh("PAID"))
        path = (await someone.create()).headers["location"]
        async with someone.events(path) as events:
            await anext(events)
            held = asyncio.create_task(someone.get(path, Prefer="wait=50"))

            async def waiting() -> bool:
                return "bff_waiting 3.0" in (await bff.http.get("/metrics")).text

            await eventually(waiting, 5)
            bff.process.send(signal.SIGTERM)
            answer = await asyncio.wait_for(held, STOP_WITHIN_SECONDS)
            assert [event async for event in events] == []
        assert (answer.status_code, answer.json()["state"]) == (200, "awaiting_payment")
        await asyncio.wait_for(bff.process.handle.wait(), STOP_WITHIN_SECONDS)
        # A poll under way may end after the streams.
        assert not [key async for key in valkey.client.scan_iter(f"*{path.rpartition('/')[2]}:lease")]


async def _is_posted(sandbox: SandboxProcess, order: str) -> bool:
    return len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_a_creation_under_way_is_finished(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """On SIGTERM a creation whose answer is slow is waited for and answered."""
    async with running_bff(valkey.url, sandbox) as bff:
        order = fresh("SLOW")
        someone = await shopper(bff.http, order)
        creating = asyncio.create_task(someone.create(someone.body("pickup")))
        await eventually(lambda: _is_posted(sandbox, order), 5)
        bff.process.send(signal.SIGTERM)
        assert (await creating).status_code == 202


async def _told_to_stop(bff: Bff) -> None:
    bff.process.send(signal.SIGTERM)

    async def not_ready() -> bool:
        return (await bff.http.get("/readyz")).status_code == 503

    await eventually(not_ready, STOP_WITHIN_SECONDS)


async def _answers_for(bff: Bff, seconds: float) -> None:
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        assert told(await bff.http.get("/readyz")) == (503, "shutting-down")


async def test_it_serves_on_while_others_learn_of_it(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """On SIGTERM a replica is unready at once and serves on for seconds, each answer closing its connection."""
    async with running_bff(valkey.url, sandbox, drain=LONG_DRAIN_SECONDS) as bff:
        order = fresh("LABEL")
        someone = await shopper(bff.http, order)
        await _told_to_stop(bff)
        await _answers_for(bff, SERVES_ON_SECONDS)
        readiness, resumed, created = [
            await bff.http.get("/readyz"),
            await someone.get("/v1/session"),
            await someone.create(),
        ]
        assert told(readiness) == (503, "shutting-down")
        assert (resumed.status_code, created.status_code) == (200, 202)
        assert {answer.headers["connection"] for answer in (readiness, resumed, created)} == {"close"}
        assert bff.process.handle.returncode is None
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_events_say_when_to_come_back(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """The first event says when to connect again; no block is without data, and a stopping process ends the stream."""
    async with running_bff(valkey.url, sandbox, drain=LONG_DRAIN_SECONDS) as bff:
        someone = await shopper(bff.http, fresh("PAID"))
        path = (await someone.create()).headers["location"]
        async with bff.http.stream("GET", f"{path}/events", headers=someone.headers) as response:
            pieces = response.aiter_text()
            first = await anext(pieces)
            bff.process.send(signal.SIGTERM)
            blocks = (first + "".join([piece async for piece in pieces])).split("\n\n")
    assert int(blocks[0].splitlines()[0].removeprefix("retry: ")) in RECONNECT_MS
    assert all("\ndata: " in block or block.startswith(":") for block in blocks if block)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_who_insists_need_not_wait(valkey: Valkey, sandbox: SandboxProcess, number: signal.Signals) -> None:
    """Ctrl-C ends the process without the drain, and so does a second SIGTERM."""
    async with running_bff(valkey.url, sandbox, drain=LONG_DRAIN_SECONDS) as bff:
        await _told_to_stop(bff)
        bff.process.send(number)
        await asyncio.wait_for(bff.process.handle.wait(), STOP_WITHIN_SECONDS)


async def test_a_second_ctrl_c_waits_for_nothing(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Ctrl-C lets a creation under way go on, and pressed again it ends the process at once."""
    async with running_bff(valkey.url, sandbox) as bff:
        someone = await shopper(bff.http, order := fresh("CREATEHANG"))
        creating = asyncio.create_task(someone.create(someone.body("pickup")))
        await eventually(lambda: _is_posted(sandbox, order), 5)

        async def refuses() -> bool:
            try:
                await bff.http.get("/livez")
            except httpx.TransportError:
                return True
            return False

        bff.process.send(signal.SIGINT)
        await eventually(refuses, STOP_WITHIN_SECONDS)
        assert bff.process.handle.returncode is None
        bff.process.expected.append('"logger": "uvicorn.error"')
        bff.process.send(signal.SIGINT)
        await asyncio.wait_for(bff.process.handle.wait(), STOP_WITHIN_SECONDS)
        await asyncio.wait([creating])


async def test_a_stop_is_not_cut_short_by_a_reload(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """SIGHUP at any moment of a stop changes nothing: the process ends by itself, with status 0."""
    async with running_bff(valkey.url, sandbox, drain=0.5) as bff:
        ended = asyncio.create_task(bff.process.handle.wait())
        bff.process.send(signal.SIGTERM)
        while not ended.done():
            # It may be gone already, though that is not told yet.
            with suppress(ProcessLookupError):
                bff.process.send(signal.SIGHUP)
            await asyncio.sleep(0.001)
        assert await ended == 0
