"""Does the monitoring itself work: alerts, deliveries, scrapes, rules?"""

from __future__ import annotations

from monitoring.dashboards import templating, thresholds
from monitoring.dashboards.links import to_board
from monitoring.dashboards.model import Board, Column, Panel, Query, Row, Table
from monitoring.dashboards.quantiles import quantiles
from monitoring.site import Site

_FIRING = 'ALERTS{alertstate="firing",severity!="none",alertname=~"$alertname"}'
#: Alertmanager counts for every integration that it knows; those that were ever used are shown.
_USED = "and on (integration) (sum by (integration) (alertmanager_notifications_total) > 0)"


def board(_: Site) -> Board:
    """Alerting and meta."""
    return Board(
        uid="callboard-alerting", title="Callboard / 8 Alerting", runbook="monitoring",
        purpose="Does the monitoring itself work: alerts, deliveries, scrapes, rules?",
        variables=(templating.ALERT,),
        rows=(
            Row("", _now()),
            Row("Alerts", (_table(), _timeline(), _counts())),
            Row("Deliveries", _deliveries()),
            Row("Scrapes", _scrapes()),
            Row("Rules and Prometheus", _rules()),
        ),
    )  # fmt: skip


def _now() -> tuple[Panel, ...]:
    return (
        Panel(
            "Watchdog", "An alert that always fires. Silent: no alert would reach anybody, whatever happens.", "none",
            (Query('count(ALERTS{alertname="Watchdog",alertstate="firing"}) or vector(0)'),),
            kind="stat", width=4, height=4, words={"0": ("SILENT", "red"), "1": ("fires", "green")},
            steps=thresholds.below(1),
        ),
        Panel(
            "Firing", "Alerts that fire, by severity.", "none",
            tuple(
                Query(f'count(ALERTS{{alertstate="firing",severity="{severity}"}}) or vector(0)', severity)
                for severity in ("critical", "warning")
            ),
            kind="stat", width=5, height=4, steps=thresholds.above(1),
        ),
        Panel(
            "Targets down", "What Prometheus cannot scrape. A worker that ended is forgotten, and not down.", "none",
            (Query("count(up == 0) or vector(0)"),), kind="stat", width=3, height=4, steps=thresholds.above(1),
        ),
        Panel(
            "Deliveries failed, 1 h",
            "Notifications that Alertmanager could not deliver. It tries again, but not for ever.",
            "none", (Query("sum(increase(alertmanager_notifications_failed_total[1h]))"),),
            kind="stat", width=4, height=4, decimals=0, steps=thresholds.above(1), empty="Alertmanager is not scraped",
        ),
        Panel(
            "Rules failed, 1 h", "Evaluations that failed: their alerts are blind.", "none",
            (Query("sum(increase(prometheus_rule_evaluation_failures_total[1h]))"),),
            kind="stat", width=4, height=4, decimals=0, steps=thresholds.above(1), empty="Prometheus is not scraped",
        ),
        Panel(
            "Silences", "Alerts that somebody has muted. A forgotten silence is an alert that does not exist.", "none",
            (Query('max(alertmanager_silences{state="active"})'),),
            kind="stat", width=4, height=4, steps=thresholds.above(1, "orange"), empty="Alertmanager is not scraped",
        ),
    )  # fmt: skip


def _table() -> Panel:
    return Panel(
        "Firing alerts", "What fires now, with what it is about; the longest first.", "s", kind="table", width=24,
        height=8,
        empty="nothing fires",
        table=Table(
            {
                "alertname": "Alert", "severity": "Severity", "queue": "Queue", "worker": "Worker",
                "schedule": "Schedule", "collector": "Collector",
            },
            (Column(
                Query(
                    "max by (alertname, severity, queue, worker, schedule, collector) ((time() - ALERTS_FOR_STATE) "
                    f"and ignoring (alertstate) {_FIRING})",
                    "Since", rare=True,
                ),
                "s", decimals=0,
            ),),
            sort="Since", link=to_board("callboard-alerting", alertname="${__data.fields.Alert}"),
        ),
    )  # fmt: skip


def _timeline() -> Panel:
    return Panel(
        "Alerts over time",
        "What fired first is nearest to the cause. Alerts that fire together and end together have one.", "none",
        (Query(f"max by (alertname, queue) ({_FIRING})", "{{alertname}} {{queue}}", rare=True),),
        kind="state-timeline", width=16, height=10, words={"1": ("firing", "red")}, empty="nothing fired",
    )  # fmt: skip


def _counts() -> Panel:
    return Panel(
        "Alerts in Alertmanager", "Suppressed are those that a silence or another alert mutes.", "short",
        (Query("max by (state) (alertmanager_alerts)", "{{state}}"),), width=8, height=10,
        empty="Alertmanager is not scraped",
    )  # fmt: skip


