"""A label far bigger than the memory it may cost."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.processes import Bff, eventually, fresh
from tests.support.shopper import Shopper, shopper, told

MEGABYTE = 1_000_000
BIG = 20 * MEGABYTE
ALLOWED_RISE = 10 * MEGABYTE


def resident(pid: int) -> int:
    """Bytes of memory that this process holds now."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


async def labelled(bff: Bff, prefix: str) -> tuple[Shopper, str]:
    """A shopper with a return that has a label, and where the label is."""
    someone = await shopper(bff.http, fresh(prefix))
    location = (await someone.create()).headers["location"]

    async def is_ready() -> bool:
        return bool((await someone.get(location)).json()["state"] == "label_ready")

    await eventually(is_ready, 30)
    return someone, f"{location}/label"


async def download(bff: Bff, someone: Shopper, path: str, pause: float = 0) -> tuple[int, int, bytes]:
    """Bytes received, the most memory the service held meanwhile, and the end of the document."""
    size, most, tail = 0, 0, b""
    async with bff.http.stream("GET", path, headers=someone.headers) as response:
        assert response.status_code == 200
        async for chunk in response.aiter_bytes():
            size, most, tail = size + len(chunk), max(most, resident(bff.process.pid)), (tail + chunk)[-6:]
            await asyncio.sleep(pause)
    return size, most, tail


async def test_slow_readers_of_one_parcel(bff: Bff) -> None:
    """Two readers of a big label keep a third one of their parcel out, and no other, until they have left."""
    someone, path = await labelled(bff, "PDF20M")
    other, elsewhere = await labelled(bff, "PDF20M")
    async with AsyncExitStack() as readers:
        for _ in range(2):
            reading = bff.http.stream("GET", path, headers=someone.headers)
            assert (await readers.enter_async_context(reading)).status_code == 200
        refused = await someone.get(path)
        assert told(refused) == (429, "too-many-calls")
        assert int(refused.headers["retry-after"]) > 0
        assert (await download(bff, other, elsewhere))[0] == BIG

    async def may() -> bool:
        return (await someone.get(path)).status_code == 200

    await eventually(may, 20)


@pytest.mark.parametrize("pause", [0, 0.002], ids=["at full speed", "by a slow reader"])
async def test_big_label_is_streamed(bff: Bff, pause: float) -> None:
    """A label of 20 MB arrives whole while the service's memory rises by less than 10 MB, however slowly it is read."""
    await download(bff, *await labelled(bff, "INSTANT"))
    someone, path = await labelled(bff, "PDF20M")
    before = resident(bff.process.pid)
    size, most, tail = await download(bff, someone, path, pause)
    assert (size, tail) == (BIG, b"%%EOF\n")
    assert most - before < ALLOWED_RISE
