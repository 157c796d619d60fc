"""A running Alertmanager with our configuration: what arrives at each receiver, and what is left unsaid."""

from __future__ import annotations

import itertools
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import pytest
import yaml

from actors.alerts.incoming import IncomingGroup
from monitoring import alertmanager
from monitoring.alert_messages import MOST_LISTED
from monitoring.site import Site
from tests.support.alertmanager import LocalAlertmanager, alert
from tests.support.receivers import CALLBOARD, CALLBOARD_TOKEN, DEAD_MAN, OPERATORS, ROUTING_KEY, AlertReceivers
from tests.support.wait import wait_until

_deployments = itertools.count(1)


@pytest.fixture(scope="module")
def receivers() -> Iterator[AlertReceivers]:
    with AlertReceivers() as receivers:
        yield receivers


@pytest.fixture(scope="module")
def running(receivers: AlertReceivers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAlertmanager]:
    """One for all tests of this file: each has a queue, or alerts, of its own."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with LocalAlertmanager(folder, secrets=receivers.secrets(), environment=receivers.environment()) as running:
        yield running


def links(text: str) -> dict[str, str]:
    """Name -> URL of the links of a line in Slack."""
    return {name: url for url, name in re.findall(r"<([^|>]+)\|([^>]+)>", text)}


# -- Slack ----------------------------------------------------------------------------------------------------


def test_slack_shows_a_warning_with_its_links(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    running.post(alert("WaitingJobsHigh", "warning", queue="post-publishing", slo="a b+c"))
    message = receivers.slack_titled("[FIRING:1] WaitingJobsHigh post-publishing")
    dashboard = "http://127.0.0.1:3000/d/callboard-queue?var-queue=post-publishing"
    assert message["color"] == "warning"
    assert message["title_link"] == dashboard
    assert message["fallback"] == message["title"]
    [said] = message["text"].splitlines()
    # & < > are Slack's own signs.
    assert said.startswith("• post-publishing: WaitingJobsHigh &amp; more than &lt;5&gt; · <http")
    found = links(said)
    assert list(found) == ["Runbook", "Dashboard", "Silence"]
    assert found["Runbook"] == "http://127.0.0.1:8080/runbooks/queues#waitingjobshigh"
    assert found["Dashboard"] == dashboard
    page, _, asked = found["Silence"].partition("?")
    assert page == f"{running.url}/#/silences/new"
    assert unquote(asked) == (
        'filter={alertname="WaitingJobsHigh", queue="post-publishing", severity="warning", slo="a b+c"}'
    )


def test_slack_is_told_when_it_is_over(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    running.post(alert("FailedJobsHigh", "warning", queue="data-export"))
    receivers.slack_titled("[FIRING:1] FailedJobsHigh data-export")
    running.post(alert("FailedJobsHigh", "warning", queue="data-export", resolved=True))
    message = receivers.slack_titled("[RESOLVED] FailedJobsHigh data-export")
    assert message["color"] == "good"
    assert message["text"] == "✓ resolved: data-export: FailedJobsHigh &amp; more than &lt;5&gt;\n"


def test_alerts_of_one_name_and_queue_are_one_message_and_other_queues_another(
    running: LocalAlertmanager, receivers: AlertReceivers
) -> None:
    windows = [alert("SuccessBudgetBurn", "critical", queue="ai-processing", window=each) for each in ("1h", "6h")]
    running.post(*windows, alert("SuccessBudgetBurn", "critical", queue="maintenance", window="1h"))
    both = receivers.slack_titled("[FIRING:2] SuccessBudgetBurn ai-processing")
    one = receivers.slack_titled("[FIRING:1] SuccessBudgetBurn maintenance")
    assert (both["color"], one["color"]) == ("danger", "danger")
    assert (len(both["text"].splitlines()), len(one["text"].splitlines())) == (2, 1)


def test_a_message_of_many_alerts_stays_readable(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    many = [alert("WorkersStalled", "warning", worker=f"web-{number}") for number in range(MOST_LISTED + 3)]
    running.post(*many)
    message = receivers.slack_titled(f"[FIRING:{MOST_LISTED + 3}] WorkersStalled")
    lines = message["text"].splitlines()
    assert len(lines) == MOST_LISTED + 1
    assert lines[-1] == f"… {MOST_LISTED + 3} in all"
    assert len(message["text"]) < 40_000, "Slack cuts it off"


# -- PagerDuty ------------------------------------------------------------------------------------------------


def test_a_critical_alert_pages_and_the_page_is_resolved(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    running.post(alert("QueuePaused", "critical", queue="media-processing"))
    page = receivers.page("trigger", "QueuePaused", "media-processing")
    assert page["routing_key"] == ROUTING_KEY
    payload = page["payload"]
    assert payload["summary"] == "QueuePaused: media-processing: QueuePaused & more than <5>"
    assert (payload["severity"], payload["source"]) == ("critical", "media-processing")
    assert payload["custom_details"]["firing"] == "- media-processing: QueuePaused & more than <5>\n"
    assert payload["custom_details"]["num_firing"] == "1"
    assert payload["custom_details"]["description"] == "What QueuePaused says at length."
    assert page["client"] == "Callboard"
    assert page["client_url"] == f"{running.url}/#/alerts?receiver=critical"
    assert page["links"] == [
        {"href": "http://127.0.0.1:8080/runbooks/queues#queuepaused", "text": "Runbook"},
        {"href": "http://127.0.0.1:3000/d/callboard-queue?var-queue=media-processing", "text": "Dashboard"},
    ]
    running.post(alert("QueuePaused", "critical", queue="media-processing", resolved=True))
    over = receivers.page("resolve", "QueuePaused", "media-processing")
    assert over["dedup_key"] == page["dedup_key"], "PagerDuty resolves the incident of the same key"


def test_a_page_tells_how_many_there_are(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    running.post(*(alert("CollectFailing", "critical", collector=each) for each in ("queues", "workers", "memory")))
    page = receivers.page("trigger", "CollectFailing")
    assert page["payload"]["summary"] == "CollectFailing: Callboard: CollectFailing & more than <5> (and 2 more)"
    assert page["payload"]["source"] == "callboard"
    assert receivers.slack_titled("[FIRING:3] CollectFailing")["color"] == "danger"


def test_a_warning_pages_nobody(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    running.post(alert("RetryStorm", "warning", queue="email-notifications"))
    receivers.slack_titled("[FIRING:1] RetryStorm email-notifications")
    assert "RetryStorm" not in {each["payload"]["class"] for each in receivers.pagerduty()}


# -- email ----------------------------------------------------------------------------------------------------


def test_email_tells_of_a_warning_in_text_and_html(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    running.post(alert("JobStuck", "warning", queue="report-generation"))
    subject = "[FIRING:1] JobStuck report-generation"
    [mail] = wait_until(
        lambda: [each for each in receivers.mails() if each.message["Subject"] == subject], 20,
        lambda: f"{subject}; there are {[each.message['Subject'] for each in receivers.mails()]}",
    )  # fmt: skip
    assert (mail.sender, mail.recipients) == ("alertmanager@example.org", (OPERATORS,))
    plain, html = (mail.message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    assert plain.splitlines()[:4] == [
        "report-generation: JobStuck & more than <5>",
        "What JobStuck says at length.",
        "  Runbook:   http://127.0.0.1:8080/runbooks/queues#jobstuck",
        "  Dashboard: http://127.0.0.1:3000/d/callboard-queue?var-queue=report-generation",
    ]
    assert "<strong>report-generation: JobStuck &amp; more than &lt;5&gt;</strong>" in html
    assert f'<a href="{plain.splitlines()[4].split()[-1]}">Silence</a>' in html
    asked = urlparse(plain.splitlines()[4].split()[-1]).fragment.partition("?")[2]
    assert parse_qs(asked)["filter"] == ['{alertname="JobStuck", queue="report-generation", severity="warning"}']


# -- webhooks -------------------------------------------------------------------------------------------------


def test_the_watchdog_pings_the_dead_man_again_and_again_and_nobody_else(
    running: LocalAlertmanager, receivers: AlertReceivers
) -> None:
    running.post(alert("Watchdog", "none"))
    wait_until(lambda: len(receivers.came(DEAD_MAN)) >= 2, 20, "two pings")
    ping = receivers.came(DEAD_MAN)[0]
    assert (ping["status"], ping["groupLabels"]) == ("firing", {"alertname": "Watchdog"})
    assert "Watchdog" not in str([receivers.slack(), receivers.pagerduty(), receivers.forwarded()])


def test_everything_else_is_forwarded_with_the_token_in_a_form_that_the_ops_api_takes(
    running: LocalAlertmanager, receivers: AlertReceivers
) -> None:
    running.post(alert("OutboxStuck", "warning", queue="social-listening"))

    def come() -> list[IncomingGroup]:
        found = [
            each for each in list(receivers.http.requests) if each.path == CALLBOARD and b"OutboxStuck" in each.body
        ]
        assert {each.headers["authorization"] for each in found} <= {f"Bearer {CALLBOARD_TOKEN}"}
        return [IncomingGroup.model_validate_json(each.body) for each in found]

    group = wait_until(come, 20, "the notification")[0]
    assert group.group_labels == {"alertname": "OutboxStuck", "queue": "social-listening"}
    assert [each.status for each in group.alerts] == ["firing"]
    assert group.external_url == running.url


# -- what is left unsaid --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """``rule``: number of the inhibition in the file; ``muted``: whether ``source`` mutes ``target``."""

    rule: int
    source: tuple[str, str, str]
    target: tuple[str, str, str]
    muted: bool = True
    labels: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.rule}-{'-'.join(self.source)}-{'mutes' if self.muted else 'spares'}-{'-'.join(self.target)}"


PAUSED, REDIS_DOWN = ("QueuePaused", "critical", "one"), ("RedisDown", "critical", "")
NOBODY, NO_TICKS = ("NoWorkers", "critical", "one"), ("SchedulerMissing", "critical", "")
NO_FIGURES = ("ExporterAbsent", "critical", "")

CASES = [
    Case(0, ("JobStuck", "critical", "one"), ("FailedJobsHigh", "warning", "one")),
    Case(0, ("SuccessBudgetBurn", "critical", "one"), ("SuccessBudgetBurn", "warning", "one")),
    Case(0, ("JobStuck", "critical", "one"), ("FailedJobsHigh", "warning", "two"), muted=False),
    Case(0, ("JobStuck", "critical", "one"), ("CanaryLate", "critical", "one"), muted=False),
    Case(0, ("FailedJobsHigh", "warning", "one"), ("JobStuck", "critical", "one"), muted=False),
    # Neither has a queue: that does not make them alerts about the same one.
    Case(0, ("SchedulerMissing", "critical", ""), ("WorkersSaturated", "warning", ""), muted=False),
    *(Case(1, PAUSED, (each, "critical", "one")) for each in alertmanager.PAUSE_EXPLAINS),
    *(Case(1, PAUSED, (each, "critical", "two"), muted=False) for each in alertmanager.PAUSE_EXPLAINS),
    Case(1, PAUSED, ("SuccessBudgetBurn", "critical", "one"), muted=False),
    *(Case(2, NOBODY, (each, "critical", "one")) for each in alertmanager.NOBODY_EXPLAINS),
    *(Case(2, NOBODY, (each, "critical", "two"), muted=False) for each in alertmanager.NOBODY_EXPLAINS),
    Case(2, NOBODY, ("SuccessBudgetBurn", "critical", "one"), muted=False),
    # Workers of one queue may be missing while nobody ticks for another reason.
    Case(2, NOBODY, NO_TICKS, muted=False),
    Case(3, NO_TICKS, ("CanaryLate", "critical", "one")),
    Case(3, NO_TICKS, ("ScheduleOverdue", "warning", "")),
    # What waits, waits for another reason than its schedule.
    *(Case(3, NO_TICKS, (each, "critical", "one"), muted=False) for each in ("OldestWaitingTooOld", "NoWorkers")),
    Case(4, REDIS_DOWN, ("QueuePaused", "critical", "one")),
    Case(4, REDIS_DOWN, ("SuccessBudgetBurn", "critical", "one")),
    Case(4, REDIS_DOWN, ("WorkersSaturated", "warning", ""), muted=False),
    Case(4, ("RedisPolicyWrong", "warning", ""), ("QueuePaused", "critical", "one"), muted=False),
    Case(5, NO_FIGURES, ("MetricsMissingForQueue", "warning", "one")),
    Case(5, NO_FIGURES, ("QueuePaused", "critical", "one")),
    *(Case(5, NO_FIGURES, (each, "critical", "one"), muted=False) for each in alertmanager.TOLD_BY_WORKERS),
    *(Case(6, REDIS_DOWN, (each, "critical", "")) for each in alertmanager.OUTAGE_EXPLAINS),
    Case(6, NO_FIGURES, NO_TICKS),
    Case(6, REDIS_DOWN, NO_FIGURES, muted=False),
    Case(6, REDIS_DOWN, ("RedisMemoryHigh", "critical", ""), muted=False),
]


def posted(running: LocalAlertmanager, what: tuple[str, str, str], deployment: str) -> tuple[dict[str, str], str]:
    """Post an alert. Returns: its labels, and its fingerprint."""
    name, severity, queue = what
    sent = alert(name, severity, deployment=deployment, **({"queue": queue} if queue else {}))
    running.post(sent)
    [found] = [each for each in running.alerts(f'deployment="{deployment}"') if each["labels"] == sent["labels"]]
    return sent["labels"], found["fingerprint"]


def muting(running: LocalAlertmanager, labels: dict[str, str], deployment: str) -> list[str]:
    """The fingerprints of the alerts that mute the one of these labels."""
    [found] = [each for each in running.alerts(f'deployment="{deployment}"') if each["labels"] == labels]
    muted: list[str] = found["status"]["inhibitedBy"]
    return muted


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_alert_mutes_another_or_spares_it(running: LocalAlertmanager, case: Case) -> None:
    deployment = f"case-{next(_deployments)}"
    _, source = posted(running, case.source, deployment)
    target, _ = posted(running, case.target, deployment)
    assert muting(running, target, deployment) == ([source] if case.muted else [])


@pytest.mark.parametrize("case", [each for each in CASES if each.muted], ids=str)
def test_another_deployment_mutes_nothing(running: LocalAlertmanager, case: Case) -> None:
    one, other = f"case-{next(_deployments)}", f"case-{next(_deployments)}"
    posted(running, case.source, one)
    target, _ = posted(running, case.target, other)
    assert muting(running, target, other) == []


def test_every_inhibition_has_a_case_that_mutes_and_one_that_spares() -> None:
    rules = range(len(yaml.safe_load(alertmanager.configuration(Site()))["inhibit_rules"]))
    for muted in (True, False):
        assert {case.rule for case in CASES if case.muted is muted} == set(rules)


def test_what_is_muted_is_told_to_nobody(running: LocalAlertmanager, receivers: AlertReceivers) -> None:
    running.post(alert("QueuePaused", "critical", queue="webhook-delivery"))
    receivers.page("trigger", "QueuePaused", "webhook-delivery")
    running.post(alert("QueueNotProcessed", "critical", queue="webhook-delivery"))
    running.post(alert("JobStuck", "critical", queue="webhook-delivery"))
    receivers.page("trigger", "JobStuck", "webhook-delivery")
    receivers.slack_titled("[FIRING:1] JobStuck webhook-delivery")
    told = [each["payload"] for each in receivers.pagerduty()]
    assert ("QueueNotProcessed", "webhook-delivery") not in {(each["class"], each.get("component")) for each in told}


# -- without secrets ------------------------------------------------------------------------------------------


def test_it_starts_with_the_generated_file_and_no_secret_and_counts_what_it_cannot_send(tmp_path: Path) -> None:
    def failed(url: str) -> set[str]:
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        found = re.findall(r'^alertmanager_notifications_failed_total\{integration="(\w+)"\} (\d+)', text, re.MULTILINE)
        return {name for name, count in found if count != "0"}

    with LocalAlertmanager(tmp_path, rendered=False) as running:
        running.post(alert("QueuePaused", "critical", queue="one"), alert("FailedJobsHigh", "warning", queue="two"))
        wait_until(
            lambda: failed(running.url) >= {"slack", "pagerduty"}, 20, lambda: f"failures; {failed(running.url)}"
        )
