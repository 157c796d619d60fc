"""The counts of a worker process, as prometheus_client writes them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import accumulate
from time import sleep

from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from callboard.worker.job import Job
from middleware.metrics import families
from middleware.metrics.families import FAMILIES, WorkerFamily
from middleware.metrics.tally import Counts, Histogram, Labels, Tally

#: The label of an exemplar. OpenMetrics allows 128 characters for it and its value together; longer ids are left out.
JOB = "job_id"
_MOST_OF_AN_ID = 128 - len(JOB)

#: Gives the jobs of the process, by queue.
Held = Callable[[], Mapping[str, Iterable[Job]]]


def registry_of(tally: Tally, held: Held, *, build: bool = True) -> CollectorRegistry:
    """Everything that a worker process says: its counts, its size and CPU time, its garbage collections, its Python.

    ``build``: whether it says which version it is; not where another collector beside it does.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorkerCollector(tally, held, build=build))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class WorkerCollector(Collector):
    """The families of a worker process. What runs is looked at, not counted: so it is never below zero."""

    def __init__(self, tally: Tally, held: Held, *, build: bool = True) -> None:
        self._tally = tally
        self._held = held
        self._families = [family for family in FAMILIES if build or family is not families.BUILD]

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order of their table."""
        held = self._held()
        counts = self._tally.counts(held)
        for family in self._families:
            metric = Metric(family.name, family.help, family.kind)
            _fill(metric, family, counts, held)
            yield metric
            sleep(0)  # writing a page out takes milliseconds: jobs and the pump come between


def _fill(metric: Metric, family: WorkerFamily, counts: Counts, held: Mapping[str, Iterable[Job]]) -> None:
    if family is families.BUILD:
        metric.add_sample(family.exposed, {"version": version("callboard"), "component": "worker"}, 1)
    elif family is families.IN_PROGRESS:
        running = Counter(
            (queue, job.actor_name) for queue, jobs in held.items() for job in jobs if job.started and not job.ended
        )
        for queue, actor in dict.fromkeys([*counts.numbers[families.ATTEMPTS], *running]):
            metric.add_sample(family.exposed, {"queue": queue, "actor": actor}, running[queue, actor])
    elif family in counts.histograms:
        for labels, histogram in counts.histograms[family].items():
            _add_histogram(metric, _named(family, labels), histogram)
    else:
        for labels, number in counts.numbers[family].items():
            metric.add_sample(family.exposed, _named(family, labels), number)


def _named(family: WorkerFamily, labels: Labels) -> dict[str, str]:
    return dict(zip(family.labels, labels, strict=True))


def _add_histogram(metric: Metric, labels: dict[str, str], histogram: Histogram) -> None:
    below = list(accumulate(histogram.counts))
    exemplars = histogram.exemplars or [None] * len(below)
    for edge, number, exemplar in zip((*map(str, histogram.edges), "+Inf"), below, exemplars, strict=True):
        shown = None
        if exemplar is not None and len(exemplar[0]) <= _MOST_OF_AN_ID:
            job, value, at = exemplar
            shown = Exemplar({JOB: job}, value, at)
        metric.add_sample(f"{metric.name}_bucket", {**labels, "le": edge}, number, None, shown)
    metric.add_sample(f"{metric.name}_count", labels, below[-1])
    metric.add_sample(f"{metric.name}_sum", labels, histogram.total)
