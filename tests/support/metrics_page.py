"""What the /metrics page of a worker process says, read by prometheus_client's own parsers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from prometheus_client.samples import Exemplar, Sample

#: What Prometheus sends first when it may have exemplars.
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@dataclass(frozen=True)
class Page:
    """One scrape."""

    families: dict[str, Metric]
    content_type: str
    size: int

    def samples(self, name: str, **labels: str) -> Iterator[Sample]:
        """The samples of that name that have these labels, among others."""
        for family in self.families.values():
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    yield sample

    def value(self, name: str, **labels: str) -> float:
        """The sum of these samples.

        Raises: AssertionError when there is none.
        """
        values = [sample.value for sample in self.samples(name, **labels)]
        assert values, f"no sample {name} {labels}; there are {sorted(self.families)}"
        return sum(values)

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The samples that are not 0, by one of their labels."""
        return {s.labels[label]: s.value for s in self.samples(name, **labels) if s.value}

    def exemplars(self, name: str, **labels: str) -> list[Exemplar]:
        """Those of these samples."""
        return [sample.exemplar for sample in self.samples(name, **labels) if sample.exemplar]

    def negatives(self) -> list[Sample]:
        """Samples below zero."""
        return [sample for family in self.families.values() for sample in family.samples if sample.value < 0]


def get(address: str, path: str = "/metrics", method: str = "GET", accept: str = "") -> tuple[int, str, str]:
    """(status, content type, body) of a request to ``host:port``."""
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=10)
    try:
        connection.request(method, path, headers={"Accept": accept} if accept else {})
        reply = connection.getresponse()
        return reply.status, reply.headers["Content-Type"], reply.read().decode()
    finally:
        connection.close()


def fetched(address: str, accept: str = OPENMETRICS) -> Page:
    """The page of a worker process at ``host:port``."""
    status, content_type, text = get(address, accept=accept)
    assert status == 200, text
    parse = openmetrics if content_type.startswith("application/openmetrics-text") else plain
    return page(parse(text), content_type, len(text))


def page(families: Iterable[Metric], content_type: str = "", size: int = 0) -> Page:
    """Families as a page; none may be there twice."""
    listed = list(families)
    named = {family.name: family for family in listed}
    assert len(named) == len(listed), f"a family is there twice: {sorted(family.name for family in listed)}"
    return Page(named, content_type, size)
