"""docs/reference/alerts.md: every alert, when it fires, what mutes it, and where its runbook is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import yaml

from monitoring.alertmanager import configuration
from monitoring.alerts.listed import alerts
from monitoring.alerts.model import Alert
from monitoring.site import Site

_HEAD = """\
# Alerts

What Prometheus tells, with the thresholds of the catalogue as it is shipped; a deployment with another
`CALLBOARD_QUEUES` writes its own ([how](../guides/monitoring.md#thresholds-once)). Every threshold is passed by more
than its number: exactly the number is silent. *Holds* is how long the condition must be true; *at once*: as soon as it
is. While the alert that it is *muted by* fires, Alertmanager shows an alert and sends it to nobody.

`critical` wakes somebody (PagerDuty and Slack), `warning` is read in the morning (Slack and email), `none` goes to the
dead man's switch alone. The others also go to `POST /api/alerts` ([what it does](../guides/monitoring.md#alerts)).

This page is written by `callboard generate` from `monitoring/alerts/`.
"""

#: Go's template language, as far as alerts use it: the last branch of an if, a label, a value.
_IF = re.compile(r"\{\{ if .*?\}\}.*?\{\{ ?else ?\}\}(.*?)\{\{ ?end ?\}\}")
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE = re.compile(r"\{\{ \$value[^}]*\}\}")

#: One of Alertmanager's matchers; and the objective that a rule is about.
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')
_SLO = re.compile(r'slo="(\w+)"')


def page(site: Site) -> str:
    """The page, in the time of people: however fast time runs for ``site``, it says the same."""
    site = replace(site, time_scale=1.0)
    parts = [_HEAD]
    for name, of_page in groupby(alerts(site), key=lambda alert: alert.page):
        parts += _section(name, list(of_page), site)
    return "\n".join(parts)


def _section(name: str, of_page: list[Alert], site: Site) -> Iterator[str]:
    yield f"## {name.capitalize()}\n"
    yield "| alert | severity | holds | tells | muted by |\n|---|---|---|---|---|"
    for alert in of_page:
        cells = (
            f"[{_called(alert)}](../runbooks/{alert.page}.md#{alert.name.lower()})", alert.severity,
            alert.hold or "at once", said(alert.description), _muted_by(alert, site),
        )  # fmt: skip
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    for _, same in groupby(of_page, key=lambda alert: (alert.name, alert.why)):
        yield from _rule(list(same))


def _rule(same: list[Alert]) -> Iterator[str]:
    yield f"**{' and '.join(_called(alert) for alert in same)}.** {same[0].why}\n"
    yield from (f"```promql\n{alert.expr}\n```\n" for alert in same)


def _called(alert: Alert) -> str:
    """Its name, with what tells it from others of that name."""
    return " ".join([alert.name, *alert.labels.values()])


def _muted_by(alert: Alert, site: Site) -> str:
    labels = _labels(alert)
    sources: dict[str, None] = {}  # in the order of the rules, each once
    for rule in yaml.safe_load(configuration(site))["inhibit_rules"]:
        if _match(rule["target_matchers"], labels):
            sources |= dict.fromkeys(_source(rule["source_matchers"]))
    return ", ".join(sources) or "–"


def _labels(alert: Alert) -> dict[str, str]:
    """The labels that matchers look at; what it is about has some value."""
    labels = {"alertname": alert.name, "severity": alert.severity}
    if alert.about:
        labels[alert.about] = "some"
    if slo := _SLO.search(alert.expr):
        labels["slo"] = slo[1]
    return labels


def _match(matchers: Sequence[str], labels: dict[str, str]) -> bool:
    return all(_matches(each, labels) for each in matchers)


def _matches(matcher: str, labels: dict[str, str]) -> bool:
    found = _MATCHER.fullmatch(matcher)
    if found is None:
        raise ValueError(f"not read here: the matcher {matcher}")
    value, wanted = labels.get(found[1], ""), found[3]
    same = re.fullmatch(wanted, value) is not None if found[2].endswith("~") else value == wanted
    return same == found[2].startswith("=")


def _source(matchers: Sequence[str]) -> list[str]:
    """What mutes, in words."""
    for matcher in matchers:
        if matcher.startswith("alertname"):
            return matcher.split('"')[1].split("|")
    return ["critical alerts of the queue"]


def said(text: str) -> str:
    """A text of an alert without the language of its template: ``<queue>`` for a label, ``…`` for a value."""
    return _VALUE.sub("…", _LABEL.sub(r"`<\1>`", _IF.sub(r"\1", text)))
