"""The map: services, queues and databases, and the calls between them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clew_console.search.service_map import Edge, NodeName, service_map
from clew_console.search.time_range import TimeRange
from clew_console.web.graph_layout import layers
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
LANE_TEXT = 14
"""Texts of neighbouring lanes stand below each other."""
MAX_NAME_CHARACTERS = 19
TEXT_SHIFT = 0.22

Place = tuple[float, float]


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
    drawn = [_edge(view, edge, places, lanes, seconds) for edge in found.edges]
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
    return Page("map.html", {"nodes": boxes, "edges": drawn, **size, "sorted_edges": sorted(drawn, key=_gravity)})


def _gravity(one: DrawnEdge) -> tuple[float, int]:
    return (-one.edge.total.error_share, -one.edge.total.requests)


def _place(row: Sequence[NodeName], index: int, level: int, width: float) -> Place:
    return width / 2 + (index - (len(row) - 1) / 2) * COLUMN, MARGIN + NODE_HEIGHT / 2 + level * ROW


def _lanes(edges: Sequence[Edge], places: Mapping[NodeName, Place]) -> dict[tuple[NodeName, NodeName], int]:
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


def _edge(
    view: View,
    edge: Edge,
    places: Mapping[NodeName, Place],
    lanes: Mapping[tuple[NodeName, NodeName], int],
    seconds: float,
) -> DrawnEdge:
    lane = lanes.get((edge.source, edge.target), 0)
    path, x, y = _curve(places[edge.source], places[edge.target], _right(places, edge), lane)
    if (edge.source, edge.target) in lanes:
        y += LANE_TEXT * (lane - len(lanes) / 2)
    else:
        x += TEXT_SHIFT * _towards_single(places, edge)
    total = edge.total
    failed = f"{percent_text(total.error_share)} failed" if total.errors else ""
    text = f"{rate_text(total.requests / seconds)} · {duration_text(total.p95_ns)}"
    ends = f"{edge.source[1]} to {edge.target[1]}"
    title = f"{ends}: {total.requests} calls, p95 {duration_text(total.p95_ns)}" + (f", {failed}" if failed else "")
    width = round(1.2 + math.log10(1 + total.requests / seconds) * 1.6, 2)
    return DrawnEdge(edge, path, x, y, width, text, failed, title, _edge_link(view, edge))


def _right(places: Mapping[NodeName, Place], edge: Edge) -> float:
    """Return the right end of all boxes of the layers from one end to the other."""
    top, bottom = sorted((places[edge.source][1], places[edge.target][1]))
    return max(x for x, y in places.values() if top <= y <= bottom) + NODE_WIDTH / 2


def _towards_single(places: Mapping[NodeName, Place], edge: Edge) -> float:
    """Return how far to move the text towards the queue or database, where fewer lines meet than at a service."""
    (x1, _), (x2, _) = places[edge.source], places[edge.target]
    if edge.target[0] != "service":
        return x2 - x1
    return x1 - x2 if edge.source[0] != "service" else 0.0


def _curve(source: Place, target: Place, right: float, lane: int) -> tuple[str, float, float]:
    """Return the path and where its text stands.

    Downwards it goes from box to box, around the boxes of layers between; upwards around the right side.
    """
    (x1, y1), (x2, y2), half = source, target, NODE_HEIGHT / 2
    if y2 > y1:
        top, bottom = y1 + half, y2 - half - 5
        bow = 0.0 if y2 - y1 <= ROW else 0.75 * COLUMN if x2 > x1 else -0.75 * COLUMN
        middle = (top + bottom) / 2
        path = f"M{x1:.1f} {top:.1f}C{x1 + bow:.1f} {middle:.1f} {x2 + bow:.1f} {middle:.1f} {x2:.1f} {bottom:.1f}"
        return path, (x1 + x2) / 2 + 0.75 * bow, middle
    bulge = right + BACK_BULGE + LANE * lane
    start, end = x1 + NODE_WIDTH / 2, x2 + NODE_WIDTH / 2 + 5
    path = f"M{start:.1f} {y1:.1f}C{bulge:.1f} {y1:.1f} {bulge:.1f} {y2:.1f} {end:.1f} {y2:.1f}"
    return path, (start + end + 6 * bulge) / 8, (y1 + y2) / 2


def _edge_link(view: View, edge: Edge) -> str:
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
