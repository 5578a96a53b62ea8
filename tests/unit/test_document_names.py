"""Names in the documents exist in the tree, and their tables of claims, keys and log events are those of the code."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app.returns.claims import TRANSITIONS, Phase
from tests.support.retention import families

DOCUMENTS = [Path("README.md"), Path("CHANGELOG.md"), *sorted(Path("docs").rglob("*.md"))]
ROOTS = r"(?:app|bench|deploy|docs|locks|openapi|tests|\.ci)"
_NAMED = re.compile(rf"`({ROOTS}/[\w./-]+)(?:::\w+)?`|\]\((?!https?:)([^)#\s]+)")
_MODULE = re.compile(r"`([a-z_]+\.py)`")
RETURNS, ARCHITECTURE = Path("docs/returns.md"), Path("docs/architecture.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_path_of_a_document_exists(document: Path) -> None:
    """Each path and each link of a document leads to a file or folder of the tree."""
    named = _NAMED.findall(document.read_text("utf-8"))
    missing = {path or link for path, link in named if not (Path(path) if path else document.parent / link).exists()}
    assert missing == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_module_of_a_document_exists(document: Path) -> None:
    """A module that a document names without its folder is somewhere in the tree."""
    assert set(_MODULE.findall(document.read_text("utf-8"))) <= modules()


@cache
def modules() -> set[str]:
    """The names of all modules of the tree."""
    return {path.name for root in ("app", "bench", "deploy", "docs", "tests") for path in Path(root).rglob("*.py")}


def test_the_table_of_claims_is_that_of_the_code() -> None:
    """docs/returns.md has every transition of a claim, how often each leads where, and no other."""
    rows = re.findall(
        r"^\| `?(\w+)`? \| [^|]+ \| (?:owner|operator or shop|\[operator\][^|]+|any \w+) \| `?(\w+)`? \| [^|]+ \|$",
        RETURNS.read_text("utf-8"),
        re.MULTILINE,
    )
    moves = sorted((_name(before), _name(after)) for (before, _), after in TRANSITIONS.items() if before is not after)
    assert sorted(rows) == moves


def _name(phase: Phase | None) -> str:
    return phase or "absent"


def test_every_phase_says_whether_it_holds_units() -> None:
    """docs/returns.md says for each phase of a claim, and for its absence, what becomes of the units."""
    chapter = RETURNS.read_text("utf-8").partition("### Claims")[2].partition("\nA claim is made")[0]
    assert set(re.findall(r"^\| `?(\w+)`? \| [^|]+ \| (?:held|free)\b[^|]*\|$", chapter, re.MULTILINE)) == {
        _name(phase) for phase in (*Phase, None)
    }


def test_the_table_of_rooms_is_the_order_of_imports() -> None:
    """docs/architecture.md has the layers of the import contract, each with its modules, from the top."""
    contracts = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [set(re.findall(r"\w+", layer)) for layer in contracts[0]["layers"]]
    rooms = ARCHITECTURE.read_text("utf-8").partition("| layer, from the top |")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`app/(\w+)", row.split(" | ")[0])) for row in rooms.splitlines()[2:]]
    assert rows == layers


def test_keys_are_the_same_in_both_tables() -> None:
    """docs/architecture.md names the keys of docs/security.md and no others."""
    keys = re.findall(r"^\| `([a-z]:[^`]+)` \|", ARCHITECTURE.read_text("utf-8"), re.MULTILINE)
    assert sorted(keys) == sorted(family.form for family in families())


def test_every_log_event_is_documented() -> None:
    """docs/operations.md has a row for each event that the service logs, and no other."""
    chapter = Path("docs/operations.md").read_text("utf-8").partition("\n## Log events\n")[2].partition("\n## ")[0]
    modules = [path for path in Path("app").rglob("*.py") if "sandbox" not in path.parts]
    logged = {event for path in modules for event in _events(ast.parse(path.read_text("utf-8")))}
    assert set(re.findall(r"^\| `([^`]+)` \| (?:info|warning|error)", chapter, re.MULTILINE)) == logged | {"request"}


def _events(module: ast.Module) -> Iterator[str]:
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and _is_logging(call.func) and call.args:
            yield from (str(each.value) for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant))


def _is_logging(function: ast.expr) -> bool:
    """Whether this is a method of `log`, or one of them chosen as `tell`."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.value.id == "log"
    return isinstance(function, ast.Name) and function.id == "tell"
