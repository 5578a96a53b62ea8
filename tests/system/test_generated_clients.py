"""Clients generated from the description, as others make them, compile and do the journey. Needs Java, node and npm."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import LOCAL, Bff, fresh

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

DESCRIPTION = Path("openapi/bff.json").resolve()
TOOLS = Path("openapi/tools").resolve()
BIN = Path(sys.executable).parent
OPTIONS = {
    "typescript-fetch": {},
    "python": {"packageName": "generated_python"},
    # Its default makes of a choice an interface that no class implements.
    "kotlin": {"serializationLibrary": "gson", "generateOneOfAnyOfWrappers": True},
}
PYTHON_CLIENT = {"content_type_overrides": {"application/pdf": "application/octet-stream"}, "post_hooks": []}
"""The settings that openapi-python-client needs: it knows no documents by itself."""


def _run(*words: str | Path, folder: Path = Path()) -> None:
    done = subprocess.run(words, cwd=folder, check=False, timeout=240, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what each generator made, and the programs that use it."""
    folder = tmp_path_factory.mktemp("generated")
    shutil.copytree("tests/system/generated", folder, dirs_exist_ok=True)
    for name, options in OPTIONS.items():
        config = {"generatorName": name, "inputSpec": str(DESCRIPTION), "outputDir": str(folder / name)}
        (folder / f"{name}.json").write_text(json.dumps({**config, "additionalProperties": options}))
    _run(BIN / "openapi-generator-cli", "batch", *(f"{name}.json" for name in OPTIONS), folder=folder)
    (folder / "openapi.json").write_text(json.dumps(PYTHON_CLIENT))
    words = ("--path", DESCRIPTION, "--config", "openapi.json", "--meta", "none", "--fail-on-warning", "--output-path")
    _run(BIN / "openapi-python-client", "generate", *words, "python_client", folder=folder)
    _run("make", "--silent", "openapi/tools/node_modules")
    _run("npm", "run", "--silent", "generate", folder / "hey", folder=TOOLS)
    _run(TOOLS / "node_modules/.bin/tsc", "--project", folder)
    return folder


async def _printed(*words: str | Path, folder: Path) -> Any:
    process = await asyncio.create_subprocess_exec(*words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, complaint = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, complaint.decode()
    return json.loads(printed)


async def test_journey_in_typescript(generated: Path, bff: Bff) -> None:
    """The client of hey-api gets from the lookup to the label, and its types ask for the store of a return in store."""
    url = f"http://{LOCAL}:{bff.port}"
    seen = await _printed("node", "dist/hey.js", url, fresh("INSTANT"), folder=generated)
    assert seen == {"missing": ["#/delivery/store"], "uploads": 1, "start": "%PDF-"}


async def test_journey_in_python(generated: Path, bff: Bff) -> None:
    """The Python client of openapi-generator gets from the lookup to the label, and raises problems."""
    url = f"http://{LOCAL}:{bff.port}"
    words = (sys.executable, "../journey.py", url, fresh("INSTANT"))
    seen = await _printed("env", "PYTHONPATH=.", *words, folder=generated / "python")
    assert seen == {"state": "label_pending", "start": "%PDF-", "code": "return-not-found"}


def test_python_clients_are_sound(generated: Path) -> None:
    """Every module of openapi-python-client's package is imported; openapi-generator's is type-checked."""
    names = [f"python_client.api.{path.parent.name}.{path.stem}" for path in generated.glob("python_client/api/*/*.py")]
    assert "python_client.api.returns.get_label" in names
    imports = f"import importlib\nfor each in {names}: importlib.import_module(each)"
    _run(sys.executable, "-c", imports, folder=generated)
    words = ("--config-file=", "--ignore-missing-imports", "-p", "generated_python")
    _run(BIN / "mypy", *words, folder=generated / "python")


def test_kotlin_has_what_an_app_needs(generated: Path) -> None:
    """Documents are files, ids have 64 bits, a store is required, and states are open."""
    source = generated / "kotlin/src/main/kotlin/org/openapitools/client"
    returns, in_store = (source / "apis/ReturnsApi.kt").read_text(), (source / "models/InStore.kt").read_text()
    label = r'fun getLabel\(returnId: kotlin.String, .*, prefer: kotlin.String\? = ""\) : java.io.File'
    assert re.search(label, returns)
    assert "fun uploadPhotos(photos: kotlin.collections.List<java.io.File>)" in returns
    assert "val store: kotlin.Long\n" in in_store
    assert "val state: kotlin.String," in (source / "models/Return.kt").read_text()


def test_patterns_compile_in_javascript() -> None:
    """Validators of front ends, such as Ajv, can compile every pattern: they do so in Unicode mode."""
    script = (
        "const seen = []; JSON.parse(require('fs').readFileSync(process.argv[1]), (key, value) => {"
        " if (key === 'pattern' && typeof value === 'string') seen.push(new RegExp(value, 'u')); return value; });"
        " if (seen.length < 10) throw new Error(`only ${seen.length}`);"
    )
    _run("node", "-e", script, DESCRIPTION)
