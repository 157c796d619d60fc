"""Two figures that tell what a machine and its moment are worth, so that two runs can be compared: the round trip of
PING over one connection (p50 and p99 of 5,000), and SHA-256 over 1 KiB blocks on one core. Afterwards, how many
measurements other programs disturbed: all CPU time that the system counted while one was taken, without that of the
benchmark and all it started, was more than a tenth of the cores. Such a one is taken again, whichever system it
measures, as long as the run's patience lasts (four minutes)."""

from __future__ import annotations

import hashlib
import statistics
import time

from bench.context import Context
from bench.rows import Outcome, info

_PINGS, _HASH_S = 5_000, 1.0


def measure(context: Context) -> Outcome:
    """Ping, then hash."""
    context.server.fresh()
    client = context.server.client
    taken: list[float] = []
    for _ in range(_PINGS):
        start = time.perf_counter()
        client.ping()
        taken.append((time.perf_counter() - start) * 1e6)
    ranks = statistics.quantiles(taken, n=100, method="inclusive")
    return Outcome(
        [
            info("calibration, Redis PING p50", ranks[49], "µs"),
            info("calibration, Redis PING p99", ranks[98], "µs"),
            info("calibration, SHA-256 of 1 KiB", _hashes(), "hashes/s", "one core"),
        ]
    )


def _hashes() -> float:
    block, count, start = bytes(1024), 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < _HASH_S:
        for _ in range(1_000):
            hashlib.sha256(block).digest()
        count += 1_000
    return count / taken
