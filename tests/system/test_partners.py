"""The key's program in docs/partners.md, and the command of openapi/partner, built and installed as partners do."""

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

PACKAGE = Path("openapi/partner").resolve()
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
OFFLINE = ("--no-index", "--no-deps")


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


@pytest.fixture(scope="module", name="installed")
def wheel_in_a_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the package's wheel installs."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    subprocess.run((*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", wheels, PACKAGE), check=True)
    subprocess.run((*PIP, "install", *OFFLINE, "--target", folder, *wheels.glob("*.whl")), check=True)
    return folder


class Command(NamedTuple):
    """The installed command, and the folder that it is run in."""

    installed: Path
    folder: Path

    async def run(self, *words: str, **environment: str) -> tuple[int | None, str, str]:
        """Exit status, output and errors."""
        process = await asyncio.create_subprocess_exec(
            str(self.installed / "bin/return-portal-partner"),
            *words,
            cwd=self.folder,
            env={"PYTHONPATH": str(self.installed), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), 90)
        return process.returncode, output.decode().strip(), errors.decode()

    async def make(self, partner: Partner, order: str) -> tuple[int | None, str, str]:
        """The same, for a return of this order."""
        return await self.run(order, "5611 AA", RETURNS_PARTNER_KEY=partner.key, RETURNS_URL=partner.url)


@pytest.fixture(name="command")
def command_in_an_empty_folder(installed: Path, tmp_path: Path) -> Command:
    """The command as a partner finds it after the installation."""
    return Command(installed, tmp_path)


@pytest.mark.parametrize("prefix", ["LABEL", "FLAKY"])
async def test_a_partner_gets_a_label(partner: Partner, sandbox: SandboxProcess, command: Command, prefix: str) -> None:
    """From order number to PDF, one return, and more lookups than an address without a key has."""
    order = fresh(prefix)
    assert await command.make(partner, order) == (0, "label_ready", "")
    assert "Parcel 1 of 1" in pages((command.folder / "label.pdf").read_bytes())[0]
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


@pytest.mark.parametrize(
    ("prefix", "state"), [("CREATERESET", "outcome_unknown"), ("CREATE500", "outcome_unknown"), ("FAIL", "failed")]
)
async def test_a_partner_sees_how_it_stands(
    partner: Partner, sandbox: SandboxProcess, command: Command, prefix: str, state: str
) -> None:
    """Where no label comes the example says how the return stands, and asks for no second one."""
    order = fresh(prefix)
    # Its label shows that polling works.
    assert await command.make(partner, fresh("INSTANT")) == (0, "label_ready", "")
    assert await command.make(partner, order) == (0, state, "")
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


@pytest.mark.parametrize(("prefix", "told"), [("NOBODY", "404 parcel-not-found"), ("REFUSE", "422 return-refused")])
async def test_a_partner_is_told_why(partner: Partner, command: Command, prefix: str, told: str) -> None:
    """A problem that repeating cannot solve ends the example with status, code and request id."""
    code, output, errors = await command.make(partner, fresh(prefix))
    assert (code, output) == (1, "")
    assert re.fullmatch(rf"{told} \S+\n", errors)


async def test_an_unknown_key(partner: Partner, command: Command) -> None:
    """A key that no partner has is refused."""
    _, _, errors = await command.make(partner._replace(key="k" * 43), fresh("LABEL"))
    assert errors.startswith("403 partner-key-unknown")


SET = {"RETURNS_URL": f"http://{LOCAL}:1", "RETURNS_PARTNER_KEY": "k" * 43}


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (("LABEL-0001", "5611 AA"), {}, "RETURNS_URL"),
        (("LABEL-0001", "5611 AA"), {"RETURNS_URL": SET["RETURNS_URL"]}, "RETURNS_PARTNER_KEY"),
        (("LABEL-0001",), SET, "usage: return-portal-partner ORDER"),
        (("LABEL-0001", "5611", "AA"), SET, "usage: return-portal-partner ORDER"),
        (("LABEL-0001", "5611 AA"), SET | {"RETURNS_URL": "localhost:8000"}, "such as http://"),
    ],
    ids=["no service", "no key", "no postal code", "a postal code without quotes", "no scheme"],
)
async def test_a_wrong_call_is_one_clear_line(
    command: Command, words: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    """What is missing from the command or its environment is named in one line, without a traceback."""
    code, output, errors = await command.run(*words, **environment)
    assert (code, output, errors.count("\n")) == (1, "", 1)
    assert told in errors


async def test_nothing_is_left_to_return(partner: Partner, command: Command) -> None:
    """An order whose only item is on its way back ends the command with a sentence."""
    order = fresh("INSTANT")
    assert await command.make(partner, order) == (0, "label_ready", "")
    told = "no item of this order can go to a drop-off point\n"
    assert await command.make(partner, order) == (1, "", told)
