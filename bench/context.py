"""What every measurement gets: the server, the sizes, and the systems at the settings that were found best."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench import systems
from bench.plan import Plan
from bench.quiet import Quiet
from bench.redis_server import RedisServer
from bench.systems import System

T = TypeVar("T")

#: How the settings were found; part of docs/benchmarks.md.
FOUND = """
`bin/bench --only settings` tries them again. What was tried on two cores, in no-op jobs a second:

- Dramatiq is fastest with more threads and a longer prefetch than it has by default, since a consumer whose prefetch
  is used up sleeps: 2 × 8 as shipped 4,100; 1 × 8 2,100; 2 × 4 2,000; 3 × 8 4,500; 2 × 16 5,500; 2 × 32 7,400; with
  `dramatiq_queue_prefetch` 64: 2 × 16 9,000; with 200: 2 × 16 8,500, 2 × 32 8,400. Both 2 × 8 as shipped and 2 × 16
  with a prefetch of 64 are in the table.
- BullMQ is fastest as one process with concurrency 100: 20,500; concurrency 50 19,000; 300 19,300; two processes with
  100 each 15,000 to 19,000 (also in the table). It keeps no completed jobs (`removeOnComplete: {count: 0}`): keeping
  1,000, as Callboard does, gave 16,000, keeping all 19,000. ioredis 5.11.1, which BullMQ is developed with, ioredis
  6.0 and node-redis 6.3 differ by less than two runs of the same do.
- Callboard runs as two processes of eight threads.
"""

DRAMATIQ_THREADS, DRAMATIQ_PREFETCH = 16, 64
BULLMQ_CONCURRENCY = 100
CALLBOARD_PROCESSES, CALLBOARD_THREADS = 2, 8


@dataclass(frozen=True, slots=True)
class Context:
    """A run under way."""

    server: RedisServer
    plan: Plan
    payloads: Path
    bullmq_folder: Path
    #: By number. On Linux everything is held to them.
    cores: list[int]
    quiet: Quiet

    def undisturbed(self, measure: Callable[[], T]) -> T:
        """The result of ``measure()``, taken again when other programs disturbed it."""
        return self.quiet.take(measure, self.say)

    def say(self, text: str) -> None:
        """Tell whoever watches what is being measured."""
        print(f"· {text}", file=sys.stderr, flush=True)

    def dramatiq_as_shipped(self) -> System:
        """Two processes of eight threads, everything else at Dramatiq's defaults: what the target was set against."""
        return systems.dramatiq(self.server, self.payloads, 2, 8)

    def dramatiq_tuned(self) -> System:
        """Stock Dramatiq at the best setting found."""
        return systems.dramatiq(self.server, self.payloads, 2, DRAMATIQ_THREADS, DRAMATIQ_PREFETCH)

    def bullmq(self, processes: int = 1) -> System:
        """BullMQ at its best concurrency."""
        return systems.bullmq(self.server, self.payloads, self.bullmq_folder, processes, BULLMQ_CONCURRENCY)

    def callboard(self, processes: int = CALLBOARD_PROCESSES, *, log: bool = True, metrics: bool = True) -> System:
        """Callboard with everything on."""
        return systems.callboard(self.server, self.payloads, processes, CALLBOARD_THREADS, log=log, metrics=metrics)
