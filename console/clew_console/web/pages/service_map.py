"""The map: services, queues and databases, and the calls between them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clew_console.search.service_map import Edge, NodeName, service_map
from clew_console.search.time_range import TimeRange
from clew_console.web.graph_curve import Curve, Grid, Point
from clew_console.web.graph_layout import layers
from clew_console.web.graph_text import Box, text_places
from clew_console.web.links import joined, of_service, quoted
from clew_console.web.page import Page, View
from clew_console.web.text import duration_text, percent_text, rate_text

NODE_WIDTH = 148
NODE_HEIGHT = 34
COLUMN = 196
ROW = 104
MARGIN = 24
BACK_BULGE = 60
LANE = 34
MAX_NAME_CHARACTERS = 19
GRID = Grid(NODE_WIDTH, NODE_HEIGHT, COLUMN, ROW)

Places = Mapping[NodeName, Point]


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node with its place: the middle."""

    kind: str
    name: str
    x: float
    y: float
    href: str
    errors: int

    @property
    def label(self) -> str:
        """The name, cut to its box."""
        system, slash, path = self.name.rpartition("/")
        name = f"{system.partition(' ')[0]} {path}" if slash and self.kind == "database" else self.name
        most = MAX_NAME_CHARACTERS - 2 * (self.kind == "database")
        return name if len(name) <= most else name[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """An edge with its curve, and where its text stands."""

    edge: Edge
    path: str
    x: float
    y: float
    width: float
    text: str
    failed: str
    title: str
    href: str


def page(view: View) -> Page:
    """The map of the time, and the same as a table."""
    found = service_map(view.directory, TimeRange(view.period.start_ns, view.period.end_ns))
    seconds = max((view.period.end_ns - view.period.start_ns) / 1e9, 1)
    connected = {node for edge in found.edges for node in (edge.source, edge.target)}
    nodes = [one for one in found.nodes if (one.kind, one.name) in connected]
    rows = layers([(one.kind, one.name) for one in nodes], [(edge.source, edge.target) for edge in found.edges])
    width = max((len(row) for row in rows), default=1) * COLUMN + 2 * MARGIN
    places = {
        node: _place(row, index, level, width) for level, row in enumerate(rows) for index, node in enumerate(row)
    }
    lanes = _lanes(found.edges, places)
    drawn = _edges(view, sorted(found.edges, key=_gravity), places, lanes, seconds)
    boxes = [
        DrawnNode(one.kind, one.name, *places[one.kind, one.name], _node_link(view, one.kind, one.name), one.errors)
        for one in nodes
    ]
    size = {
        "width": width + BACK_BULGE + LANE * len(lanes),
        "height": len(rows) * ROW - ROW + NODE_HEIGHT + 2 * MARGIN,
        "node_width": NODE_WIDTH,
        "node_height": NODE_HEIGHT,
    }
    return Page("map.html", {"nodes": boxes, "edges": drawn, **size})


def _gravity(edge: Edge) -> tuple[float, int]:
    return (-edge.total.error_share, -edge.total.requests)


def _place(row: Sequence[NodeName], index: int, level: int, width: float) -> Point:
    return width / 2 + (index - (len(row) - 1) / 2) * COLUMN, MARGIN + NODE_HEIGHT / 2 + level * ROW


def _lanes(edges: Sequence[Edge], places: Places) -> dict[tuple[NodeName, NodeName], int]:
    """Give each edge that goes up a lane of its own on the right, the shortest the innermost."""
    up = [edge for edge in edges if places[edge.target][1] <= places[edge.source][1]]
    up.sort(key=lambda edge: places[edge.source][1] - places[edge.target][1])
    return {(edge.source, edge.target): lane for lane, edge in enumerate(up)}


def _node_link(view: View, kind: str, name: str) -> str:
    if kind == "service":
        return view.link("/traces", q=joined(of_service(name)))
    if kind == "queue":
        return view.link("/traces", q=joined(f"span.messaging.destination.name = {quoted(name)}"))
    return view.link("/traces", q=joined("kind = client"))


def _edges(
    view: View,
    edges: Sequence[Edge],
    places: Places,
    lanes: Mapping[tuple[NodeName, NodeName], int],
    seconds: float,
) -> list[DrawnEdge]:
    """Draw the edges; those before others have the better places for their texts."""
    curves = [_curve(edge, places, lanes) for edge in edges]
    failures = [f"{percent_text(edge.total.error_share)} failed" if edge.total.errors else "" for edge in edges]
    texts = [failed or _text(edge, seconds) for edge, failed in zip(edges, failures, strict=True)]
    boxes = [Box(x, y, NODE_WIDTH, NODE_HEIGHT) for x, y in places.values()]
    spots = text_places(list(zip(curves, texts, strict=True)), boxes)
    return [
        DrawnEdge(edge, curve.path, *spot, _width(edge, seconds), text, failed, _title(edge, failed), _link(view, edge))
        for edge, curve, spot, text, failed in zip(edges, curves, spots, texts, failures, strict=True)
    ]


def _text(edge: Edge, seconds: float) -> str:
    return f"{rate_text(edge.total.requests / seconds)} · {duration_text(edge.total.p95_ns)}"


def _width(edge: Edge, seconds: float) -> float:
    return round(1.2 + math.log10(1 + edge.total.requests / seconds) * 1.6, 2)


def _title(edge: Edge, failed: str) -> str:
    ends, total = f"{edge.source[1]} to {edge.target[1]}", edge.total
    return f"{ends}: {total.requests} calls, p95 {duration_text(total.p95_ns)}" + (f", {failed}" if failed else "")


def _curve(edge: Edge, places: Places, lanes: Mapping[tuple[NodeName, NodeName], int]) -> Curve:
    source, target = places[edge.source], places[edge.target]
    lane = lanes.get((edge.source, edge.target))
    if lane is None:
        return GRID.down(source, target)
    right = _right(places, edge) + BACK_BULGE + LANE * lane
    return GRID.up(
        source,
        target,
        right,
        leaves_above=_has_neighbour(places, source),
        enters_above=_has_neighbour(places, target),
    )


def _right(places: Places, edge: Edge) -> float:
    """Return the right end of all boxes of the layers from one end to the other."""
    top, bottom = sorted((places[edge.source][1], places[edge.target][1]))
    return max(x for x, y in places.values() if top <= y <= bottom) + NODE_WIDTH / 2


def _has_neighbour(places: Places, place: Point) -> bool:
    """Tell whether a box stands right of this one, in its layer."""
    return any(y == place[1] and x > place[0] for x, y in places.values())


def _link(view: View, edge: Edge) -> str:
    """Lead to the traces with this call, to the failed ones where it fails."""
    failed = "status = error" if edge.total.errors else ""
    if "queue" in {edge.source[0], edge.target[0]}:
        queue, service, kind = (
            (edge.target, edge.source, "producer")
            if edge.target[0] == "queue"
            else (edge.source, edge.target, "consumer")
        )
        about = f"span.messaging.destination.name = {quoted(queue[1])}"
        return view.link("/traces", q=joined(of_service(service[1]), f"kind = {kind}", about, failed))
    if edge.target[0] == "service":
        return view.link("/traces", q=joined(of_service(edge.target[1]), "kind = server", failed))
    return view.link("/traces", q=joined(of_service(edge.source[1]), "kind = client", failed))
