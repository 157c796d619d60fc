"""Adds jobs with Callboard: modes bulk and single (QueueService), send (the actor), pickup (QueueService)."""

from __future__ import annotations

from bench.apps.callboard_app import QUEUES, broker, settings
from bench.apps.producing import paused, payloads, read_request, timed
from callboard.service import JobSpec, QueueService
from callboard.verbs import fleet

QUEUE = QUEUES[0]
NOOP = f"noop.{QUEUE}"


def main() -> None:
    """Do what the request asks."""
    request = read_request()
    source = payloads()
    service = QueueService(settings)
    # What a worker does at its start: the service refuses an actor that no worker has published.
    fleet.publish(service.store, broker.published_actors())

    def bulk(jobs: int) -> None:
        for start in range(0, jobs, request.batch):
            some = min(request.batch, jobs - start)
            actor = request.actor or NOOP
            service.add_jobs(request.queue or QUEUE, [JobSpec(actor, next(source)) for _ in range(some)])

    def single(jobs: int) -> None:
        for _ in range(jobs):
            service.add_job(QUEUE, NOOP, next(source))

    def send(jobs: int) -> None:
        for _ in range(jobs):
            broker.actors[NOOP].send(**next(source))

    match request.mode:
        case "bulk":
            timed(bulk, request)
        case "single":
            timed(single, request)
        case "send":
            timed(send, request)
        case "pickup":
            paused(lambda now: service.add_job(QUEUE, "pickup", {"sent_ns": now}), request)
        case other:
            raise SystemExit(f"no mode {other!r}")
    service.close()


if __name__ == "__main__":
    main()
