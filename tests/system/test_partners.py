"""The key's program in docs/partners.md and the package in openapi/partner, run as they stand there."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.support.pdf import pages
from tests.support.processes import LOCAL, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess

pytestmark = pytest.mark.system

EXAMPLE = Path("openapi/partner/return_portal_partner.py").resolve()


def _program(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", Path("docs/partners.md").read_text(), re.DOTALL)
    assert found
    return found[1]


def _new_key() -> list[str]:
    made = subprocess.run([sys.executable, "-c", _program("key")], check=True, capture_output=True, text=True)
    return made.stdout.split()


class Partner(NamedTuple):
    """A partner's key and where the service is."""

    key: str
    url: str


@pytest_asyncio.fixture(scope="module", name="partner")
async def known_partner(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Partner]:
    """A partner whose hash the service knows; addresses without a key get one lookup."""
    key, digest = _new_key()
    settings = {"partners": f"acme:{digest}", "lookup_limit": 1, "poll_interval": 0.1}
    async with running_bff(store.url, sandbox, **settings) as bff:
        yield Partner(key, f"http://{LOCAL}:{bff.port}")


async def _run(folder: Path, partner: Partner, order: str) -> tuple[int | None, str, str]:
    """Exit status, output and errors of the example."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), order, "5611 AA"),
        cwd=folder,
        env={"RETURNS_PARTNER_KEY": partner.key, "RETURNS_URL": partner.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode, output.decode().strip(), errors.decode()


@pytest.mark.parametrize("prefix", ["LABEL", "FLAKY"])
async def test_a_partner_gets_a_label(partner: Partner, sandbox: SandboxProcess, tmp_path: Path, prefix: str) -> None:
    """From order number to PDF, one return, and more lookups than an address without a key has."""
    order = fresh(prefix)
    assert await _run(tmp_path, partner, order) == (0, "label_ready", "")
    assert "Parcel 1 of 1" in pages((tmp_path / "label.pdf").read_bytes())[0]
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


@pytest.mark.parametrize(
    ("prefix", "state"), [("CREATERESET", "outcome_unknown"), ("CREATE500", "outcome_unknown"), ("FAIL", "failed")]
)
async def test_a_partner_sees_how_it_stands(
    partner: Partner, sandbox: SandboxProcess, tmp_path: Path, prefix: str, state: str
) -> None:
    """Where no label comes the example says how the return stands, and asks for no second one."""
    order = fresh(prefix)
    # Its label shows that polling works.
    assert await _run(tmp_path, partner, fresh("INSTANT")) == (0, "label_ready", "")
    assert await _run(tmp_path, partner, order) == (0, state, "")
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


@pytest.mark.parametrize(("prefix", "told"), [("NOBODY", "404 parcel-not-found"), ("REFUSE", "422 return-refused")])
async def test_a_partner_is_told_why(partner: Partner, tmp_path: Path, prefix: str, told: str) -> None:
    """A problem that repeating cannot solve ends the example with status, code and request id."""
    code, output, errors = await _run(tmp_path, partner, fresh(prefix))
    assert (code, output) == (1, "")
    assert re.fullmatch(rf"{told} \S+\n", errors)


async def test_an_unknown_key(partner: Partner, tmp_path: Path) -> None:
    """A key that no partner has is refused."""
    _, _, errors = await _run(tmp_path, partner._replace(key="k" * 43), fresh("LABEL"))
    assert errors.startswith("403 partner-key-unknown")
