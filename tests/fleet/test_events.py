"""Events of a service whose replicas die."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.processes import Valkey, eventually, fresh, running_bff
from tests.support.receiver import Post, running_receiver, shops_entry
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper

pytestmark = pytest.mark.system


async def never(_: Post) -> int:
    """The status of an endpoint that hangs."""
    await asyncio.sleep(600)
    return 204


async def test_a_killed_replica_loses_no_event(valkey: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Events that a replica was posting when it was killed arrive from another one, within a minute."""
    async with running_receiver() as receiver:
        file = tmp_path / "shops.toml"
        file.write_text(shops_entry("guide", receiver.url))
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
