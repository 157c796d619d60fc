"""What time does: leases run out, retention passes, the clock jumps."""

from __future__ import annotations

import msgpack
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.statemachine.base import MINUTE, some, wanted
from tests.statemachine.working import WorkingMachine


class PassingMachine(WorkingMachine):
    """Time passes, the housekeeper sweeps, the outbox is delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.sweep()

    @rule()
    def sweep(self) -> None:
        """Housekeeping, whenever it was last."""
        found = self.engine.bare_sweep()
        now = int(self.engine.do("HGET", "meta", "swept"))
        assert sorted(found.recovered) == sorted(self.model.sweep(now))

    @rule(ms=st.sampled_from([MINUTE, 4 * MINUTE, 6 * MINUTE, 40 * MINUTE]))
    def time_passes(self, ms: int) -> None:
        """Nobody does anything."""
        self.engine.warp(ms)
        self.model.warp(ms)
        for run in self.runs:
            run.warp(ms)

    @rule(ms=st.sampled_from([MINUTE, 40 * MINUTE]))
    def the_clock_is_put_back(self, ms: int) -> None:
        """The server's clock jumps."""
        self.time_passes(-ms)

    @precondition(lambda self: self.model.of("active"))
    @rule()
    def a_lease_passes(self) -> None:
        """Those who live renew their leases, sweeps go on; who died loses its jobs."""
        for _ in range(4):
            self.time_passes(3 * MINUTE)
            for worker in self.workers:
                self.do_extend(worker, list(worker.held.items()))
            self.sweep()

    @rule(data=st.data(), who=some, at_once=wanted, ahead=some)
    def a_process_dies_at_work(self, data: st.DataObject, who: int, at_once: int, ahead: int) -> None:
        """It has fetched; its jobs come back when their leases have run out."""
        self.do_cycle(data, self.workers[who % 3], at_once, ahead)
        self.die(who)
        self.a_lease_passes()

    @precondition(lambda self: self.model.outbox)
    @rule()
    def the_outbox_is_delivered(self) -> None:
        """Its messages end at the source."""
        numbers = [msgpack.unpackb(row)[0] for row in self.engine.snapshot().members("outbox")]
        removed = self.store.call("outbox_end", "q", (msgpack.packb(numbers), msgpack.packb([]), 100))
        assert removed == self.model.outbox
        self.model.outbox = 0
