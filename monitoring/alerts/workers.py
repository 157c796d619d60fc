"""Alerts about worker processes."""

from __future__ import annotations

from monitoring.alerts.model import Alert
from monitoring.limits import BUSY_SHARE, HEARTBEAT_SECONDS, HOLDS
from monitoring.site import Site

_DASHBOARD = "callboard-workers"


def alerts(site: Site) -> list[Alert]:
    """All alerts about worker processes."""
    share = f"{BUSY_SHARE:.0%}".replace("%", " %")
    return [
        Alert(
            name="NoWorkers",
            page="workers",
            expr=(
                "queue:callboard_queue_workers:max == 0\n"
                'and on (queue) queue_state:callboard_queue_jobs:max{state=~"waiting|active"} > 0'
            ),
            hold=site.span(HOLDS.no_workers),
            severity="critical",
            summary="{{ $labels.queue }} has jobs and no worker",
            description="Queue {{ $labels.queue }} has jobs, and no live worker process serves it.",
            dashboard="callboard-queue",
            why=(
                "The same as in health: a queue without work may be without workers, so that a deployment can go down "
                "to none when idle. The exporter says 0 for a queue that no worker ever served: nothing is absent."
            ),
        ),
        Alert(
            name="WorkersStalled",
            page="workers",
            expr=(
                f"time() - max by (worker) (callboard_worker_last_heartbeat_timestamp_seconds) > {HEARTBEAT_SECONDS}"
            ),
            hold=site.span(HOLDS.workers_stalled),
            severity="warning",
            summary="Worker {{ $labels.worker }} is silent for {{ $value | humanizeDuration }}",
            description=(
                "Worker process {{ $labels.worker }} did not end in order and was last heard of "
                f"{{{{ $value | humanizeDuration }}}} ago, more than {HEARTBEAT_SECONDS} s: it was killed, hangs, or "
                "does not reach Redis. Its jobs go to others when their leases run out."
            ),
            dashboard=_DASHBOARD,
            why=(
                "Work goes on elsewhere, so it wakes nobody; when no worker is left, NoWorkers does. Records of silent "
                "processes are forgotten after ten minutes, and the alert ends then."
            ),
            about="worker",
        ),
        Alert(
            name="WorkersSaturated",
            page="workers",
            expr=(
                "(\n"
                "    sum(max by (worker) (callboard_worker_threads_busy))\n"
                "  /\n"
                "    sum(max by (worker) (callboard_worker_threads))\n"
                f"> {BUSY_SHARE}\n"
                ")\n"
                "and on () (\n"
                '  queue_state:callboard_queue_jobs:max{state="waiting"} > 0\n'
                "  unless on (queue) queue:callboard_queue_paused:max > 0\n"
                ")"
            ),
            hold=site.span(HOLDS.workers_saturated),
            severity="warning",
            summary="{{ $value | humanizePercentage }} of all worker threads are busy",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the threads of all workers are busy, more than {share}, and "
                "jobs wait: more workers are needed, or jobs take longer than they did."
            ),
            dashboard=_DASHBOARD,
            why=(
                "Threads that are all busy are well used as long as nothing waits for them; what waits on a paused "
                "queue does not wait for a thread. Over all workers: one that is full has neighbours."
            ),
            about="",
        ),
    ]  # fmt: skip
