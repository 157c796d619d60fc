"""Tests of the alerts about Redis."""

from __future__ import annotations

from monitoring import limits
from monitoring.limits import HOLDS
from monitoring.rule_tests.cases import LONG, STEP, Case, Fires, Links, samples, seconds
from monitoring.rule_tests.held import also, held, never
from monitoring.site import Site

_ALERTS = (
    "RedisDown", "RedisMemoryHigh", "RedisEvicting", "RedisPolicyWrong", "RedisPersistenceFailing",
    "RedisExporterAbsent",
)  # fmt: skip
LINKS = Links("redis", dict.fromkeys(_ALERTS, "callboard-redis"))

_SERVER = 'instance="cache:6379"'


def cases(_: Site) -> list[Case]:
    """All of them."""
    return [*_down(), *_memory(), *_evicting(), *_policy(), *_persistence(), *_exporter()]


def _told(metric: str, *values: float) -> dict[str, float]:
    """A figure of one server, as several exporters tell it."""
    return {f'redis_{metric}{{{_SERVER}, exporter="{at}"}}': value for at, value in enumerate(values)}


def _collected(*success: int) -> dict[str, float]:
    """What replicas of Callboard's exporter say of the queues; of something else they say the contrary."""
    name = "callboard_exporter_collect_success"
    return {
        f'{name}{{collector="{of}", instance="{at}"}}': value if of == "queues" else 1 - max(success)
        for of in ("queues", "memory")
        for at, value in enumerate(success)
    }


def _down() -> list[Case]:
    fires = [
        Fires(
            {"instance": "cache:6379", "severity": "critical"}, "Redis does not answer",
            "redis_exporter at cache:6379 cannot reach Redis: no job is added, started or finished.",
        )
    ]  # fmt: skip
    return [
        *held("RedisDown", HOLDS.redis_down, fires=fires, over=_told("up", 0, 0), boundary=None,
              silent=_told("up", 1, 1)),
        also("RedisDown", HOLDS.redis_down, "Callboard's exporter cannot read it either",
             _told("up", 0, 0) | _collected(0, 0), fires),
        never("RedisDown", HOLDS.redis_down, "silent", "one of two exporters reaches it", _told("up", 1, 0)),
        never("RedisDown", HOLDS.redis_down, "silent", "Callboard's exporter reads it",
              _told("up", 0, 0) | _collected(0, 1)),
    ]  # fmt: skip


def _memory() -> list[Case]:
    alert, hold = "RedisMemoryHigh", HOLDS.redis_memory

    def values(used: float, *most: float) -> dict[str, float]:
        return _told("memory_used_bytes", used, used / 2) | _told("memory_max_bytes", *most)

    fires = [
        Fires(
            {"instance": "cache:6379", "severity": "critical"}, "Redis uses 90.5% of its memory",
            "Redis uses 90.5% of maxmemory, more than 90%. When it is full, adding jobs is refused.",
        )
    ]  # fmt: skip
    edge = limits.MEMORY_SHARE * 1000
    return [
        *held(alert, hold, fires=fires, over=values(edge + 5, 1000, 1000), boundary=values(edge, 1000, 1000),
              silent=values(1, 1000, 1000)),
        never(alert, hold, "silent", "it has no maxmemory", values(edge + 5, 0, 0)),
        never(alert, hold, "silent", "maxmemory was raised, and one exporter has not seen it", values(edge, 2000, 900)),
    ]  # fmt: skip


def _evicting() -> list[Case]:
    alert, window = "RedisEvicting", seconds(limits.EVICTION_RANGE)

    def series(*more: int) -> dict[str, str]:
        """7 keys from before, then at 60 s so many more, as several exporters tell it."""
        told = _told("evicted_keys_total", *more)
        return {name: samples((7, 60), (7 + count, LONG)) for name, count in told.items()}

    fires = [
        Fires(
            {"instance": "cache:6379", "severity": "critical"}, "Redis evicts keys: jobs are lost",
            "Redis evicted 1 keys within 5m. One key holds the jobs of a whole queue.",
        )
    ]  # fmt: skip
    # 45 s is the last sample before the eviction: while the range reaches back to it, it is seen.
    last = 60 - STEP + window
    return [
        Case(alert, "firing", "one key; one exporter has not seen it yet", series(1, 1, 0), {60: fires, last: fires}),
        Case(alert, "silent", "none for long", series(1), {last + STEP: [], 3600: []}),
        Case(alert, "boundary", "not one", series(0), {60: [], last: []}),
        Case(alert, "resolved", "the range has passed", series(1), {last: fires, last + STEP: []}),
    ]


