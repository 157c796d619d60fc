"""The pump's calls to Redis: one round trip a turn, and what happens when the reply does not come."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event

from callboard.catalogue import QueueSpec
from callboard.errors import CallboardError, StoreUnavailable
from callboard.store.store import Store
from callboard.verbs.cycle import CycleReply, CycleRequest, Finish, cycle_call, cycle_reply, policy
from callboard.verbs.leases import Held, reclaim

logger = logging.getLogger("callboard.exchange")

#: Waits between attempts to reach Redis (seconds).
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0

#: After so many answers that are errors of the script itself, finishes are sent one by one to find the one at fault.
_PATIENCE = 5


class Exchange:
    """Sends cycles. A cycle whose reply was lost is sent again under its number, so that its first answer holds.

    ``known()`` gives the jobs that this process knows to hold, by queue.
    """

    def __init__(
        self,
        store: Store,
        worker_id: str,
        catalogue: Mapping[str, QueueSpec],
        known: Callable[[], dict[str, list[Held]]],
    ) -> None:
        self._store = store
        self._worker = worker_id
        self._queues = list(catalogue)
        self._known = known
        self._policies = {name: policy(spec, store.settings) for name, spec in catalogue.items()}
        self._number = 0
        #: Queues whose script fails whatever it is asked: their data is damaged. They must not hold up the others.
        self._broken: set[str] = set()
        #: Set while Redis answers.
        self.connected = Event()
        #: When to give up on Redis (monotonic seconds): set when the process ends.
        self.deadline = float("inf")

    def request(self, queue: str, finishes: Sequence[Finish]) -> CycleRequest:
        """A new cycle of ``queue``, numbered."""
        self._number += 1
        return CycleRequest(queue, self._number, finishes)

    def send(self, requests: list[CycleRequest]) -> tuple[list[CycleReply], bool]:
        """Send cycles in one round trip; waits as long as Redis is away.

        Returns: the replies, and whether Redis was away meanwhile (then nothing was fetched, and marks may be lost).
        Raises: StoreUnavailable when Redis is still away at ``deadline``.
        """
        try:
            replies = self._send(requests)
            self.connected.set()
            return replies, False
        except CallboardError as error:
            logger.warning("lost Redis: %s", error)
            refusals = 0
        except Exception as error:  # noqa: BLE001 - whatever the script said, the finishes must not be lost
            refusals = _PATIENCE if self._broken else 0
            if not self._broken:
                logger.error("Redis did not take a cycle: %s", error)
        self.connected.clear()
        replies = self._recover(requests, refusals)
        self.connected.set()
        return replies, True

    def _send(self, requests: list[CycleRequest]) -> list[CycleReply]:
        calls = [cycle_call(self._worker, request, self._policies[request.queue]) for request in requests]
        replies = self._store.pipeline(calls)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return [cycle_reply(reply) for reply in replies]

    def _recover(self, requests: list[CycleRequest], refusals: int) -> list[CycleReply]:
        """Send the finishes until they are answered; what was fetched and did not arrive goes back, uncounted."""
        for request in requests:
            request.at_once = request.ahead = 0
        wait = 0.0 if refusals else _FIRST_WAIT_S
        while True:
            Event().wait(wait)
            wait = min(max(2 * wait, _FIRST_WAIT_S), _LONGEST_WAIT_S)
            try:
                replies = self._send(requests) if refusals < _PATIENCE else self._send_one_by_one(requests)
                self._reclaim()
                break
            except CallboardError as error:
                logger.debug("Redis is still away: %s", error)
            except Exception as error:  # noqa: BLE001 - as in send
                refusals += 1
                logger.error("Redis did not take a cycle (%d times): %s", refusals, error)
            if time.monotonic() > self.deadline:
                raise StoreUnavailable("Redis was away when the worker ended; its jobs will be recovered")
        if not self._broken:
            logger.warning("Redis is back; %d finishes were sent again", sum(len(r.finishes) for r in requests))
        return replies

    def _reclaim(self) -> None:
        known = self._known()
        for queue in self._queues:
            if queue in self._broken:
                continue
            reclaim(self._store, self._worker, queue, known.get(queue, []), self._number)

    def _send_one_by_one(self, requests: list[CycleRequest]) -> list[CycleReply]:
        """What the script chokes on must not hold up the rest: neither a request the others, nor a finish those beside
        it."""
        return [self._sent_alone(request) for request in requests]

    def _sent_alone(self, request: CycleRequest) -> CycleReply:
        """The reply of a request that is sent by itself. A queue whose data is damaged answers as if it were paused,
        until somebody has repaired it."""
        try:
            # Redis may have taken it in an earlier turn, beside one that failed: its number gets the first answers.
            (reply,) = self._send([request])
        except CallboardError:
            raise
        except Exception:  # noqa: BLE001 - what is wrong is logged of the parts
            reply = self._sent_in_parts(request)
        else:
            self._broken.discard(request.queue)
        return reply

    def _sent_in_parts(self, request: CycleRequest) -> CycleReply:
        """Its finishes one by one, each under its own number; one that fails is dropped, and its lease runs out."""
        codes = b""
        for finish in request.finishes:
            single = self.request(request.queue, [finish])
            try:
                codes += self._send([single])[0].codes
            except CallboardError:
                raise
            except Exception:
                logger.critical("the finish of job %s cannot be committed", finish[0], exc_info=True)
                codes += b"0"
        try:
            (reply,) = self._send([self.request(request.queue, [])])
            reply.codes = codes
            self._broken.discard(request.queue)
        except CallboardError:
            raise
        except Exception as error:
            if request.queue not in self._broken:
                logger.critical("queue %s is damaged and stands still: %s", request.queue, error, exc_info=True)
            self._broken.add(request.queue)
            reply = CycleReply(codes, [], 0, 0, True, False, 0, 0, [])
        return reply
