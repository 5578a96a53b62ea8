"""Pictures over HTTP: stored in one upstream call, refused before they have all come, never held in memory."""

import asyncio
import json
import re
import resource
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.uploads.routes import UPLOADS_AT_ONCE
from tests.support.processes import LOCAL, Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.support.shopper import Shopper, key, shopper, told

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0"
END = b"--limit--\r\n"
FORM = {"Content-Type": "multipart/form-data; boundary=limit"}
LARGEST_FILE = 10_000_000 - 1
FLAT_KIB = 20 * 1024
PIECE = bytes(64 * 1024)
ANNOUNCED = 90_000_000


def head(disposition: str = 'name="photos"; filename="a.png"') -> bytes:
    """What stands before the content of a part."""
    return f"--limit\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()


WHOLE = head() + PNG + bytes(200_000) + b"\r\n" + END


async def upload(someone: Shopper, *files: tuple[str, bytes], **headers: str) -> httpx.Response:
    """POST /v1/uploads with these files by field name; every file is called a.png."""
    named = [(name, ("a.png", content)) for name, content in files]
    return await someone.http.post("/v1/uploads", files=named, headers=someone.headers | headers)


def photo(someone: Shopper, file: str, **changes: str) -> dict[str, Any]:
    """A member of `photos` for the item that goes back."""
    return {"file": file, "item": someone.body()["items"][0]["id"]} | changes


async def test_a_return_with_photos(bff: Bff, sandbox: SandboxProcess) -> None:
    """Ten pictures cost one upstream call, and a return takes their handles."""
    order = fresh("LABEL")
    someone = await shopper(bff.http, order)
    response = await upload(someone, *[("photos", PNG + bytes([number])) for number in range(9)], ("back", JPEG))
    assert response.status_code == 201
    uploads = response.json()["uploads"]
    assert [each["name"] for each in uploads] == ["photos"] * 9 + ["back"]
    assert len({each["file"] for each in uploads}) == 10
    photos = [photo(someone, each["file"], description="The hole") for each in uploads]
    assert (await someone.create(someone.body(photos=photos))).status_code == 202
    assert [each["status"] for each in await sandbox.ledger(kind="uploads", order=order)] == [201]
    assert [each["status"] for each in await sandbox.ledger(kind="incoming", order=order)] == [200]


