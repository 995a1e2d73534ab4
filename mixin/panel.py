"""The few kinds of panels there are, each with a description, a unit and words for when it is empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import logs as build_logs
from grafana_foundation_sdk.builders import loki, prometheus, tempo, text
from grafana_foundation_sdk.builders import stat as build_stat
from grafana_foundation_sdk.builders import table as build_table
from grafana_foundation_sdk.builders import timeseries as build_timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

from mixin.datasource import LOKI, PROMETHEUS, TEMPO

NO_TRAFFIC = "Nothing in this time range. Send traffic (LOAD_RATE), or widen the range."
NO_LOSS = "0"


class Builder(Protocol):
    """What all of the library's panels have in common."""

    def build(self) -> dashboard.Panel:
        """Return the panel."""
        ...


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel and the room it takes, in Grafana's grid of 24 columns."""

    builder: Builder
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL query and the name of its series in the legend."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """Values from which on a panel turns yellow and red; with `low_is_bad` it is red below `red`."""

    yellow: float
    red: float
    low_is_bad: bool = False

    def build(self) -> build.ThresholdsConfig:
        """Return the library's form."""
        if self.low_is_bad:
            colours = [("red", None), ("yellow", self.red), ("green", self.yellow)]
        else:
            colours = [("green", None), ("yellow", self.yellow), ("red", self.red)]
        steps = [dashboard.Threshold(value=value, color=colour) for colour, value in colours]
        return build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


NEUTRAL = build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps([dashboard.Threshold(color="blue")])


def timeseries(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    width: int = 8,
    height: int = 8,
    empty: str = NO_TRAFFIC,
    steps: Steps | None = None,
    stacked: bool = False,
    links: Sequence[build.DashboardLink] = (),
) -> Panel:
    """Draw values over time; queries of buckets show their exemplars, each a way to its trace."""
    legend = build_common.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
    tooltip = build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    panel = (
        build_timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .targets([*_targets(queries)])
        .unit(unit)
        .min(0)
        .no_value(empty)
        .fill_opacity(30 if stacked else 8)
        .line_width(1)
        .show_points(common.VisibilityMode.NEVER)
        .legend(legend)
        .tooltip(tooltip)
        .data_links(list(links))
        .links(list(links))
    )
    if stacked:
        panel.stacking(build_common.StackingConfig().mode(common.StackingMode.NORMAL))
    if steps:
        panel.thresholds(steps.build())
        panel.thresholds_style(build_common.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    return Panel(panel, width, height)


def stat(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    width: int = 4,
    height: int = 4,
    empty: str = "no data yet",
    steps: Steps | None = None,
    decimals: int | None = None,
    links: Sequence[build.DashboardLink] = (),
) -> Panel:
    """Show the newest value, large."""
    panel = (
        build_stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .targets([*_targets([query])])
        .unit(unit)
        .no_value(empty)
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .thresholds(steps.build() if steps else NEUTRAL)
        .links(list(links))
    )
    if decimals is not None:
        panel.decimals(decimals)
    return Panel(panel, width, height)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a query whose series each give one row's value.

    Attributes:
        title: Head of the column.
        expression: PromQL.
        unit: Of the values.
        steps: Colour the values.
    """

    title: str
    expression: str
    unit: str
    steps: Steps | None = None


def table(
    title: str,
    description: str,
    key: str,
    *columns: Column,
    width: int = 24,
    height: int = 8,
    empty: str = NO_TRAFFIC,
    links: Sequence[build.DashboardLink] = (),
) -> Panel:
    """Show one row for each value of a label, one column for each query."""
    refs = [chr(ord("A") + place) for place in range(len(columns))]
    targets = [
        prometheus.Dataquery()
        .expr(column.expression)
        .instant()
        .format(PromQueryFormat.TABLE)
        .ref_id(ref)
        .datasource(PROMETHEUS)
        for ref, column in zip(refs, columns, strict=True)
    ]
    panel = (
        build_table.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .targets([*targets])
        .no_value(empty)
        .with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            dashboard.DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
        )
    )
    for ref, column in zip(refs, columns, strict=True):
        panel.override_by_query(ref, _column(column))
    if links:
        panel.override_by_name(key, [dashboard.DynamicConfigValue("links", [link.build() for link in links])])
    return Panel(panel, width, height)


def logs(title: str, description: str, query: str, *, width: int = 24, height: int = 8) -> Panel:
    """Show log records; each has the way to its trace."""
    target = loki.Dataquery().expr(query).query_type("range").max_lines(200).ref_id("A").datasource(LOKI)
    panel = (
        build_logs.Panel()
        .title(title)
        .description(description)
        .datasource(LOKI)
        .targets([target])
        .no_value("No such log record in this time range.")
        .show_time(True)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(common.LogsSortOrder.DESCENDING)
    )
    return Panel(panel, width, height)


def traces(title: str, description: str, query: str, *, width: int = 24, height: int = 8) -> Panel:
    """List the traces that a TraceQL query finds."""
    target = (
        tempo.Dataquery()
        .query(query)
        .query_type("traceql")
        .limit(20)
        .table_type(SearchTableType.TRACES)
        .ref_id("A")
        .datasource(TEMPO)
    )
    panel = (
        build_table.Panel()
        .title(title)
        .description(description)
        .datasource(TEMPO)
        .targets([target])
        .no_value("No such trace in this time range.")
    )
    return Panel(panel, width, height)


def note(markdown: str, *, width: int = 24, height: int = 3) -> Panel:
    """Say something."""
    return Panel(text.Panel().transparent(True).content(markdown), width, height)


def _targets(queries: Sequence[Query]) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery()
        .expr(query.expression)
        .legend_format(query.legend or "__auto")
        .range()
        .exemplar("_bucket" in query.expression)
        .ref_id(chr(ord("A") + place))
        .datasource(PROMETHEUS)
        for place, query in enumerate(queries)
    ]


def _column(column: Column) -> list[dashboard.DynamicConfigValue]:
    properties = [
        dashboard.DynamicConfigValue("displayName", column.title),
        dashboard.DynamicConfigValue("unit", column.unit),
    ]
    if column.steps:
        properties += [
            dashboard.DynamicConfigValue("thresholds", column.steps.build().build()),
            dashboard.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
        ]
    return properties
