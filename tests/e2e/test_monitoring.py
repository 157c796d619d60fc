"""The whole monitoring, real: ``bin/monitoring`` with workers that work, fail, and are killed, judged by what arrives.

Time runs twenty times as fast for rules, scrapes and Alertmanager (``--time-scale``); thresholds are as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest

from callboard.flows.plan import Step, group
from callboard.service import JobSpec
from monitoring.dashboards.boards import boards
from monitoring.dashboards.substituted import Asked, queries
from monitoring.names import metrics_in
from monitoring.site import Site
from tests.support.monitored import (
    ABANDONED,
    FAILING,
    FILLED,
    FORWARDED,
    MIXED,
    PAUSED,
    PROCESSES,
    RATE_INTERVAL,
    TIME_SCALE,
    Monitored,
    monitored,
)
from tests.support.receivers import DEAD_MAN
from tests.support.wait import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

#: More than the threshold of waiting jobs, with room for those that run.
MANY = 10_020
#: How long an alert may take, from its cause to its message (seconds): counts must hold for 15, then comes the group's
#: wait; a change within a group waits up to 15.
ARRIVES_S, RESOLVES_S = 45.0, 60.0


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    with monitored(tmp_path_factory.mktemp("monitoring")) as running:
        yield running


def empty(watched: Monitored, queue: str) -> None:
    """Nothing waits or runs on ``queue`` any more, and nothing that ended is kept."""
    watched.service.drain_queue(queue, delayed=True)
    for job in watched.service.get_active_jobs(queue).jobs:
        watched.service.cancel_job(queue, job.id)
    watched.wait(lambda: not watched.service.get_queue_stats(queue).active, 30, f"the end of what runs on {queue}")
    for state in ("failed", "cancelled"):
        while watched.service.clean_queue(queue, state, 0)[1]:
            pass


def test_prometheus_finds_every_part_and_every_worker(watched: Monitored) -> None:
    parts = ["alertmanager", "callboard-exporter", *["callboard-workers"] * PROCESSES, "prometheus", "redis"]

    def up() -> bool:
        return sorted(t["labels"]["job"] for t in watched.targets() if t["health"] == "up") == parts

    watched.wait(up, 30, f"these to be up: {parts}")
    told = {worker.slot for worker in watched.service.get_workers()}
    workers = {t["labels"]["worker"] for t in watched.targets() if t["labels"]["job"] == "callboard-workers"}
    assert {int(name.rpartition("-")[2]) for name in workers} == told
    heard = watched.query("callboard_worker_last_heartbeat_timestamp_seconds")
    assert {each["metric"]["worker"] for each in heard} == workers, "both sources call a worker the same"


def test_the_dead_man_hears_that_alerting_works(watched: Monitored) -> None:
    heard = watched.wait(lambda: watched.receivers.came(DEAD_MAN), 30, "the watchdog at the dead-man service")
    assert heard[0]["groupLabels"]["alertname"] == "Watchdog"
    titles = [message["title"] for message in watched.receivers.slack()]
    assert not [title for title in titles if "Watchdog" in title], "nobody is to read it"


def test_a_paused_queue_wakes_somebody_and_its_backlog_is_not_told(watched: Monitored) -> None:
    watched.service.pause_queue(PAUSED, reason="test", by="ada")
    try:
        watched.service.add_jobs(PAUSED, [JobSpec("publish")] * MANY)
        page = watched.receivers.page("trigger", "QueuePaused", PAUSED, ARRIVES_S)
        told = watched.receivers.slack_titled(f"[FIRING:1] QueuePaused {PAUSED}", ARRIVES_S)
        links_lead_somewhere(watched, told["text"], "QueuePaused", PAUSED)
        assert page["payload"]["severity"] == "critical"
        assert page["payload"]["summary"] == f"QueuePaused: {PAUSED} is paused"
        assert {link["text"]: link["href"] for link in page["links"]} == {
            "Runbook": f"{watched.at['ops_api']}/runbooks/queues#queuepaused",
            "Dashboard": dashboard(watched, "callboard-queue", PAUSED),
        }

        watched.wait(lambda: watched.firing("WaitingJobsHigh", queue=PAUSED), ARRIVES_S, "the backlog to fire")

        def muted() -> bool:
            by_name = {
                each["labels"]["alertname"]: each
                for each in watched.delivered()
                if each["labels"].get("queue") == PAUSED
            }
            if not {"QueuePaused", "WaitingJobsHigh"} <= set(by_name):
                return False
            status = by_name["WaitingJobsHigh"]["status"]
            return status["state"] == "suppressed" and by_name["QueuePaused"]["fingerprint"] in status["inhibitedBy"]

        watched.wait(muted, ARRIVES_S, "the backlog of the paused queue to be muted by its pause")
    finally:
        watched.service.drain_queue(PAUSED)
        watched.service.resume_queue(PAUSED)
    watched.receivers.slack_titled(f"[RESOLVED] QueuePaused {PAUSED}", RESOLVES_S)
    resolved = watched.receivers.page("resolve", "QueuePaused", PAUSED, RESOLVES_S)
    assert resolved["dedup_key"] == page["dedup_key"], "it closes the incident that it opened"
    titles = [message["title"] for message in watched.receivers.slack()]
    assert not [title for title in titles if f"WaitingJobsHigh {PAUSED}" in title], "the pause says it all"


def test_a_queue_that_fills_up_is_told_and_wakes_nobody(watched: Monitored) -> None:
    try:
        watched.service.add_jobs(FILLED, [JobSpec("export")] * MANY)
        told = watched.receivers.slack_titled(f"[FIRING:1] WaitingJobsHigh {FILLED}", ARRIVES_S)
        links_lead_somewhere(watched, told["text"], "WaitingJobsHigh", FILLED)
    finally:
        empty(watched, FILLED)
    watched.receivers.slack_titled(f"[RESOLVED] WaitingJobsHigh {FILLED}", RESOLVES_S)
    subjects = [str(mail.message["subject"]) for mail in watched.receivers.mails()]
    assert f"[FIRING:1] WaitingJobsHigh {FILLED}" in subjects
    assert not [event for event in watched.receivers.pagerduty() if event["payload"]["class"] == "WaitingJobsHigh"]


def test_what_alertmanager_posts_to_the_ops_api_is_sent_on_by_a_job(watched: Monitored) -> None:
    def titles() -> list[str]:
        return [message["title"] for message in watched.receivers.came(FORWARDED)]

    watched.service.pause_queue(MIXED, reason="test", by="ada")
    try:
        watched.wait(lambda: f"[FIRING:1] QueuePaused {MIXED}" in titles(), ARRIVES_S, "the alert, sent on")
    finally:
        watched.service.resume_queue(MIXED)
    watched.wait(lambda: f"[RESOLVED] QueuePaused {MIXED}" in titles(), RESOLVES_S, "its end, sent on")
    failed = watched.query("alertmanager_notifications_failed_total > 0")
    assert not failed, "every receiver has taken what it was told"


def test_a_hundred_failed_jobs_are_silent_and_one_more_is_told(watched: Monitored) -> None:
    def failed(count: int) -> bool:
        return watched.values(f'callboard_queue_jobs{{queue="{FAILING}",state="failed"}}') == [count]

    def silent_for_long() -> bool:
        # Longer than the alert's own time to hold, as Prometheus has it on record.
        seen = f'min_over_time(callboard_queue_jobs{{queue="{FAILING}",state="failed"}}[20s]) == 100'
        return bool(watched.query(seen))

    try:
        watched.service.add_jobs(FAILING, [JobSpec("listen")] * 100)
        watched.wait(lambda: failed(100), 30, "100 failed jobs")
        watched.wait(silent_for_long, 40, "100 failed jobs for 20 s")
        fired = f'count_over_time(ALERTS{{alertname="FailedJobsHigh",queue="{FAILING}"}}[20s])'
        assert watched.query(fired) == [], "neither pending nor firing at exactly 100"

        watched.service.add_job(FAILING, "listen")
        told = watched.receivers.slack_titled(f"[FIRING:1] FailedJobsHigh {FAILING}", ARRIVES_S)
        links_lead_somewhere(watched, told["text"], "FailedJobsHigh", FAILING)
    finally:
        empty(watched, FAILING)
    watched.receivers.slack_titled(f"[RESOLVED] FailedJobsHigh {FAILING}", RESOLVES_S)


def test_killed_workers_wake_somebody_and_their_return_is_told(watched: Monitored) -> None:
    try:
        watched.service.add_jobs(ABANDONED, [JobSpec("report")] * (2 * PROCESSES + 1))
        watched.wait(
            lambda: watched.service.get_queue_stats(ABANDONED).active == 2 * PROCESSES, 15, "jobs that run"
        )
        with watched.without_workers():
            watched.receivers.page("trigger", "NoWorkers", ABANDONED, ARRIVES_S)
            told = watched.receivers.slack_titled(f"[FIRING:1] NoWorkers {ABANDONED}", ARRIVES_S)
            links_lead_somewhere(watched, told["text"], "NoWorkers", ABANDONED)
            both = watched.receivers.slack_titled(f"[FIRING:{PROCESSES}] WorkersStalled", 90)
            assert len(re.findall(r"^• ", both["text"], re.MULTILINE)) == PROCESSES, "one message, a line a worker"
        watched.receivers.page("resolve", "NoWorkers", ABANDONED, RESOLVES_S)
        watched.receivers.slack_titled(f"[RESOLVED] NoWorkers {ABANDONED}", RESOLVES_S)
        watched.receivers.slack_titled("[RESOLVED] WorkersStalled", RESOLVES_S)
    finally:
        empty(watched, ABANDONED)


#: Metrics that this set has not, and why.
NOT_HERE = {
    "redis_connected_slave_lag_seconds": "the Redis of the test has no replica",
    "redis_memory_max_bytes > 0": "the Redis of the test has no maxmemory",
}


def work_of_every_kind(watched: Monitored) -> None:
    """Jobs that complete, are retried, deferred, fail, are cancelled, wait for their time and for each other."""
    service = watched.service
    hows = ["well"] * 20 + ["later"] * 3 + ["badly"] * 3 + ["deferred"] * 2
    ids = [added.id for added in service.add_jobs(MIXED, [JobSpec("collect", {"how": how}) for how in hows])]
    put_off = service.add_delayed_job(MIXED, "collect", {"how": "well"}, delay=3_600)
    service.cancel_job(MIXED, put_off.id)
    service.add_delayed_job(MIXED, "collect", {"how": "well"}, delay=3_600)
    first, second, last = (Step(MIXED, "collect", {"how": "well"}) for _ in range(3))
    ids += [put_off.id, service.add_flow(group(first, second, then=last)).id]
    ended = ("completed", "failed", "cancelled")
    watched.wait(lambda: all(service.get_job(MIXED, id).state in ended for id in ids), 30, "the end of all kinds")


def canaries_through(watched: Monitored) -> None:
    """Wait until the canary of every queue came through, at the latest a minute after the start."""
    all_of_them = len(watched.service.catalogue)
    through = "callboard_canary_last_completed_timestamp_seconds"
    watched.wait(lambda: len(watched.query(through)) == all_of_them, 80, "a canary through every queue")


def asked(watched: Monitored) -> list[Asked]:
    """Every query of the dashboards, as Grafana asks it of this Prometheus."""
    return list(queries(Site(catalogue=watched.service.catalogue, time_scale=TIME_SCALE), RATE_INTERVAL))


def test_every_query_of_the_dashboards_has_an_answer(watched: Monitored) -> None:
    left = [query for query in asked(watched) if not any(part in query.expr for part in NOT_HERE)]

    def answered(query: Asked) -> bool:
        return bool(watched.history(query.expr) if query.where.startswith("annotation") else watched.query(query.expr))

    def all_answered() -> bool:
        work_of_every_kind(watched)
        left[:] = [query for query in left if not answered(query)]
        return not left

    canaries_through(watched)
    try:
        # A pause that fires, a backlog that shrinks: what is seldom to be seen is there as well.
        watched.service.pause_queue(FAILING, reason="test", by="ada")
        watched.service.add_jobs(FILLED, [JobSpec("export_one")] * 1_000)
        wait_until(all_answered, 60, lambda: f"an answer to {left}\n{watched.seen()}")
    finally:
        watched.service.resume_queue(FAILING)
        empty(watched, FILLED)
        empty(watched, MIXED)


def test_what_is_said_not_to_be_here_is_not(watched: Monitored) -> None:
    assert {name: watched.query(name) for name in NOT_HERE} == {name: [] for name in NOT_HERE}


def test_names_in_rules_and_dashboards_are_those_of_a_scrape_both_ways(watched: Monitored) -> None:
    work_of_every_kind(watched)
    canaries_through(watched)
    used = set().union(*(metrics_in(query.expr) for query in asked(watched)))
    used |= set().union(*(metrics_in(rule["query"]) for rule in watched.rules()))

    names = watched.names()
    assert used - names <= NOT_HERE.keys(), "rules or dashboards use what nobody exports"
    scraped = {family(name, names) for name in names if name.startswith("callboard_")}
    assert not scraped - {family(name, names) for name in used}, "exported, and neither in a rule nor in a dashboard"
    recorded = {rule["name"] for rule in watched.rules() if rule["type"] == "recording"}
    assert not recorded - used, "recorded, and used by nothing"


def family(name: str, names: set[str]) -> str:
    """The metric of a series: a histogram's parts are one."""
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    return stem if f"{stem}_bucket" in names else name


