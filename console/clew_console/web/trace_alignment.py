"""Two traces of one operation side by side: the same spans found by their way from the root."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clew_console.web.waterfall import Row, Waterfall


@dataclass(frozen=True, slots=True)
class Aligned:
    """A span as each trace has it; None where one has no such span."""

    service: str
    name: str
    depth: int
    left: Row | None
    right: Row | None

    @property
    def difference_ns(self) -> int | None:
        """How much longer it took on the right."""
        if self.left is None or self.right is None:
            return None
        return self.right.duration_ns - self.left.duration_ns


def align(left: Waterfall, right: Waterfall) -> list[Aligned]:
    """Return the spans in order of the left trace, those of the right alone after their parent's others."""
    return list(_merge(_tops(left.rows), _tops(right.rows), _below(left.rows), _below(right.rows), 0))


def _tops(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.depth == 0]


def _below(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found = dict[str, list[Row]]()
    for row in rows:
        if row.depth:
            found.setdefault(row.parent_id, []).append(row)
    return found


def _merge(
    left: Sequence[Row],
    right: Sequence[Row],
    below_left: dict[str, list[Row]],
    below_right: dict[str, list[Row]],
    depth: int,
) -> Iterator[Aligned]:
    waiting = list(right)
    pairs = list[tuple[Row | None, Row | None]]()
    for row in left:
        twin = next((one for one in waiting if (one.service, one.name) == (row.service, row.name)), None)
        if twin is not None:
            waiting.remove(twin)
        pairs.append((row, twin))
    pairs += [(None, row) for row in waiting]
    for one, other in pairs:
        known = one or other
        if known is not None:
            yield Aligned(known.service, known.name, depth, one, other)
            children = (
                below_left.get(one.span_id, ()) if one else (),
                below_right.get(other.span_id, ()) if other else (),
            )
            yield from _merge(*children, below_left, below_right, depth + 1)
