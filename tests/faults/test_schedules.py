"""Real worker processes tick schedules of a second: one is killed, one stopped, Redis restarted; ticks come once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from callboard.keys import deployment_key
from callboard.packing import unpack
from callboard.schedules.ticker import LEASE_MS, LOCK
from tests.support.deployment import Deployment
from tests.support.redis_server import Server
from tests.support.wait import last, wait_until
from tests.support.workers import WorkerTree

#: Schedules, each ticking every second.
NAMES = [f"s{number}" for number in range(8)]


def holder(deployment: Deployment) -> str:
    """The worker that holds the lock under which schedules are ticked; '' when none does."""
    with deployment.client() as client:
        packed: Any = client.hget(deployment_key("faults", "locks"), LOCK)
        seconds, micros = client.time()
    if packed is None:
        return ""
    owner, _, expiry = unpack(packed)
    return owner.decode() if expiry > seconds * 1000 + micros // 1000 else ""


class Play:
    """Three worker trees and the schedules."""

    def __init__(self, deployment: Deployment, folder: Path, stack: ExitStack) -> None:
        self.deployment = deployment
        self.trees = [
            stack.enter_context(WorkerTree(deployment, folder / f"worker-{number}.log")) for number in range(3)
        ]  # fmt: skip
        for tree in self.trees:
            tree.ready()
        self.service = deployment.service()
        stack.callback(lambda: self.service.close())  # noqa: PLW0108  # it is another one by then
        for name in NAMES:
            self.service.add_repeating_job("work", "work", id=name, every=1)

    def reconnect(self) -> None:
        """A service whose connections are of after a restart of Redis: callers are told of the outage, not kept."""
        self.service.close()
        self.service = self.deployment.service()

    def made(self) -> int:
        """The jobs of the schedule that has made fewest."""
        return min(self.service.get_schedule(name).made for name in NAMES)

    def ticker(self) -> WorkerTree:
        """The tree that ticks."""
        found = wait_until(lambda: holder(self.deployment), 30, "a process that ticks")
        return next(tree for tree in self.trees if tree.worker_id == found)

    def wait_for_more(self, count: int = 3) -> None:
        """Wait until each schedule has made so many more jobs."""
        wanted = self.made() + count
        wait_until(lambda: self.made() >= wanted, 60, lambda: f"{wanted} jobs a schedule; it is {self.made()}")

    def judge(self) -> None:
        """Each tick from the first to the last has one job, and every job has run."""
        for name in NAMES:
            self.service.pause_schedule(name)
        wait_until(lambda: self.deployment.pending() == 0, 60, lambda: f"{self.deployment.states()}")
        ids = [job for state in ("completed", "failed") for job in self.deployment.states()[state]]
        assert self.deployment.totals()["added"] == len(ids), "a tick was added twice"
        for name in NAMES:
            ticks = sorted(int(job.partition(":")[2]) for job in ids if job.partition(":")[0] == name)
            missing = set(range(ticks[0], ticks[-1] + 1)) - set(ticks)
            assert not missing, f"{name}: ticks {sorted(missing)} were lost"
            schedule = self.service.get_schedule(name)
            assert (schedule.skipped, schedule.errors) == (0, 0), schedule
            assert schedule.made == len(ticks), f"{name} counts {schedule.made} jobs and has made {len(ticks)}"


@pytest.fixture
def play(deployment: Deployment, tmp_path: Path) -> Any:
    with ExitStack() as stack:
        yield Play(deployment, tmp_path, stack)


@pytest.mark.long
def test_the_ticker_is_killed_and_another_goes_on(play: Play) -> None:
    for _ in range(2):
        play.wait_for_more()
        victim = play.ticker()
        victim.kill()
        play.trees.remove(victim)
        wait_until(lambda v=victim: holder(play.deployment) not in ("", v.worker_id), 40, "another that ticks")
    play.wait_for_more()
    play.judge()


@pytest.mark.long
def test_the_ticker_is_stopped_for_longer_than_its_lease_and_adds_nothing_late(play: Play) -> None:
    play.wait_for_more()
    stopped = play.ticker()
    stopped.signal_worker(signal.SIGSTOP)
    wait_until(lambda: holder(play.deployment) not in ("", stopped.worker_id), 40, "another that ticks")
    play.wait_for_more()
    last(LEASE_MS / 1000)
    stopped.signal_worker(signal.SIGCONT)
    play.wait_for_more()
    play.judge()


@pytest.mark.long
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_redis_is_restarted(play: Play, server: Server, how: str) -> None:
    restart: Callable[[], None] = server.kill if how == "kill" else server.stop
    for seconds in (0.0, 3.0):
        play.wait_for_more()
        restart()
        last(seconds)
        server.start()
        play.reconnect()
    play.wait_for_more()
    play.judge()

