"""Place the nodes of a map in layers, from callers down to called."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

SWEEPS = 6

N = TypeVar("N")


def layers(nodes: Sequence[N], edges: Iterable[tuple[N, N]]) -> list[list[N]]:
    """Return the nodes by layer: as far down as the longest way to them, edges that close a circle left out.

    Within a layer a node stands near those it is connected with.
    """
    forward = _without_circles(nodes, edges)
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:  # the longest path has at most as many edges as there are nodes
        changed = False
        for source, targets in forward.items():
            for target in targets:
                if depth[target] < depth[source] + 1:
                    depth[target], changed = depth[source] + 1, True
        if not changed:
            break
    rows = [[node for node in nodes if depth[node] == level] for level in range(max(depth.values(), default=-1) + 1)]
    return _ordered(rows, forward)


def _without_circles(nodes: Sequence[N], edges: Iterable[tuple[N, N]]) -> dict[N, list[N]]:
    """Walk depth first from the nodes nobody calls; an edge back to a node on the way closes a circle."""
    targets = dict[N, list[N]]()
    called = set[N]()
    for source, target in edges:
        if source != target:
            targets.setdefault(source, []).append(target)
            called.add(target)
    kept = {node: list[N]() for node in nodes}
    state = dict[N, str]()
    for node, following in targets.items():
        following.sort(key=lambda one: -len(targets.get(one, ())))  # first who calls most: the way things usually go
        targets[node] = following
    for first in sorted(nodes, key=lambda node: node in called):
        if first in state:
            continue
        state[first] = "open"
        way = [(first, iter(targets.get(first, ())))]
        while way:
            node, pending = way[-1]
            target = next(pending, None)
            if target is None:
                state[node] = "done"
                way.pop()
            elif state.get(target) != "open":
                kept[node].append(target)
                if target not in state:
                    state[target] = "open"
                    way.append((target, iter(targets.get(target, ()))))
    return kept


def _ordered(rows: list[list[N]], forward: Mapping[N, Sequence[N]]) -> list[list[N]]:
    """Sort each layer by the mean place of its neighbours in the layers beside it, back and forth."""
    neighbours = dict[N, list[N]]()
    for source, targets in forward.items():
        for target in targets:
            neighbours.setdefault(source, []).append(target)
            neighbours.setdefault(target, []).append(source)
    for sweep in range(SWEEPS):
        place = {node: (index + 0.5) / len(row) for row in rows for index, node in enumerate(row)}
        for row in rows if sweep % 2 else reversed(rows):
            mean = {node: _mean([place[one] for one in neighbours.get(node, ())], place[node]) for node in row}
            row.sort(key=mean.__getitem__)
            place |= {node: (index + 0.5) / len(row) for index, node in enumerate(row)}
    return rows


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default
