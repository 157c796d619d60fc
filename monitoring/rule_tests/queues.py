"""Tests of the alerts about a queue."""

from __future__ import annotations

from monitoring import limits
from monitoring.alerts.queues import COUNTED
from monitoring.alerts.split import Share, by_number
from monitoring.limits import HOLDS
from monitoring.rule_tests.cases import LONG, STEP, Case, Fires, Links, always, samples, seconds
from monitoring.rule_tests.held import also, held, never
from monitoring.rule_tests.span import span
from monitoring.site import Site

_FIVE = ("FailedJobsHigh", "WaitingJobsHigh", "DelayedJobsHigh", "ActiveJobsHigh", "QueuePaused")
_MORE = ("OldestWaitingTooOld", "QueueNotProcessed", "BacklogGrowing", "JobStuck", "RetryStorm", "StalledJobs")
LINKS = Links("queues", dict.fromkeys((*_FIVE, *_MORE), "callboard-queue"))

_STATES = ("waiting", "delayed", "active", "blocked", "completed", "failed", "cancelled")


_TELLS = {
    "failed": "Nobody looks at them until somebody retries.",
    "waiting": "Workers do not keep up, or none is there.",
    "delayed": "Many retries, or jobs added for later.",
    "active": "More runs at once than this queue should need.",
}


def cases(site: Site) -> list[Case]:
    """All of them. What has no queue's own number is tried on the first queue of the catalogue."""
    name = next(iter(site.catalogue))
    return [
        *_counts(site),
        *_paused(site),
        *_oldest_waiting(site, name),
        *_not_processed(name),
        *_backlog(site, name),
        *_stuck(site, name),
        *_retries(name),
        *_stalls(name),
    ]


def _jobs(queue: str, state: str) -> str:
    return f'queue_state:callboard_queue_jobs:max{{queue="{queue}", state="{state}"}}'


def _recorded(metric: str, queue: str, operation: str = "max") -> str:
    return f'queue:callboard_{metric}:{operation}{{queue="{queue}"}}'


def _counts(site: Site) -> list[Case]:
    return [
        case
        for state, (alert, threshold, _) in COUNTED.items()
        for case in _count(alert, state, by_number(site.catalogue, threshold))
    ]


def _count(alert: str, state: str, shares: list[Share[int]]) -> list[Case]:
    limit = {queue: share.number for share in shares for queue in share.queues}
    highest = max(limit.values()) + 1

    def fires(counts: dict[str, int]) -> list[Fires]:
        return [
            Fires(
                {"queue": queue, "state": state, "severity": "warning", **share.labels("threshold")},
                f"{queue}: {counts[queue]} {state} jobs, more than {share.number:,}",
                f"Queue {queue} has more than {share.number:,} {state} jobs: {counts[queue]}. {_TELLS[state]}",
            )
            for share in shares
            for queue in share.queues
        ]

    def values(counts: dict[str, int]) -> dict[str, float]:
        return {_jobs(queue, state): count for queue, count in counts.items()}

    over = {queue: most + 1 for queue, most in limit.items()}
    cases = held(alert, HOLDS.counts, fires=fires(over), over=values(over), boundary=values(limit),
                 silent=values(dict.fromkeys(limit, 0)))  # fmt: skip
    for share in shares:
        queue, most = share.queues[0], share.number
        others: dict[str, float] = {_jobs(queue, other): 10 * highest for other in _STATES}
        others[_jobs(queue, state)] = most
        cases.append(never(alert, HOLDS.counts, "silent", f"{queue} has many jobs in all other states", others))
    if len(shares) > 1:
        many = dict.fromkeys(limit, highest)
        cases.append(also(alert, HOLDS.counts, "once, also above others' thresholds", values(many), fires(many)))
    return cases


def _paused(site: Site) -> list[Case]:
    fires = [
        Fires({"queue": queue, "severity": "critical"}, f"{queue} is paused",
              f"Queue {queue} is paused: no job of it starts until it is resumed.")
        for queue in site.catalogue
    ]  # fmt: skip
    return held(
        "QueuePaused", HOLDS.paused, fires=fires, boundary=None,
        over={_recorded("queue_paused", queue): 1 for queue in site.catalogue},
        silent={_recorded("queue_paused", queue): 0 for queue in site.catalogue},
    )  # fmt: skip


