"""The alerts as Prometheus reads them. Needs Debian's prometheus, for promtool."""

import re
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
    "ReplicaMissing": {
        'up{instance="one", job="bff"}': "1x11 0x20",
        'bff_build_info{instance="one", job="bff", version="1"}': "1x11 stale",
        'up{instance="two", job="bff"}': "1x30",
        'bff_build_info{instance="two", job="bff", version="1"}': "1x30",
    },
    "ReplicaStalled": {'bff_loop_stalled_seconds_total{instance="one"}': "0x8 30x20"},
    "ReplicaRestarts": {
        'process_start_time_seconds{instance="one", job="bff"}': "0x5 300x2 500x20",
        'bff_build_info{instance="one", job="bff", version="1"}': "1x30",
    },
    "Slow": {
        'bff_request_seconds_bucket{le="2.5", route="/v1/session"}': "0+90x30",
        'bff_request_seconds_bucket{le="5", route="/v1/session"}': "0+100x30",
        'bff_request_seconds_bucket{le="+Inf", route="/v1/session"}': "0+100x30",
    },
    "LabelsLate": {
        'bff_label_seconds_bucket{le="900", outcome="ready"}': "0+8x30",
        'bff_label_seconds_bucket{le="3600", outcome="ready"}': "0+10x30",
        'bff_label_seconds_bucket{le="+Inf", outcome="ready"}': "0+10x30",
    },
    "LabelsMissing": {
        'bff_journey_steps_total{brand="demo", step="return_made"}': "0+2x30",
        'bff_label_seconds_count{outcome="ready"}': "40x30",
    },
    "LabelsFail": {
        'bff_label_seconds_count{outcome="ready"}': "0+3x30",
        'bff_label_seconds_count{outcome="failed"}': "0+1x30",
    },
    "SessionsExpire": {
        'bff_problems_total{code="session-expired"}': "0+20x30",
        'bff_requests_total{method="GET", route="/v1/session", status="401"}': "0+20x30",
        'bff_requests_total{method="GET", route="/v1/session", status="200"}': "0+20x30",
    },
    "StoreFull": {
        'redis_memory_used_bytes{instance="store"}': "900x30",
        'redis_memory_max_bytes{instance="store"}': "1000x30",
    },
    "ReturnOutcomesUnknown": {f'bff_requests_total{{{CREATE}, status="504"}}': "0x5 1+1x30"},
    "StoreUnavailable": {'bff_store_seconds_count{instance="one", outcome="unavailable"}': "0+5x30"},
    "UpstreamBreakerOpen": {
        'bff_upstream_breaker{instance="one", lane="poll"}': "2x30",
        'bff_upstream_seconds_count{instance="one", lane="poll", outcome="not_tried"}': "0+5x30",
    },
    "UpstreamBusy": {'bff_upstream_seconds_count{lane="lookup", outcome="busy"}': "0+1x30"},
    "BudgetUsedUp": {'bff_upstream_turn_seconds_count{method="GET", outcome="refused"}': "0+1x30"},
    "PollingOutage": {'bff_announcement_failures_total{verdict="doubted"}': "0+1x30"},
    "ShopsFileRefused": {'bff_shops_file_faults{instance="one"}': "1x30"},
    "EventsGivenUp": {'bff_events_total{brand="demo", outcome="given_up"}': "0 0 0 0 0 0 0 0 1x30"},
    "UpstreamEventsLeft": {'bff_upstream_events_total{outcome="left_to_people"}': "0 0 0 0 0 0 0 0 1x30"},
    "ReturnConflicts": {'bff_return_conflicts_total{by="restored"}': "0 0 0 0 0 0 0 0 1x30"},
    "StoreNotOurs": {'bff_store_markers_wrong_total{instance="one", finding="doubted"}': "0+6x30"},
    "PollerUrlsForeign": {"bff_poller_urls_foreign_total": "0+1x30"},
    "ForwardedUntrusted": {'bff_forwarded_untrusted_total{instance="one"}': "0+1x30"},
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
    'up{instance="one", job="bff"}': "1x30",
    'up{instance="a stranger", job="another"}': "0x30",
    'bff_build_info{instance="one", job="bff", version="1"}': "1x30",
    'bff_build_info{instance="replaced", job="bff", version="1"}': "1x5 stale",
    'up{instance="replaced", job="bff"}': "1x5 stale",
    'process_start_time_seconds{instance="one", job="bff"}': "0x8 500x20",
    'process_start_time_seconds{instance="a stranger", job="another"}': "0x2 1x2 2x2 3x20",
    'bff_loop_stalled_seconds_total{instance="one"}': "0+0.1x30",
    'bff_request_seconds_bucket{le="0.1", route="/v1/session"}': "0+60x30",
    'bff_request_seconds_bucket{le="+Inf", route="/v1/session"}': "0+60x30",
    'bff_request_seconds_bucket{le="10", route="/v1/returns/{return_id}"}': "0x30",
    'bff_request_seconds_bucket{le="+Inf", route="/v1/returns/{return_id}"}': "0+60x30",
    'bff_requests_total{method="GET", route="/v1/returns/{return_id}", status="0"}': "0+30x30",
    'bff_journey_steps_total{brand="demo", step="return_made"}': "0+2x30",
    'bff_label_seconds_bucket{le="60", outcome="ready"}': "0+2x30",
    'bff_label_seconds_bucket{le="+Inf", outcome="ready"}': "0+2x30",
    'bff_label_seconds_count{outcome="ready"}': "0+2x30",
    'bff_label_seconds_count{outcome="failed"}': "1x30",
    'bff_problems_total{code="session-expired"}': "0+1x30",
    'redis_memory_used_bytes{instance="store"}': "700x30",
    'redis_memory_max_bytes{instance="store"}': "1000x30",
    'redis_memory_used_bytes{instance="without a limit"}': "700x30",
    'redis_memory_max_bytes{instance="without a limit"}': "0x30",
    "bff_in_flight": "0x30",
    "bff_loop_lag_seconds": "0.01x30",
    'bff_requests_total{method="GET", route="/v1/session", status="200"}': "0+60x30",
    'bff_store_seconds_count{outcome="answered"}': "0+60x30",
    'bff_store_seconds_bucket{le="0.001", outcome="answered"}': "0+60x30",
    'bff_store_seconds_bucket{le="+Inf", outcome="answered"}': "0+60x30",
    'bff_upstream_events_total{outcome="left_to_people"}': "1x30",
    'bff_upstream_events_total{outcome="known"}': "0+10x30",
    'bff_upstream_breaker{lane="poll"}': "1x30",
    'bff_upstream_seconds_count{lane="lookup", outcome="answered"}': "0+60x30",
    'bff_upstream_seconds_count{lane="lookup", outcome="failed"}': "0+1x30",
}


