"""The alerts as Prometheus reads them. Needs Debian's prometheus, for promtool."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.system]

PROMTOOL = shutil.which("promtool") or "/usr/bin/promtool"
RULES = Path("deploy/prometheus/alerts.yaml")
ALERTS = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
CREATE = 'method="POST", route="/v1/returns"'
EPISODES = {
    "NoReplica": {},
    "ReturnOutcomesUnknown": {f'bff_requests_total{{{CREATE}, status="504"}}': "0x5 1+1x30"},
    "StoreUnavailable": {'bff_store_seconds_count{instance="one", outcome="unavailable"}': "0+5x30"},
    "UpstreamBreakerOpen": {
        'bff_upstream_breaker{instance="one", lane="poll"}': "2x30",
        'bff_upstream_seconds_count{instance="one", lane="poll", outcome="not_tried"}': "0+5x30",
    },
    "UpstreamBusy": {'bff_upstream_seconds_count{lane="lookup", outcome="busy"}': "0+1x30"},
    "BudgetUsedUp": {'bff_upstream_turn_seconds_count{method="GET", outcome="refused"}': "0+1x30"},
    "PollingOutage": {'bff_announcement_failures_total{verdict="doubted"}': "0+1x30"},
    "ReturnConflicts": {'bff_return_conflicts_total{by="restored"}': "0 0 0 0 0 0 0 0 1x30"},
    "PollerUrlsForeign": {"bff_poller_urls_foreign_total": "0+1x30"},
    "EventLoopLate": {'bff_loop_lag_seconds{instance="one"}': "0.5x30"},
    "ServerErrors": {
        'bff_requests_total{method="GET", route="/v1/session", status="200"}': "0+90x30",
        'bff_requests_total{method="GET", route="/v1/session", status="503"}': "0+10x30",
    },
    "StoreSlow": {
        'bff_store_seconds_bucket{le="0.05", outcome="answered"}': "0+90x30",
        'bff_store_seconds_bucket{le="0.1", outcome="answered"}': "0+100x30",
        'bff_store_seconds_bucket{le="+Inf", outcome="answered"}': "0+100x30",
    },
    "UpstreamFails": {
        'bff_upstream_seconds_count{lane="create", outcome="answered"}': "0+90x30",
        'bff_upstream_seconds_count{lane="create", outcome="late"}': "0+5x30",
        'bff_upstream_seconds_count{lane="create", outcome="failed"}': "0+5x30",
    },
    "Sheds": {'bff_shed_total{instance="one", reason="lag"}': "0+1x30"},
    "LookupsGuessed": {'bff_lookups_refused_total{limit="order"}': "0+20x30"},
}
"""Series that make an alert fire within a quarter of an hour, in Prometheus' notation, a value each minute."""
QUIET = {
    "bff_in_flight": "0x30",
    "bff_loop_lag_seconds": "0.01x30",
    'bff_requests_total{method="GET", route="/v1/session", status="200"}': "0+60x30",
    'bff_store_seconds_count{outcome="answered"}': "0+60x30",
    'bff_store_seconds_bucket{le="0.001", outcome="answered"}': "0+60x30",
    'bff_store_seconds_bucket{le="+Inf", outcome="answered"}': "0+60x30",
    'bff_upstream_breaker{lane="poll"}': "1x30",
    'bff_upstream_seconds_count{lane="lookup", outcome="answered"}': "0+60x30",
    'bff_upstream_seconds_count{lane="lookup", outcome="failed"}': "0+1x30",
}


def firing(tmp_path: Path, alert: str, series: dict[str, str]) -> bool:
    """Whether the alert fires after a quarter of an hour, as promtool finds: it fails where one fires unexpectedly."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "15m", "alertname": alert, "exp_alerts": []}],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES.resolve())], "tests": [test]}))
    done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0 or "exp:[]" in "".join(f"{done.stdout}{done.stderr}".split()), done.stderr
    return done.returncode != 0


def test_prometheus_takes_the_rules() -> None:
    """Promtool finds nothing wrong with them."""
    subprocess.run([PROMTOOL, "check", "rules", RULES], check=True, capture_output=True, timeout=30)


def test_every_alert_has_its_episode() -> None:
    """No alert is left out of what is shown to fire."""
    assert EPISODES.keys() == set(ALERTS)


@pytest.mark.parametrize("alert", EPISODES)
def test_alerts_fire(tmp_path: Path, alert: str) -> None:
    """An alert fires when what it is for goes on."""
    assert firing(tmp_path, alert, EPISODES[alert])


@pytest.mark.parametrize("alert", ALERTS)
def test_alerts_are_quiet(tmp_path: Path, alert: str) -> None:
    """No alert fires while all is well; a breaker that stays half open because nobody calls is."""
    assert not firing(tmp_path, alert, QUIET)
