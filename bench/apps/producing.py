"""What the Python producers share: the request, the payloads, the clock, the pauses."""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Jobs that are added before the clock starts, so that connections, scripts and caches are there.
WARM_UP = 200


@dataclass(frozen=True, slots=True)
class Request:
    """What the harness asks for. ``batch``: jobs a call. ``warm``: add ``WARM_UP`` jobs outside the clock first.
    ``queue``, ``actor``: others than the first queue and its no-op actor (Callboard alone)."""

    mode: str
    jobs: int
    batch: int = 150
    warm: bool = False
    pause_ms: tuple[float, float] = (15.0, 45.0)
    queue: str = ""
    actor: str = ""


def read_request() -> Request:
    """The request from the command line."""
    return Request(**json.loads(sys.argv[1]))


def payloads() -> Iterator[dict[str, Any]]:
    """The payloads of the run, over and over."""
    return itertools.cycle(json.loads(Path(os.environ["BENCH_PAYLOADS"]).read_text()))


def timed(work: Callable[[int], None], request: Request) -> None:
    """Call ``work(jobs)`` under the clock and print the outcome."""
    if request.warm:
        work(WARM_UP)
    start = time.perf_counter()
    work(request.jobs)
    print(json.dumps({"jobs": request.jobs, "seconds": time.perf_counter() - start}))


def paused(add: Callable[[int], object], request: Request) -> None:
    """Call ``add(now_ns)`` so often as asked, after random pauses in which the worker falls idle again."""
    rng = random.Random(1)
    for _ in range(request.jobs):
        time.sleep(rng.uniform(*request.pause_ms) / 1000)
        add(time.monotonic_ns())
    print(json.dumps({"jobs": request.jobs}))
