"""Signed webhooks a second of one worker process of 16 threads, everything on, against an endpoint on this machine that
thinks for 50 ms over each (so 320 a second is all there can be). The endpoint is registered and allowed as a customer's
would be; the rate is taken from the steady part of a backlog that is added first. Median of the rounds."""

from __future__ import annotations

import statistics
from functools import partial

import dramatiq

from actors.webhooks.publishing import ACTOR, QUEUE
from actors.webhooks.registry import EndpointRegistry
from actors.webhooks.settings import WebhookSettings
from bench.context import Context
from bench.processes import workers
from bench.progress import steady_rate, watch
from bench.rows import BenchError, Outcome, at_least, spread
from bench.systems import callboard_jobs
from callboard.broker import CallboardBroker
from callboard.service import JobSpec, QueueService
from callboard.settings import Settings
from callboard.verbs import fleet
from demo.webhook_receiver import WebhookReceiver

_THREADS, _THINK_S, _ROUNDS = 16, 0.05, 3


def measure(context: Context) -> Outcome:
    """Round after round."""
    rates = [context.undisturbed(partial(_rate, context)) for _ in range(_ROUNDS)]
    rate = statistics.median(rates)
    context.say(f"webhooks: {rate:,.0f}/s")
    note = f"{_THREADS} threads, an endpoint that takes {1000 * _THINK_S:.0f} ms: {spread(rates)}"
    return Outcome([at_least("webhooks, one process", rate, "webhooks/s", 200.0, note)], {"webhooks_per_second": rate})


def _rate(context: Context) -> float:
    jobs = context.plan.webhook_jobs
    context.server.fresh()
    with WebhookReceiver() as receiver:
        receiver.answer(204, think_s=_THINK_S)
        allow = f"127.0.0.1/32:{receiver.port}"
        _add(context, receiver.url(), allow, jobs)
        system = callboard_jobs(context.server, QUEUE, threads=_THREADS, CALLBOARD_WEBHOOK_ALLOW=allow)
        with workers(system.workers, system.env) as running:
            samples = watch(context, system, jobs, running)
        if len(receiver.requests) != jobs:
            raise BenchError(f"the endpoint got {len(receiver.requests)} webhooks of {jobs}")
    return steady_rate(samples, jobs)


def _add(context: Context, url: str, allow: str, jobs: int) -> None:
    service = QueueService(Settings.model_validate({"redis_url": context.server.url}))
    try:
        # Importing the job types has composed the application.
        broker = dramatiq.get_broker()
        assert isinstance(broker, CallboardBroker)
        fleet.publish(service.store, broker.published_actors())
        registry = EndpointRegistry(service.store, WebhookSettings(allow=allow))
        endpoint = registry.create(workspace="acme", url=url, events=["post.*"])
        data = {"post": "01J", "text": "The callboard is up. " * 8}
        payload = {"endpoint": endpoint.id, "event": "post.published", "data": data}
        service.add_jobs(QUEUE, [JobSpec(ACTOR, payload, options={"workspace": "acme"}) for _ in range(jobs)])
    finally:
        service.close()
