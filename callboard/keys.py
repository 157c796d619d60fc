"""All Redis keys, in one place.

A queue has a fixed set of keys under one hash tag, ``callboard:{email-notifications}:waiting`` for example: a script
touches one slot and can declare every key that it uses. No key is named after a job.
"""

from __future__ import annotations

#: What each key of a queue holds. Lua headers name keys by these words; ``store.scripts`` turns them into full names.
QUEUE_KEYS: dict[str, str] = {
    "payload": "hash: job id -> encoded payload, written once",
    "record": "hash: job id -> packed record (see records.py)",
    "waiting": "zset: job id by priority * 2^43 + tag",
    "held": "zset: job id by the same score; its turn came while a limit was used up",
    "delayed": "zset: job id by due time (ms)",
    "blocked": "zset: job id by the time it was blocked (ms)",
    "active": "zset: job id by lease expiry (ms)",
    "completed": "zset: job id by end time (ms)",
    "failed": "zset: job id by end time (ms)",
    "cancelled": "zset: job id by end time (ms)",
    "attempts": "hash: job id -> packed list of finished attempts",
    "logs": "hash: job id -> packed list of log lines",
    "progress": "hash: job id -> JSON, how far a running job is",
    "checkpoints": "hash: job id -> packed checkpoints by name (JSON)",
    "cancels": "hash: job id -> packed reason, for running jobs that were cancelled",
    "results": "hash: job id -> encoded result",
    "expiry": "zset: job id by the time its result expires (ms)",
    "dedup": "hash: dedup key -> packed holder",
    "parents": "hash: job id -> packed list of its parents in flows",
    "children": "hash: parent job id -> packed family; '/<family>/<place>' -> packed child and how it ended",
    "staged": "hash: what flows put aside: parts of large ones, ends whose parent is on its way, barriers of groups",
    "meta": "hash: paused, reason, format, next outbox number, lone claim, health as last checked …",
    "totals": "hash: counters that survive crashes (added, completed, failed …)",
    "tags": "hash: fair-share tags: 'v<priority>' and 'w<priority>:<workspace>'",
    "limits": "hash: rate and concurrency limits, by queue and workspace",
    "usage": "hash: what is used of each limit",
    "events": "stream: one entry a batch",
    "history": "hash: '<minute>:<what>' -> count",
    "outbox": "zset: packed message for a queue, by number",
    "sources": "hash: source queue -> number of the last message taken from its outbox",
    "ticks": "hash: schedule -> packed {last tick (ms), the last job it made, what came of the tick}",
    "calls": "hash: caller -> packed answer of its last call, for a resend",
    "wake": "list: at most one mark: there is startable work",
}

#: Keys of the deployment, under a hash tag of their own.
DEPLOYMENT_KEYS: dict[str, str] = {
    "workers": "hash: worker id -> packed record of the process",
    "beats": "zset: worker id by last heartbeat (ms)",
    "actors": "hash: actor name -> JSON (queue, options)",
    "deployment": "hash: format version of all data",
    "locks": "hash: name -> packed holder, token and expiry (ms) of a run of which there may be one",
    "reports": "hash: report's id -> JSON of a line a queue",
    "report_times": "zset: report's id by the time it was made (ms)",
    "schedules": "hash: schedule -> packed definition and how it stands (see verbs/includes/schedule.lua)",
    "schedule_times": "zset: schedule by when it is to be looked at (ms); '<queue>/<schedule>' where one has left",
    "schedule_ids": "zset: schedule, all with score 0, in the order of ids",
}

#: The hash tag of the deployment's keys. No queue can have this name: queue names begin with a letter or underscore.
DEPLOYMENT_TAG = "0"


def queue_key(prefix: str, queue: str, name: str) -> str:
    """The full name of key ``name`` of ``queue``.

    Raises: KeyError when no queue has such a key.
    """
    if name not in QUEUE_KEYS:
        raise KeyError(name)
    return f"{prefix}:{{{queue}}}:{name}"


def deployment_key(prefix: str, name: str) -> str:
    """The full name of the deployment's key ``name``.

    Raises: KeyError when the deployment has no such key.
    """
    if name not in DEPLOYMENT_KEYS:
        raise KeyError(name)
    return f"{prefix}:{{{DEPLOYMENT_TAG}}}:{name}"


def application_key(prefix: str, application: str, name: str) -> str:
    """The full name of key ``name`` of ``application``: what a job type keeps for the whole deployment.

    It lies under the deployment's hash tag, so that scripts over several of an application's keys touch one slot. An
    application has a fixed set of names, as a queue has: none is made from what is stored.
    """
    return f"{prefix}:{{{DEPLOYMENT_TAG}}}:{application}:{name}"
