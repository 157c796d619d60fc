"""Do the workers live, are they busy, and is what they run on well?"""

from __future__ import annotations

from monitoring import limits
from monitoring.dashboards import templating, thresholds
from monitoring.dashboards.model import Board, Column, Panel, Query, Row, Table
from monitoring.dashboards.quantiles import quantiles
from monitoring.site import Site

#: The chosen worker processes. The metrics of a process itself have the label too: it comes with the target.
W = '{worker=~"$worker"}'

_SILENCE = f"time() - max by (worker) (callboard_worker_last_heartbeat_timestamp_seconds{W})"
_THREADS = f"max by (worker) (callboard_worker_threads{W})"
_BUSY = f"max by (worker) (callboard_worker_threads_busy{W})"
_UPTIME = f"time() - max by (worker) (process_start_time_seconds{W})"
_CPU = f"max by (worker) (rate(process_cpu_seconds_total{W}[$__rate_interval]))"
_RSS = f"max by (worker) (process_resident_memory_bytes{W})"
_NAME = "{{worker}}"
_CALLS = "callboard_redis_call_seconds"


def board(_: Site) -> Board:
    """Workers."""
    return Board(
        uid="callboard-workers", title="Callboard / 4 Workers", runbook="workers",
        purpose="Do the workers live, are they busy, and are they well?",
        variables=(templating.WORKER,),
        rows=(
            Row("", (*_now(), _workers())),
            Row("Busy", _busy()),
            Row("Alive", _alive()),
            Row("With Redis", _redis()),
            Row("The processes", _processes()),
        ),
    )  # fmt: skip


def _now() -> tuple[Panel, ...]:
    silent = f"count({_SILENCE} > {limits.HEARTBEAT_SECONDS}) or vector(0)"
    return (
        Panel(
            "Alive", "Worker processes that were heard of lately.", "none",
            (Query(f"count({_SILENCE} <= {limits.HEARTBEAT_SECONDS}) or vector(0)"),),
            kind="stat", width=4, height=4, steps=thresholds.below(1),
        ),
        Panel(
            "Silent",
            f"Not heard of for {limits.HEARTBEAT_SECONDS} s and not signed off: killed, hung, or cut off from Redis.",
            "none", (Query(silent),), kind="stat", width=4, height=4, steps=thresholds.above(1),
        ),
        Panel(
            "Threads busy", "Full while jobs wait: add workers. Empty while jobs wait: look at limits and pauses.",
            "percentunit", (Query(f"sum({_BUSY}) / sum({_THREADS})"),),
            kind="stat", width=4, height=4, decimals=0, steps=thresholds.above(limits.BUSY_SHARE, "orange"),
            empty="no workers",
        ),
        Panel(
            "Threads", "Jobs that can run at once, over all live workers.", "none", (Query(f"sum({_THREADS})"),),
            kind="stat", width=4, height=4, steps=thresholds.PLAIN, empty="no workers",
        ),
        Panel(
            "Started within the hour", "Deploys, recycling, crashes. More than you know of: read the supervisor's log.",
            "none", (Query(f"count({_UPTIME} < 3600) or vector(0)"),),
            kind="stat", width=4, height=4, steps=thresholds.PLAIN,
        ),
        Panel(
            "Versions that run", "More than one for longer than a deploy takes: one machine was forgotten.", "none",
            (Query('count(count by (version) (callboard_build_info{component="worker"}))'),),
            kind="stat", width=4, height=4, steps=thresholds.above(2, "orange"), empty="not scraped",
        ),
    )  # fmt: skip


def _workers() -> Panel:
    columns = (
        Column(Query(_SILENCE, "Silent for"), "s", thresholds.above(limits.HEARTBEAT_SECONDS), decimals=0),
        Column(Query(_BUSY, "Busy"), decimals=0),
        Column(Query(_THREADS, "Threads"), decimals=0),
        Column(
            Query(f"{_BUSY} / on (worker) {_THREADS}", "Utilisation"), "percentunit",
            thresholds.above(limits.BUSY_SHARE, "orange"), decimals=0,
        ),
        Column(Query(_UPTIME, "Up for"), "s", decimals=0),
        Column(Query(_CPU, "CPU"), "suffix:cores", decimals=2),
        Column(Query(_RSS, "Memory"), "bytes", decimals=0),
    )  # fmt: skip
    return Panel(
        "Worker processes", "One line a process, by host and slot. The longest silent one first.", "short",
        kind="table", width=24, height=9, empty="no worker process",
        table=Table({"worker": "Worker"}, columns, sort="Silent for"),
    )  # fmt: skip


