"""Earlier builds of this service, each from its commit and with its own locked packages."""

import io
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BUILDS = Path("var/builds")
PREVIOUS = "035a272977925a7cba0c85586212f1e467d832da"
"""The build before the present one: both run at the same time during a rolling update, and after a rollback."""


@dataclass(frozen=True)
class Build:
    """Where a build lies, and the interpreter that has its packages."""

    directory: Path
    python: str


PRESENT = Build(Path.cwd(), sys.executable)


@cache
def build_of(commit: str) -> Build:
    """The build of this commit; it stays below `var` for the next run.

    Raises:
        RuntimeError: the clone does not have the commit.
    """
    directory = BUILDS.resolve() / commit
    build = Build(directory, str(directory / "venv/bin/python"))
    if not (directory / "ready").exists():
        _unpack(commit, directory)
        venv.create(directory / "venv", clear=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", build.python]
        options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(directory / "locks/run.txt")]
        subprocess.run([*pip, "install", *options], check=True)
        (directory / "ready").touch()
    return build


def _unpack(commit: str, directory: Path) -> None:
    command = ["git", "archive", commit, "app", "locks/run.txt"]
    archive = subprocess.run(command, capture_output=True, check=False)
    if archive.returncode:
        raise RuntimeError(f"this clone lacks commit {commit}: fetch its whole history with git fetch --unshallow")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
