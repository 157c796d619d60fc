"""The numbers of alerts and panels that are no queue's own, each once.

What differs from queue to queue (counts, wait targets, time limits, objectives) stands in ``callboard.catalogue``, and
how many wait targets are too many in ``callboard.health``. Every limit is passed by more than its number: exactly the
number is still right. Durations are Prometheus' (``5m``) and go through ``Site.span`` before they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from callboard.health import WAIT_TARGETS

#: Severities of alerts: wakes somebody; is read in the morning; is no alert (the watchdog).
Severity = Literal["critical", "warning", "none"]

#: How often Prometheus scrapes and evaluates rules; every range below holds at least four of them.
INTERVAL = "15s"

# -- queues ---------------------------------------------------------------------------------------------------

#: The oldest waiting job may be so many wait targets old.
OLDEST_WAITING_TARGETS = WAIT_TARGETS
#: The oldest running attempt may be so many time limits old: the interrupt comes at 1.
STUCK_TIME_LIMITS = 1.2
#: Range over which flows are averaged.
FLOW_RANGE = "5m"
#: A backlog may take so long to be worked off at the present flow (seconds).
DRAIN_SECONDS = 1_800
#: Share of attempts that may end in a retry (0…1), and retries a second below which the share says nothing.
RETRY_SHARE, RETRIES_PER_SECOND = 0.5, 1
#: Attempts whose lease may run out within the range: one worker process that died while it ran a few jobs is no trend.
STALLS, STALL_RANGE = 5, "15m"

#: Figures of a queue stay so long after their exporter is away. One scrape that fails, or a restart of the ops API,
#: must not end every alert and tell it anew; and RedisDown and ExporterAbsent are there before the alerts end that they
#: mute.
GAP_RANGE = "2m"

# -- service levels -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows of the SRE workbook's multi-window alert.

    ``factor``: times as fast as the error budget allows, over the long and the short window both.
    """

    long: str
    short: str
    factor: float
    severity: Severity


#: Google SRE workbook, "Alerting on SLOs", table 5-8: 2 %, 5 % and 10 % of a 30 days' budget spent, and its steady use.
BURNS = (
    Burn("1h", "5m", 14.4, "critical"),
    Burn("6h", "30m", 6, "critical"),
    Burn("1d", "2h", 3, "warning"),
    Burn("3d", "6h", 1, "warning"),
)
#: The budget is that of so many days.
BUDGET_DAYS = 30
#: Below so many jobs an hour, a share says little: one failure of 20 would be 5 %.
ELIGIBLE_AN_HOUR = 100

# -- workers --------------------------------------------------------------------------------------------------

#: A worker process speaks every half second; one that was silent for so long (seconds) hangs, or is cut off.
HEARTBEAT_SECONDS = 30
#: Share of all threads that may be busy (0…1) while jobs wait.
BUSY_SHARE = 0.95

# -- schedules and canaries -----------------------------------------------------------------------------------

#: Any live worker ticks the schedules about every second; so long without a tick (seconds) and no worker does.
TICK_SECONDS = 60
#: A schedule's run may be so late (seconds) after its interval.
SCHEDULE_SECONDS = 60
#: A queue's canary, one a minute, may have last completed so long ago (seconds) beyond what the oldest job may wait:
#: a canary waits its turn as any other job.
CANARY_SECONDS = 300
#: Range over which the outbox must shrink at least once, unless it is empty.
OUTBOX_RANGE = "10m"

# -- Redis ----------------------------------------------------------------------------------------------------

#: Share of ``maxmemory`` that may be used (0…1). Above, writers are refused soon: the policy is noeviction.
MEMORY_SHARE = 0.9
#: Range within which a single evicted key is told.
EVICTION_RANGE = "5m"

# -- how long a condition must hold until its alert fires -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holds:
    """How long a condition must hold (``for``), by alert or kind of alert."""

    #: The counts of the catalogue: above the threshold at each of these evaluations.
    counts: str = "5m"
    #: A pause is told soon, but not one of seconds.
    paused: str = "1m"
    oldest_waiting: str = "2m"
    not_processed: str = "10m"
    stuck: str = "2m"
    backlog: str = "15m"
    retries: str = "10m"
    no_workers: str = "2m"
    workers_stalled: str = "1m"
    workers_saturated: str = "15m"
    #: Longer than NoWorkers: when all workers die, the first page leads to their runbook.
    scheduler: str = "2m"
    schedule: str = "5m"
    canary: str = "2m"
    outbox: str = "5m"
    redis_down: str = "1m"
    redis_memory: str = "5m"
    redis_policy: str = "5m"
    #: Redis may refuse every write by then, heartbeats as well: it is to be told before NoWorkers.
    redis_persistence: str = "1m"
    redis_exporter: str = "5m"
    exporter: str = "2m"
    collect: str = "5m"
    missing: str = "5m"


HOLDS = Holds()
