"""The documents say what the code says."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from app.documents import store as documents_store
from app.domain import Policy
from app.http.callers.cors import REQUEST_HEADERS, RESPONSE_HEADERS
from app.http.problem_types import ALL_PROBLEM_TYPES
from app.models.returns import ReturnState
from app.redis import shared_cache
from app.returns import claims
from app.returns.store import deliveries
from app.returns.store import returns as returns_store
from app.sandbox.scenarios import SCENARIOS
from app.sessions import lookup
from app.settings import Settings
from app.shops import ShopEntry
from docs.generate import INDEX, PAGES, documents
from tests.support.retention import SECURITY, Family, families


def _first_cells(document: str, chapter: str = "") -> set[str]:
    text = Path(document).read_text()
    if chapter:
        text = text.partition(chapter)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_setting_is_documented() -> None:
    """docs/configuration.md lists the settings of the code and the members of a shop and its policy, and no others."""
    expected = {f"BFF_{name.upper()}" for name in Settings.model_fields}
    assert _first_cells("docs/configuration.md") == expected.union(ShopEntry.model_fields, Policy.model_fields)


def test_pages_of_problems_are_up_to_date() -> None:
    """docs/problems.md and the pages it links to are what `make docs` writes, and there are no others."""
    written = documents()
    assert len(written) == len(ALL_PROBLEM_TYPES) + 1
    assert {path: path.read_text("utf-8") for path in (INDEX, *PAGES.iterdir())} == written


def test_headers_of_other_sites_are_documented() -> None:
    """docs/sessions.md names each header that pages of other origins may send, and each that they may read."""
    told = Path("docs/sessions.md").read_text().partition("**Other sites.**")[2].partition("\n**")[0]
    assert {*REQUEST_HEADERS, *RESPONSE_HEADERS} <= {*re.findall(r"`([A-Za-z-]+)`", told)}


def test_every_code_of_a_fault_is_documented() -> None:
    """docs/problems.md names each code that our own checks put inside `errors`."""
    code = "".join(path.read_text() for path in Path("app").rglob("*.py"))
    made = {*re.findall(r'FieldProblem\(\s*f?"#[^"]*",\s*"([a-z-]+)"', code)}
    listed = Path("docs/problems.md").read_text().partition("Codes inside `errors`:")[2]
    assert made - {*re.findall(r"`([a-z-]+)`", listed)} == set()


def test_every_magic_order_is_in_the_readme() -> None:
    """The README lists the sandbox's order prefixes and no others."""
    assert _first_cells("README.md", "## The sandbox's orders") == set(SCENARIOS)


def test_every_state_of_a_return_ends() -> None:
    """docs/returns.md says for each state what time, the upstream and an operator can do, and leaves no cell empty."""
    ends = Path("docs/returns.md").read_text().partition("## How each state ends")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ends.splitlines() if line[:3] == "| `"]
    assert {row[0].strip("`") for row in rows} == {*ReturnState}
    assert {len(row) for row in rows} == {5}
    assert all(cell for row in rows for cell in row)


def test_every_place_of_an_upstream_fact_exists() -> None:
    """Every name of app/sendcloud in docs/upstream.md exists."""
    named = re.findall(
        r"`(protocol|answers|client|schemas|tokens|translation)\.(\w+)`", Path("docs/upstream.md").read_text()
    )
    missing = set()
    for module, name in named:
        (file,) = Path("app/sendcloud").rglob(f"{module}.py")
        code = file.read_text()
        if not re.search(rf"\b(def|class) {name}\b|^{name} =", code, re.MULTILINE):
            missing.add(name)
    assert named
    assert missing == set()


def test_the_readme_is_short() -> None:
    """The README has at most 150 lines."""
    assert len(Path("README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("family", families(), ids=lambda family: family.form)
def test_what_is_kept_lives_as_documented(family: Family) -> None:
    """The seconds that docs/security.md states for a key are those of the settings and constants it names."""
    assert family.sources()
    assert family.seconds_in_code() == family.seconds


def test_every_lifetime_is_documented() -> None:
    """Every lifetime in the code belongs to a key in docs/security.md."""
    documented = {name for family in families() for name in family.sources()}
    settings = {f"BFF_{name.upper()}" for name in Settings.model_fields if name.endswith("_ttl")}
    constants = {
        f"{module.__name__}.{name}"
        for module in (claims, deliveries, documents_store, returns_store, lookup, shared_cache)
        for name in vars(module)
        if name.endswith(("TTL_SECONDS", "KEPT_SECONDS", "PASSING_SECONDS", "STALE_SECONDS", "HANDOFF_SECONDS"))
    }
    assert settings | constants <= documented


CAPACITY = Path("docs/operations.md").read_text().partition("## Capacity")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("figure", "source"), re.findall(r"\| ([\d,]+(?: MiB)?) \| `([^`]+)` \|", CAPACITY))
def test_what_fits_is_what_is_documented(figure: str, source: str) -> None:
    """The table of capacities has the figures of the settings, constants and pools that it names."""
    number, _, unit = figure.partition(" ")
    assert int(number.replace(",", "")) * (1024**2 if unit else 1) == _bound(source)


def _bound(source: str) -> int:
    if source.startswith("nginx: "):
        pool = Path("deploy/nginx/site/upstreams.conf").read_text().partition(f"upstream {source[7:]} {{")[2]
        return int(re.findall(r"max_conns=(\d+)", pool)[0])
    if source.startswith("BFF_"):
        return int(Settings.model_fields[source[4:].lower()].default)
    module, _, name = source.rpartition(".")
    return int(vars(import_module(module))[name])


def test_the_table_of_capacities_names_its_sources() -> None:
    """The table of capacities has twelve bounds that are compared with the code."""
    assert len(re.findall(r"\| [\d,]+(?: MiB)? \| `", CAPACITY)) == 12


THREATS = [line.strip("| \n").split(" | ") for line in SECURITY.read_text().splitlines() if re.match(r"\| T\d", line)]


def test_every_threat_has_a_row() -> None:
    """docs/security.md speaks of all 47 threats, each once and in order, in five columns."""
    assert [row[0] for row in THREATS] == [f"T{number}" for number in range(1, 49)]
    assert {len(row) for row in THREATS} == {5}


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0])
def test_what_a_threat_names_is_there(row: list[str]) -> None:
    """Every file of the service and every test that a row names is in the tree."""
    _, _, mitigation, tests, _ = row
    assert all(Path(name).exists() for name in re.findall(r"`(app/[\w/.]+)`", mitigation))
    for file, name in re.findall(r"`(tests/[\w/.]+)::(\w+)`", tests):
        assert re.search(rf"^(async )?def {name}\(", Path(file).read_text(), re.MULTILINE), f"{file}::{name}"
    assert tests == "-" or "::" in tests
