"""WorkerMetrics: a worker process counts what it does, and serves the counts to Prometheus on a port of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dramatiq import Broker, Middleware, Worker

from callboard import CallboardBroker
from middleware.metrics.exceptions import Allowed
from middleware.metrics.tally import Tally

if TYPE_CHECKING:
    from middleware.metrics.server import MetricsServer


class WorkerMetrics(Middleware):
    """Has the engine tell a tally what it commits; no hook of it runs at a job. ``middleware.metrics`` has the rest."""

    def __init__(self) -> None:
        self._server: MetricsServer | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Begin to count and to serve, in the process that works. Without a port it works on, unseen."""
        # A producer composes the application as well, and needs neither.
        from middleware.metrics.collector import registry_of
        from middleware.metrics.server import advertised, listen

        own = cast("CallboardBroker", broker)
        settings, runtime = own.settings, own.runtime
        actors = [(actor.queue_name, actor.actor_name) for actor in own.actors.values()]
        allowed = Allowed(actor.fn.__module__ for actor in own.actors.values())
        tally = Tally(own.catalogue, actors, allowed, settings.reserve_hold_ms)
        runtime.observe(tally)
        own.store.on_call = tally.called
        serves_queues = settings.exporter == "worker"
        registry = registry_of(tally, runtime.pump.held, build=not serves_queues)
        if serves_queues:
            from middleware.metrics.queues import QueueCollector

            registry.register(QueueCollector(own.store, component="worker"))
        self._server = listen(settings.metrics_host, settings.metrics_port, registry)
        if self._server is not None:
            self._server.start()
            runtime.metrics_address = advertised(settings.metrics_host, self._server.port, settings.metrics_advertise)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """The process ends: what it did since the last scrape is lost to Prometheus."""
        if self._server is not None:
            self._server.stop()
            self._server = None
            cast("CallboardBroker", broker).runtime.metrics_address = ""
