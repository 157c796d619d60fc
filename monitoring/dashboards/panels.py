"""From our panels to Grafana's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from grafana_foundation_sdk.models import common, dashboard, prometheus

from monitoring.dashboards.model import Color, Column, Panel, Query, Step
from monitoring.dashboards.templating import DATASOURCE
from monitoring.dashboards.views import look

_INSTANT = ("stat", "table", "bargauge")

Words = Mapping[str, tuple[str, Color]]


def panel_model(panel: Panel, number: int, x: int, y: int) -> dashboard.Panel:
    """Grafana's panel: ``number`` is its id, ``x`` and ``y`` its place."""
    options, custom = look(panel)
    defaults = dashboard.FieldConfig(
        unit=panel.unit, decimals=panel.decimals, min_val=panel.low, max_val=panel.high, no_value=panel.empty,
        thresholds=_thresholds(panel.steps), mappings=_mappings(panel.words), color=_color(panel), custom=custom,
        links=[_link(panel.link)] if panel.link else [],
    )  # fmt: skip
    return dashboard.Panel(
        type_val=panel.kind, id_val=number, title=panel.title, description=panel.why, datasource=DATASOURCE,
        grid_pos=dashboard.GridPos(h=panel.height, w=panel.width, x=x, y=y),
        targets=[_target(panel, ref, query) for ref, query in zip(ascii_uppercase, panel.asked(), strict=False)],
        transformations=_transformations(panel), options=options,
        field_config=dashboard.FieldConfigSource(defaults=defaults, overrides=_overrides(panel)),
    )  # fmt: skip


def _target(panel: Panel, ref: str, query: Query) -> prometheus.Dataquery:
    formats = {"table": prometheus.PromQueryFormat.TABLE, "heatmap": prometheus.PromQueryFormat.HEATMAP}
    instant = panel.kind in _INSTANT
    return prometheus.Dataquery(
        ref_id=ref, expr=query.expr, legend_format=query.legend or "__auto", datasource=DATASOURCE,
        instant=instant, range_val=not instant, editor_mode=prometheus.QueryEditorMode.CODE,
        format_val=formats.get(panel.kind, prometheus.PromQueryFormat.TIME_SERIES),
        exemplar=panel.exemplars and not instant,
    )  # fmt: skip


def _thresholds(steps: Sequence[Step]) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=step.value, color=step.color) for step in steps or (Step(None, "green"),)],
    )


def _mappings(words: Words) -> list[dashboard.ValueMapping]:
    if not words:
        return []
    results = {
        value: dashboard.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(words.items())
    }
    return [dashboard.ValueMap(options=results)]


def _color(panel: Panel) -> dashboard.FieldColor:
    by_value = panel.kind != "timeseries"
    mode = dashboard.FieldColorModeId.THRESHOLDS if by_value else dashboard.FieldColorModeId.PALETTE_CLASSIC
    return dashboard.FieldColor(mode=mode)


def _link(url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title="Look closer", url=url, type_val=dashboard.DashboardLinkType.LINK)


def _transformations(panel: Panel) -> list[dashboard.DataTransformerConfig]:
    """Of a table: one row from the rows of all queries, without the time, in the order of our columns."""
    if panel.table is None:
        return []
    titles = [column.query.legend for column in panel.table.columns]
    refs = ascii_uppercase[: len(titles)]
    values = ["Value"] if len(titles) == 1 else [f"Value #{ref}" for ref in refs]
    names = dict(panel.table.keys) | dict(zip(values, titles, strict=True))
    return [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True}, "includeByName": {}, "renameByName": names,
                "indexByName": {name: place for place, name in enumerate(names)},
            },
        ),
    ]  # fmt: skip


def _overrides(panel: Panel) -> list[dashboard.DashboardFieldConfigSourceOverrides]:
    if panel.table is None:
        return [_limit_line(query) for query in panel.queries if query.limit]
    first = next(iter(panel.table.keys.values()))
    linked = [_override(first, {"links": [_link(panel.table.link)]})] if panel.table.link else []
    return linked + [_column(column) for column in panel.table.columns]


def _limit_line(query: Query) -> dashboard.DashboardFieldConfigSourceOverrides:
    """Whatever its legend's labels are: the fixed part of the legend tells a limit from the others."""
    fixed = query.legend.rpartition("}}")[2].strip()
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byRegexp", options=f"/{fixed}$/"),
        properties=_properties({
            "custom.lineStyle": common.LineStyle(fill="dash", dash=[10, 10]),
            "custom.fillOpacity": 0,
            "custom.lineWidth": 2,
            "color": dashboard.FieldColor(mode=dashboard.FieldColorModeId.FIXED, fixed_color="red"),
        }),
    )  # fmt: skip


def _column(column: Column) -> dashboard.DashboardFieldConfigSourceOverrides:
    # What the panel says when it is empty would stand in each empty cell.
    set_to: dict[str, object] = {"unit": column.unit, "noValue": "–"}
    if column.decimals is not None:
        set_to["decimals"] = column.decimals
    if column.words:
        set_to["mappings"] = _mappings(column.words)
    if column.steps:
        set_to["thresholds"] = _thresholds(column.steps)
    if column.steps or column.words:
        set_to["custom.cellOptions"] = common.TableColoredBackgroundCellOptions(
            mode=common.TableCellBackgroundDisplayMode.BASIC
        )
    return _override(column.query.legend, set_to)


def _override(name: str, set_to: Mapping[str, object]) -> dashboard.DashboardFieldConfigSourceOverrides:
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=name), properties=_properties(set_to)
    )


def _properties(set_to: Mapping[str, object]) -> list[dashboard.DynamicConfigValue]:
    return [dashboard.DynamicConfigValue(id_val=name, value=value) for name, value in set_to.items()]
