"""What `make release` writes, in a clone of a few files and with a stand-in for Docker."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from app import __version__

NAME = f"return-portal-bff-{__version__}"
GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@shop.example")
DOCKER = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
if [ "$1" = save ]; then echo layers > "$3"; fi
"""
NO_DOCKER = "#!/bin/sh\nexit 1\n"


def _run(clone: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{clone.parent / 'bin'}:/usr/bin:/bin"
    return subprocess.run(command, cwd=clone, env={"PATH": path}, capture_output=True, text=True, check=False)


@pytest.fixture(name="clone")
def a_clone(tmp_path: Path) -> Path:
    """What a release is made of, committed, and the SBOM that `make sbom` writes."""
    clone = tmp_path / "clone"
    for path in ("deploy/release", "app/__init__.py", "openapi/bff.json", ".gitignore"):
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, clone / path)
    (clone / "var").mkdir()
    (clone / "var/sbom.json").write_text("{}")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "Begin")):
        assert _run(clone, *GIT, *words).returncode == 0
    return clone


def _released(clone: Path, docker: str) -> subprocess.CompletedProcess[str]:
    (program := clone.parent / "bin/docker").parent.mkdir()
    program.write_text(docker)
    program.chmod(0o755)
    return _run(clone, "deploy/release")


def test_every_file_of_a_release_has_its_checksum(clone: Path) -> None:
    """A release has source, API description, SBOM and image, and SHA256SUMS holds the checksum of each."""
    assert _released(clone, DOCKER).returncode == 0
    assert _run(clone / "var/release", "sha256sum", "--check", "--strict", "SHA256SUMS").returncode == 0
    names = {f"{NAME}.{kind}" for kind in ("tar.gz", "openapi.json", "sbom.json", "image.tar")}
    assert {path.name for path in (clone / "var/release").iterdir()} == names | {"SHA256SUMS"}
    assert {line.split()[1] for line in (clone / "var/release/SHA256SUMS").read_text().splitlines()} == names
    with tarfile.open(clone / f"var/release/{NAME}.tar.gz") as source:
        assert f"{NAME}/app/__init__.py" in source.getnames()


def test_the_image_names_version_and_commit(clone: Path) -> None:
    """The image is built with the version and the commit, which the Dockerfile puts into its labels."""
    assert _released(clone, DOCKER).returncode == 0
    commit = _run(clone, "git", "rev-parse", "HEAD").stdout.strip()
    [build] = [line for line in (clone.parent / "bin/asked").read_text().splitlines() if line.startswith("build")]
    assert f"--build-arg VERSION={__version__} --build-arg REVISION={commit} " in build
    dockerfile = Path("Dockerfile").read_text()
    for argument in ("VERSION", "REVISION"):
        assert re.search(rf"^ARG {argument}=", dockerfile, re.MULTILINE)
        assert f"org.opencontainers.image.{argument.lower()}=${{{argument}}}" in dockerfile


def test_a_release_without_docker_says_so(clone: Path) -> None:
    """Where Docker does not answer, the rest is written and a sentence says that there is no image."""
    made = _released(clone, NO_DOCKER)
    assert (made.returncode, "Docker does not answer" in made.stderr) == (0, True)
    assert not (clone / f"var/release/{NAME}.image.tar").exists()
    assert _run(clone / "var/release", "sha256sum", "--check", "--strict", "SHA256SUMS").returncode == 0


def test_nothing_uncommitted_is_released(clone: Path) -> None:
    """A file that git does not know would be in the image under a commit without it: no release is made."""
    (clone / "app/new.py").touch()
    made = _released(clone, DOCKER)
    assert (made.returncode, "git status" in made.stderr) == (1, True)
    assert not (clone / "var/release").exists()
