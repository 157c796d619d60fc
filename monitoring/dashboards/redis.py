"""Redis, where everything is kept. The metrics are those of redis_exporter."""

from __future__ import annotations

from monitoring import limits
from monitoring.dashboards import thresholds
from monitoring.dashboards.model import Board, Color, Panel, Query, Row
from monitoring.site import Site

_BY = "{{instance}}"
_OK: dict[str, tuple[str, Color]] = {"0": ("FAILED", "red"), "1": ("ok", "green")}

#: 1 for the policy that may be, 0 for another.
_POLICY = (
    'max by (policy) (callboard_redis_maxmemory_policy_info{policy="noeviction"}) '
    "or 0 * max by (policy) (callboard_redis_maxmemory_policy_info)"
)


def board(_: Site) -> Board:
    """Redis."""
    return Board(
        uid="callboard-redis", title="Callboard / 7 Redis", runbook="redis",
        purpose="Is Redis there, has it room, and does it keep what it is given?",
        rows=(
            Row("", _now()),
            Row("Memory", _memory()),
            Row("Load", _load()),
            Row("Safe on disk and elsewhere", _safety()),
        ),
    )  # fmt: skip


def _now() -> tuple[Panel, ...]:
    def stat(title: str, why: str, unit: str, query: Query, **more: object) -> Panel:
        return Panel(title, why, unit, (query,), kind="stat", width=3, height=4, **more)  # type: ignore[arg-type]

    return (
        stat("Up", "Whether redis_exporter reaches Redis.", "none", Query("min(redis_up)"),
             words={"0": ("DOWN", "red"), "1": ("up", "green")}, steps=thresholds.below(1), empty="not scraped"),
        stat("Memory", "Used of maxmemory. When it is full, adds are refused: the policy is noeviction.", "percentunit",
             Query("max(redis_memory_used_bytes / (redis_memory_max_bytes > 0))", rare=True), decimals=0,
             steps=thresholds.above(limits.MEMORY_SHARE), empty="no maxmemory"),
        stat("Policy", "Anything but noeviction lets Redis drop jobs.", "none",
             Query(_POLICY, "{{policy}}"), named=True,
             steps=thresholds.below(1), empty="not told"),
        stat("Evicted", "Keys that Redis has dropped since it started. Each may be a job. It must be 0.", "none",
             Query("sum(redis_evicted_keys_total)"), steps=thresholds.above(1), empty="not scraped"),
        stat("Snapshot", "Whether the last RDB snapshot was written.", "none",
             Query("min(redis_rdb_last_bgsave_status)"), words=_OK, steps=thresholds.below(1), empty="not scraped"),
        stat("Append-only file", "Whether each change is written to disk: off, a crash loses what came after the last "
             "snapshot.", "none",
             Query("min(redis_aof_enabled * redis_aof_last_write_status)"), steps=thresholds.below(1),
             words={"0": ("OFF OR FAILED", "red"), "1": ("ok", "green")}, empty="not scraped"),
        stat("Refused clients", "Connections that were refused since the start: maxclients is too low, or somebody "
             "leaks them.", "none", Query("sum(redis_rejected_connections_total)"), steps=thresholds.above(1),
             empty="not scraped"),
        stat("Up for", "A short time: it was restarted. Then look at what was in flight.", "s",
             Query("min(redis_uptime_in_seconds)"), decimals=0, steps=thresholds.PLAIN, empty="not scraped"),
    )  # fmt: skip


def _memory() -> tuple[Panel, ...]:
    share = limits.MEMORY_SHARE
    return (
        Panel(
            "Memory and its limit",
            f"Room for jobs. The dashed line is maxmemory; at {share:.0%} of it RedisMemoryHigh fires. The Queue "
            "board tells whose keys grow.",
            "bytes",
            (
                Query("redis_memory_used_bytes", f"{_BY} used"),
                Query("redis_memory_used_rss_bytes", f"{_BY} resident"),
                Query(f"{share:g} * (redis_memory_max_bytes > 0)", f"{_BY} alert", limit=True, rare=True),
                Query("redis_memory_max_bytes > 0", f"{_BY} maxmemory", limit=True, rare=True),
            ),
            width=8,
        ),
        Panel(
            "Memory by queue", "What each queue's keys take, estimated. The one that grew is the one to look at.",
            "bytes",
            (Query("max by (queue) (callboard_queue_memory_bytes)", "{{queue}}"),), width=8, stacked=True,
        ),
        Panel(
            "Evicted and expired keys", "Evicted must stay at 0. Expired is Redis removing results after their time.",
            "suffix:/s",
            (
                Query("rate(redis_evicted_keys_total[$__rate_interval])", f"{_BY} evicted"),
                Query("rate(redis_expired_keys_total[$__rate_interval])", f"{_BY} expired"),
            ),
            width=8,
        ),
        Panel(
            "Keys", "How many keys there are. Records are kept in a few large keys, so that the number stays small.",
            "short", (Query("sum by (instance) (redis_db_keys)", _BY),), width=8,
        ),
        Panel(
            "Fragmentation",
            "Resident by used memory. Well above 1.5 with much data: memory that is lost between keys.",
            "suffix:×", (Query("redis_mem_fragmentation_ratio", _BY),), width=8, decimals=2,
        ),
        Panel(
            "Memory of clients", "Output that slow clients have not read yet counts as Redis' memory, too.", "bytes",
            (Query("redis_mem_clients_normal", f"{_BY} clients"), Query("redis_mem_clients_slaves", f"{_BY} replicas")),
            width=8,
        ),
    )  # fmt: skip