def _busy() -> tuple[Panel, ...]:
    return (
        Panel(
            "Utilisation",
            "Share of a process' threads that run a job. All at 1 while jobs wait: the line of WorkersSaturated.",
            "percentunit", (Query(f"{_BUSY} / on (worker) {_THREADS}", _NAME),),
            width=8, high=1, lines=True, steps=thresholds.above(limits.BUSY_SHARE, "orange"), empty="no workers",
        ),
        Panel(
            "Busy and all threads", "The gap is what is free. No gap: jobs wait for a thread.", "short",
            (Query(f"sum({_BUSY})", "busy"), Query(f"sum({_THREADS})", "all threads", limit=True)),
            width=8, empty="no workers",
        ),
        Panel(
            "Deferred jobs",
            "Attempts that put their job off, by reason. newer_payload: this worker is older than what adds jobs, so "
            "deploy it. rate_limit: more workers would not help.",
            "suffix:/s",
            (Query(f"sum by (reason) (rate(callboard_deferred_total{W}[$__rate_interval]))", "{{reason}}"),),
            width=8, empty="not scraped",
        ),
    )  # fmt: skip


def _alive() -> tuple[Panel, ...]:
    return (
        Panel(
            "Heartbeat ages",
            "A healthy worker stays near 0. A line that climbs is a process that hangs or lost Redis; at the line, "
            "WorkersStalled fires. All at once: Redis.",
            "s", (Query(_SILENCE, _NAME),), width=8, lines=True, steps=thresholds.above(limits.HEARTBEAT_SECONDS),
        ),
        Panel(
            "Restarts",
            "Processes that started anew under the same name. A picket fence is a crash loop, or a process that "
            "reaches its memory limit again and again.",
            "short", (Query(f"sum by (worker) (changes(process_start_time_seconds{W}[$__rate_interval]))", _NAME),),
            width=8, bars=True,
        ),
        Panel(
            "Requeued at shutdown",
            "Jobs that were given back when their worker was told to stop. They run again elsewhere: long jobs and "
            "short shutdown times make many.",
            "short",
            (Query(
                f"sum by (queue) (increase(callboard_shutdown_requeued_total{W}[$__rate_interval]))", "{{queue}}",
            ),),
            width=8, bars=True, empty="nothing was requeued",
        ),
    )  # fmt: skip


def _redis() -> tuple[Panel, ...]:
    return (
        Panel(
            "Calls to Redis, p50 and p99",
            "How long verbs take from the worker's side: the network and Redis' queue are in it. All verbs slower: "
            "Redis or the network; one: its script meets a large key.",
            "s", quantiles(_CALLS, W, ("verb",), ("p50", "p99")), width=8, empty="no calls",
        ),
        Panel(
            "Calls to Redis", "What the workers ask of Redis, by verb. Few calls for many jobs is how it is meant.",
            "suffix:/s", (Query(f"sum by (verb) (rate({_CALLS}_count{W}[$__rate_interval]))", "{{verb}}"),), width=8,
            empty="no calls",
        ),
        Panel(
            "Ends committed at once",
            "Ends of attempts that one call commits together. It grows with the load, which is what keeps Redis cool.",
            "short", quantiles("callboard_finish_batch_size", W, (), ("p50", "p95")), width=8, empty="no attempt ended",
        ),
    )  # fmt: skip


def _processes() -> tuple[Panel, ...]:
    return (
        Panel(
            "Memory", "A line that climbs for hours is a leak; it falls where the process is recycled.", "bytes",
            (Query(_RSS, _NAME),), width=8,
        ),
        Panel(
            "CPU",
            "A Python process runs on one core at a time: at 1 its threads wait for each other, and more processes "
            "help where more threads do not.",
            "suffix:cores", (Query(_CPU, _NAME),), width=8, lines=True, steps=thresholds.above(1, "orange"),
        ),
        Panel(
            "Open files", "Connections that are never closed show as a staircase.", "short",
            (
                Query(f"max by (worker) (process_open_fds{W})", _NAME),
            ),
            width=8,
        ),
    )  # fmt: skip
