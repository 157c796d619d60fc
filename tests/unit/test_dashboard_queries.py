"""What holds for every query of the dashboards: of panels, of marks, of variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import promql_parser
import pytest

from callboard.catalogue import Catalogue, QueueSpec
from middleware.metrics import exported, families
from monitoring import recording
from monitoring.dashboards import budget
from monitoring.dashboards.boards import boards
from monitoring.dashboards.model import Board, Query
from monitoring.dashboards.substituted import queries, substitute
from monitoring.dashboards.thresholds import divided
from monitoring.names import metrics_in
from monitoring.site import Site

SITE = Site()
BOARDS = boards(SITE)
ASKED = list(queries(SITE))
#: A range that nobody writes: what Grafana puts in for `$__rate_interval`.
GRAFANAS = timedelta(seconds=77)

FORBIDDEN = {"job_id", "id", "workspace", "workspace_id", "trace_id", "type"}
#: Metrics of Prometheus itself, where `job` is the name of a scrape.
SCRAPES = {"up", "scrape_samples_post_metric_relabeling"}


def _nodes(expr: str) -> list[promql_parser.Expr]:
    nodes: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(substitute(expr, "77s")), nodes.append)
    return nodes


def _panel_queries() -> Iterator[tuple[Board, str, Query]]:
    for board in BOARDS:
        for panel in board.panels():
            for query in panel.asked():
                yield board, panel.title, query


def test_every_query_is_one_and_nothing_of_grafanas_is_left_in_it() -> None:
    for asked in ASKED:
        try:
            promql_parser.parse(asked.expr)
        except ValueError as error:
            pytest.fail(f"{asked}: {error}")
        assert not re.search(r"\$[a-zA-Z_{]", asked.expr), asked


def test_a_rate_of_a_raw_counter_has_grafanas_range_or_one_that_the_title_names() -> None:
    for board, title, query in _panel_queries():
        for node in _nodes(query.expr):
            if isinstance(node, promql_parser.MatrixSelector) and ":" not in (node.vector_selector.name or ""):
                named = node.range == timedelta(hours=1) and title.endswith(", 1 h")
                assert node.range == GRAFANAS or named, f"{board.uid}: {title}: {query.expr}"


def test_what_is_recorded_is_not_computed_again() -> None:
    recorded = {
        _plain(rule.expr): rule.record for group in recording.groups(SITE) for rule in group.rules
    }  # fmt: skip
    for board, title, query in _panel_queries():
        for node in _nodes(query.expr):
            again = recorded.get(_plain(node.prettify()))
            assert again is None, f"{board.uid}: {title}: use {again}"


def _plain(expr: str) -> str:
    return re.sub(r"\s+", "", expr)


def test_no_query_uses_a_label_that_has_no_end_or_another_meaning() -> None:
    for asked in ASKED:
        for node in _nodes(asked.expr):
            if isinstance(node, promql_parser.VectorSelector):
                names = {matcher.name for matcher in node.matchers.matchers}
                assert not names & {*FORBIDDEN, "instance"}, asked
                assert "job" not in names or node.name in SCRAPES, asked
            elif isinstance(node, promql_parser.AggregateExpr) and node.modifier:
                assert not set(node.modifier.labels) & FORBIDDEN, asked


def test_a_board_uses_only_variables_that_it_has() -> None:
    for board, title, query in _panel_queries():
        used = set(re.findall(r"\$\{?([a-zA-Z_]\w*)", query.expr)) - {"__rate_interval"}
        assert used <= {variable.name for variable in board.variables}, f"{board.uid}: {title}"


def test_a_board_that_has_a_variable_uses_it() -> None:
    for board in BOARDS:
        text = " ".join(query.expr for panel in board.panels() for query in panel.asked())
        for variable in board.variables:
            assert f"${variable.name}" in text, f"{board.uid}: {variable.name}"


def test_all_names_are_exported_or_recorded() -> None:
    suffixes = ("", "_bucket", "_sum", "_count")
    ours = {family.exposed for family in exported.FAMILIES} | {
        f"{family.name}{suffix}"
        for family in families.FAMILIES
        for suffix in {"counter": ("_total",), "info": ("_info",), "histogram": suffixes}.get(family.kind, ("",))
    }
    ours |= {rule.record for group in recording.groups(SITE) for rule in group.rules}
    for asked in ASKED:
        unknown = {name for name in metrics_in(asked.expr) if "callboard" in name} - ours
        assert not unknown, asked


def test_every_metric_of_callboards_is_on_some_board() -> None:
    shown = set().union(*(metrics_in(asked.expr) for asked in ASKED))
    recorded = {rule.record: rule.expr for group in recording.groups(SITE) for rule in group.rules}
    below = list(shown & set(recorded))
    while below:
        found = metrics_in(recorded[below.pop()]) - shown
        shown |= found
        below += found & set(recorded)
    exported_names = {family.exposed for family in exported.FAMILIES} | {
        {"counter": f"{family.name}_total", "info": f"{family.name}_info", "histogram": f"{family.name}_bucket"}.get(
            family.kind, family.name
        )
        for family in families.FAMILIES
    }
    assert exported_names - shown == set()


def test_legends_name_only_labels_that_the_query_keeps() -> None:
    for board, title, query in _panel_queries():
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            # What a recording rule or an exporter keeps is not written in the expression.
            kept = label in {"queue", "instance", "slave_ip", "state", "slo"}
            assert kept or re.search(rf"\b{label}\b", query.expr), f"{board.uid}: {title}: no label {label}"


def test_what_is_chosen_and_the_interval_are_put_in() -> None:
    expr = 'rate(a{queue=~"$queue",actor=~"${actor}"}[$__rate_interval]) + label_replace(b, "c", "$1", "d", "(.*)")'
    assert substitute(expr, "20s", queue="q") == (
        'rate(a{queue=~"q",actor=~".+"}[20s]) + label_replace(b, "c", "$1", "d", "(.*)")'
    )


def test_a_macro_that_nobody_has_thought_of_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\$__range is not put in"):
        substitute("rate(a[$__range])")


def test_queues_that_differ_have_each_their_own_number() -> None:
    usual = {name: QueueSpec(name=name) for name in ("a", "b.c")}
    assert divided(Catalogue(usual), "x", lambda spec: spec.slo_wait) == "x / 0.99"
    strict = {**usual, "b.c": replace_slo(usual["b.c"], 0.999)}
    expr = divided(Catalogue(strict), "x", lambda spec: spec.slo_wait)
    assert expr == (
        "x / on (queue) group_left () "
        '(0 * queue:callboard_queue_paused:max{queue!~"b[.]c"} + 0.99 '
        'or 0 * queue:callboard_queue_paused:max{queue=~"b[.]c"} + 0.999)'
    )
    promql_parser.parse(expr)
    for asked in queries(replace(SITE, catalogue=Catalogue(strict))):
        promql_parser.parse(asked.expr)


def replace_slo(spec: QueueSpec, wait: float) -> QueueSpec:
    return spec.model_copy(update={"slo_wait": wait})


def test_a_budget_is_what_the_objective_allows_and_a_matcher_chooses_queues() -> None:
    expr = budget.left(SITE.catalogue, "wait", 'queue="q"')
    assert expr == (
        '1 - (1 - avg_over_time(queue_slo:callboard_slo_met:rate5m{slo="wait",queue="q"}[30d]) '
        '/ avg_over_time(queue_slo:callboard_slo_eligible:rate5m{slo="wait",queue="q"}[30d])) / 0.01'
    )
