// What a dashboard's JSON must be: Grafana's `Dashboard`, and below it, where that type says "anything", what each kind of
// panel, a Prometheus query and a Prometheus annotation are made of.

import type { AnnotationQuery, Dashboard, DataQuery, FieldConfig, FieldConfigSource, Panel, RowPanel } from "@grafana/schema";
import type * as bargauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.d.ts";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen.d.ts";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as timeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.d.ts";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";

// JSON has no enums: where Grafana's types have one, the text of any of its members will do.
export type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends (infer Item)[]
      ? Plain<Item>[]
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

// Not in @grafana/schema: packages/grafana-prometheus/src/dataquery.ts of Grafana 11.6.
interface PrometheusQuery extends DataQuery {
  expr: string;
  instant?: boolean;
  range?: boolean;
  exemplar?: boolean;
  editorMode?: "code" | "builder";
  format?: "time_series" | "table" | "heatmap";
  legendFormat?: string;
  interval?: string;
}

// The same: packages/grafana-prometheus/src/annotations.ts.
interface PrometheusAnnotation extends AnnotationQuery<PrometheusQuery> {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
}

type Custom<Own> = Omit<FieldConfigSource, "defaults"> & { defaults: Omit<FieldConfig, "custom"> & { custom?: Own } };

type Kind<Type extends string, Options, Own> = Omit<Panel, "type" | "options" | "fieldConfig" | "targets"> & {
  type: Type;
  options: Options;
  fieldConfig: Custom<Own>;
  targets: PrometheusQuery[];
};

type KnownPanel =
  | Kind<"bargauge", bargauge.Options, never>
  | Kind<"heatmap", heatmap.Options, heatmap.FieldConfig>
  | Kind<"stat", stat.Options, never>
  | Kind<"state-timeline", timeline.Options, timeline.FieldConfig>
  | Kind<"table", table.Options, table.FieldConfig>
  | Kind<"timeseries", timeseries.Options, timeseries.FieldConfig>;

type Strict = Omit<Dashboard, "panels" | "annotations"> & {
  panels: (KnownPanel | RowPanel)[];
  annotations: { list: PrometheusAnnotation[] };
};

// By Grafana's own type alone. Its annotations forbid what Prometheus' annotations are made of, so they are left out.
export type GrafanaDashboard = Plain<Omit<Dashboard, "annotations">>;
export type CallboardDashboard = Plain<Strict>;
