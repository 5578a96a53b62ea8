"""Documents on their way: bounded memory, one upstream download, nothing broken is ever kept."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from tests.fleet.conftest import SETTINGS
from tests.support.output import ANSWER_CUT
from tests.support.pdf import pages
from tests.support.processes import Bff, Valkey, fresh, running_bff
from tests.support.raw_client import request
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, shopper

pytestmark = pytest.mark.system

MIB = 1024 * 1024
LABEL_BYTES = 2_000_000
READERS = 64
SLOW_SECONDS = 12.0
SLOW_PIECE_BYTES, SLOW_PAUSE_SECONDS = 5_000, 0.1


def _resident_bytes(bff: Bff) -> int:
    status = Path(f"/proc/{bff.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


async def _ready(bff: Bff, prefix: str) -> tuple[Shopper, str]:
    someone = await shopper(bff.http, fresh(prefix))
    path = (await someone.create()).headers["location"]
    await someone.settled(path)
    return someone, path


async def _read_slowly(bff: Bff, someone: Shopper, path: str, peak: list[int]) -> int:
    """How many bytes came after reading at 50 KB/s for a while and then as fast as they come."""
    reader, writer = await request(bff.port, f"{path}/label", someone.headers, limit=SLOW_PIECE_BYTES)
    assert b"200" in await reader.readline()
    while (await reader.readline()).strip():
        pass
    received, until = 0, asyncio.get_running_loop().time() + SLOW_SECONDS
    while piece := await reader.read(SLOW_PIECE_BYTES):
        received += len(piece)
        peak.append(_resident_bytes(bff))
        if asyncio.get_running_loop().time() < until:
            await asyncio.sleep(SLOW_PAUSE_SECONDS)
    writer.close()
    return received


@pytest.mark.patient
async def test_many_slow_readers_cost_little_memory(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """64 downloads of 2 MB by readers at 50 KB/s stay under 48 MB above idle, and each arrives complete."""
    async with running_bff(valkey.url, sandbox, **SETTINGS | {"label_budget": 0.1}) as bff:
        people = await asyncio.gather(*(_ready(bff, "PDF2M") for _ in range(READERS)))
        idle, peak = _resident_bytes(bff), [0]
        received = await asyncio.gather(*(_read_slowly(bff, *person, peak) for person in people))
    assert set(received) == {LABEL_BYTES}
    assert max(peak) - idle < 48 * MIB


async def test_a_kept_label_outlives_the_upstream(valkey: Valkey) -> None:
    """The second download, on another replica and with the upstream gone, is as complete as the first."""
    async with running_sandbox() as upstream, running_bff(valkey.url, upstream, **SETTINGS) as one:
        someone, path = await _ready(one, "PDF2M")
        first = await someone.get(f"{path}/label")
        async with running_bff(valkey.url, upstream, **SETTINGS) as other:
            await upstream.process.stop()
            second = await Shopper(other.http, someone.screen, someone.headers).get(f"{path}/label")
    assert first.content == second.content
    assert len(second.content) == LABEL_BYTES


async def test_a_label_that_can_be_fetched_once_can_be_fetched_twice(fleet: list[Bff]) -> None:
    """A label that upstream hands out only once is there for the second tab as well."""
    someone, path = await _ready(fleet[0], "PDFONCE")
    first = await someone.get(f"{path}/label")
    second = await Shopper(fleet[1].http, someone.screen, someone.headers).get(f"{path}/label")
    assert first.content == second.content


async def _fetched(someone: Shopper, path: str) -> bytes | None:
    try:
        answer = await someone.get(f"{path}/label")
    except httpx.RemoteProtocolError:
        return None
    return answer.content if answer.status_code == httpx.codes.OK else None


@pytest.mark.parametrize("prefix", ["PDFHTML", "PDFEMPTY", "PDFTRUNCATED", "PDFCUT", "PDF30M"])
async def test_a_broken_label_never_looks_whole_and_is_never_kept(
    fleet: list[Bff], sandbox: SandboxProcess, prefix: str
) -> None:
    """A document that is no PDF, cut or too large gives an error or a broken connection, and is never kept."""
    fleet[0].process.expected.extend(ANSWER_CUT)
    someone, path = await _ready(fleet[0], prefix)
    order = someone.screen["parcel"]["order_number"]
    for times in (1, 2):
        assert await _fetched(someone, path) is None
        assert len(await sandbox.ledger(kind="download", order=order)) == times


async def test_a_label_beyond_the_total_cap_is_streamed_and_not_kept(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """With no room for kept labels every download comes from upstream, complete."""
    async with running_bff(valkey.url, sandbox, **SETTINGS | {"kept_labels": 0}) as bff:
        someone, path = await _ready(bff, "LABEL")
        answers = [await someone.get(f"{path}/label") for _ in range(2)]
    assert {answer.status_code for answer in answers} == {200}
    order = someone.screen["parcel"]["order_number"]
    assert len(await sandbox.ledger(kind="download", order=order)) == len(answers)


async def test_a_customs_declaration_comes_like_the_label(fleet: list[Bff]) -> None:
    """An international return names its customs declaration, which streams as a PDF; others have none."""
    someone = await shopper(fleet[0].http, fresh("INTL"))
    created = await someone.create(someone.body("pickup", customs={"invoice_number": "INV-1"}))
    settled = await someone.settled(created.headers["location"])
    document = await someone.get(settled["customs_declaration"])
    assert "Customs declaration" in pages(document.content)[0]
    other, path = await _ready(fleet[0], "LABEL")
    absent = await other.get(f"{path}/customs-declaration")
    assert (absent.status_code, absent.json()["code"]) == (404, "customs-declaration-not-found")
