"""How much a counter grew."""

from __future__ import annotations


def grown(counter: str, matcher: str) -> str:
    """PromQL: how much each series of ``counter`` grew within ``$__rate_interval``, from its first count on.

    A series with a label like ``exception`` begins when its first event is counted, maybe at 100, and ``increase`` sees
    only what came after. So the whole value counts while the series is younger than the interval, if its worker was
    scraped before: else a Prometheus that was away would count everything anew.
    """
    series = f"{counter}{matcher}"
    before = "offset $__rate_interval"
    began = f"({series} unless {series} {before} and on (worker) up {before} == 1)"
    return f"({began} or increase({series}[$__rate_interval]))"
