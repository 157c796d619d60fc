"""Keeps one Dramatiq process tree running in each slot.

The Dramatiq CLI stops its whole tree when one child dies. Here every worker process has a tree of its own, so a crash
takes one slot away for the time of a restart and the others go on.

What happens when
  - a tree ends because it reached a limit of its own (``middleware.recycling``): it is started again at once;
  - a tree ends unasked: it is started again, at once if it had settled, else after 0.5 s, 1 s, 2 s … 30 s;
  - no slot has ever settled and each has failed ``give_up_after`` times: the deployment is broken (a typing error in
    the application, a wrong ``--app``), so everything stops with a failure instead of turning in circles;
  - a leader dies and leaves its worker behind: the worker finishes its jobs and ends before the slot starts again;
  - ``stop``: every tree gets SIGTERM, and SIGKILL when the grace is over; ``kill``: SIGKILL now;
  - ``reload``: trees are replaced one at a time, each after the one before it has settled. If a new one fails, the
    rest keep what they have loaded.

The supervisor has no thread and no clock of its own: its owner calls ``tick`` whenever a child ended or
``tick_within_s`` has passed. It is called from the main thread alone (see ``tether`` for why).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic

from callboard.cli.application import module_of
from callboard.cli.tree import IMPORT_FAILED, Tree, TreeOptions, explain
from callboard.worker.exits import RECYCLED


@dataclass(frozen=True, slots=True)
class Timing:
    """When the supervisor does what (all in seconds, but ``give_up_after``)."""

    #: A tree that has lived this long has started well: boot takes about a second, and imports longer.
    settle_s: float = 5.0
    #: Wait before the first restart of a tree that had not settled; doubles with each further failure.
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 30.0
    #: Failures of every slot, before any has settled, after which the supervisor gives up.
    give_up_after: int = 3
    #: What the end of a tree may take beyond the grace: the last flush (5 s) and the CLI's own waits (1 s each).
    kill_after_grace_s: float = 10.0
    #: How often a tree that is ending is looked at.
    poll_s: float = 0.1


@dataclass(slots=True)
class _Slot:
    """A tree, or the wait for its next start."""

    index: int
    tree: Tree | None = None
    started_at: float = 0.0
    #: Failures in a row before the tree had settled.
    failures: int = 0
    #: When to start again; meaningful without a tree.
    start_at: float = 0.0
    #: Set while the tree is asked to end: when its time is over.
    kill_at: float | None = None
    #: Its tree is older than the rolling restart that is under way.
    outdated: bool = False


class Supervisor:
    """Worker trees in a fixed number of slots."""

    def __init__(
        self,
        options: TreeOptions,
        processes: int,
        say: Callable[[str], None],
        *,
        timing: Timing | None = None,
        start_tree: Callable[[int, TreeOptions], Tree] = Tree,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Nothing runs before the first ``tick``.

        Args:
          options: what each tree is started with.
          processes: number of slots.
          say: gets one line for everything an operator should know of.
          timing: other times than the usual ones.
          start_tree: starts the tree of a slot.
          clock: the time (in seconds).
        """
        self._options = options
        self._say = say
        self._timing = timing or Timing()
        self._start_tree = start_tree
        self._clock = clock
        self._slots = [_Slot(index) for index in range(processes)]
        self._rolling: deque[_Slot] = deque()
        self._stopping = False
        self._settled_once = False
        self._exit_code = 0

    @property
    def pids(self) -> dict[int, int]:
        """Pid of the leader by slot, for the slots that have one."""
        return {slot.index: slot.tree.pid for slot in self._slots if slot.tree}

    @property
    def stopping(self) -> bool:
        """Whether it was stopped or gave up."""
        return self._stopping

    @property
    def finished(self) -> bool:
        """Whether it was stopped, or gave up, and nothing runs any more."""
        return self._stopping and not any(slot.tree for slot in self._slots)

    @property
    def exit_code(self) -> int:
        """0; 1 after a tree had to be killed; the tree's own code after giving up."""
        return self._exit_code

    @property
    def tick_within_s(self) -> float:
        """The longest time until the next ``tick`` (in seconds)."""
        if any(slot.kill_at is not None for slot in self._slots):
            return self._timing.poll_s
        now = self._clock()
        waits = [slot.start_at - now for slot in self._slots if slot.tree is None]
        return min([1.0, *(max(0.0, wait) for wait in waits)])

    def tick(self) -> None:
        """Do what is due: notice ended trees, start, restart, kill, go on with a rolling restart."""
        now = self._clock()
        for slot in self._slots:
            if slot.tree:
                self._watch(slot, slot.tree, now)
            if slot.tree is None and not self._stopping and now >= slot.start_at:
                self._start(slot, now)
        self._roll(now)

    def stop(self) -> None:
        """Let every tree finish its running jobs within the grace, and end. Idempotent."""
        self._stopping = True
        self._rolling.clear()
        for slot in self._slots:
            self._end(slot)

    def kill(self) -> None:
        """End every tree now; what ran is run again by other workers when its lease is over."""
        self._stopping = True
        self._rolling.clear()
        self._exit_code = self._exit_code or 1
        for slot in self._slots:
            if slot.tree:
                slot.tree.kill()
                slot.kill_at = inf

    def reload(self) -> None:
        """Replace the trees one at a time, so that the others keep working."""
        if not self._stopping:
            self._say(f"restarting the worker processes ({len(self._slots)}), one at a time")
            self._rolling = deque(self._slots)
            for slot in self._slots:
                slot.outdated = True

    def _start(self, slot: _Slot, now: float) -> None:
        slot.tree = self._start_tree(slot.index, self._options)
        slot.started_at, slot.kill_at, slot.outdated = now, None, False
        self._say(f"worker {slot.index} started (pid {slot.tree.pid})")

    def _end(self, slot: _Slot) -> None:
        if slot.tree and slot.kill_at is None:
            slot.tree.terminate()
            slot.kill_at = self._clock() + self._options.grace_s + self._timing.kill_after_grace_s

    def _watch(self, slot: _Slot, tree: Tree, now: float) -> None:
        exit_code = tree.exit_code
        if exit_code is None and now - slot.started_at >= self._timing.settle_s:
            slot.failures, self._settled_once = 0, True
        if exit_code is not None and slot.kill_at is None:
            if exit_code == RECYCLED:
                self._recycled(slot, now)
            else:
                self._failed(slot, exit_code, now)
            self._end(slot)  # what the leader left behind
        if not tree.has_processes():
            slot.tree, slot.kill_at = None, None
        elif slot.kill_at is not None and now >= slot.kill_at:
            self._say(f"worker {slot.index} (pid {tree.pid}) did not end in time: killed")
            self._exit_code = self._exit_code or 1
            tree.kill()
            slot.kill_at = inf

    def _recycled(self, slot: _Slot, now: float) -> None:
        """The tree worked and ended as it should, however soon: that is no failure."""
        assert slot.tree
        slot.failures, slot.start_at, self._settled_once = 0, now, True
        lived = now - slot.started_at
        self._say(f"worker {slot.index} (pid {slot.tree.pid}) was recycled after {lived:.1f} s; starting again at once")

    def _failed(self, slot: _Slot, exit_code: int, now: float) -> None:
        assert slot.tree
        timing = self._timing
        lived = now - slot.started_at
        slot.failures = 0 if lived >= timing.settle_s else slot.failures + 1
        wait = min(timing.backoff_cap_s, timing.backoff_base_s * 2 ** (slot.failures - 1)) if slot.failures else 0.0
        slot.start_at = now + wait
        said = f"worker {slot.index} (pid {slot.tree.pid}) ended after {lived:.1f} s: {explain(exit_code)}"
        if not self._settled_once and all(other.failures >= timing.give_up_after for other in self._slots):
            app = self._options.app
            see = f"; python -c 'import {module_of(app)}' shows why" if exit_code == IMPORT_FAILED else ""
            self._say(f"{said}; giving up after {slot.failures} starts: {app} does not run{see}")
            self._exit_code = exit_code if exit_code > 0 else 1
            self.stop()
            return
        self._say(f"{said}; starting again " + (f"in {wait:g} s" if wait else "at once"))
        if self._rolling and self._rolling[0] is slot and not slot.outdated:
            self._rolling.clear()
            self._say("rolling restart stopped: the new process failed, the others go on as they are")

    def _roll(self, now: float) -> None:
        """Replace the next tree of a rolling restart when the one before it has settled."""
        if not self._rolling:
            return
        slot = self._rolling[0]
        if slot.outdated and slot.tree:
            self._end(slot)
        elif slot.outdated:
            slot.start_at = now  # it was waiting after a failure
        elif now - slot.started_at >= self._timing.settle_s:
            self._rolling.popleft()
            if not self._rolling:
                self._say("rolling restart done")
