"""Alerts about Redis, from the metrics of redis_exporter and of our own exporter."""

from __future__ import annotations

from monitoring import limits
from monitoring.alerts.model import Alert
from monitoring.limits import HOLDS, Severity
from monitoring.site import Site

#: No redis_exporter reaches the server; some replica of Callboard's exporter reads every queue.
_UNREACHED = "max by (instance) (redis_up) == 0"
_READ = 'callboard_exporter_collect_success{collector="queues"} > 0'


def alerts(site: Site) -> list[Alert]:
    """All alerts about Redis. Several exporters may watch one server: rules aggregate what they say."""
    return [
        _alert(
            "RedisDown",
            f"{_UNREACHED}\nunless on () {_READ}",
            site.span(HOLDS.redis_down),
            "critical",
            "Redis does not answer",
            "redis_exporter at {{ $labels.instance }} cannot reach Redis: no job is added, started or finished.",
            "Everything stands still. It mutes the alerts about queues, whose figures are gone as well; so it must not "
            "fire for a redis_exporter that has the wrong password: while Callboard's own exporter reads the queues, "
            "Redis is there.",
        ),
        _alert(
            "RedisMemoryHigh",
            "max by (instance) (redis_memory_used_bytes)\n"
            f"/ (max by (instance) (redis_memory_max_bytes) > 0) > {limits.MEMORY_SHARE}",
            site.span(HOLDS.redis_memory),
            "critical",
            "Redis uses {{ $value | humanizePercentage }} of its memory",
            f"Redis uses {{{{ $value | humanizePercentage }}}} of maxmemory, more than {limits.MEMORY_SHARE * 100:g}%. "
            "When it is full, adding jobs is refused.",
            "With noeviction a full Redis refuses every add. A server without maxmemory says 0 and is left out.",
        ),
        _alert(
            "RedisEvicting",
            f"max by (instance) (increase(redis_evicted_keys_total[{site.span(limits.EVICTION_RANGE)}])) > 0",
            "",
            "critical",
            "Redis evicts keys: jobs are lost",
            f'Redis evicted {{{{ $value | printf "%.0f" }}}} keys within {limits.EVICTION_RANGE}. One key holds the '
            "jobs of a whole queue.",
            "A single eviction may be a queue with all its jobs, so it fires at once and at one.",
        ),
        _alert(
            "RedisPolicyWrong",
            'group by (policy) (callboard_redis_maxmemory_policy_info{policy!="noeviction"})',
            site.span(HOLDS.redis_policy),
            "warning",
            "Redis may evict jobs: its policy is {{ $labels.policy }}",
            "Redis has maxmemory-policy {{ $labels.policy }}. When its memory is full it throws jobs away instead of "
            "refusing new ones; it must be noeviction.",
            "Nothing is lost yet, so it can wait for the morning. From our own exporter: redis_exporter does not "
            "tell it.",
        ),
        _alert(
            "RedisPersistenceFailing",
            "min by (instance) (redis_rdb_last_bgsave_status) == 0\n"
            "or min by (instance) (redis_aof_last_write_status) == 0\n"
            "or min by (instance) (redis_aof_last_bgrewrite_status) == 0",
            site.span(HOLDS.redis_persistence),
            "critical",
            "Redis cannot write to disk",
            "The last snapshot, write or rewrite of the append-only file of Redis at {{ $labels.instance }} failed. "
            "Redis refuses writes then, or loses jobs when it ends.",
            "By default Redis refuses every write after a failed snapshot; and what is not on disk is lost by a "
            "restart.",
        ),
        _alert(
            "RedisExporterAbsent",
            "absent(redis_up)",
            site.span(HOLDS.redis_exporter),
            "warning",
            "Nothing watches Redis",
            "Prometheus has no figures of redis_exporter: whether Redis is up, full or writes to disk is not known.",
            "All other rules about Redis are silent without it. Jobs run, and callboard's own exporter tells whether "
            "Redis answers; so it wakes nobody.",
        ),
        _alert(
            "RedisExporterAbsent",
            f"{_UNREACHED}\nand on () {_READ}",
            site.span(HOLDS.redis_exporter),
            "warning",
            "redis_exporter does not reach Redis",
            "redis_exporter at {{ $labels.instance }} cannot reach its Redis, though Callboard's exporter reads the "
            "queues: whether Redis is full or writes to disk is not known.",
            "A wrong address or password of redis_exporter, or a replica that is away: nothing stands still.",
            reason="unreachable",
        ),
    ]  # fmt: skip


def _alert(
    name: str, expr: str, hold: str, severity: Severity, summary: str, description: str, why: str, **labels: str
) -> Alert:
    return Alert(
        name=name, page="redis", expr=expr, hold=hold, severity=severity, summary=summary, description=description,
        dashboard="callboard-redis", why=why, about="", labels=labels,
    )  # fmt: skip