def _oldest_waiting(site: Site, name: str) -> list[Case]:
    alert, times = "OldestWaitingTooOld", limits.OLDEST_WAITING_TARGETS
    target = site.catalogue[name].wait_target_ms / 1000
    over = times * target + 1

    def values(age: float, paused: int = 0) -> dict[str, float]:
        return {
            _recorded("queue_oldest_waiting_age_seconds", name): age,
            _recorded("queue_wait_target_seconds", name): target,
            _recorded("queue_paused", name): paused,
        }

    fires = Fires(
        {"queue": name, "severity": "critical"}, f"{name}: the oldest job has waited {span(over)}",
        f"The oldest waiting job of {name} has waited {span(over)}, more than {times} × the queue's wait target. The "
        "queue is not paused.",
    )  # fmt: skip
    return [
        *held(alert, HOLDS.oldest_waiting, fires=[fires], over=values(over), boundary=values(times * target),
              silent=values(0)),
        never(alert, HOLDS.oldest_waiting, "silent", "the queue is paused", values(over, paused=1)),
    ]  # fmt: skip


def _not_processed(name: str) -> list[Case]:
    alert = "QueueNotProcessed"

    def values(waiting: float, active: float = 0, ended: float = 0, paused: int = 0) -> dict[str, float]:
        return {
            _jobs(name, "waiting"): waiting,
            _jobs(name, "active"): active,
            _jobs(name, "completed"): 5,
            _recorded("jobs_ended", name, "rate5m"): ended,
            _recorded("queue_paused", name): paused,
        }

    fires = Fires(
        {"queue": name, "state": "waiting", "severity": "critical"}, f"{name}: jobs wait and none is run",
        f"Queue {name} has 1 waiting jobs. For 10m none was active and none has ended. The queue is not paused.",
    )  # fmt: skip
    return [
        *held(alert, HOLDS.not_processed, fires=[fires], over=values(1), boundary=values(0), silent=values(0, 0, 1)),
        never(alert, HOLDS.not_processed, "silent", "one job runs", values(1, active=1)),
        never(alert, HOLDS.not_processed, "silent", "now and then a job ends", values(1, ended=0.01)),
        never(alert, HOLDS.not_processed, "silent", "the queue is paused", values(1, paused=1)),
    ]


def _backlog(site: Site, name: str) -> list[Case]:
    alert, drain = "BacklogGrowing", limits.DRAIN_SECONDS
    target = site.catalogue[name].wait_target_ms / 1000

    def values(seconds: float, age: float = target + 1, paused: int = 0) -> dict[str, float]:
        return {
            _recorded("queue_drain_seconds", name): seconds,
            _recorded("queue_oldest_waiting_age_seconds", name): age,
            _recorded("queue_wait_target_seconds", name): target,
            _recorded("queue_paused", name): paused,
        }

    labels, summary = {"queue": name, "severity": "warning"}, f"{name}: the backlog takes more than 30 min to work off"
    rest = "; up to 30 min are right. Its oldest job has waited longer than the wait target."
    slow = f"At the present flow it takes {span(drain + 1)} to work off the backlog of {name}{rest}"
    grows = f"At the present flow the backlog of {name} only grows{rest}"
    endless = {series: always(value) for series, value in values(0).items()}
    endless[_recorded("queue_drain_seconds", name)] = samples(("Inf", seconds(HOLDS.backlog) + STEP))
    return [
        *held(alert, HOLDS.backlog, fires=[Fires(labels, summary, slow)], over=values(drain + 1),
              boundary=values(drain), silent=values(1)),
        Case(alert, "firing", "it only grows", endless, {seconds(HOLDS.backlog): [Fires(labels, summary, grows)]}),
        never(alert, HOLDS.backlog, "boundary", "jobs wait as long as they should", values(drain + 1, age=target)),
        never(alert, HOLDS.backlog, "silent", "jobs hardly wait", values(drain + 1, age=target / 10)),
        never(alert, HOLDS.backlog, "silent", "the queue is paused", values(drain + 1, paused=1)),
    ]  # fmt: skip


