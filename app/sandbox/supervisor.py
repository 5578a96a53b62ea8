"""Child processes that live and die together."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_DEADLINE = 30.0
"""Seconds each child may take to answer."""
STOP_DEADLINE = 10.0
"""Seconds a child has to stop before it is killed."""
POLL_INTERVAL = 0.05
"""Seconds between two questions to a starting child."""


@dataclass(frozen=True)
class Child:
    """One process of the stack, and how to see that it answers."""

    name: str
    command: Sequence[str]
    answers: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables besides our own."""
    quiet: bool = False
    """Whether what it prints to stdout is dropped."""


class ChildFailed(Exception):
    """A child died, or never answered; the text is one line that names it."""


async def supervise(children: Sequence[Child], ready: Callable[[], None]) -> int:
    """Start the children in this order, call `ready`, and stop them all on a signal (0) or when one fails (1)."""
    with _signals() as stop:
        async with _stopped_at_the_end() as running:
            stack = asyncio.create_task(_run(children, running, ready))
            waiter = asyncio.create_task(stop.wait())
            await asyncio.wait({stack, waiter}, return_when=asyncio.FIRST_COMPLETED)
            for task in (stack, waiter):
                task.cancel()
            results = await asyncio.gather(stack, waiter, return_exceptions=True)
    if stop.is_set():
        return 0
    failure = results[0]
    if failure and not isinstance(failure, ChildFailed):
        raise failure
    print(failure, file=sys.stderr)  # noqa: T201 - a command's output
    return 1


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """An event that every stop signal sets."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    yield stop
    for number in STOP_SIGNALS:
        loop.remove_signal_handler(number)


@asynccontextmanager
async def _stopped_at_the_end() -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """A list of processes that are stopped one after the other, the last one first."""
    running: list[asyncio.subprocess.Process] = []
    try:
        yield running
    finally:
        for process in reversed(running):
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end, and kill it when it takes too long."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_DEADLINE)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _run(children: Sequence[Child], running: list[asyncio.subprocess.Process], ready: Callable[[], None]) -> None:
    """Start everything, then wait for the first to die; ends with `ChildFailed` in any case."""
    deaths: list[asyncio.Task[None]] = []
    try:
        for child in children:
            # A session of its own keeps a child out of reach of Ctrl-C, so that we alone decide the order of stopping.
            process = await asyncio.create_subprocess_exec(
                *child.command,
                env={**os.environ, **child.environment},
                stdout=asyncio.subprocess.DEVNULL if child.quiet else None,
                start_new_session=True,
            )
            running.append(process)
            deaths.append(asyncio.create_task(_death(child, process)))
            await _until_it_answers(child, deaths)
        ready()
        await asyncio.wait(deaths, return_when=asyncio.FIRST_COMPLETED)
        _raise_first(deaths)
    finally:
        for death in deaths:
            death.cancel()
        await asyncio.gather(*deaths, return_exceptions=True)


async def _until_it_answers(child: Child, deaths: Sequence[asyncio.Task[None]]) -> None:
    """Return once the child answers; `ChildFailed` when it is late, or any child dies before."""
    deadline = asyncio.get_running_loop().time() + START_DEADLINE
    while not await child.answers():
        if asyncio.get_running_loop().time() > deadline:
            raise ChildFailed(f"{child.name} did not answer within {START_DEADLINE:.0f} seconds")
        await asyncio.wait(deaths, timeout=POLL_INTERVAL, return_when=asyncio.FIRST_COMPLETED)
        _raise_first(deaths)


def _raise_first(deaths: Sequence[asyncio.Task[None]]) -> None:
    for death in deaths:
        if death.done():
            death.result()


async def _death(child: Child, process: asyncio.subprocess.Process) -> None:
    raise ChildFailed(f"{child.name} ended with status {await process.wait()}")