def firing(folder: Path, series: dict[str, str], *alerts: str) -> set[str]:
    """Which of these alerts fire after a quarter of an hour: promtool names those that fire unexpectedly."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "15m", "alertname": each, "exp_alerts": []} for each in alerts],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES.resolve())], "tests": [test]}))
    done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    found = {*re.findall(r"alertname: (\w+), time: 15m", said)}
    assert "".join(said.split()).count("exp:[]") == len(found), said
    assert (done.returncode == 0) == (not found), said
    return found


@pytest.fixture(scope="module")
def fired_in_vain(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Which alerts fire while all is well."""
    return firing(tmp_path_factory.mktemp("quiet"), QUIET, *ALERTS)


def test_prometheus_takes_the_rules() -> None:
    """Promtool accepts the alert rules."""
    subprocess.run([PROMTOOL, "check", "rules", RULES], check=True, capture_output=True, timeout=30)


def test_every_alert_has_its_episode() -> None:
    """Every alert is among those that are shown to fire."""
    assert EPISODES.keys() == set(ALERTS)


@pytest.mark.parametrize("alert", EPISODES)
def test_alerts_fire(tmp_path: Path, alert: str) -> None:
    """An alert fires when what it is for goes on."""
    assert firing(tmp_path, EPISODES[alert], alert) == {alert}


def test_answers_that_never_begin_are_errors(tmp_path: Path) -> None:
    """Requests that end without any answer, where none are held, count as server errors do."""
    answered = {'bff_requests_total{method="GET", route="/v1/session", status="200"}': "0+90x30"}
    unanswered = {'bff_requests_total{method="POST", route="/v1/returns", status="0"}': "0+10x30"}
    assert firing(tmp_path, answered | unanswered, "ServerErrors")


@pytest.mark.parametrize("alert", ALERTS)
def test_alerts_are_quiet(fired_in_vain: set[str], alert: str) -> None:
    """No alert fires while all is well: a breaker half open without calls, a replica replaced, held requests left."""
    assert alert not in fired_in_vain
