"""What the supervisor decides, with trees that only pretend and a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from callboard.cli.supervisor import Supervisor, Timing
from callboard.cli.tree import Tree, TreeOptions, explain
from callboard.worker.exits import RECYCLED

TIMING = Timing(settle_s=5, backoff_base_s=0.5, backoff_cap_s=4, give_up_after=3, kill_after_grace_s=10)
GRACE_S = 30.0


class PretendTree(Tree):
    """A tree without processes: the test says how it fares."""

    def __init__(self, slot: int, pid: int) -> None:
        self.slot = slot
        self._pid = pid
        self.code: int | None = None
        self.orphans = False
        self.calls: list[str] = []

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def exit_code(self) -> int | None:
        return self.code

    def has_processes(self) -> bool:
        return self.code is None or self.orphans

    def terminate(self) -> None:
        self.calls.append("terminate")

    def kill(self) -> None:
        self.calls.append("kill")
        self.code, self.orphans = -9, False


@dataclass
class Stage:
    """A supervisor with everything it acts on in the test's hands."""

    processes: int
    now: float = 100.0
    started: list[PretendTree] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(
            TreeOptions("app", threads=1, grace_s=GRACE_S),
            self.processes,
            self.lines.append,
            timing=TIMING,
            start_tree=self._start,
            clock=lambda: self.now,
        )
        self.supervisor.tick()

    def _start(self, slot: int, _options: TreeOptions) -> PretendTree:
        self.started.append(PretendTree(slot, 1000 + len(self.started)))
        return self.started[-1]

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.supervisor.tick()

    def dies(self, tree: PretendTree, code: int) -> None:
        tree.code = code
        self.supervisor.tick()


@pytest.fixture
def stage() -> Stage:
    return Stage(processes=2)


def test_every_slot_gets_a_tree_of_its_own(stage: Stage) -> None:
    assert stage.supervisor.pids == {0: 1000, 1: 1001}


def test_a_settled_tree_that_dies_is_replaced_at_once_and_alone(stage: Stage) -> None:
    stage.later(6)
    stage.dies(stage.started[0], -9)

    assert stage.supervisor.pids == {0: 1002, 1: 1001}
    assert "worker 0 (pid 1000) ended after 6.0 s: killed by SIGKILL; starting again at once" in stage.lines


def test_a_tree_that_dies_young_waits_longer_each_time_up_to_the_cap(stage: Stage) -> None:
    waits = []
    for _ in range(5):
        stage.dies(stage.started[-1] if len(stage.started) > 2 else stage.started[0], 1)
        waits.append(stage.supervisor.tick_within_s)
        assert 0 not in stage.supervisor.pids
        while 0 not in stage.supervisor.pids:
            stage.later(0.5)

    said = [line.rpartition(" in ")[2] for line in stage.lines if "starting again" in line]
    assert said == ["0.5 s", "1 s", "2 s", "4 s", "4 s"]
    assert waits[:2] == [0.5, 1.0]


def test_a_tree_that_settled_again_starts_over_with_short_waits(stage: Stage) -> None:
    stage.dies(stage.started[0], 1)
    stage.later(0.5)
    stage.later(6)
    stage.dies(stage.started[-1], 1)

    assert stage.lines[-2].endswith("starting again at once")


def test_a_recycled_tree_starts_again_at_once_and_counts_as_no_failure(stage: Stage) -> None:
    stage.dies(stage.started[0], 1)
    stage.later(0.5)
    for _ in range(5):
        stage.later(1)
        stage.dies(stage.started[-1], RECYCLED)
    assert stage.supervisor.pids == {0: 1007, 1: 1001}
    assert stage.lines[-2] == "worker 0 (pid 1006) was recycled after 1.0 s; starting again at once"
    stage.dies(stage.started[-1], 1)
    assert stage.lines[-1].endswith("starting again in 0.5 s"), "the failure before them is forgotten"
    assert not stage.supervisor.stopping


def test_it_gives_up_when_no_slot_ever_settles(stage: Stage) -> None:
    for wait in (0.5, 1.0, 2.0):
        for tree in stage.started[-2:]:
            stage.dies(tree, 2)
        stage.later(wait)

    assert stage.supervisor.finished
    assert stage.supervisor.exit_code == 2
    assert stage.lines[-1].endswith(
        "exit code 2: the application could not be imported; giving up after 3 starts: app does not run; "
        "python -c 'import app' shows why"
    )
    assert len(stage.started) == 6


def test_it_never_gives_up_once_a_slot_has_settled(stage: Stage) -> None:
    stage.later(6)
    for _ in range(8):
        for tree in stage.started[-2:]:
            stage.dies(tree, 2)
        stage.later(4)

    assert not stage.supervisor.stopping
    assert len(stage.supervisor.pids) == 2