def test_every_alert_leads_to_its_runbook_and_to_a_dashboard(watched: Monitored) -> None:
    uids = {board.uid for board in boards(Site())}
    alerts = [rule for rule in watched.rules() if rule["type"] == "alerting"]
    assert len(alerts) > 30
    for rule in alerts:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor == rule["name"].lower()
        assert f'id="{anchor}"' in watched.get(page), f"{page} has no {anchor}"
        assert urlsplit(rule["annotations"]["dashboard_url"]).path.removeprefix("/d/") in uids, rule["name"]


def dashboard(watched: Monitored, uid: str, queue: str = "") -> str:
    """The link to a dashboard; no Grafana runs here, but it is where ours would be."""
    [rule] = [each for each in watched.rules() if each.get("name") == "QueuePaused"]
    base = rule["annotations"]["dashboard_url"].partition("/d/")[0]
    return f"{base}/d/{uid}" + (f"?var-queue={queue}" if queue else "")


def links_lead_somewhere(watched: Monitored, text: str, alert: str, queue: str) -> None:
    """Slack's three links: the runbook's heading is there, the dashboard is one of ours, the silence fits the alert."""
    links = {name: url for url, name in re.findall(r"<([^|>]+)\|([^>]+)>", text)}
    assert set(links) == {"Runbook", "Dashboard", "Silence"}, text
    page, _, anchor = links["Runbook"].partition("#")
    assert f'id="{anchor}"' in watched.get(page)
    assert anchor == alert.lower()
    assert urlsplit(links["Dashboard"]).path.removeprefix("/d/") in {board.uid for board in boards(Site())}
    assert links["Dashboard"].endswith(f"?var-queue={queue}")
    assert links["Silence"].startswith(f"{watched.at['alertmanager']}/#/silences/new?filter=")
    matchers = unquote(links["Silence"].partition("filter=")[2])
    assert f'alertname="{alert}"' in matchers
    assert f'queue="{queue}"' in matchers
