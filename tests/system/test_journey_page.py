"""The program in docs/journey.md, run as it stands there. Needs node."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.processes import LOCAL, Bff, fresh

pytestmark = pytest.mark.system


async def test_the_journey_in_one_file(bff: Bff, tmp_path: Path) -> None:
    """From order number to label with fetch, without a word on the way."""
    program = re.search(r"<!-- fetch -->\n```js\n(.*?)```", Path("docs/journey.md").read_text(), re.DOTALL)
    assert program
    (tmp_path / "first.mjs").write_text(program[1])
    node = await asyncio.create_subprocess_exec(
        *("env", f"BFF=http://{LOCAL}:{bff.port}", "node", "first.mjs", fresh("ITEMS"), "5611 AA"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(node.communicate(), 60)
    assert (node.returncode, printed.decode()) == (0, "")
    assert (tmp_path / "label.pdf").read_bytes().startswith(b"%PDF-")
