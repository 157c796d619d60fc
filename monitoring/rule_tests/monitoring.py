"""Tests of the alerts about the monitoring itself."""

from __future__ import annotations

from monitoring.limits import HOLDS
from monitoring.rule_tests.cases import LONG, STEP, Case, Fires, Links, always, samples, seconds
from monitoring.rule_tests.held import held, never
from monitoring.site import Site

_ALERTS = ("ExporterAbsent", "CollectFailing", "MetricsMissingForQueue", "Watchdog")
LINKS = Links("monitoring", dict.fromkeys(_ALERTS, "callboard-alerting"))

_SUCCESS = "callboard_exporter_collect_success"


def cases(site: Site) -> list[Case]:
    """All of them."""
    return [*_exporter(), *_collect(), *_processes(), *_missing(list(site.catalogue)), _watchdog()]


def _exporter() -> list[Case]:
    alert, hold = "ExporterAbsent", seconds(HOLDS.exporter)
    fires = [
        Fires({"severity": "critical"}, "Nothing tells how the queues are",
              "Prometheus has no figures of Callboard's exporter: no alert about a queue can fire.")
    ]  # fmt: skip
    here = f'{_SUCCESS}{{collector="queues"}}'
    gone = {here: samples((1, 60), ("stale", STEP), ("_", hold), (1, 600))}
    return [
        Case(alert, "firing", "it was never there", {}, {hold: fires}),
        Case(alert, "silent", "it is there and cannot collect", {here: always(0)}, {hold: [], 900: []}),
        Case(alert, "boundary", "one evaluation too short", gone, {60 + hold - STEP: []}),
        Case(alert, "resolved", "it is back", gone, {60 + hold: fires, 60 + hold + STEP: [], 600: []}),
    ]


def _collect() -> list[Case]:
    alert = "CollectFailing"
    parts = ("queues", "memory", "redis")

    def values(*success: int) -> dict[str, float]:
        """Replicas of the exporter, one after the other."""
        return {
            f'{_SUCCESS}{{collector="{part}", instance="{at}"}}': value
            for part in parts
            for at, value in enumerate(success)
        }

    def fires(part: str, severity: str, so: str) -> Fires:
        return Fires(
            {"collector": part, "severity": severity}, f"The exporter cannot collect {part}",
            f"No replica of Callboard's exporter can collect {part}: its figures are absent{so}",
        )  # fmt: skip

    told = [
        fires("queues", "critical", ", and alerts on them cannot fire."),
        fires("memory", "warning", ". Alerts about queues still fire."),
        fires("redis", "warning", ". Alerts about queues still fire."),
    ]
    return [
        *held(alert, HOLDS.collect, fires=told, over=values(0, 0), boundary=None, silent=values(1, 1)),
        never(alert, HOLDS.collect, "silent", "one of two replicas collects", values(1, 0)),
    ]


def _processes() -> list[Case]:
    """Workers live, by the exporter, and nothing is scraped of them."""
    alert, hold = "CollectFailing", seconds(HOLDS.collect)
    fires = [
        Fires(
            {"collector": "processes", "severity": "warning"}, "No worker process is scraped",
            "Workers live, and Prometheus has no figures of their own: it cannot reach their ports, or they run "
            "without metrics. SuccessBudgetBurn, WaitBudgetBurn and RetryStorm cannot fire.",
        )
    ]  # fmt: skip

    def series(workers: int, told: str) -> dict[str, str]:
        return {
            'queue:callboard_queue_workers:max{queue="a"}': always(workers),
            'queue:callboard_queue_workers:max{queue="b"}': always(0),
            'callboard_slo_eligible_total{queue="a", slo="wait", worker="app-0"}': told,
        }

    gone = series(1, samples((3, 60), ("stale", STEP), ("_", hold), (3, 600)))
    return [
        Case(alert, "firing", "no port is reached", series(1, "_"), {hold: fires, hold + 300: fires}),
        Case(alert, "silent", "they are scraped", series(1, always(0)), {hold: [], hold + 300: []}),
        Case(alert, "silent", "no worker lives", series(0, "_"), {hold: [], hold + 300: []}),
        Case(alert, "boundary", "one evaluation too short", gone, {60 + hold - STEP: []}),
        Case(alert, "resolved", "they are scraped again", gone, {60 + hold: fires, 60 + hold + STEP: [], 600: []}),
    ]


def _missing(queues: list[str]) -> list[Case]:
    alert, hold, name = "MetricsMissingForQueue", seconds(HOLDS.missing), queues[0]
    states = ("waiting", "failed")

    def series(of: str, success: int = 1) -> dict[str, str]:
        """All queues have figures, the first has ``of``."""
        told = {f'{_SUCCESS}{{collector="queues"}}': always(success)}
        for queue in queues:
            for state in states:
                name_of = f'queue_state:callboard_queue_jobs:max{{queue="{queue}", state="{state}"}}'
                told[name_of] = of if queue == name else always(0)
        return told

    def fires(*missing: str) -> list[Fires]:
        return [
            Fires(
                {"queue": queue, "severity": "warning"}, f"No figures of {queue}",
                f"The exporter answers and says nothing of queue {queue}, which these rules know: it runs with another "
                "catalogue. No alert about the queue can fire.",
            )
            for queue in missing
        ]  # fmt: skip

    gone = series(samples((3, 60), ("stale", STEP), ("_", hold), (3, 600)))
    nothing = {name: values for name, values in series("_").items() if name.startswith(_SUCCESS)}
    away = {name: always(0) for name in nothing}
    # A node of a Cluster is away with its queues: CollectFailing tells.
    part = series(samples((3, 60), ("stale", STEP)), 0) | {f'{_SUCCESS}{{collector="memory"}}': always(1)}
    return [
        Case(alert, "firing", "one is missing", gone, {60 + hold: fires(name)}),
        Case(alert, "firing", "all are missing", nothing, {hold: fires(*queues)}),
        Case(alert, "silent", "all are there", series(always(0)), {hold: [], 1200: []}),
        Case(alert, "silent", "the exporter collects nothing", away, {hold: [], 1200: []}),
        Case(alert, "silent", "the exporter cannot read the queue", part, {60 + hold: [], 1200: []}),
        Case(alert, "silent", "the exporter is away", {}, {hold: [], 1200: []}),
        Case(alert, "boundary", "one evaluation too short", gone, {60 + hold - STEP: []}),
        Case(alert, "resolved", "it is back", gone, {60 + hold: fires(name), 60 + hold + STEP: []}),
    ]


def _watchdog() -> Case:
    """It always fires: there is nothing else to try."""
    fires = [
        Fires(
            {"severity": "none"}, "Alerting works",
            "This alert always fires. It is sent to a dead man's switch, which tells when it stops coming: then "
            "Prometheus, Alertmanager or the way between them is broken.",
        )
    ]  # fmt: skip
    return Case("Watchdog", "firing", "always", {}, {0: fires, LONG: fires})
