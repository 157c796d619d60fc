"""All that Redis holds of one queue, read in one step, and what must be true of it after every script."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from callboard.keys import QUEUE_KEYS, queue_key
from callboard.packing import unpack
from callboard.records import STATES, Record, unpack_record
from callboard.store.store import Store

#: States and the sorted set of each.
STATE_ZSETS = ("waiting", "held", "delayed", "blocked", "active", "completed", "failed", "cancelled")
PENDING = ("waiting", "held", "delayed", "blocked", "active")

_READ = """
local found = {}
for i, key in ipairs(KEYS) do
  local type = redis.call('TYPE', key).ok
  if type == 'hash' then found[i] = redis.call('HGETALL', key)
  elseif type == 'zset' then found[i] = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif type == 'list' then found[i] = redis.call('LRANGE', key, 0, -1)
  elseif type == 'stream' then found[i] = redis.call('XRANGE', key, '-', '+')
  else found[i] = {} end
end
return found
"""

#: Moves every time that a queue holds into the past, as if so much time had gone by.
_WARP = """
local by = tonumber(ARGV[1])
for i = 3, #KEYS do
  local members = redis.call('ZRANGE', KEYS[i], 0, -1, 'WITHSCORES')
  for j = 1, #members, 2 do
    redis.call('ZADD', KEYS[i], string.format('%.0f', members[j + 1] - by), members[j])
  end
end
for _, field in ipairs({'swept', 'tidied', 'lone_until', 'granting'}) do
  local at = redis.call('HGET', KEYS[1], field)
  if at then redis.call('HSET', KEYS[1], field, string.format('%.0f', at - by)) end
end
local function moved(rec, at)
  local time = struct.unpack('>I8', rec, at)
  if time == 0 then return rec end
  return string.sub(rec, 1, at - 1) .. struct.pack('>I8', time - by) .. string.sub(rec, at + 8)
end
local records = redis.call('HGETALL', KEYS[2])
for i = 1, #records, 2 do
  local rec = moved(records[i + 1], 4)
  local rest = 13 + string.byte(rec, 12)
  if #rec >= rest then rec = moved(moved(rec, rest), rest + 22) end
  redis.call('HSET', KEYS[2], records[i], rec)
end
"""
_TIMES = ("meta", "record", "delayed", "active", "completed", "failed", "cancelled", "expiry")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the keys of a queue hold, by the keys' names; empty where a key is not there."""

    keys: dict[str, list[Any]]

    def hash(self, name: str) -> dict[str, bytes]:
        """A hash, by field."""
        flat = self.keys[name]
        return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}

    def zset(self, name: str) -> dict[str, float]:
        """A sorted set in its order: member -> score."""
        flat = self.keys[name]
        return {flat[i].decode(errors="replace"): float(flat[i + 1]) for i in range(0, len(flat), 2)}

    def members(self, name: str) -> list[bytes]:
        """The members of a sorted set in their order."""
        return list(self.keys[name][::2])

    @property
    def records(self) -> dict[str, Record]:
        """Every job's record."""
        return {job_id: unpack_record(packed) for job_id, packed in self.hash("record").items()}

    @property
    def totals(self) -> dict[str, int]:
        """The counters that survive crashes."""
        return {name: int(value) for name, value in self.hash("totals").items()}

    @property
    def events(self) -> list[dict[str, str]]:
        """The entries of the event stream."""
        entries = [fields for _, fields in self.keys["events"]]
        return [{f[i].decode(): f[i + 1].decode() for i in range(0, len(f), 2)} for f in entries]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return {name: len(self.keys[name]) // 2 for name in STATE_ZSETS}

    def check(self) -> None:
        """Raise AssertionError unless the invariants of the engine hold."""
        records = self.records
        where: dict[str, list[str]] = {}
        for name in STATE_ZSETS:
            for job_id in self.zset(name):
                where.setdefault(job_id, []).append(name)
        assert where.keys() == records.keys(), (
            f"in a state without a record: {where.keys() - records.keys()}; "
            f"with a record and in no state: {records.keys() - where.keys()}"
        )
        for job_id, names in where.items():
            state = "held" if records[job_id].state == b"h" else STATES[records[job_id].state]
            assert names == [state], f"job {job_id!r} is in {names}, its record says {state}"
        assert self.hash("payload").keys() == records.keys(), "payloads and records are of different jobs"
        for name in ("attempts", "logs", "parents", "progress", "checkpoints"):
            leaked = self.hash(name).keys() - records.keys()
            assert not leaked, f"{name} has fields of jobs that are gone: {leaked}"
        self._check_families(records.keys())
        results, expiry = self.hash("results"), self.zset("expiry").keys()
        assert not expiry - results.keys(), "results that are not there have a time to expire"
        leaked = results.keys() - expiry - records.keys()
        assert not leaked, f"results that have neither a job nor a time to expire: {leaked}"
        ended = {job_id for job_id, record in records.items() if record.state in (b"c", b"f")}
        early = results.keys() & records.keys() - ended
        assert not early, f"jobs that have not ended have results: {early}"
        cancels = self.hash("cancels").keys() - self.zset("active").keys()
        assert not cancels, f"marked to be cancelled and not active: {cancels}"
        totals, counts = self.totals, self.counts()
        # Every job that came, or came back, has ended, was dropped before it could, or is still there.
        came = sum(totals.get(name, 0) for name in ("added", "revived"))
        went = sum(totals.get(name, 0) for name in ("completed", "failed", "cancelled", "dropped"))
        pending = sum(counts[name] for name in PENDING)
        assert came == went + pending, f"totals do not add up: {totals}, pending {pending}"
        assert len(self.keys["wake"]) <= 1, "more than one mark"


    def _check_families(self, jobs: Collection[str]) -> None:
        children = self.hash("children")
        parents = {name for name in children if not name.startswith("/")}
        assert parents <= jobs, f"families of jobs that are gone: {parents - set(jobs)}"
        families = {unpack(children[name])[0].decode(): unpack(children[name]) for name in parents}
        leaving = {name.partition("/")[2] for name in self.hash("staged") if name.startswith("gone/")}
        for name in children.keys() - parents:
            family = name.split("/")[1]
            assert family in families or family in leaving, f"a child of a family that is gone: {name}"
        for family, (_, number, left, failing) in families.items():
            known = [unpack(value) for name, value in children.items() if name.startswith(f"/{family}/")]
            ended = sum(1 for child in known if child[2])
            assert number - ended == left, f"family {family}: {ended} of {number} children ended, {left} are left"
            held_up = sum(1 for child in known if child[2] in (b"f", b"x") and child[3] == b"f")
            assert held_up == failing, f"family {family}: {held_up} children hold it up, it says {failing}"


def take_snapshot(store: Store, queue: str) -> Snapshot:
    """Read all keys of ``queue``."""
    names = list(QUEUE_KEYS)
    keys = [queue_key(store.settings.prefix, queue, name) for name in names]
    replies = store.execute("EVAL", _READ, len(keys), *keys)
    return Snapshot(dict(zip(names, replies, strict=True)))


def warp(store: Store, queue: str, ms: int) -> None:
    """Let ``ms`` go by for ``queue``: every time of a job and of the queue moves so far into the past."""
    keys = [queue_key(store.settings.prefix, queue, name) for name in _TIMES]
    store.execute("EVAL", _WARP, len(keys), *keys, ms)
