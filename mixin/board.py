"""A dashboard: rows of panels laid out from left to right, variables, and links to its neighbours."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from mixin import link, names
from mixin.datasource import PROMETHEUS
from mixin.panel import Panel
from mixin.promql import like, select

COLUMNS = 24
ANY_SERVICE = ".+"
"""Loki refuses a selector that the empty text passes."""
ANY = ".*"
"""A service without a version is still one of all."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; they wrap where 24 columns are full."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the dashboard's head.

    Attributes:
        name: As queries write it, after `$`.
        label: As people read it.
        query: A `label_values(...)`.
        any_value: What `All` stands for, as a regular expression.
    """

    name: str
    label: str
    query: str
    any_value: str = ANY


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Attributes:
        name: Key in `link.UIDS`, and the file's name.
        title: Head of the page.
        description: What questions it answers.
        rows: From top to bottom.
        variables: From left to right.
        neighbours: Names of the dashboards that its head links to.
    """

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    neighbours: tuple[str, ...] = tuple(link.UIDS)

    def json(self) -> str:
        """Write the dashboard as Grafana's classic JSON."""
        built = JSONEncoder().encode(self._build())
        return json.dumps(_plain(json.loads(built)), indent=2, ensure_ascii=False) + "\n"

    def _build(self) -> dashboard.Dashboard:
        board = (
            build.Dashboard(self.title)
            .uid(link.UIDS[self.name])
            .description(self.description)
            .tags(["clew"])
            .readonly()
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .time("now-30m", "now")
            .refresh("10s")
            .timezone("browser")
            .links([_neighbour(name) for name in self.neighbours if name != self.name])
            .variables([_variable(variable) for variable in self.variables])
        )
        built = board.build()
        built.panels = list(_laid_out(self.rows))
        return built


def service_variables(metric: str) -> tuple[Variable, ...]:
    """Let people choose service, version and instance among those that have a metric."""
    service = like(names.SERVICE, "$service")
    version = like(names.VERSION, "$version")
    return (
        Variable("service", "Service", f"label_values({metric}, {names.SERVICE})", ANY_SERVICE),
        Variable("version", "Version", f"label_values({select(metric, service)}, {names.VERSION})"),
        Variable("instance", "Instance", f"label_values({select(metric, service, version)}, {names.INSTANCE})"),
    )


CHOSEN = (like(names.SERVICE, "$service"), like(names.VERSION, "$version"), like(names.INSTANCE, "$instance"))
"""Matchers of what `service_variables` let people choose."""


def _variable(variable: Variable) -> build.QueryVariable:
    return (
        build.QueryVariable(variable.name)
        .label(variable.label)
        .query(variable.query)
        .datasource(PROMETHEUS)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(variable.any_value)
        .current(dashboard.VariableOption(text="All", value="$__all", selected=True))
    )


def _neighbour(name: str) -> build.DashboardLink:
    title = name.capitalize() if name != "slo" else "SLO"
    return (
        build.DashboardLink(title)
        .type(dashboard.DashboardLinkType.LINK)
        .url(f"/d/{link.UIDS[name]}")
        .keep_time(True)
        .include_vars(True)
        .icon("dashboard")
    )


def _laid_out(rows: Sequence[Row]) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    numbers = iter(range(1, 1000))
    y = 0
    for row in rows:
        yield _heading(row.title, next(numbers), y)
        y += 1
        panels, y = _flow(row.panels, y, lambda: next(numbers))
        yield from panels


def _heading(title: str, number: int, y: int) -> dashboard.RowPanel:
    heading = build.Row(title).build()
    heading.id_val = number
    heading.grid_pos = dashboard.GridPos(h=1, w=COLUMNS, x=0, y=y)
    return heading


def _flow(panels: Sequence[Panel], y: int, number: Callable[[], int]) -> tuple[list[dashboard.Panel], int]:
    """Place panels from left to right, a new line where the next does not fit; return the first free line too."""
    placed: list[dashboard.Panel] = []
    x = height = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, height = 0, y + height, 0
        built = panel.builder.build()
        built.id_val = number()
        built.grid_pos = dashboard.GridPos(h=panel.height, w=panel.width, x=x, y=y)
        placed.append(built)
        x, height = x + panel.width, max(height, panel.height)
    return placed, y + height


def _plain(board: dict[str, object]) -> dict[str, object]:
    """Take out what the library adds unasked: it moves every link into a menu."""
    return {key: _without_placement(value) for key, value in board.items()}


def _without_placement(value: object) -> object:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value)
        return {key: _without_placement(each) for key, each in items.items() if each != _MENU}
    if isinstance(value, list):
        return [_without_placement(each) for each in cast("list[object]", value)]
    return value


_MENU = "inControlsMenu"
