"""What fails a test although the test itself saw nothing: the end and the output of the processes that it started."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.support.output import nothing
from tests.support.processes import Valkey, running, running_bff
from tests.support.sandbox import SandboxProcess


async def _serve(valkey: Valkey, sandbox: SandboxProcess, fault: str, *expected: str) -> None:
    faulty = {"module": "tests.support.faulty", "environment": {"FAULT": fault}}
    async with running_bff(valkey.url, sandbox, covered=True, **faulty) as bff:
        bff.process.expected.extend(expected)
        assert (await bff.http.get("/readyz")).is_success


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("forgotten_coroutine", "was never awaited"),
        ("failing_task", '"logger": "asyncio", "level_name": "ERROR", "error": "RuntimeError"'),
        ("deprecation", "it ended by itself with status 1"),
        ("failing_shutdown", '"logger": "uvicorn.error", "level_name": "ERROR"'),
    ],
)
async def test_a_fault_in_the_lifespan(valkey: Valkey, sandbox: SandboxProcess, fault: str, told: str) -> None:
    """A forgotten coroutine, a task that raises, a deprecation and an error at shutdown each fail the test."""
    with pytest.raises(AssertionError, match=told):
        await _serve(valkey, sandbox, fault)


async def test_an_expected_error(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Lines that a test says it expects do not fail it."""
    await _serve(valkey, sandbox, "failing_shutdown", '"logger": "uvicorn.error"')


async def _run(program: str, started: Path, number: signal.Signals | None = signal.SIGTERM) -> None:
    """Runs this program until it has made the file, then ends it by the signal or waits for its end."""

    async def has_started() -> bool:
        return await asyncio.to_thread(started.exists)

    async with running([sys.executable, "-c", program, str(started)], has_started, nothing) as process:
        if number:
            await process.stop(number)
        else:
            await process.handle.wait()


START = "import pathlib, signal, sys, time; started = pathlib.Path(sys.argv[1]).touch;"
WAIT = f"{START} started(); time.sleep(60)"


@pytest.mark.parametrize("status", [0, 3])
async def test_a_process_that_ends_by_itself(tmp_path: Path, status: int) -> None:
    """A process that ends by itself fails the test, with any exit status."""
    program = f"{START} started(); raise SystemExit({status})"
    with pytest.raises(AssertionError, match=f"it ended by itself with status {status}"):
        await _run(program, tmp_path / "started", None)


async def test_an_exit_status_of_its_own(tmp_path: Path) -> None:
    """A process that reports a failure when it is told to stop fails the test."""
    program = f"{START} signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); started(); time.sleep(60)"
    with pytest.raises(AssertionError, match="status 3"):
        await _run(program, tmp_path / "started")


async def test_a_word_of_a_silent_process(tmp_path: Path) -> None:
    """A process that is to print nothing and prints a word fails the test."""
    with pytest.raises(AssertionError, match="a word"):
        await _run(f"{START} print('a word', flush=True); started(); time.sleep(60)", tmp_path / "started")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_process_that_ends_as_it_is_told(tmp_path: Path, number: signal.Signals) -> None:
    """A process that ends by the signal that the test sends does not fail it."""
    await _run(WAIT, tmp_path / "started", number)
