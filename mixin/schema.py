"""Say what is wrong with a dashboard's JSON before Grafana has to: shape, layout, ids, datasources, links."""

import re
from itertools import combinations
from typing import cast

from grafana_foundation_sdk.models.dashboard import Dashboard

from mixin.board import COLUMNS
from mixin.link import UIDS

DATASOURCES = frozenset(("prometheus", "loki", "tempo"))
_LINK = re.compile(r"/d/([\w-]+)")

Json = dict[str, object]


def problems(board: Json) -> list[str]:
    """Return what is wrong, each with the panel's title; nothing if all is well."""
    try:
        Dashboard.from_json(board)
    except (TypeError, KeyError, AttributeError, AssertionError, ValueError) as error:
        return [f"is no dashboard in classic form: {error!r}"]
    panels = cast("list[Json]", board.get("panels", []))
    return [
        *([] if board.get("uid") in UIDS.values() else [f"uid {board.get('uid')!r} is not one of link.UIDS"]),
        *_layout(panels),
        *(f"{_title(panel)}: {problem}" for panel in panels for problem in _panel(panel)),
        *(f"links to dashboard {uid!r}, which does not exist" for uid in _linked(board) if uid not in UIDS.values()),
    ]


def _layout(panels: list[Json]) -> list[str]:
    found = [
        f"{_title(one)} and {_title(other)} overlap" for one, other in combinations(panels, 2) if _overlap(one, other)
    ]
    found += [f"{_title(panel)} is wider than the page" for panel in panels if _right(panel) > COLUMNS]
    ids = [panel.get("id") for panel in panels]
    return [*found, *(f"id {each} is there twice" for each in sorted({str(i) for i in ids if ids.count(i) > 1}))]


def _panel(panel: Json) -> list[str]:
    if panel.get("type") in {"row", "text"}:
        return []
    found = [f"has no {key}" for key in ("title", "description") if not panel.get(key)]
    targets = cast("list[Json]", panel.get("targets", []))
    found += [] if targets else ["has no query"]
    for target in targets:
        uid = cast("Json", target.get("datasource") or {}).get("uid")
        found += [] if uid in DATASOURCES else [f"asks datasource {uid!r}, which is not provisioned"]
        found += [] if target.get("expr") or target.get("query") else ["has an empty query"]
        bucket = "_bucket" in str(target.get("expr", "")) and not target.get("instant")
        found += ["shows buckets without exemplars"] if bucket and not target.get("exemplar") else []
    defaults = cast("Json", cast("Json", panel.get("fieldConfig") or {}).get("defaults") or {})
    found += [] if defaults.get("noValue") else ["says nothing when it is empty"]
    return found


def _linked(board: Json) -> set[str]:
    return set(_LINK.findall(str(board)))


def _title(panel: Json) -> str:
    return f"{panel.get('title')!r}"


def _box(panel: Json) -> tuple[int, int, int, int]:
    grid = cast("dict[str, int]", panel.get("gridPos") or {})
    return grid.get("x", 0), grid.get("y", 0), grid.get("w", 0), grid.get("h", 0)


def _right(panel: Json) -> int:
    x, _, width, _ = _box(panel)
    return x + width


def _overlap(one: Json, other: Json) -> bool:
    x, y, w, h = _box(one)
    other_x, other_y, other_w, other_h = _box(other)
    return x < other_x + other_w and other_x < x + w and y < other_y + other_h and other_y < y + h
