"""How each kind of panel looks: Grafana's options for it, and its fields' own ones."""

from __future__ import annotations

from collections.abc import Callable

from grafana_foundation_sdk.models import bargauge, common, heatmap, stat, statetimeline, table, timeseries

from monitoring.dashboards.model import Kind, Panel

#: A panel's options, and what is set for each of its fields.
Look = tuple[object, object | None]

_LAST = common.ReduceDataOptions(calcs=["lastNotNull"], fields="", values=False)


def look(panel: Panel) -> Look:
    """The options of ``panel`` and its fields' custom options, None where its kind has none."""
    return _LOOKS[panel.kind](panel)


def _stat(panel: Panel) -> Look:
    colored = common.BigValueColorMode.BACKGROUND if len(panel.steps) > 1 else common.BigValueColorMode.VALUE
    several = len(panel.queries) > 1 or "{{" in panel.queries[0].legend
    text = common.BigValueTextMode.VALUE_AND_NAME if several else common.BigValueTextMode.VALUE
    return (
        stat.Options(
            graph_mode=common.BigValueGraphMode.NONE, color_mode=colored, reduce_options=_LAST,
            text_mode=common.BigValueTextMode.NAME if panel.named else text,
            justify_mode=common.BigValueJustifyMode.AUTO, orientation=common.VizOrientation.AUTO,
        ),
        None,
    )  # fmt: skip


def _timeseries(panel: Panel) -> Look:
    legend = common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.TABLE, placement=common.LegendPlacement.BOTTOM, show_legend=True,
        calcs=["lastNotNull", "max"], sort_by="Last *", sort_desc=True,
    )  # fmt: skip
    tooltip = common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING)
    lines = common.GraphThresholdsStyleMode.DASHED if panel.lines else common.GraphThresholdsStyleMode.OFF
    stacking = common.StackingMode.NORMAL if panel.stacked else common.StackingMode.NONE
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.BARS if panel.bars else common.GraphDrawStyle.LINE,
        line_width=1, fill_opacity=40 if panel.stacked or panel.bars else 8,
        show_points=common.VisibilityMode.NEVER, span_nulls=False,
        stacking=common.StackingConfig(mode=stacking, group="A"),
        thresholds_style=common.GraphThresholdsStyleConfig(mode=lines),
    )  # fmt: skip
    return timeseries.Options(legend=legend, tooltip=tooltip), custom


def _table(panel: Panel) -> Look:
    sort = panel.table.sort if panel.table else ""
    return (
        table.Options(
            show_header=True, cell_height=common.TableCellHeight.SM,
            sort_by=[common.TableSortByFieldState(display_name=sort, desc=True)] if sort else [],
            footer=common.TableFooterOptions(show=False, reducer=["sum"], count_rows=False),
        ),
        common.TableFieldOptions(
            align=common.FieldTextAlignment.AUTO, cell_options=common.TableAutoCellOptions(), inspect=False,
        ),
    )  # fmt: skip


def _bargauge(_: Panel) -> Look:
    return (
        bargauge.Options(
            display_mode=common.BarGaugeDisplayMode.BASIC, orientation=common.VizOrientation.HORIZONTAL,
            reduce_options=_LAST, value_mode=common.BarGaugeValueMode.COLOR, show_unfilled=True,
            legend=common.VizLegendOptions(
                display_mode=common.LegendDisplayMode.LIST, placement=common.LegendPlacement.BOTTOM, calcs=[],
            ),
        ),
        None,
    )  # fmt: skip


def _heatmap(panel: Panel) -> Look:
    return (
        heatmap.Options(
            calculate=False, cell_gap=1, show_value=common.VisibilityMode.NEVER,
            color=heatmap.HeatmapColorOptions(
                mode=heatmap.HeatmapColorMode.SCHEME, scheme="Oranges", fill="dark-orange",
                scale=heatmap.HeatmapColorScale.EXPONENTIAL, exponent=0.5, steps=64,
            ),
            y_axis=heatmap.YAxisConfig(unit=panel.unit, axis_placement=common.AxisPlacement.LEFT),
            rows_frame=heatmap.RowsHeatmapOptions(layout=common.HeatmapCellLayout.AUTO),
            cell_values=heatmap.CellValues(unit="short"), filter_values=heatmap.FilterValueRange(le=1e-9),
            legend=heatmap.HeatmapLegend(show=True), exemplars=heatmap.ExemplarConfig(color="rgba(255,0,255,0.7)"),
            tooltip=heatmap.HeatmapTooltip(
                mode=common.TooltipDisplayMode.SINGLE, y_histogram=True, show_color_scale=True,
            ),
        ),
        heatmap.FieldConfig(scale_distribution=common.ScaleDistributionConfig(type_val=common.ScaleDistribution.LINEAR)),
    )  # fmt: skip


def _state_timeline(_: Panel) -> Look:
    return (
        statetimeline.Options(
            show_value=common.VisibilityMode.NEVER, row_height=0.8, merge_values=True, per_page=20,
            align_value=common.TimelineValueAlignment.LEFT,
            legend=common.VizLegendOptions(
                display_mode=common.LegendDisplayMode.LIST, placement=common.LegendPlacement.BOTTOM, show_legend=False,
                calcs=[],
            ),
            tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.SINGLE, sort=common.SortOrder.NONE),
        ),
        statetimeline.FieldConfig(line_width=0, fill_opacity=80),
    )  # fmt: skip


_LOOKS: dict[Kind, Callable[[Panel], Look]] = {
    "stat": _stat,
    "timeseries": _timeseries,
    "table": _table,
    "bargauge": _bargauge,
    "heatmap": _heatmap,
    "state-timeline": _state_timeline,
}
