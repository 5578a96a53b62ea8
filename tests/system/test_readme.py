"""What the README promises a new user, done as written there: needs curl, git and make."""

import contextlib
import io
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pypdf import PdfReader

from tests.support.output import json_below_error

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

BFF = "http://localhost:8000"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of the committed tree."""
    path = tmp_path_factory.mktemp("clone") / "return-portal-bff"
    subprocess.run(["git", "clone", "--quiet", Path.cwd(), path], check=True)  # noqa: S607  git from the PATH
    return path


@pytest.fixture
def served(clone: Path) -> Iterator[subprocess.Popen[str]]:
    """`make run`, up to the last line of what it says once everything answers."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("BFF_", "COVERAGE", "VIRTUAL"))}
    process = subprocess.Popen(
        ["make", "run"],  # noqa: S607  make from the PATH
        cwd=clone,
        env=bare,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    printed = []
    for line in process.stdout:
        printed.append(line)
        if "Ctrl-C stops everything." in line:
            break
    else:
        pytest.fail("".join(printed))
    assert not [line for line in printed if line.startswith("{")]
    yield process
    os.killpg(process.pid, signal.SIGINT)
    printed_since, _ = process.communicate(timeout=30)
    assert "Traceback" not in printed_since
    assert not [line for line in printed_since.splitlines() if line.startswith("{") and not json_below_error(line)]


def _running_in(directory: Path) -> list[str]:
    """The command lines of all processes that work there or were started from there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            command = (process / "cmdline").read_text().replace("\0", " ")
            if (process / "cwd").readlink() == directory or str(directory) in command:
                found.append(command)
    return found


@pytest.mark.parametrize("time", ["the first time", "once more"])
def test_the_journey_of_the_readme_ends_with_a_label(
    served: subprocess.Popen[str], clone: Path, tmp_path: Path, time: str
) -> None:
    """In a fresh clone `make run` serves, and the README's commands, pasted as they stand, store a label."""
    assert time
    assert served.poll() is None
    assert len(_running_in(clone)) >= len(["make", "supervisor", "store", "upstream", "BFF"])
    journey = re.search(r"<!-- journey -->\n```bash\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    assert journey
    subprocess.run(["bash", "-ec", journey[1]], cwd=tmp_path, check=True, timeout=60)  # noqa: S607  bash from the PATH
    text = PdfReader(io.BytesIO((tmp_path / "label.pdf").read_bytes())).pages[0].extract_text()
    location = re.search(r"^location: (\S+)", (tmp_path / "head").read_text(), re.MULTILINE | re.IGNORECASE)
    cookie = re.search(r"__Host-return_session\s+(\S+)", (tmp_path / "jar").read_text())
    assert location
    assert cookie
    answer = httpx.get(BFF + location[1], headers={"Authorization": f"Bearer {cookie[1]}"}, trust_env=False)
    assert answer.json()["parcels"][0]["tracking_number"] in text


def test_ctrl_c_leaves_no_process_behind(clone: Path) -> None:
    """After Ctrl-C nothing of `make run` is left."""
    assert _running_in(clone) == []