def _load() -> tuple[Panel, ...]:
    seconds = "rate(redis_commands_duration_seconds_total[$__rate_interval])"
    calls = "rate(redis_commands_total[$__rate_interval])"
    return (
        Panel(
            "Commands", "What Redis does a second. Jobs go through scripts: one evalsha is one step of many jobs.",
            "suffix:/s", (Query("rate(redis_commands_processed_total[$__rate_interval])", _BY),), width=8,
        ),
        Panel(
            "Time in commands, by command",
            "Seconds a second: Redis runs one command at a time, so the sum cannot pass 1, and everybody waits near "
            "it.",
            "percentunit", (Query(f"sum by (cmd) ({seconds})", "{{cmd}}"),), width=8, stacked=True,
        ),
        Panel(
            "Latency by command, mean",
            "Time in Redis itself. Compare it with what workers see (Workers board): the difference is the network "
            "and the queue before Redis.",
            "s", (Query(f"sum by (cmd) ({seconds}) / sum by (cmd) ({calls})", "{{cmd}}"),), width=8,
        ),
        Panel(
            "Clients",
            "Connections. Workers keep theirs; a staircase is a leak. Blocked are those that wait for a message.",
            "short",
            (
                Query("redis_connected_clients", f"{_BY} connected"),
                Query("redis_blocked_clients", f"{_BY} blocked"),
            ),
            width=8,
        ),
        Panel(
            "CPU", "Redis' own thread does the work: at 1 core it is full, however many cores there are.",
            "suffix:cores",
            (
                Query(
                    "rate(redis_cpu_sys_seconds_total[$__rate_interval]) "
                    "+ rate(redis_cpu_user_seconds_total[$__rate_interval])", _BY,
                ),
            ),
            width=8, lines=True, steps=thresholds.above(1, "orange"),
        ),
        Panel(
            "Network", "Large payloads and results show here before they show in memory.", "Bps",
            (
                Query("rate(redis_net_input_bytes_total[$__rate_interval])", f"{_BY} in"),
                Query("rate(redis_net_output_bytes_total[$__rate_interval])", f"{_BY} out"),
            ),
            width=8,
        ),
        Panel(
            "Slow commands",
            "Entries in the slow log. Each is time in which no job moved: `redis-cli slowlog get` shows the command.",
            "short", (Query("increase(redis_slowlog_last_id[$__rate_interval])", _BY),), bars=True,
        ),
        Panel(
            "Errors", "Error replies. Scripts that are not known yet make a few after a restart; OOM makes a wall.",
            "suffix:/s", (Query("rate(redis_total_error_replies[$__rate_interval])", _BY),),
        ),
    )  # fmt: skip


def _safety() -> tuple[Panel, ...]:
    return (
        Panel(
            "Since the last snapshot", "How much would be lost if there were no append-only file.", "s",
            (Query("time() - redis_rdb_last_save_timestamp_seconds", _BY),), width=6,
        ),
        Panel(
            "Last writes to disk", "0 is a failure: the disk is full or gone. Then Redis may refuse to take jobs.",
            "none",
            (
                Query("redis_rdb_last_bgsave_status", f"{_BY} snapshot"),
                Query("redis_aof_last_write_status", f"{_BY} append-only file"),
                Query("redis_aof_last_bgrewrite_status", f"{_BY} its rewrite"),
            ),
            kind="state-timeline", width=6, words=_OK, steps=thresholds.below(1),
        ),
        Panel(
            "Last fork", "Redis stands still while it forks for a snapshot or a rewrite. It grows with the memory.",
            "s",
            (Query("redis_latest_fork_seconds", _BY),), width=6,
        ),
        Panel(
            "Replicas and how far they are behind",
            "None: a lost machine is lost data since the last copy of the disk.",
            "short",
            (
                Query("redis_connected_slaves", f"{_BY} replicas"),
                Query("redis_connected_slave_lag_seconds", "{{slave_ip}} seconds behind", rare=True),
            ),
            width=6,
        ),
    )  # fmt: skip
