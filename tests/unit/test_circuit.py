"""When a server is asked again that did not answer, and how long an answer is waited for."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest
import uvloop

from app.errors import StoreUnavailable
from app.redis.connections.loop_timeout import LoopTimeout
from app.redis.connections.server import PROBE_SECONDS, Circuit

NOW = 1000.0
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def refusal(circuit: Circuit, now: float) -> str | None:
    """Why the circuit refuses calls; None if it does not."""
    try:
        circuit.check(now)
    except StoreUnavailable as error:
        return str(error)
    return None


def test_a_closed_circuit_lets_all_through() -> None:
    """As long as the server answers, every call goes through."""
    circuit = Circuit()
    for now in (NOW, NOW, NOW + 0.001):
        assert refusal(circuit, now) is None
        circuit.asked(now)
        circuit.answered()
    assert not circuit.is_open


@pytest.mark.parametrize(("after", "expected"), [(0.0, "Late"), (PROBE_SECONDS - 0.001, "Late"), (PROBE_SECONDS, None)])
def test_a_miss_opens_it(after: float, expected: str | None) -> None:
    """After a miss calls fail, and say why, until it is time for a probe."""
    circuit = Circuit()
    circuit.missed("Late", NOW)
    assert circuit.is_open
    assert refusal(circuit, NOW + after) == expected


def test_one_probe_at_a_time() -> None:
    """While one call probes the server, no other does; the next one may if no answer came."""
    circuit = Circuit()
    circuit.missed("Late", NOW)
    probe = NOW + PROBE_SECONDS
    circuit.asked(probe)
    assert refusal(circuit, probe + 0.001) == "Late"
    assert refusal(circuit, probe + PROBE_SECONDS) is None


def test_an_answer_closes_it() -> None:
    """One answer closes the circuit for all calls."""
    circuit = Circuit()
    circuit.missed("Late", NOW)
    circuit.answered()
    assert refusal(circuit, NOW) is None


async def read_during(stall: float) -> bytes:
    """The bytes read within 0.2 s that were sent at once, while the loop stalls for `stall` seconds."""
    here, there = socket.socketpair()
    trigger, other_end = socket.socketpair()
    loop = asyncio.get_running_loop()

    def stand_still() -> None:
        # As while a burst of requests is read: timers are looked at before these sockets are looked at again.
        loop.remove_reader(trigger)
        there.send(b"x")
        time.sleep(stall)

    with there, trigger, other_end:
        reader, writer = await asyncio.open_connection(sock=here)
        loop.add_reader(trigger, stand_still)
        other_end.send(b"now")
        try:
            async with LoopTimeout(0.2):
                return await reader.read(1)
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
async def test_a_stall_of_ours_is_no_silence_of_theirs(loop_factory: LoopFactory, stall: float) -> None:
    """A reply that lies there unread because our loop stood still is read, however long that was."""

    def run() -> bytes:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(read_during(stall))

    assert await asyncio.to_thread(run) == b"x"


async def test_a_timeout_ends() -> None:
    """Without an answer it ends after its seconds, not before and not much later."""
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        async with LoopTimeout(0.1):
            await asyncio.Event().wait()
    assert 0.09 < time.monotonic() - started < 0.5


async def test_a_timeout_leaves_a_cancellation_alone() -> None:
    """A caller cancelled from outside meanwhile is cancelled, not late."""

    async def wait() -> None:
        async with LoopTimeout(5):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
