"""The production server in the test's own process: a journey through it, and how it stops."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.server import Server
from tests.support.in_process import serving_bff
from tests.support.pdf import pages
from tests.support.processes import Valkey, eventually, fresh
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper, told

DRAIN_SECONDS = 0.5


async def test_a_return_from_lookup_to_label(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A shopper looks an order up, returns an item and downloads the label twice; upstream sends it once."""
    order = fresh("LABEL")
    async with serving_bff(valkey.url, sandbox, poll_interval=0.05) as (_, http):
        someone = await shopper(http, order)
        path = (await someone.create()).headers["location"]
        assert (await someone.settled(path))["state"] == "label_ready"
        labels = [await someone.get(f"{path}/label") for _ in range(2)]
        again = await shopper(http, order)
        assert [each["state"] for each in again.screen["returns"]] == ["label_ready"]
    assert pages(labels[0].content) == pages(labels[1].content)
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1
    assert len(await sandbox.ledger(kind="download", order=order)) == 1


@pytest.fixture
def survives_sigterm() -> Iterator[None]:
    """Once it has ended, the server raises SIGTERM again: this process is to live on."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


async def _stops(server: Server, seconds: float) -> None:
    async def told_to_exit() -> bool:
        return server.should_exit

    await eventually(told_to_exit, seconds)


@pytest.mark.usefixtures("survives_sigterm")
async def test_it_drains_before_it_stops(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """On SIGTERM the server says that it is shutting down and takes requests until the drain is over; then it ends."""
    loop = asyncio.get_running_loop()
    async with serving_bff(valkey.url, sandbox, drain=DRAIN_SECONDS) as (server, http):
        assert (await http.get("/readyz")).status_code == httpx.codes.OK
        asked = loop.time()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        assert told(await http.get("/readyz")) == (503, "shutting-down")
        await _stops(server, DRAIN_SECONDS + 5)
        assert loop.time() - asked >= DRAIN_SECONDS


@pytest.mark.usefixtures("survives_sigterm")
async def test_a_second_signal_ends_the_drain(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A server that drains for a minute stops at once when it is told again."""
    async with serving_bff(valkey.url, sandbox, drain=60) as (server, _http):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0)
        await _stops(server, 5)


async def test_sighup_has_the_file_of_shops_read(valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """On SIGHUP the server reads its file of shops, even if that looks the same as before."""
    file = tmp_path / "shops.toml"
    _write(file, "[shops.demo]\n")
    async with serving_bff(valkey.url, sandbox, brands="", shops=file) as (_, http):
        _write(file, "[shops.guide]")
        os.kill(os.getpid(), signal.SIGHUP)

        async def is_served() -> bool:
            return (await http.get("/v1/brands/guide/portal")).is_success

        await eventually(is_served, 10)


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, (0, 0))
