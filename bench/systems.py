"""The three systems: how their workers and producers are started and how their progress is read from Redis."""

from __future__ import annotations

import json
import random
import string
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import redis

from bench.plan import PAYLOAD_BYTES
from bench.processes import produce
from bench.redis_server import RedisServer
from callboard.keys import queue_key

QUEUE = "bench"

#: Distinct payloads that the producers take in turn: the same ones for every system.
_PAYLOADS = 1_000


@dataclass(frozen=True, slots=True)
class System:
    """One system with one setting. ``left`` counts jobs that are not finished, ``failed`` those that failed."""

    name: str
    producer: list[str]
    workers: list[list[str]]
    env: dict[str, str]
    left: Callable[[redis.Redis], int]
    failed: Callable[[redis.Redis], int]

    def produce(self, mode: str, jobs: int, **request: Any) -> dict[str, Any]:
        """Run the producer: ``mode`` bulk, single, send or pickup."""
        return produce(self.producer, self.env, mode=mode, jobs=jobs, **request)

    def with_env(self, **env: str) -> System:
        """The same with more environment."""
        return replace(self, env={**self.env, **env})


def write_payloads(folder: Path) -> Path:
    """Write the payloads of a run: JSON objects of ``PAYLOAD_BYTES`` bytes each, made of random letters and digits, so
    that nobody gains by packing repetitions."""
    rng = random.Random(280)
    bare = len(json.dumps({"text": ""}, separators=(",", ":")))
    letters = string.ascii_letters + string.digits
    payloads = [{"text": "".join(rng.choices(letters, k=PAYLOAD_BYTES - bare))} for _ in range(_PAYLOADS)]
    path = folder / "payloads.json"
    path.write_text(json.dumps(payloads))
    return path


def _environment(server: RedisServer, payloads: Path) -> dict[str, str]:
    return {"REDIS_URL": server.url, "BENCH_PAYLOADS": str(payloads)}


def dramatiq(server: RedisServer, payloads: Path, processes: int, threads: int, prefetch: int | None = None) -> System:
    """Stock Dramatiq with its RedisBroker and default middleware. ``prefetch`` None: its default, 2 × threads."""
    tuned = {} if prefetch is None else {"dramatiq_queue_prefetch": str(prefetch)}
    setting = f"{processes} × {threads}" + ("" if prefetch is None else f", prefetch {prefetch}")
    return System(
        name=f"Dramatiq ({setting})",
        producer=[sys.executable, "-m", "bench.apps.dramatiq_producer"],
        workers=[_dramatiq_cli("bench.apps.dramatiq_app", processes, threads)],
        env={**_environment(server, payloads), **tuned},
        left=lambda client: client.hlen(f"dramatiq:{QUEUE}.msgs"),
        failed=lambda client: client.zcard(f"dramatiq:{QUEUE}.XQ"),
    )


def bullmq(server: RedisServer, payloads: Path, folder: Path, processes: int, concurrency: int) -> System:
    """BullMQ on ioredis. Finished jobs are not kept, which is its fastest setting."""
    return System(
        name=f"BullMQ ({processes} × {concurrency})",
        producer=["node", str(folder / "producer.mjs")],
        workers=[["node", str(folder / "worker.mjs"), str(concurrency)]] * processes,
        env=_environment(server, payloads),
        left=_sum_of("llen", f"bull:{QUEUE}:wait", f"bull:{QUEUE}:active"),
        failed=lambda client: client.zcard(f"bull:{QUEUE}:failed"),
    )


def callboard(
    server: RedisServer, payloads: Path, processes: int, threads: int, *, log: bool = True, metrics: bool = True
) -> System:
    """Callboard with the platform's whole middleware, with or without its line a finished attempt, and its metrics."""
    without = [what for what, on in (("log", log), ("metrics", metrics)) if not on]
    waiting, active, failed = (queue_key("callboard", QUEUE, key) for key in ("waiting", "active", "failed"))
    return System(
        name=f"Callboard ({processes} × {threads}{''.join(f', no {what}' for what in without)})",
        producer=[sys.executable, "-m", "bench.apps.callboard_producer"],
        workers=[_dramatiq_cli("bench.apps.callboard_app", processes, threads)],
        env={
            **_environment(server, payloads),
            "BENCH_QUEUES": QUEUE,
            "CALLBOARD_QUEUES": json.dumps({QUEUE: {"max_length": None}}),
            "CALLBOARD_ATTEMPT_LOG": "on" if log else "off",
            "CALLBOARD_METRICS": "on" if metrics else "off",
        },
        left=_sum_of("zcard", waiting, active),
        failed=lambda client: client.zcard(failed),
    )


def callboard_jobs(server: RedisServer, queue: str, threads: int, **env: str) -> System:
    """One worker process with the platform's own job types; ``left`` and ``failed`` count jobs of ``queue``."""
    waiting, active, delayed, failed = (
        queue_key("callboard", queue, key) for key in ("waiting", "active", "delayed", "failed")
    )
    return System(
        name=f"Callboard ({queue}, 1 × {threads})",
        producer=[],
        workers=[_dramatiq_cli("actors", 1, threads)],
        env={"REDIS_URL": server.url, "CALLBOARD_CANARY": "false", "CALLBOARD_SCHEDULES": "false", **env},
        left=_sum_of("zcard", waiting, active, delayed),
        failed=lambda client: client.zcard(failed),
    )


def _dramatiq_cli(module: str, processes: int, threads: int) -> list[str]:
    return [sys.executable, "-m", "dramatiq", module, "--processes", str(processes), "--threads", str(threads)]


def total(client: redis.Redis, length: Literal["llen", "zcard"], *keys: str) -> int:
    """Several lengths in one round trip and at one moment: a job on its way from one to the other is counted once."""
    pipeline = client.pipeline(transaction=True)
    for key in keys:
        pipeline.llen(key) if length == "llen" else pipeline.zcard(key)
    return sum(pipeline.execute())


def _sum_of(length: Literal["llen", "zcard"], *keys: str) -> Callable[[redis.Redis], int]:
    return lambda client: total(client, length, *keys)