def _policy() -> list[Case]:
    def named(policy: str) -> list[str]:
        return [f'callboard_redis_maxmemory_policy_info{{policy="{policy}", instance="{at}"}}' for at in ("a", "b")]

    alert, hold = "RedisPolicyWrong", seconds(HOLDS.redis_policy)
    fires = [
        Fires(
            {"policy": "allkeys-lru", "severity": "warning"}, "Redis may evict jobs: its policy is allkeys-lru",
            "Redis has maxmemory-policy allkeys-lru. When its memory is full it throws jobs away instead of refusing "
            "new ones; it must be noeviction.",
        )
    ]  # fmt: skip
    wrong = {name: samples((1, LONG)) for name in named("allkeys-lru")}
    right = {name: samples((1, LONG)) for name in named("noeviction")}
    put_right = {name: samples((1, hold + 60), ("stale", STEP)) for name in named("allkeys-lru")}
    put_right |= {name: samples(("_", hold + 60), (1, LONG)) for name in named("noeviction")}
    return [
        Case(alert, "firing", "two replicas say so", wrong, {hold: fires, hold + 600: fires}),
        Case(alert, "silent", "noeviction", right, {hold: [], hold + 600: []}),
        Case(alert, "boundary", "one evaluation too short", wrong, {hold - STEP: []}),
        Case(alert, "resolved", "it is put right", put_right, {hold: fires, hold + 60: [], hold + 900: []}),
    ]


def _persistence() -> list[Case]:
    alert, hold = "RedisPersistenceFailing", HOLDS.redis_persistence

    def values(rdb: int, write: int, rewrite: int) -> dict[str, float]:
        return (
            _told("rdb_last_bgsave_status", rdb, 1)
            | _told("aof_last_write_status", write, 1)
            | _told("aof_last_bgrewrite_status", rewrite, 1)
        )

    fires = [
        Fires(
            {"instance": "cache:6379", "severity": "critical"}, "Redis cannot write to disk",
            "The last snapshot, write or rewrite of the append-only file of Redis at cache:6379 failed. Redis refuses "
            "writes then, or loses jobs when it ends.",
        )
    ]  # fmt: skip
    return [
        *held(alert, hold, fires=fires, over=values(0, 1, 1), boundary=None, silent=values(1, 1, 1)),
        also(alert, hold, "the append-only file is not written", values(1, 0, 1), fires),
        also(alert, hold, "the append-only file is not rewritten", values(1, 1, 0), fires),
    ]


def _exporter() -> list[Case]:
    alert, hold = "RedisExporterAbsent", seconds(HOLDS.redis_exporter)
    fires = [
        Fires(
            {"severity": "warning"}, "Nothing watches Redis",
            "Prometheus has no figures of redis_exporter: whether Redis is up, full or writes to disk is not known.",
        )
    ]  # fmt: skip
    blind = [
        Fires(
            {"instance": "cache:6379", "reason": "unreachable", "severity": "warning"},
            "redis_exporter does not reach Redis",
            "redis_exporter at cache:6379 cannot reach its Redis, though Callboard's exporter reads the queues: "
            "whether Redis is full or writes to disk is not known.",
        )
    ]  # fmt: skip
    up = f"redis_up{{{_SERVER}}}"
    gone = {up: samples((1, 60), ("stale", STEP), ("_", hold), (1, 600))}
    return [
        Case(alert, "firing", "it was never there", {}, {hold: fires}),
        Case(alert, "silent", "it is there and Redis is not", {up: samples((0, LONG))}, {hold: [], hold + 600: []}),
        Case(alert, "boundary", "one evaluation too short", gone, {60 + hold - STEP: []}),
        Case(alert, "resolved", "it is back", gone, {60 + hold: fires, 60 + hold + STEP: [], 600: []}),
        *held(alert, HOLDS.redis_exporter, fires=blind, over=_told("up", 0, 0) | _collected(0, 1), boundary=None,
              silent=_told("up", 1, 1) | _collected(0, 1)),
        never(alert, HOLDS.redis_exporter, "silent", "nobody reaches it", _told("up", 0, 0) | _collected(0, 0)),
        never(alert, HOLDS.redis_exporter, "silent", "one of two reaches it", _told("up", 1, 0) | _collected(1, 1)),
    ]  # fmt: skip