def _stuck(site: Site, name: str) -> list[Case]:
    limit = site.catalogue[name].time_limit_ms / 1000
    most = limits.STUCK_TIME_LIMITS * limit
    over = most + limit / 200

    def values(age: float) -> dict[str, float]:
        return {
            _recorded("queue_oldest_active_age_seconds", name): age,
            _recorded("queue_time_limit_seconds", name): limit,
        }

    fires = Fires(
        {"queue": name, "severity": "warning"}, f"{name}: a job has run for {span(over)}",
        f"The oldest running job of {name} started {span(over)} ago, more than {limits.STUCK_TIME_LIMITS} × the "
        "queue's time limit: the interrupt did not reach it.",
    )  # fmt: skip
    return held("JobStuck", HOLDS.stuck, fires=[fires], over=values(over), boundary=values(most), silent=values(limit))


def _retries(name: str) -> list[Case]:
    share, least = limits.RETRY_SHARE, limits.RETRIES_PER_SECOND

    def values(retries: float, attempts: float) -> dict[str, float]:
        return {
            _recorded("retries", name, "rate5m"): retries,
            _recorded("attempts", name, "rate5m"): attempts,
        }

    fires = Fires(
        {"queue": name, "severity": "warning"}, f"{name}: 50.25% of attempts are retried",
        f"50.25% of the attempts of {name} within 5m ended in a retry, more than 50 %, and more than 1 a second: "
        "whatever the jobs call is asked again and again.",
    )  # fmt: skip
    busy = 1.5 * least
    return [
        *held("RetryStorm", HOLDS.retries, fires=[fires], over=values(busy, busy / (share * 1.005)),
              boundary=values(busy, busy / share), silent=values(0, 10)),
        never("RetryStorm", HOLDS.retries, "boundary", "exactly the least number a second", values(least, least)),
        never("RetryStorm", HOLDS.retries, "silent", "many retries of many more attempts", values(busy, 10 * busy)),
        never("RetryStorm", HOLDS.retries, "silent", "all of a few attempts", values(least / 10, least / 10)),
        never("RetryStorm", HOLDS.retries, "silent", "nothing runs", values(0, 0)),
    ]  # fmt: skip


def _stalls(name: str) -> list[Case]:
    alert, most, window = "StalledJobs", limits.STALLS, seconds(limits.STALL_RANGE)

    def series(*counts: int) -> dict[str, str]:
        """The total as replicas of the exporter see it: 100 for the range, then so many more."""
        return {
            f'callboard_jobs_stalled_total{{queue="{name}", instance="{at}"}}': samples(
                (100, window), (100 + more, LONG)
            )
            for at, more in enumerate(counts)
        }

    fires = Fires(
        {"queue": name, "severity": "warning"}, f"{name}: {most + 1} jobs stalled",
        f"{most + 1} jobs of {name} lost their worker within 15m, more than {most}: worker processes die or hang.",
    )  # fmt: skip
    # Samples hardly ever begin and end where the range does; Prometheus makes up for the rest.
    sparse = {name: " ".join(["_ 100"] * 29 + [f"_ {100 + most}"] * 200) for name in series(0)}
    # While the range reaches back to the last sample before the stalls, they are seen.
    last = 2 * window - STEP
    return [
        Case(alert, "firing", "one replica of the exporter has not seen it yet", series(most + 1, 0),
             {window: [fires], last: [fires]}),
        Case(alert, "silent", "no stall", series(0, 0), {window: [], last: []}),
        Case(alert, "boundary", "exactly so many, seen by two replicas", series(most, most), {window: [], last: []}),
        Case(alert, "boundary", "exactly so many, between samples", sparse, {window: [], last: []}),
        Case(alert, "resolved", "the range has passed", series(most + 1), {last: [fires], last + STEP: []}),
    ]  # fmt: skip
