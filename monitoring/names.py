"""The names of metrics that an expression reads."""

from __future__ import annotations

import promql_parser


def metrics_in(expr: str) -> set[str]:
    """The names of all metrics in an expression of PromQL, recorded ones (with ``:``) included.

    Raises: ValueError for what is no expression, or chooses series by something else than a name.
    """
    names = set()

    def visit(node: promql_parser.Expr) -> None:
        selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selector, promql_parser.VectorSelector):
            if not selector.name:
                raise ValueError(f"a selector without a name in {expr!r}")
            names.add(selector.name)

    promql_parser.walk(promql_parser.parse(expr), visit)
    return names
