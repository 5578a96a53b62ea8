"""Events of a service whose replicas die."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.receiver import Post, Receiver, running_receiver, shops_entry
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper

pytestmark = pytest.mark.system


@pytest_asyncio.fixture
async def valkey() -> AsyncIterator[Valkey]:
    """A store of its own, because what is still to be told of one test's return would reach the next one's endpoint."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """The endpoint of a shop."""
    async with running_receiver() as endpoint:
        yield endpoint


@pytest.fixture(name="file")
def file_of_shops(receiver: Receiver, tmp_path: Path) -> Path:
    """The file that tells the shop's events to this endpoint."""
    file = tmp_path / "shops.toml"
    file.write_text(shops_entry("guide", receiver.url))
    return file


async def never(_: Post) -> int:
    """The status of an endpoint that hangs."""
    await asyncio.sleep(600)
    return 204


async def test_a_killed_replica_loses_no_event(
    valkey: Valkey, sandbox: SandboxProcess, receiver: Receiver, file: Path
) -> None:
    """Events that a replica was posting when it was killed arrive from another one, within a minute."""
    settings = {"shops": file, "poll_interval": 0.1, "timed": True}
    answer, receiver.answer = receiver.answer, never
    async with running_bff(valkey.url, sandbox, **settings) as one:
        someone = await shopper(one.http, fresh("INSTANT"), brand="guide")
        return_id = (await someone.create()).headers["location"].rpartition("/")[2]
        created = f"{return_id}:2:created"

        async def is_posted() -> bool:
            return bool(receiver.posts)

        await eventually(is_posted, 20)
        await one.process.stop(signal.SIGKILL)
    receiver.posts.clear()
    receiver.answer = answer
    async with running_bff(valkey.url, sandbox, **settings):

        async def has_come() -> bool:
            return created in {each.event_id for each in receiver.posts}

        await eventually(has_come, 60)
    event = next(each.verified() for each in receiver.posts if each.event_id == created)
    assert event["data"]["brand"] == "guide"


async def test_a_label_of_a_killed_replica_is_told_without_a_read(
    valkey: Valkey, sandbox: SandboxProcess, receiver: Receiver, file: Path
) -> None:
    """The shop is told of a label that was ready after its replica was killed, although nobody reads the return."""
    settings = {"shops": file, "create_deadline": 4, "create_lease": 5, "poll_interval": 3, "timed": True}
    async with running_bff(valkey.url, sandbox, **settings) as one:
        someone = await shopper(one.http, order := fresh("INSTANT"), brand="guide")
        await someone.create()
        await one.process.stop(signal.SIGKILL)
    assert await sandbox.ledger(kind="polling", order=order) == []
    async with running_bff(valkey.url, sandbox, **settings):

        async def is_told() -> bool:
            return "return.label_ready" in {each.verified()["type"] for each in receiver.posts}

        await eventually(is_told, 30)
    assert len(await sandbox.ledger(kind="polling", order=order)) == 1


async def test_a_creation_of_a_killed_replica_is_told_without_a_read(
    valkey: Valkey, sandbox: SandboxProcess, receiver: Receiver, file: Path
) -> None:
    """The shop is told of a creation whose replica was killed before the answer, although nobody reads the return."""
    settings = {"shops": file, "create_deadline": 4, "create_lease": 5, "timed": True}
    async with running_bff(valkey.url, sandbox, **settings) as one:
        someone = await shopper(one.http, order := fresh("CREATEHANG"), brand="guide")
        creating = asyncio.create_task(someone.create())

        async def has_arrived() -> bool:
            return bool(await sandbox.ledger(kind="incoming", order=order))

        await eventually(has_arrived, 20)
        await one.process.stop(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await creating
    async with running_bff(valkey.url, sandbox, **settings):

        async def is_told() -> bool:
            return bool(receiver.posts)

        await eventually(is_told, 20)
    [event] = [each.verified() for each in receiver.posts]
    assert (event["type"], event["data"]["state"]) == ("return.outcome_unknown", "outcome_unknown")
