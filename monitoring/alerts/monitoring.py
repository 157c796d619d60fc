"""Alerts about the monitoring itself: whether the other alerts could fire at all."""

from __future__ import annotations

from monitoring.alerts.model import Alert
from monitoring.limits import HOLDS, Severity
from monitoring.site import Site

_DASHBOARD = "callboard-alerting"

#: Parts of the scrape that no alert wakes somebody by: estimates of memory, and the policy of Redis.
_MINOR = "memory|redis"


#: Alerts about a queue that use nothing but the figures of worker processes: silent without these, and as right as ever
#: without the exporter.
TOLD_BY_WORKERS = ("SuccessBudgetBurn", "WaitBudgetBurn", "RetryStorm")


def alerts(site: Site) -> list[Alert]:
    """All alerts about the monitoring itself."""
    queues = "\nor ".join(f'label_replace(vector(1), "queue", "{name}", "", "")' for name in site.catalogue)
    return [
        Alert(
            name="ExporterAbsent",
            page="monitoring",
            expr="absent(callboard_exporter_collect_success)",
            hold=site.span(HOLDS.exporter),
            severity="critical",
            summary="Nothing tells how the queues are",
            description="Prometheus has no figures of Callboard's exporter: no alert about a queue can fire.",
            dashboard=_DASHBOARD,
            why=(
                "By what it exports and not by `up`: it is told as well when the target was never found, and whether "
                "the ops API or a worker process exports. A restart is shorter than it must hold."
            ),
            about="",
        ),
        *_collect_failing(site),
        Alert(
            name="MetricsMissingForQueue",
            page="monitoring",
            expr=(
                f"(\n   {queues}\n)\n"
                "unless on (queue) queue_state:callboard_queue_jobs:max\n"
                'and on () callboard_exporter_collect_success{collector="queues"} > 0'
            ),
            hold=site.span(HOLDS.missing),
            severity="warning",
            summary="No figures of {{ $labels.queue }}",
            description=(
                "The exporter answers and says nothing of queue {{ $labels.queue }}, which these rules know: it runs "
                "with another catalogue. No alert about the queue can fire."
            ),
            dashboard=_DASHBOARD,
            why=(
                "A series that is not there makes no rule fire, so the queues are listed. While the exporter is away "
                "or cannot read some queue, CollectFailing tells it once and not for every queue."
            ),
        ),
        Alert(
            name="Watchdog",
            page="monitoring",
            expr="vector(1)",
            hold="",
            severity="none",
            summary="Alerting works",
            description=(
                "This alert always fires. It is sent to a dead man's switch, which tells when it stops coming: then "
                "Prometheus, Alertmanager or the way between them is broken."
            ),
            dashboard=_DASHBOARD,
            why="The only way to hear that alerting itself is down.",
            about="",
        ),
    ]  # fmt: skip


def _collect_failing(site: Site) -> list[Alert]:
    parts: tuple[tuple[str, Severity, str], ...] = (
        (f'collector!~"{_MINOR}"', "critical", "its figures are absent, and alerts on them cannot fire."),
        (f'collector=~"{_MINOR}"', "warning", "its figures are absent. Alerts about queues still fire."),
    )
    failing = [
        Alert(
            name="CollectFailing",
            page="monitoring",
            expr=f"max by (collector) (callboard_exporter_collect_success{{{matcher}}}) == 0",
            hold=site.span(HOLDS.collect),
            severity=severity,
            summary="The exporter cannot collect {{ $labels.collector }}",
            description=f"No replica of Callboard's exporter can collect {{{{ $labels.collector }}}}: {so}",
            dashboard=_DASHBOARD,
            why="One replica that collects is enough: rules take the maximum over replicas.",
            about="collector",
        )
        for matcher, severity, so in parts
    ]
    processes = Alert(
        name="CollectFailing",
        page="monitoring",
        expr="absent(callboard_slo_eligible_total)\nand on () queue:callboard_queue_workers:max > 0",
        hold=site.span(HOLDS.collect),
        severity="warning",
        summary="No worker process is scraped",
        description=(
            "Workers live, and Prometheus has no figures of their own: it cannot reach their ports, or they run "
            f"without metrics. {', '.join(TOLD_BY_WORKERS[:-1])} and {TOLD_BY_WORKERS[-1]} cannot fire."
        ),
        dashboard=_DASHBOARD,
        why=(
            "Alerts on what workers count are silent when nothing is scraped of them: a firewall, or an address that "
            "only the workers' own machine knows. Deployments with CALLBOARD_METRICS=false silence it for good, and "
            "know by it what they do without."
        ),
        about="collector",
        labels={"collector": "processes"},
    )
    return [*failing, processes]
