"""Rules as code: each alert has its cases, reads what is recorded, and says where to look."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import promql_parser
import pytest
import yaml

from callboard.catalogue import Catalogue, QueueSpec, Thresholds, default_queues
from callboard.health import SILENCE_MS, WAIT_TARGETS
from monitoring import limits
from monitoring.alerts.listed import PAGES, alerts
from monitoring.alerts.slo import reachable
from monitoring.alerts.split import by_number
from monitoring.files import FILES
from monitoring.grafana_alerts import provisioning
from monitoring.limits import BURNS, GAP_RANGE, HOLDS, INTERVAL, OLDEST_WAITING_TARGETS
from monitoring.names import metrics_in
from monitoring.recording import groups
from monitoring.rule_tests.cases import KINDS, cut, seconds
from monitoring.rule_tests.files import CASES
from monitoring.rules import RULES
from monitoring.site import Site

SITE = Site()
ALERTS = alerts(SITE)
NAMES = list(dict.fromkeys(alert.name for alert in ALERTS))

#: An alert that has not all kinds of cases, and why.
EXEMPT = {"Watchdog": "it always fires: it is never silent and never ends"}

FIVE = {
    "FailedJobsHigh": ('queue_state:callboard_queue_jobs:max{state="failed"} > 100', "warning"),
    "WaitingJobsHigh": ('queue_state:callboard_queue_jobs:max{state="waiting"} > 10000', "warning"),
    "DelayedJobsHigh": ('queue_state:callboard_queue_jobs:max{state="delayed"} > 5000', "warning"),
    "ActiveJobsHigh": ('queue_state:callboard_queue_jobs:max{state="active"} > 1000', "warning"),
    "QueuePaused": ("queue:callboard_queue_paused:max > 0", "critical"),
}

_DURATION = re.compile(r"\[\d+(?:ms|s|m|h|d)\]|(?<=for: )\d+\w+|(?<=interval: )\d+\w+")


def test_the_platforms_five_have_the_thresholds_of_the_platform() -> None:
    assert {a.name: (a.expr, a.severity) for a in ALERTS if a.name in FIVE} == FIVE


def test_what_was_agreed_on_is_not_changed_by_the_way() -> None:
    assert [(b.long, b.short, b.factor, b.severity) for b in BURNS] == [
        ("1h", "5m", 14.4, "critical"), ("6h", "30m", 6, "critical"), ("1d", "2h", 3, "warning"),
        ("3d", "6h", 1, "warning"),
    ]  # fmt: skip
    assert (limits.ELIGIBLE_AN_HOUR, limits.DRAIN_SECONDS, limits.STUCK_TIME_LIMITS) == (100, 30 * 60, 1.2)
    assert (limits.RETRY_SHARE, limits.RETRIES_PER_SECOND, limits.HOLDS.not_processed) == (0.5, 1, "10m")
    critical = {alert.name for alert in ALERTS if alert.severity == "critical"}
    assert critical >= {"QueuePaused", "OldestWaitingTooOld", "QueueNotProcessed"}


def test_the_oldest_job_may_be_as_old_as_health_has_it() -> None:
    assert OLDEST_WAITING_TARGETS == WAIT_TARGETS


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_case_of_each_kind(name: str) -> None:
    page = next(alert.page for alert in ALERTS if alert.name == name)
    kinds = {case.kind for case in CASES[page][0](SITE) if case.alert == name}
    wanted = {"firing"} if name in EXEMPT else set(KINDS)
    assert kinds == wanted, f"add the missing cases of {name} to monitoring/rule_tests/{page}.py"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity}")
def test_every_rule_of_an_alert_has_a_case_in_which_it_fires(alert: Any) -> None:
    own = {"severity": alert.severity, **alert.labels}
    fired = [
        fires.labels
        for case in CASES[alert.page][0](SITE)
        if case.alert == alert.name and case.kind == "firing"
        for expected in case.expect.values()
        for fires in expected
    ]
    assert any(own.items() <= labels.items() for labels in fired)


def test_cases_are_of_alerts_that_exist() -> None:
    assert {case.alert for cases, _ in CASES.values() for case in cases(SITE)} == set(NAMES)


def test_every_alert_says_what_is_wrong_and_where_to_look() -> None:
    for alert in ALERTS:
        told = alert.annotations(SITE)
        assert told["runbook_url"] == f"http://127.0.0.1:8080/runbooks/{alert.page}#{alert.name.lower()}"
        assert told["dashboard_url"].startswith("http://127.0.0.1:3000/d/callboard-")
        assert ("var-queue={{ $labels.queue }}" in told["dashboard_url"]) == (alert.about == "queue")
        assert all(told.values())
        assert alert.why, alert.name
        assert alert.severity in {"critical", "warning", "none"}


def test_what_is_read_by_a_name_of_a_recording_is_recorded() -> None:
    recorded = [rule.record for group in groups(SITE) for rule in group.rules]
    assert len(recorded) == len(set(recorded))
    read = {name for alert in ALERTS for name in metrics_in(alert.expr)}
    read |= {name for group in groups(SITE) for rule in group.rules for name in metrics_in(rule.expr)}
    assert {name for name in read if ":" in name} <= set(recorded)


def test_every_expression_can_be_read() -> None:
    for name in RULES:
        for rule in _rules(yaml.safe_load(FILES[name](SITE))):
            promql_parser.parse(rule["expr"])


@pytest.mark.parametrize("scale", [0.02, 3.0])
@pytest.mark.parametrize("name", RULES)
def test_another_time_scale_changes_durations_alone(name: str, scale: float) -> None:
    usual, scaled = FILES[name](SITE), FILES[name](Site(time_scale=scale))
    assert usual != scaled
    assert _DURATION.sub("…", usual) == _DURATION.sub("…", scaled)
    spans, others = (
        [promql_parser.parse_duration(each.strip("[]")).total_seconds() for each in _DURATION.findall(text)]
        for text in (usual, scaled)
    )
    assert others == pytest.approx([span * scale for span in spans])


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("deploy/prometheus/tests/")])
def test_tests_of_rules_are_for_the_usual_speed(name: str) -> None:
    assert FILES[name](SITE) == FILES[name](Site(time_scale=0.02))


def test_queues_that_differ_have_rules_of_their_own() -> None:
    queues = default_queues() | {
        "a.b": QueueSpec(name="a.b", thresholds=Thresholds(failed=5)),
        "c": QueueSpec(name="c", thresholds=Thresholds(failed=5)),
    }
    site = Site(catalogue=Catalogue(queues))
    found = {a.expr: a.labels for a in alerts(site) if a.name == "FailedJobsHigh"}
    assert found == {
        'queue_state:callboard_queue_jobs:max{state="failed",queue!~"a[.]b|c"} > 100': {"threshold": "100"},
        'queue_state:callboard_queue_jobs:max{state="failed",queue=~"a[.]b|c"} > 5': {"threshold": "5"},
    }
    assert [a.labels for a in alerts(site) if a.name == "WaitingJobsHigh"] == [{}]


def test_shares_have_every_queue_once() -> None:
    queues = {name: QueueSpec(name=name, slo_wait=level) for name, level in (("a", 0.9), ("b", 0.99), ("c", 0.99))}
    shares = by_number(queues, lambda spec: spec.slo_wait)
    assert [(share.number, share.queues) for share in shares] == [(0.99, ("b", "c")), (0.9, ("a",))]


def test_a_budget_that_cannot_be_spent_so_fast_has_no_rule() -> None:
    assert [reachable(burn, 0.9) for burn in BURNS] == [False, True, True, True]
    lax = Site(catalogue=Catalogue({"a": QueueSpec(name="a", slo_success=0.9)}))
    windows = [alert.labels["window"] for alert in alerts(lax) if alert.name == "SuccessBudgetBurn"]
    assert windows == ["6h", "1d", "3d"]


def test_names_of_metrics_are_found_wherever_they_stand() -> None:
    assert metrics_in('max by (q) (rate(a_total{b="c"}[5m])) > 3 unless on (q) absent(x:y:z)') == {"a_total", "x:y:z"}
    with pytest.raises(ValueError, match="without a name"):
        metrics_in('{queue="a"}')


def test_samples_are_cut_where_nobody_looks_any_more() -> None:
    assert cut("1+0x9 2 3 _ _", 30) == "1+0x3"
    assert cut("1 2+0x9 3", 60) == "1 2+0x4"
    assert cut("1 stale", 600) == "1 stale"


def test_grafana_has_the_five_paused() -> None:
    (group,) = yaml.safe_load(provisioning(SITE))["groups"]
    assert [rule["title"] for rule in group["rules"]] == list(FIVE)
    for rule in group["rules"]:
        assert rule["isPaused"] is True
        found, over = rule["data"]
        assert found["model"]["expr"] == FIVE[rule["title"]][0]
        assert (rule["condition"], over["model"]["expression"]) == (over["refId"], found["refId"])
        assert "$value " not in rule["annotations"]["description"], "Grafana's $value is a text"
        assert rule["labels"]["severity"] == FIVE[rule["title"]][1]
    assert len({rule["uid"] for rule in group["rules"]}) == len(FIVE)
    assert all(len(rule["uid"]) <= 40 for rule in group["rules"]), "Grafana takes no longer uid"


def test_the_pages_are_the_files() -> None:
    of_page = defaultdict(set)
    for alert in ALERTS:
        of_page[alert.page].add(alert.name)
    for page, names in of_page.items():
        made = yaml.safe_load(FILES[f"deploy/prometheus/rules/{page}.yml"](SITE))
        assert {rule["alert"] for rule in _rules(made)} == names
    assert set(of_page) == set(PAGES)


def _rules(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in made["groups"] for rule in group["rules"]]


def test_when_all_workers_die_the_first_page_says_so() -> None:
    """From the last heartbeat or tick to the alert; a scrape and an evaluation may come in between."""
    late = 2 * seconds(INTERVAL)
    nobody = SILENCE_MS / 1000 + seconds(HOLDS.no_workers)
    assert limits.TICK_SECONDS + seconds(HOLDS.scheduler) > nobody + late
    waiting = min(spec.wait_target_ms / 1000 for spec in SITE.catalogue.values())
    assert OLDEST_WAITING_TARGETS * waiting + seconds(HOLDS.oldest_waiting) > nobody


def test_a_redis_that_refuses_writes_is_told_of_before_the_workers_that_it_silences() -> None:
    assert seconds(HOLDS.redis_persistence) + 2 * seconds(INTERVAL) < SILENCE_MS / 1000 + seconds(HOLDS.no_workers)


def test_figures_stay_until_what_mutes_their_alerts_fires() -> None:
    assert seconds(GAP_RANGE) >= seconds(HOLDS.exporter)
    assert seconds(GAP_RANGE) > seconds(HOLDS.redis_down) + 2 * seconds(INTERVAL)
