"""``callboard.testing`` against the real thing: the same jobs on a server and inline end in the same way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import dramatiq
from dramatiq.errors import RateLimitExceeded
from pydantic import BaseModel

from callboard import PermanentError, QueueService, current_job
from callboard.ids import new_id
from callboard.records import JobView
from callboard.results import CallboardResults
from callboard.testing import inline_broker
from callboard.verbs.telling import JobDetails
from tests.integration.conftest import AppMaker
from tests.support.app import App


class Order(BaseModel):
    n: int


class Away(Exception):
    retry_after = 0.03


def declare(broker: dramatiq.Broker, started: list[str]) -> dict[str, Any]:  # noqa: C901 - many small actors
    """One actor a way to end."""

    def actor(**options: Any) -> Callable[[Callable[..., Any]], Any]:
        return dramatiq.actor(**{"broker": broker, "queue_name": "one", "store_results": True, **options})

    def begin() -> int:
        started.append(current_job().id)
        return current_job().attempt

    @actor(payload=Order, payload_version=2, upgrade=lambda payload, _: {"n": payload["old"]})
    def returns(order: Order) -> dict[str, int]:
        begin()
        return {"n": order.n}

    @actor()
    def recovers() -> str:
        job, attempt = current_job(), begin()
        job.log(f"attempt {attempt}, noted {job.checkpoint('x')}, options {job.options.get('own')}")
        job.progress({"attempt": attempt})
        if attempt < 3:
            job.checkpoint("x", (attempt,))
            job.options["own"] = attempt
            raise ValueError("again")
        return "at last"

    @actor(on_retry_exhausted="told", on_failure="told")
    def fails() -> None:
        begin()
        raise ValueError("no")

    @actor(max_attempts=7)
    def permanent() -> None:
        begin()
        raise PermanentError("never")

    @actor(max_attempts=2)
    def away() -> None:
        begin()
        raise Away("come again")

    @actor(max_attempts=1)
    def defers() -> None:
        begin()
        job = current_job()
        seen = job.options.setdefault("seen", []) if "seen" in job.options else []
        job.options["seen"] = [*seen, job.attempt]
        if len(seen) == 0:
            job.defer(0.01, "first")
        if len(seen) == 1:
            raise RateLimitExceeded("then")

    @actor()
    def unstorable() -> object:
        begin()
        return object()

    @actor(on_success="told")
    async def in_a_loop(n: int) -> int:
        begin()
        await asyncio.sleep(0)
        current_job().log("looped")
        return n + 1

    @actor(queue_name="two", store_results=False)
    def told(*args: Any) -> None:
        begin()

    return {name: broker.get_actor(name) for name in sorted(broker.get_declared_actors())}


def add(actors: dict[str, Any], broker: dramatiq.Broker) -> list[dramatiq.Message[Any]]:
    """Each in its way, with what options do; ids that rise, so that ties end in the same way."""
    fresh = (new_id() for _ in itertools.count())
    sent = []

    def send(actor: str, *args: Any, delay: int | None = None, kwargs: Any = None, **options: Any) -> None:
        message = actors[actor].message_with_options(args=args, kwargs=kwargs, **options)
        message = message.copy(message_id=next(fresh))
        sent.append(broker.enqueue(message, delay=delay))

    for n, (workspace, priority) in enumerate(itertools.product(("a", "a", "b", ""), (5, 7, 3))):
        send("returns", kwargs={"n": n}, workspace=workspace, priority=priority)
    send("returns", kwargs={"old": 7}, payload_version=1)
    for name in ("recovers", "fails", "permanent", "away", "defers", "unstorable"):
        send(name, priority=100)
    send("in_a_loop", 1, priority=100, delay=50)
    send("fails", priority=100, max_attempts=1)
    return sent


def ending(job: JobView, said: JobDetails, result: Any) -> dict[str, Any]:
    """What must be the same."""
    return {
        "actor": job.actor, "state": job.state, "priority": job.priority, "workspace": job.workspace,
        "attempts": [(a.number, a.outcome, a.error_type, a.error_message) for a in job.attempts],
        "attempts_made": job.attempts_made, "stalls": job.stalls, "reason": job.reason, "options": job.options,
        "log": [line for _, line in said.log], "progress": said.progress, "checkpoints": said.checkpoints,
        "result": result,
    }  # fmt: skip


def result_of(backend: CallboardResults, message: dramatiq.Message[Any]) -> Any:
    try:
        return backend.get_result(message)
    except Exception as error:  # noqa: BLE001 - a failure is an answer here
        return f"{type(error).__name__}: {error}".replace(message.message_id, "ID")


def look(service: QueueService, broker: Any, sent: list[dramatiq.Message[Any]]) -> list[dict[str, Any]]:
    backend = broker.get_results_backend()
    return [
        ending(
            service.get_job(m.queue_name, m.message_id), service.get_job_details(m.queue_name, m.message_id),
            result_of(backend, m),
        )
        for m in sent
    ]  # fmt: skip


def counted(service: QueueService) -> list[dict[str, int]]:
    return [dict(sorted(stats.totals.items())) for stats in service.get_all_queue_stats()]


def test_the_same_jobs_end_in_the_same_way(make_app: AppMaker) -> None:
    app: App = make_app()
    started: list[str] = []
    sent = add(declare(app.broker, started), app.broker)
    app.start(threads=1)
    app.drained()
    service = QueueService(app.settings, store=app.broker.store)
    on_server, totals = look(service, app.broker, sent), counted(service)
    first_starts = started[:13]

    other = make_app()
    began: list[str] = []
    actors = declare(other.broker, began)
    with inline_broker(other.broker) as broker:
        inline_sent = add(actors, broker)
        broker.run_until_idle()
        inline = look(broker.service, broker, inline_sent)
        assert counted(broker.service) == totals

    for mine, theirs in zip(inline, on_server, strict=True):
        assert mine == theirs
    numbers = {message.message_id: n for n, message in enumerate(sent)}
    inline_numbers = {message.message_id: n for n, message in enumerate(inline_sent)}
    assert [inline_numbers[i] for i in began[:13]] == [numbers[i] for i in first_starts], "another order of starts"
