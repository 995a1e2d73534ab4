"""Where the texts of a map's edges stand: each on its curve, where it covers the least."""

from collections.abc import Sequence
from dataclasses import dataclass

from clew_console.web.graph_curve import Curve, Point

PARTS = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
"""Of the way, the best first."""
SAMPLES = 24
CHARACTER_WIDTH, TEXT_HEIGHT = 6.2, 14.0
TEXT_COST, BOX_COST, LINE_COST = 10.0, 10.0, 1.0
"""Of covering another text, a box, or a point of another line."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around its middle."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        """Tell whether they share any area."""
        return (
            abs(self.x - other.x) * 2 < self.width + other.width
            and abs(self.y - other.y) * 2 < self.height + other.height
        )

    def holds(self, point: Point) -> bool:
        """Tell whether the point is inside."""
        return abs(point[0] - self.x) * 2 < self.width and abs(point[1] - self.y) * 2 < self.height


def text_places(texts: Sequence[tuple[Curve, str]], boxes: Sequence[Box]) -> list[Point]:
    """Return the middle of each text; the first ones choose first.

    Args:
        texts: Each with the curve it stands on.
        boxes: What is not to be covered.
    """
    lines = [[curve.at(number / SAMPLES) for number in range(SAMPLES + 1)] for curve, _ in texts]
    placed = list[Box]()
    for index, (curve, text) in enumerate(texts):
        others = [point for number, line in enumerate(lines) if number != index for point in line]
        size = (CHARACTER_WIDTH * len(text), TEXT_HEIGHT)
        candidates = [Box(*curve.at(part), *size) for part in PARTS]
        placed.append(min(candidates, key=lambda box: _cost(box, placed, boxes, others)))
    return [(box.x, box.y) for box in placed]


def _cost(box: Box, texts: Sequence[Box], boxes: Sequence[Box], points: Sequence[Point]) -> float:
    return (
        TEXT_COST * sum(map(box.overlaps, texts))
        + BOX_COST * sum(map(box.overlaps, boxes))
        + LINE_COST * sum(map(box.holds, points))
    )