def test_one_bad_slot_is_no_reason_to_give_up(stage: Stage) -> None:
    for _ in range(4):
        stage.dies([tree for tree in stage.started if tree.slot == 0][-1], 1)
        stage.now += 1.0  # slot 1 has not settled yet
        stage.later(0)

    assert not stage.supervisor.stopping


def test_stop_asks_every_tree_once_and_waits_for_the_last(stage: Stage) -> None:
    stage.supervisor.stop()
    stage.supervisor.stop()
    assert [tree.calls for tree in stage.started] == [["terminate"], ["terminate"]]

    stage.dies(stage.started[0], 0)
    assert not stage.supervisor.finished
    stage.dies(stage.started[1], 0)
    assert stage.supervisor.finished
    assert stage.supervisor.exit_code == 0


def test_a_tree_that_outlives_its_grace_is_killed(stage: Stage) -> None:
    stage.supervisor.stop()
    stage.later(GRACE_S + 9.9)
    assert stage.started[0].calls == ["terminate"]

    stage.later(0.2)
    stage.later(0.1)
    assert stage.started[0].calls == ["terminate", "kill"]
    assert stage.supervisor.finished
    assert stage.supervisor.exit_code == 1


def test_kill_ends_everything_at_once(stage: Stage) -> None:
    stage.supervisor.stop()
    stage.supervisor.kill()
    stage.later(0)

    assert stage.supervisor.finished
    assert [tree.calls[-1] for tree in stage.started] == ["kill", "kill"]
    assert stage.supervisor.exit_code == 1


def test_a_slot_waiting_for_its_restart_does_not_hold_up_the_end(stage: Stage) -> None:
    stage.dies(stage.started[0], 1)
    stage.supervisor.stop()
    stage.dies(stage.started[1], 0)

    assert stage.supervisor.finished


def test_what_a_killed_leader_leaves_behind_ends_before_the_slot_starts_again(stage: Stage) -> None:
    stage.later(6)
    old = stage.started[0]
    old.orphans = True
    stage.dies(old, -9)
    assert old.calls == ["terminate"]
    assert stage.supervisor.pids[0] == old.pid

    old.orphans = False
    stage.later(0.1)
    assert stage.supervisor.pids == {0: 1002, 1: 1001}


def test_what_a_killed_leader_leaves_behind_is_killed_when_it_takes_too_long(stage: Stage) -> None:
    stage.later(6)
    old = stage.started[0]
    old.orphans = True
    stage.dies(old, -9)
    stage.later(GRACE_S + 10)
    stage.later(0.1)

    assert old.calls == ["terminate", "kill"]
    assert stage.supervisor.pids[0] == 1002


def test_reload_replaces_one_tree_after_the_other_has_settled(stage: Stage) -> None:
    stage.later(6)
    first, second = stage.started
    stage.supervisor.reload()
    stage.later(0)
    assert (first.calls, second.calls) == (["terminate"], [])

    stage.dies(first, 0)
    stage.later(4.9)
    assert second.calls == []

    stage.later(0.2)
    stage.later(0)
    assert second.calls == ["terminate"]

    stage.dies(second, 0)
    stage.later(5)
    assert stage.supervisor.pids == {0: 1002, 1: 1003}
    assert stage.lines[-1] == "rolling restart done"


def test_reload_stops_at_the_first_new_tree_that_fails(stage: Stage) -> None:
    stage.later(6)
    first, second = stage.started
    stage.supervisor.reload()
    stage.later(0)
    stage.dies(first, 0)
    stage.dies(stage.started[-1], 2)
    stage.later(60)

    assert second.calls == []
    assert "rolling restart stopped: the new process failed, the others go on as they are" in stage.lines


def test_stop_ends_a_reload(stage: Stage) -> None:
    stage.later(6)
    stage.supervisor.reload()
    stage.later(0)
    stage.supervisor.stop()
    for tree in stage.started:
        stage.dies(tree, 0)

    assert stage.supervisor.finished
    assert len(stage.started) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed by SIGKILL"),
        (0, "ended by itself"),
        (2, "exit code 2: the application could not be imported"),
        (42, "exit code 42: see the log above"),
    ],
)
def test_exit_codes_are_said_in_words(code: int, words: str) -> None:
    assert explain(code) == words


def test_the_command_line_of_a_tree() -> None:
    command = TreeOptions("actors", threads=4, queues=("a", "b"), grace_s=1.5).command()

    assert " ".join(command[2:]) == (
        "callboard.cli.leader actors --processes 1 --threads 4 --worker-shutdown-timeout 1500 --queues a b"
    )
