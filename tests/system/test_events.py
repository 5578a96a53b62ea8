"""The verifiers of docs/events.md, run as they stand there, and the public one of npm. Needs Debian's php-cli."""

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.events.endpoint import signed
from tests.support.receiver import SECRETS

pytestmark = pytest.mark.system

BODY = '{"type":"return.created","timestamp":"2026-11-29T08:00:00.000Z","data":{"name":"Zoë"}}'
PUBLIC = """
const { Webhook } = require("standardwebhooks");
const body = require("node:fs").readFileSync(0, "utf8");
console.log(new Webhook(process.env.WEBHOOK_SECRET).verify(body, JSON.parse(process.argv[1])).type);
"""


def _program(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", Path("docs/events.md").read_text(), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds the public verifier."""
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "standardwebhooks@1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return folder


async def _verified(command: list[str], folder: Path, headers: dict[str, str], body: str, secret: str) -> str:
    """What the program prints; empty if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        json.dumps(headers),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(body.encode()), 60)
    return output.decode().strip() if process.returncode == 0 else ""


@pytest.mark.parametrize("verifier", ["python", "node", "npm", "php"])
async def test_public_verifiers(verifier: str, modules: Path) -> None:
    """Each verifier accepts the event with either secret, and refuses another body, another secret and an old one."""
    (modules / "verify.cjs").write_text(_program("verify-node"))
    (modules / "verify.php").write_text(_program("verify-php"))
    command = {
        "python": [sys.executable, "-c", _program("verify-python")],
        "node": ["node", "verify.cjs"],
        "npm": ["node", "-e", PUBLIC],
        "php": ["php", "verify.php"],
    }[verifier]
    headers = signed(SECRETS, "rtn_a:2:created", datetime.now(UTC), BODY)
    old = signed(SECRETS, "rtn_a:2:created", datetime(2020, 1, 1, tzinfo=UTC), BODY)
    other = "whsec_" + "b3RoZXIgb3RoZXIgb3RoZXIg" * 2
    answers = [
        await _verified(command, modules, headers, BODY, SECRETS[0]),
        await _verified(command, modules, headers, BODY, SECRETS[1]),
        await _verified(command, modules, headers, BODY + " ", SECRETS[0]),
        await _verified(command, modules, headers, BODY, other),
        await _verified(command, modules, old, BODY, SECRETS[0]),
    ]
    assert answers == ["return.created", "return.created", "", "", ""]