async def test_a_full_disk_is_for_later(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Where the disk has no room for a picture the answer is 503, and the next one that fits is taken."""
    async with running_bff(valkey.url, sandbox) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        resource.prlimit(bff.process.pid, resource.RLIMIT_FSIZE, (500_000, 500_000))
        refused = await upload(someone, ("photos", PNG + bytes(2_000_000)))
        assert told(refused) == (503, "uploads-busy")
        assert int(refused.headers["retry-after"]) > 0
        assert (await upload(someone, ("photos", PNG + bytes(300_000)))).status_code == 201


async def test_a_disk_that_was_always_full(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Where no byte could be written since the start the answer is 503, and 201 once there is room."""
    async with running_bff(valkey.url, sandbox) as bff:
        someone = await shopper(bff.http, fresh("LABEL"))
        resource.prlimit(bff.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        assert told(await upload(someone, ("photos", PNG + bytes(300_000)))) == (503, "uploads-busy")
        resource.prlimit(bff.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert (await upload(someone, ("photos", PNG + bytes(300_000)))).status_code == 201


async def test_a_handle_of_another_session(bff: Bff, sandbox: SandboxProcess) -> None:
    """A handle from another session, even of the same parcel, is refused, and nothing is created."""
    order = fresh("LABEL")
    first, second = [await shopper(bff.http, order) for _ in range(2)]
    [uploaded] = (await upload(first, ("photos", PNG))).json()["uploads"]
    for path, headers in (("/v1/returns", {"Idempotency-Key": key()}), ("/v1/returns/preview", {})):
        body = second.body(photos=[photo(second, uploaded["file"])])
        response = await second.http.post(path, json=body, headers=second.headers | headers)
        found = response.json().get("errors") or response.json()["problems"]
        assert [(each["pointer"], each["code"]) for each in found] == [("#/photos/0/file", "unknown-upload")]
    assert await sandbox.ledger(kind="incoming", order=order) == []


async def test_the_same_return_from_another_session(bff: Bff) -> None:
    """A repeated creation gets its first answer, though the handles in it are of the session before."""
    order, used = fresh("LABEL"), key()
    first, second = [await shopper(bff.http, order) for _ in range(2)]
    [uploaded] = (await upload(first, ("photos", PNG))).json()["uploads"]
    body = first.body(photos=[photo(first, uploaded["file"])])
    answers = [await each.create(body, used) for each in (first, second)]
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].content == answers[1].content


async def test_html_by_the_name_of_a_picture(bff: Bff, sandbox: SandboxProcess) -> None:
    """A file that is no picture is refused by its number, and none of the others is stored."""
    order = fresh("LABEL")
    response = await upload(await shopper(bff.http, order), ("photos", PNG), ("photos", b"<html><script>alert(1)"))
    assert told(response) == (415, "not-an-image")
    assert [error["pointer"] for error in response.json()["errors"]] == ["#/1"]
    assert await sandbox.ledger(kind="uploads", order=order) == []


@asynccontextmanager
async def begun(
    bff: Bff, headers: dict[str, str], *pieces: bytes, announced: int = ANNOUNCED
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An upload of which only these pieces have been sent."""
    reader, writer = await asyncio.open_connection(LOCAL, bff.port)
    fields = {"Host": LOCAL, "Content-Length": str(announced)} | FORM | headers
    lines = ["POST /v1/uploads HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    writer.writelines(pieces)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer."""
    start = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()
    length = re.search(r"(?i)content-length: (\d+)", start)
    assert length, start
    return int(start.split()[1]), json.loads(await reader.readexactly(int(length[1])))


@pytest.mark.parametrize(
    ("pieces", "announced", "problem"),
    [
        pytest.param([(head() + PNG + b"\r\n") * 10, head()], ANNOUNCED, (413, "too-many-files"), id="eleven files"),
        pytest.param([head(), PNG, bytes(LARGEST_FILE)], ANNOUNCED, (413, "file-too-large"), id="10 MB"),
        pytest.param([head(), b"<!DOCTYPE html>"], ANNOUNCED, (415, "not-an-image"), id="HTML"),
        pytest.param([head('name="comment"')], ANNOUNCED, (422, "invalid-request"), id="a plain field"),
        pytest.param([b"no form"], ANNOUNCED, (400, "malformed-request"), id="no form"),
        pytest.param([], 100 * 1024 * 1024 + 1, (413, "body-too-large"), id="over 100 MiB announced"),
    ],
)
async def test_refused_early(bff: Bff, pieces: Sequence[bytes], announced: int, problem: tuple[int, str]) -> None:
    """The answer comes while most of the body is still to come."""
    someone = await shopper(bff.http, fresh("LABEL"))
    async with begun(bff, someone.headers, *pieces, announced=announced) as (reader, _):
        status, body = await answer(reader)
        assert (status, body["code"]) == problem


async def test_nothing_is_read_without_a_session(bff: Bff) -> None:
    """401 comes before the body, 403 for a page of another site that has the cookie."""
    async with begun(bff, {}) as (reader, _):
        status, body = await answer(reader)
        assert (status, body["code"]) == (401, "session-required")
    someone = await shopper(bff.http, fresh("LABEL"), delivery="cookie")
    async with begun(bff, someone.headers | {"Origin": "https://evil.example"}) as (reader, _):
        status, body = await answer(reader)
        assert (status, body["code"]) == (403, "origin-not-allowed")


@pytest.mark.parametrize("content_type", ["application/json", "image/png", "multipart/mixed; boundary=limit"])
async def test_wrong_media_type(bff: Bff, content_type: str) -> None:
    """An upload that is no form is refused."""
    someone = await shopper(bff.http, fresh("LABEL"))
    headers = someone.headers | {"Content-Type": content_type}
    assert told(await bff.http.post("/v1/uploads", content=PNG, headers=headers)) == (415, "unsupported-media-type")


def spools(bff: Bff) -> list[str]:
    """The temporary files that the service has open."""
    links = []
    for entry in Path(f"/proc/{bff.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return [link for link in links if link.endswith("(deleted)")]


async def test_room_for_so_many(bff: Bff) -> None:
    """With four uploads under way the fifth is told to come again; an upload that ends or is left frees its room."""
    someone, *others = [await shopper(bff.http, fresh("LABEL")) for _ in range(1 + UPLOADS_AT_ONCE)]
    async with AsyncExitStack() as stack:
        four = [
            await stack.enter_async_context(begun(bff, each.headers, WHOLE[:-1], announced=len(WHOLE)))
            for each in others
        ]

        async def all_spool() -> bool:
            """Whether each of them has a file."""
            return len(spools(bff)) == UPLOADS_AT_ONCE

        await eventually(all_spool, 20)
        fifth = await upload(someone, ("photos", PNG))
        assert told(fifth) == (503, "uploads-busy")
        assert int(fifth.headers["retry-after"]) > 0
        four[0][1].write(WHOLE[-1:])
        assert (await answer(four[0][0]))[0] == 201
    await _empties(bff)
    assert (await upload(someone, ("photos", PNG))).status_code == 201


async def test_one_parcel_uploads_one_after_the_other(bff: Bff) -> None:
    """While one of its sessions uploads, a parcel's others are told to wait; other parcels upload meanwhile."""
    order = fresh("LABEL")
    slow, mine, other = [await shopper(bff.http, each) for each in (order, order, fresh("LABEL"))]
    async with begun(bff, slow.headers, WHOLE[:-1], announced=len(WHOLE)) as (reader, writer):

        async def spools_one() -> bool:
            """Whether its file is there."""
            return len(spools(bff)) == 1

        await eventually(spools_one, 20)
        for each in (slow, mine):
            refused = await upload(each, ("photos", PNG))
            assert told(refused) == (429, "too-many-calls")
            assert int(refused.headers["retry-after"]) > 0
        assert (await upload(other, ("photos", PNG))).status_code == 201
        writer.write(WHOLE[-1:])
        assert (await answer(reader))[0] == 201
    assert (await upload(mine, ("photos", PNG))).status_code == 201


async def _empties(bff: Bff) -> None:
    async def empty() -> bool:
        """Whether no temporary file is left."""
        return not spools(bff)

    await eventually(empty, 20)


@asynccontextmanager
async def memory_flat(bff: Bff) -> AsyncIterator[None]:
    """Fails if the resident memory of the service grows inside by 20 MB or more at any moment."""

    def resident() -> int:
        """KiB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{bff.process.pid}/status").read_text())
        assert found
        return int(found[1])

    before = most = resident()

    async def watch() -> None:
        """Samples it."""
        nonlocal most
        while True:
            most = max(most, resident())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
    assert most - before < FLAT_KIB, f"{most - before} KiB"


def contents(files: int, size: int) -> Iterator[bytes]:
    """A form with so many pictures of this size, in pieces."""
    for _ in range(files):
        yield head() + PNG
        whole, rest = divmod(size - len(PNG), len(PIECE))
        yield from [PIECE] * whole
        yield PIECE[:rest] + b"\r\n"
    yield END


async def streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same for an asynchronous client."""
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("files", "size", "status"),
    [
        pytest.param(10, LARGEST_FILE, 201, id="ten of the largest files"),
        pytest.param(1, 100_000_000, 413, id="one file of 100 MB"),
        pytest.param(100, 1_000_000, 413, id="a hundred files"),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
async def test_100_mb_in_flat_memory(
    bff: Bff,
    files: int,
    size: int,
    status: int,
    announced: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Accepted or refused, with a length or without one, an upload of 100 MB needs less than 20 MB of memory."""
    someone = await shopper(bff.http, fresh("LABEL"))
    assert (await upload(someone, ("photos", PNG))).status_code == 201
    length = {"Content-Length": str(sum(map(len, contents(files, size))))} if announced else {}
    async with memory_flat(bff):
        response = await bff.http.post(
            "/v1/uploads", content=streamed(contents(files, size)), headers=someone.headers | FORM | length
        )
    assert response.status_code == status
    await _empties(bff)


async def test_a_body_that_grows_over_100_mib(bff: Bff) -> None:
    """A body without an announced length is counted, so padding before the first part does not evade the limit."""
    someone = await shopper(bff.http, fresh("LABEL"))
    padding = streamed(b"\r\n" * 32 * 1024 for _ in range(1601))
    async with memory_flat(bff):
        response = await bff.http.post("/v1/uploads", content=padding, headers=someone.headers | FORM)
    assert told(response) == (413, "body-too-large")


async def test_refused_tokens_end_the_session(bff: Bff) -> None:
    """An upstream that no longer takes the session's token has the shopper look the parcel up again."""
    someone = await shopper(bff.http, fresh("REVOKED"))
    for _ in range(2):
        assert told(await upload(someone, ("photos", PNG))) == (401, "session-expired")


async def test_upstream_away(valkey: Valkey) -> None:
    """An upstream that fails or is gone is told apart, one request is made at most, and nothing stays on the disk."""
    async with running_sandbox() as mortal, running_bff(valkey.url, mortal) as bff:
        order = fresh("LABEL")
        someone = await shopper(bff.http, order)
        await mortal.fault("down")
        assert told(await upload(someone, ("photos", PNG))) == (502, "bad-upstream")
        assert len(await mortal.ledger(kind="uploads")) == 1
        await mortal.process.stop()
        response = await upload(someone, ("photos", PNG))
        assert told(response) == (503, "upstream-unavailable")
        assert "retry-after" in response.headers
        await _empties(bff)
