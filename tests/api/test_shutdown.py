"""A process that is told to stop lets those who wait go and finishes what is under way."""

import asyncio
import signal

from tests.support.processes import Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper

STOP_WITHIN_SECONDS = 5.0


async def test_those_who_wait_are_answered(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """On SIGTERM held requests get the return as it stands, event streams end, and the process is gone soon."""
    async with running_bff(valkey.url, sandbox, poll_interval=0.1) as bff:
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


async def test_a_creation_under_way_is_finished(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """On SIGTERM a creation whose answer is slow is waited for and answered."""
    async with running_bff(valkey.url, sandbox) as bff:
        order = fresh("SLOW")
        someone = await shopper(bff.http, order)
        creating = asyncio.create_task(someone.create(someone.body("pickup")))

        async def posted() -> bool:
            return len(await sandbox.ledger(kind="incoming", order=order)) == 1

        await eventually(posted, 5)
        bff.process.send(signal.SIGTERM)
        assert (await creating).status_code == 202
