"""Tests of the alerts about worker processes."""

from __future__ import annotations

from monitoring.limits import BUSY_SHARE, HEARTBEAT_SECONDS, HOLDS
from monitoring.rule_tests.cases import STEP, Case, Fires, Links, behind, samples, seconds
from monitoring.rule_tests.held import also, held, never
from monitoring.site import Site

LINKS = Links(
    "workers",
    {
        "NoWorkers": "callboard-queue",
        "WorkersStalled": "callboard-workers",
        "WorkersSaturated": "callboard-workers",
    },
)


def cases(site: Site) -> list[Case]:
    """All of them, on the first queue of the catalogue."""
    name = next(iter(site.catalogue))
    return [*_none(name), *_stalled(), *_saturated(name)]


def _none(name: str) -> list[Case]:
    alert = "NoWorkers"

    def values(workers: float, waiting: float = 0, active: float = 0, completed: float = 0) -> dict[str, float]:
        jobs = {"waiting": waiting, "active": active, "completed": completed}
        counts = {f'queue_state:callboard_queue_jobs:max{{queue="{name}", state="{s}"}}': n for s, n in jobs.items()}
        return {f'queue:callboard_queue_workers:max{{queue="{name}"}}': workers, **counts}

    fires = [
        Fires({"queue": name, "severity": "critical"}, f"{name} has jobs and no worker",
              f"Queue {name} has jobs, and no live worker process serves it.")
    ]  # fmt: skip
    return [
        *held(alert, HOLDS.no_workers, fires=fires, over=values(0, waiting=1), boundary=values(1, waiting=1),
              silent=values(2, waiting=1, active=2)),
        also(alert, HOLDS.no_workers, "a job is still active", values(0, active=1), fires),
        never(alert, HOLDS.no_workers, "silent", "there is nothing to do", values(0, completed=9)),
    ]  # fmt: skip


def _stalled() -> list[Case]:
    alert, limit, hold = "WorkersStalled", HEARTBEAT_SECONDS, seconds(HOLDS.workers_stalled)
    over = limit + 1

    def series(*ages: float) -> dict[str, str]:
        """The heartbeat of one worker, as replicas of the exporter tell it, always so old."""
        return {
            f'callboard_worker_last_heartbeat_timestamp_seconds{{worker="app1-0", instance="{at}"}}': behind(age)
            for at, age in enumerate(ages)
        }

    fires = [
        Fires(
            {"worker": "app1-0", "severity": "warning"}, f"Worker app1-0 is silent for {over}s",
            f"Worker process app1-0 did not end in order and was last heard of {over}s ago, more than {limit} s: it "
            "was killed, hangs, or does not reach Redis. Its jobs go to others when their leases run out.",
        )
    ]  # fmt: skip
    key = next(iter(series(over)))
    back = {key: f"{behind(over, hold + 60)} {samples((hold + 600, 600))}"}
    return [
        Case(alert, "firing", "two replicas say the same", series(over, over), {hold: fires, hold + 300: fires}),
        Case(alert, "silent", "it beats", series(1, 1), {hold: [], hold + 300: []}),
        Case(alert, "boundary", "one evaluation too short", series(over), {hold - STEP: []}),
        Case(alert, "boundary", "exactly so long; one replica is behind", series(limit, over), {hold: [], 600: []}),
        Case(alert, "resolved", "it speaks again", back, {hold: fires, hold + 60: [], hold + 300: []}),
    ]


def _saturated(name: str) -> list[Case]:
    alert = "WorkersSaturated"

    def values(busy: float, waiting: float = 1, paused: int = 0, behind: float = 0) -> dict[str, float]:
        """Two workers of 60 threads, one of them all busy. A second replica of the exporter says ``behind`` less."""
        made: dict[str, float] = {
            f'queue_state:callboard_queue_jobs:max{{queue="{name}", state="waiting"}}': waiting,
            f'queue_state:callboard_queue_jobs:max{{queue="{name}", state="delayed"}}': 7,
            f'queue:callboard_queue_paused:max{{queue="{name}"}}': paused,
        }
        for replica, less in enumerate((0, behind)):
            for worker, running in (("app1-0", 60), ("app1-1", busy)):
                labels = f'{{worker="{worker}", instance="{replica}"}}'
                made[f"callboard_worker_threads_busy{labels}"] = running - less
                made[f"callboard_worker_threads{labels}"] = 60 - less
        return made

    fires = [
        Fires(
            {"severity": "warning"}, "95.83% of all worker threads are busy",
            "95.83% of the threads of all workers are busy, more than 95 %, and jobs wait: more workers are needed, or "
            "jobs take longer than they did.",
        )
    ]  # fmt: skip
    exact = BUSY_SHARE * 120 - 60
    return [
        *held(alert, HOLDS.workers_saturated, fires=fires, over=values(55, behind=5),
              boundary=values(exact), silent=values(0)),
        never(alert, HOLDS.workers_saturated, "boundary", "nothing waits", values(60, waiting=0)),
        never(alert, HOLDS.workers_saturated, "silent", "what waits is paused", values(60, paused=1)),
    ]  # fmt: skip
