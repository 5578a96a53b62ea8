"""The program in docs/journey.md, run as it stands there. Needs node."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.pdf import pages
from tests.support.processes import LOCAL, Bff, fresh

pytestmark = pytest.mark.system


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the program lies under the name that the page gives it."""
    program = re.search(r"<!-- fetch -->\n```js\n(.*?)```", Path("docs/journey.md").read_text(), re.DOTALL)
    assert program
    (tmp_path / "first.mjs").write_text(program[1])
    return tmp_path


async def test_the_journey_in_one_file(bff: Bff, folder: Path) -> None:
    """From order number to label with fetch, without a word on the way."""
    node = await asyncio.create_subprocess_exec(
        *("env", f"BFF=http://{LOCAL}:{bff.port}", "node", "first.mjs", fresh("ITEMS"), "5611 AA"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(node.communicate(), 60)
    assert (node.returncode, printed.decode()) == (0, "")
    assert "Parcel 1 of 1" in pages((folder / "label.pdf").read_bytes())[0]
