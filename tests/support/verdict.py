"""The verdict on a run: two ledgers against what Redis holds (the invariants of docs/faults.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from callboard.records import STATES
from tests.support.deployment import LEASE_S, SWEEP_S, Deployment
from tests.support.ledger import Fault, Line

#: How much longer than lease and sweep a recovery may take (seconds).
MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a run. ``recovery_s`` is the longest time from a fault to the next start of a job it struck."""

    acknowledged: int
    unknown: int
    lost: set[str]
    unexpected: set[str]
    duplicates: int
    in_flight: int
    recovery_s: float
    stalled: int
    stale: int

    def __str__(self) -> str:
        return (
            f"acknowledged {self.acknowledged}, unknown {self.unknown}, lost {len(self.lost)}, "
            f"unexpected {len(self.unexpected)}, duplicates {self.duplicates} of {self.in_flight} in flight, "
            f"stalled {self.stalled}, stale finishes {self.stale}, longest recovery {self.recovery_s:.2f} s"
        )


def judge(
    deployment: Deployment,
    faults: Iterable[Fault] = (),
    *,
    queue: str = "work",
    lease_s: float | None = None,
    recoveries_from: float | None = None,
) -> Verdict:
    """Check every invariant of ``queue`` once it is drained, and print the verdict.

    ``recoveries_from``: when a worker was there again for all faults before it, if that was later than the fault
    (seconds on the monotonic clock).

    Raises: AssertionError naming the invariant that does not hold.
    """
    states, records, totals = deployment.states(queue), deployment.records(queue), deployment.totals(queue)
    ledger, faults = deployment.ledger, list(faults)
    acknowledged, attempted = ledger.ids("acknowledged"), ledger.ids("attempted")
    starts = ledger.starts()

    homes = Counter(job for ids in states.values() for job in ids)
    in_several = {job for job, n in homes.items() if n != 1}
    assert not in_several, f"ids in several states: {in_several}"
    assert set(homes) == set(records), f"ids in a state and records differ: {set(homes) ^ set(records)}"
    wrong = {j for name, ids in states.items() for j in ids if STATES[records[j].state] != name}
    assert not wrong, f"records that tell another state than the one they are in: {wrong}"

    lost = acknowledged - set(homes)
    unexpected = (set(homes) | set(starts)) - attempted
    in_flight = sum(len(fault.in_flight) for fault in faults)
    returns = [*_returns(ledger.lines("ready"), faults), *([] if recoveries_from is None else [recoveries_from])]
    stamps = [
        _recovery(fault, starts.get(job, []), returns)
        for fault in faults
        for job in sorted(fault.in_flight)
    ]
    verdict = Verdict(
        len(acknowledged), len(attempted - acknowledged), lost, unexpected, ledger.extra_starts(), in_flight,
        max(stamps, default=0.0), totals.get("stalled", 0), totals.get("stale_finishes", 0),
    )  # fmt: skip
    print(f"verdict on {queue}: {verdict}")
    assert not lost, f"{len(lost)} acknowledged jobs are lost: {sorted(lost)[:5]}; {verdict}"
    assert not unexpected, f"jobs that nobody added: {sorted(unexpected)[:5]}; {verdict}"
    assert verdict.duplicates <= in_flight, f"more duplicates than jobs in flight at the faults; {verdict}"
    limit = (lease_s or LEASE_S) + SWEEP_S + MARGIN_S
    assert verdict.recovery_s <= limit, f"a recovery took longer than {limit} s; {verdict}"

    assert totals.get("added", 0) == len(homes), f"added {totals.get('added')}, but {len(homes)} jobs are there"
    for name in ("completed", "failed", "cancelled"):
        assert totals.get(name, 0) == len(states[name]), f"total {name} {totals.get(name)}, listed {len(states[name])}"
    assert_nothing_leaked(deployment, queue)
    return verdict


def assert_drained(deployment: Deployment, queue: str = "work") -> None:
    """Every acknowledged job has come to its end."""
    states = deployment.states(queue)
    left = {name: ids[:5] for name, ids in states.items() if ids and name not in ("completed", "failed", "cancelled")}
    assert not left, f"not drained: {left}"


def assert_nothing_leaked(deployment: Deployment, queue: str = "work") -> None:
    """No field is kept of a job that is not there, and no key is there that a queue does not have."""
    with deployment.client() as client:
        jobs = set(client.hkeys(deployment.key("record", queue)))
        payloads = set(client.hkeys(deployment.key("payload", queue)))
        assert payloads == jobs, f"payloads without record or records without payload: {payloads ^ jobs}"
        for name in ("attempts", "logs", "parents"):
            left = set(client.hkeys(deployment.key(name, queue))) - jobs
            assert not left, f"{name} are kept of jobs that are gone: {left}"
        marks = client.llen(deployment.key("wake", queue))
        assert marks <= 1, f"{marks} wake-up marks: there is at most one"


def _returns(ready: list[Line], faults: list[Fault]) -> list[float]:
    """When a worker was there again after all had died (seconds on the monotonic clock)."""
    changes = sorted([(line.at, 1) for line in ready] + [(fault.at, -1) for fault in faults if fault.worker_died])
    alive, found = 0, []
    for at, change in changes:
        if alive == 0 and change == 1:
            found.append(at)
        alive += change
    return found


def _recovery(fault: Fault, starts: list[Line], returns: list[float]) -> float:
    """Seconds from the fault, or the later return of a worker or of Redis, to the job's next start; 0 when it needed
    none."""
    later = [line.at for line in starts if line.at > fault.at]
    if not later:
        return 0.0
    start = min(later)
    return start - max([fault.at, *(at for at in returns if at < start)])