def _deliveries() -> tuple[Panel, ...]:
    def count(name: str) -> str:
        return f"sum by (integration) (increase(alertmanager_{name}_total[$__rate_interval])) {_USED}"

    return (
        Panel(
            "Notifications sent", "What left, by way. Many an hour: group more, or repeat less.", "short",
            (Query(count("notifications"), "{{integration}}", rare=True),), width=6, bars=True,
            empty="none was ever sent",
        ),
        Panel(
            "Notifications that failed", "The way is broken: token, URL, network. Others may still work.", "short",
            (Query(count("notifications_failed"), "{{integration}}", rare=True),), width=6, bars=True,
            empty="none was ever sent",
        ),
        Panel(
            "Time to deliver, p95", "From Alertmanager to the receiver's answer.", "s",
            quantiles("alertmanager_notification_latency_seconds", "", ("integration",), ("p95",)), width=6,
            empty="none was sent",
        ),
        Panel(
            "From Prometheus to Alertmanager",
            "Dropped: Alertmanager was not reached. Queued: it is slow. Both must be 0.", "short",
            (
                Query("sum(increase(prometheus_notifications_dropped_total[$__rate_interval]))", "dropped"),
                Query("sum(prometheus_notifications_queue_length)", "queued"),
            ),
            width=6,
        ),
    )  # fmt: skip


def _scrapes() -> tuple[Panel, ...]:
    return (
        Panel(
            "Targets up", "0 is a target that does not answer. A gap is one that is no longer looked for.", "short",
            (Query("sum by (job) (up)", "{{job}} up"), Query("count by (job) (up)", "{{job}} all", limit=True)),
            width=8,
        ),
        Panel(
            "Scrape duration", "The slowest target of each job. Near the scrape timeout, figures are lost.", "s",
            (Query("max by (job) (scrape_duration_seconds)", "{{job}}"),), width=8,
        ),
        Panel(
            "Samples a scrape", "How many series each job brings. It should not grow with jobs or users.", "short",
            (Query("sum by (job) (scrape_samples_post_metric_relabeling)", "{{job}}"),), width=8,
        ),
        Panel(
            "Exporter: parts that could be read",
            "0: Redis did not answer for it. Its figures are absent then, and not 0. CollectFailing tells.", "none",
            (Query("max by (collector) (callboard_exporter_collect_success)", "{{collector}}"),),
            kind="state-timeline", words={"0": ("FAILED", "red"), "1": ("ok", "green")}, steps=thresholds.below(1),
            empty="the exporter is not scraped",
        ),
        Panel(
            "Exporter: time to read", "What a scrape costs Redis, by part. All parts share one round trip.", "s",
            (Query("max by (collector) (callboard_exporter_collect_duration_seconds)", "{{collector}}"),),
            empty="the exporter is not scraped",
        ),
    )  # fmt: skip


def _rules() -> tuple[Panel, ...]:
    return (
        Panel(
            "Rule groups: time by interval",
            "The share of its interval that a group's last evaluation took. At 1, alerts come late.", "percentunit",
            (Query(
                'label_replace(max by (rule_group) (prometheus_rule_group_last_duration_seconds '
                '/ prometheus_rule_group_interval_seconds), "group", "$1", "rule_group", ".*;(.*)")', "{{group}}",
            ),),
            width=8, lines=True, steps=thresholds.above(1), empty="Prometheus is not scraped",
        ),
        Panel(
            "Rules that failed, evaluations that were missed",
            "Both must be 0: a rule that fails is an alert that cannot.",
            "short",
            (
                Query("sum(increase(prometheus_rule_evaluation_failures_total[$__rate_interval]))", "failed"),
                Query("sum(increase(prometheus_rule_group_iterations_missed_total[$__rate_interval]))", "missed"),
            ),
            width=8, bars=True, empty="Prometheus is not scraped",
        ),
        Panel(
            "Series", "What Prometheus keeps in memory. A slope is a label whose values never end.", "short",
            (Query("prometheus_tsdb_head_series", "{{instance}}"),), width=8, empty="Prometheus is not scraped",
        ),
        Panel(
            "Configuration loaded", "0: the last change was refused and the one before it is in force.", "none",
            (
                Query("min(prometheus_config_last_reload_successful)", "Prometheus"),
                Query("min(alertmanager_config_last_reload_successful)", "Alertmanager"),
            ),
            kind="state-timeline", width=12, height=6, words={"0": ("REFUSED", "red"), "1": ("ok", "green")},
            steps=thresholds.below(1), empty="neither is scraped",
        ),
        Panel(
            "Series of Callboard", "By whom they are served. Bounded by queues, actors and workers, never by jobs.",
            "short", (Query('sum by (job) (scrape_samples_post_metric_relabeling{job=~"callboard-.+"})', "{{job}}"),),
            width=12, height=6,
        ),
    )  # fmt: skip
