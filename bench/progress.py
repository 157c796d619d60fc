"""How fast a backlog shrinks, read from the system's own structures in Redis: the work itself is not touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bench.context import Context
from bench.processes import Workers
from bench.rows import BenchError
from bench.systems import System

#: (moment in seconds, jobs finished so far)
Sample = tuple[float, int]

#: The steady window: start-up and the last jobs are left out.
WINDOW = (0.15, 0.90)

_LONGEST_S = 300.0


def watch(
    context: Context,
    system: System,
    jobs: int,
    running: Workers,
    *,
    every_s: float = 0.05,
    on_sample: Callable[[int], None] | None = None,
) -> list[Sample]:
    """Sample until none of ``jobs`` is left; ``on_sample`` is told how many are done.

    Raises: BenchError when a worker ends, a job fails, or nothing has moved for a long time.
    """
    samples: list[Sample] = []
    deadline = time.monotonic() + _LONGEST_S
    while True:
        left = system.left(context.server.client)
        samples.append((time.monotonic(), jobs - left))
        if on_sample is not None:
            on_sample(jobs - left)
        if not left:
            break
        running.check()
        if time.monotonic() > deadline:
            raise BenchError(f"{system.name} still has {left} jobs after {_LONGEST_S:.0f} s")
        time.sleep(every_s)
    if failed := system.failed(context.server.client):
        raise BenchError(f"{failed} jobs failed on {system.name}")
    return samples


def rate_between(samples: Sequence[Sample], low: float, high: float) -> float:
    """Jobs a second from the moment ``low`` jobs were done until ``high`` were."""
    return (high - low) / (_moment(samples, high) - _moment(samples, low))


def steady_rate(samples: Sequence[Sample], jobs: int) -> float:
    """Jobs a second inside the steady window."""
    return rate_between(samples, WINDOW[0] * jobs, WINDOW[1] * jobs)


def _moment(samples: Sequence[Sample], done: float) -> float:
    """When ``done`` jobs were finished, interpolated between samples."""
    before = samples[0]
    for sample in samples:
        if sample[1] >= done:
            if sample[1] == before[1]:
                return sample[0]
            share = (done - before[1]) / (sample[1] - before[1])
            return before[0] + share * (sample[0] - before[0])
        before = sample
    raise BenchError(f"only {before[1]} jobs of {done:.0f} were seen done")
