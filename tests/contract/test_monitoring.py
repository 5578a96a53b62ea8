"""Dashboard, alerts and docs/operations.md speak of the metrics that there are, of all of them and of no others."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app import __version__
from app.sendcloud.policy.bulkheads import Deadlines, bulkheads
from app.telemetry.metrics import CALLS, REGISTRY
from tests.support.descriptions import OURS
from tests.support.processes import BRANDS, Bff, fresh
from tests.support.shopper import shopper

OPERATIONS = Path("docs/operations.md")
DASHBOARD: dict[str, Any] = json.loads(Path("deploy/grafana/dashboard.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(Path("deploy/prometheus/alerts.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""], "info": ["_info"]}
SERIES = {
    metric.name + suffix: metric.name
    for metric in REGISTRY.collect()
    for suffix in SUFFIXES[metric.type]
    if metric.name.startswith("bff_")
}
"""Names that can be asked for, each with its metric."""
LABELS = {"route", "method", "status", "lane", "outcome", "limit", "reason", "member", "le"}
LABELS |= {"code", "brand", "step", "version", "by", "finding", "verdict"}
COUNTED = [
    (name, dict(re.findall(r'(\w+)="([^"]+)"', matchers)))
    for rule in RULES
    for name, matchers in re.findall(r"(bff_\w+_(?:total|count))\{([^}]*)\}", rule["expr"])
    if "~" not in matchers and name != "bff_journey_steps_total"
]
COUNTED += [("bff_return_conflicts_total", {"by": by}) for by in ("accepted", "restored")]
COUNTED += [("bff_store_markers_wrong_total", {"finding": finding}) for finding in ("another_key", "doubted")]
COUNTED += [("bff_shed_total", {"reason": reason}) for reason in ("bound", "asking", "lag")]
"""Series of which alerts take the increase."""
TEMPLATES = {*OURS["paths"], "/openapi.json", "/metrics", "/docs", "/docs/files", "/rp/", "unknown"}


def shown() -> str:
    """Everything the dashboard asks for."""
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    return "\n".join([*targets, *(each.get("definition", "") for each in DASHBOARD["templating"]["list"])])


def metrics_in(text: str) -> set[str]:
    """The names of series in queries."""
    return set(re.findall(r"\bbff_\w+", text))


@pytest.mark.parametrize("text", [shown(), *(rule["expr"] for rule in RULES if rule["alert"] != "StoreFull")])
def test_every_metric_that_is_asked_for_exists(text: str) -> None:
    """Dashboard and alerts name series of the service, with the suffix their kind has."""
    assert metrics_in(text)
    assert metrics_in(text) - set(SERIES) == set()


def test_every_metric_is_shown() -> None:
    """The dashboard shows every metric."""
    assert {SERIES[name] for name in metrics_in(shown())} == set(SERIES.values())


def test_every_metric_is_documented() -> None:
    """The table in docs/operations.md lists the metrics of the code and no others."""
    chapter = OPERATIONS.read_text("utf-8").partition("\n## Metrics\n")[2].partition("\n## ")[0]
    names = {re.sub("_(total|info)$", "", name): name for name in SERIES if name.endswith(("_total", "_info"))}
    expected = {names.get(metric, metric) for metric in SERIES.values()}
    assert set(re.findall(r"^\| `(\w+)` \|", chapter, re.MULTILINE)) == expected


def test_the_dashboard_answers_the_first_question_first() -> None:
    """Its first row says whether something is broken now; a brand can be chosen, and new builds are marked."""
    first, *panels = DASHBOARD["panels"]
    row = [each["type"] for each in itertools.takewhile(lambda each: each["type"] != "row", panels)]
    assert (first["title"], set(row)) == ("Is it broken now?", {"stat"})
    assert "brand" in {each["name"] for each in DASHBOARD["templating"]["list"]}
    assert "bff_build_info" in DASHBOARD["annotations"]["list"][0]["expr"]
    assert 'brand=~"$brand"' in shown()


def test_panels() -> None:
    """Every panel has an id and a place of its own, asks the chosen data source and says what it shows."""
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    for panel in panels:
        assert {each["datasource"]["uid"] for each in (panel, *panel["targets"])} == {"${datasource}"}
        assert panel["description"].endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alerts_help(rule: dict[str, Any]) -> None:
    """Each alert waits for a while, says what is wrong and how urgent it is, and names an existing heading."""
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", Path(file).read_text("utf-8"), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_calls_turned_away_are_shown_for_every_class() -> None:
    """Each class of upstream calls shows from the beginning how many the upstream turned away."""
    [metric] = CALLS.collect()
    busy = {each.labels["lane"] for each in metric.samples if each.labels["outcome"] == "busy"}
    assert busy == {bulkhead.name for bulkhead in bulkheads(Deadlines()).values()}


@pytest.mark.parametrize(("name", "labels"), COUNTED)
async def test_what_alerts_count_is_shown_from_the_beginning(bff: Bff, name: str, labels: dict[str, str]) -> None:
    """A series that an alert takes the increase of is there before its first count, which the alert would miss."""
    families = list(text_string_to_metric_families((await bff.http.get("/metrics")).text))
    samples = [sample for family in families for sample in family.samples]
    assert any(each.name == name and labels.items() <= each.labels.items() for each in samples)


async def test_labels_are_words_of_the_code(bff: Bff) -> None:
    """No label holds a caller's text: templates, brands, paths of members, words of the code, or a status (0: none)."""
    someone = await shopper(bff.http, fresh("LABEL"))
    path = (await someone.create()).headers["location"]
    for each in (path, f"{path}/label", f"/{path}", "/v1/returns/rtn_nobody?order=1"):
        await someone.get(each)
    families = text_string_to_metric_families((await bff.http.get("/metrics")).text)
    labels = [label for family in families for sample in family.samples for label in sample.labels.items()]
    assert {name for name, _ in labels} <= LABELS
    assert {value for name, value in labels if name == "route"} <= TEMPLATES
    # Other tests ask the same process for its other brands.
    assert {"demo"} <= {value for name, value in labels if name == "brand"} <= {*BRANDS, "other"}
    # Answers of the scripted upstream may have had unreadable members before.
    members = {value for name, value in labels if name == "member"}
    assert {value for value in members if not re.fullmatch(r"[a-z_.\[\]]+", value)} == set()
    others = {value for name, value in labels if name not in {"route", "le", "brand", "version", "member"}}
    assert {value for value in others if not re.fullmatch(r"[a-z_-]+|[A-Z]+|0|[1-5]\d\d", value)} == set()


def test_the_version_is_that_of_the_project() -> None:
    """The running service states the version in pyproject.toml."""
    assert f'version = "{__version__}"' in Path("pyproject.toml").read_text()
