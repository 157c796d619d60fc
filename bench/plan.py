"""The sizes of a run: the full one, and the quick one that shows the same rows with less certainty."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. ``rounds``: each system in turn, so often."""

    quick: bool
    rounds: int
    #: Jobs a throughput run works off: enough for a steady window of two to four seconds.
    jobs: int
    dramatiq_jobs: int
    bulk_jobs: int
    single_jobs: int
    pickup_jobs: int
    memory_jobs: int
    memory_servers: int
    flat_rounds: int
    flat_jobs: int
    flat_small_windows: int
    #: Jobs stored while one of them is steered; jobs that one call steers, and the backlog that is worked off beside.
    stored_jobs: int
    many_jobs: int
    bulk_backlog: int
    webhook_jobs: int
    #: Jobs that compute for a millisecond, worked off with metrics and without.
    millisecond_jobs: int
    #: Chains of ten links that run at once, and jobs of a group.
    chains: int
    group_jobs: int
    #: Seconds in which 10,000 schedules tick.
    schedule_seconds: float
    idle_seconds: float
    #: Seconds that disturbed measurements may cost when they are taken again.
    patience_seconds: float


FULL = Plan(
    quick=False, rounds=3, jobs=80_000, dramatiq_jobs=24_000, bulk_jobs=50_000, single_jobs=10_000, pickup_jobs=400,
    memory_jobs=100_000, memory_servers=5, flat_rounds=3, flat_jobs=1_000_000, flat_small_windows=5,
    stored_jobs=1_000_000, many_jobs=100_000, bulk_backlog=900_000, webhook_jobs=2_500, millisecond_jobs=8_000,
    chains=500, group_jobs=10_000,
    schedule_seconds=70.0, idle_seconds=20.0, patience_seconds=240.0,
)  # fmt: skip

QUICK = Plan(
    quick=True, rounds=2, jobs=30_000, dramatiq_jobs=8_000, bulk_jobs=20_000, single_jobs=3_000, pickup_jobs=150,
    memory_jobs=30_000, memory_servers=3, flat_rounds=2, flat_jobs=150_000, flat_small_windows=3, stored_jobs=150_000,
    many_jobs=20_000, bulk_backlog=450_000, webhook_jobs=800, millisecond_jobs=5_000, chains=100, group_jobs=2_000,
    schedule_seconds=20.0, idle_seconds=8.0, patience_seconds=15.0,
)  # fmt: skip

#: The flat measurement compares with so many waiting jobs.
FLAT_SMALL = 10_000

#: Bytes of a job's payload as JSON, everywhere but in the idle pickup.
PAYLOAD_BYTES = 280
