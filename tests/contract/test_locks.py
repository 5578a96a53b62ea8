"""Installed packages are pinned by hash, no older than is safe, and come from the machine's own index."""

import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

ADDRESS = re.compile(r"://(?!localhost|127\.0\.0\.1)|(?<!no-emit-)index-url|find-links|trusted-host")
HASHES = re.compile(r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+")


def _locked(lock: Path) -> dict[str, tuple[Version, bool]]:
    """Version of each package, and whether nothing but hashes follows it."""
    packages = re.findall(r"^([a-z0-9-]+)==([^ \n]+)[^\n]*\n((?: .*\n)*)", lock.read_text(), re.MULTILINE)
    return {name: (Version(version), bool(HASHES.fullmatch(rest))) for name, version, rest in packages}


def _minimums(table: Path) -> dict[str, Version]:
    rows = re.findall(r"^([a-z0-9-]+)>=(\S+)  # \S.*$", table.read_text(), re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\w", table.read_text(), re.MULTILINE)), "a row has no reason"
    return {name: Version(version) for name, version in rows}


def _faults(project: Path) -> set[str]:
    """The faults of the locks of this project folder, one line each."""
    names = ("run", "otel", "sandbox", "dev", "audit")
    run, otel, sandbox, dev, audit = (_locked(project / "locks" / f"{name}.txt") for name in names)
    minimums = _minimums(project / "locks/minimums.txt")
    described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    direct = described["dependencies"] + described["optional-dependencies"]["otel"]
    configured = [project / name for name in ("pyproject.toml", "Makefile", "Dockerfile", ".ci/run")]
    texts = [*(project / "locks").glob("*.txt"), *configured]
    shipped = [*run.items(), *otel.items()]
    return (
        {
            f"{name} is older than {minimums[name]}"
            for name, (version, _) in shipped
            if version < minimums.get(name, version)
        }
        | {f"{name} has no minimum" for name in set(direct) - set(minimums)}
        | {f"{name} is not installed" for name in set(minimums) - {*run, *otel}}
        | {
            f"{name} has no hash"
            for lock in (run, otel, sandbox, dev, audit)
            for name, (_, hashed) in lock.items()
            if not hashed
        }
        | {
            f"{name} is not the one that is tested"
            for name, locked in [*shipped, *sandbox.items()]
            if dev.get(name) != locked
        }
        | {f"{name} is not there with the extra" for name in set(run) - set(otel)}
        | {f"{path.name} names an address" for path in texts if ADDRESS.search(path.read_text())}
    )


def test_the_locks_are_sound() -> None:
    """Every package is hashed and safe, every direct one has a minimum, and shipped versions are the tested ones."""
    assert _faults(Path()) == set()


@pytest.mark.parametrize(
    ("file", "before", "after", "fault"),
    [
        ("locks/run.txt", r"h11==\S+", "h11==0.14.0", "h11 is older than 0.16.0"),
        ("locks/run.txt", r"starlette==\S+", "starlette==1.9.9", "starlette is older than 1.10.0"),
        ("locks/run.txt", r"(\nredis==\S+ \\\n)(    --hash.*\n)+", r"\1", "redis has no hash"),
        ("locks/audit.txt", r"(pip-audit==.*\n    --hash=sha256:)....", r"\1", "pip-audit has no hash"),
        ("locks/dev.txt", r"idna==\S+", "idna==99", "idna is not the one that is tested"),
        ("locks/otel.txt", r"uvicorn==\S+", "uvicorn==99", "uvicorn is not the one that is tested"),
        ("locks/sandbox.txt", r"httpx==\S+", "httpx==99", "httpx is not the one that is tested"),
        ("locks/otel.txt", r"urllib3==\S+", "urllib3==2.6.3", "urllib3 is older than 2.7.0"),
        ("locks/otel.txt", r"structlog==\S+", "structlag==1", "structlog is not there with the extra"),
        ("locks/minimums.txt", r"uvloop>=.*\n", "", "uvloop has no minimum"),
        ("locks/minimums.txt", r"\Z", "gone>=1  # why\n", "gone is not installed"),
        ("locks/dev.txt", r"\A", "--index-url https://packages.example/simple\n", "dev.txt names an address"),
        (
            "pyproject.toml",
            r"\Z",
            '[[tool.uv.index]]\nurl = "http://packages.example"\n',
            "pyproject.toml names an address",
        ),
        ("Dockerfile", r"--require-hashes", "--find-links /wheels", "Dockerfile names an address"),
    ],
)
def test_a_fault_in_the_locks_is_seen(tmp_path: Path, file: str, before: str, after: str, fault: str) -> None:
    """A lowered version, a lost hash, a missing row and an address in the locks are each named."""
    for name in ("locks", ".ci"):
        shutil.copytree(name, tmp_path / name)
    for name in ("pyproject.toml", "Makefile", "Dockerfile"):
        shutil.copy(name, tmp_path)
    text, changed = re.subn(before, after, (tmp_path / file).read_text(), count=1)
    assert changed
    (tmp_path / file).write_text(text)
    assert fault in _faults(tmp_path)


CLEAN = {"name": "h11", "version": "0.16.0", "vulns": []}
FLAWED = CLEAN | {"vulns": [{"id": "CVE-2025-43859", "fix_versions": []}]}
SKIPPED = {"name": "h11", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("lock", "dependencies", "said"),
    [
        ("h11==0.16.0 \\\n", [CLEAN], []),
        ("h11==0.16.0 \\\n", [FLAWED], ["h11: CVE-2025-43859"]),
        ("h11==0.16.0 \\\n", [SKIPPED], ["h11: not looked up"]),
        ("h11==0.16.0 \\\n", [], ["h11: not looked up"]),
        ("h11==0.16.0 \\\n", None, ["h11: not looked up"]),
        ("h11==0.16.0 \\\nidna==3.20 \\\n", [CLEAN], ["idna: not looked up"]),
        ("", [], ["nothing is locked"]),
    ],
    ids=["clean", "flawed", "skipped", "empty report", "no report", "one missing", "empty lock"],
)
def test_an_audit_that_looked_at_too_little_fails(
    lock: str, dependencies: list[dict[str, Any]] | None, said: list[str]
) -> None:
    """`make audit` fails unless every locked package was looked up and is clean, and names those that were not."""
    findings = runpy.run_path("locks/audited.py")["findings"]
    assert findings(lock, "" if dependencies is None else json.dumps({"dependencies": dependencies})) == said


def test_a_fault_found_by_the_audit_is_an_exit_status(tmp_path: Path) -> None:
    """`make audit` fails without a report."""
    command = [sys.executable, "locks/audited.py", "locks/run.txt", str(tmp_path / "none")]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode != 0
    assert "audit failed" in judged.stderr
