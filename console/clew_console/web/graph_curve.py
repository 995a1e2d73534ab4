"""The curves of a map's edges: down from box to box, and up around the right side of what is between."""

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """A cubic Bézier curve: start, two points it bends towards, end."""

    start: Point
    first: Point
    second: Point
    end: Point

    @property
    def path(self) -> str:
        """Return it as SVG writes it."""
        points = (self.start, self.first, self.second, self.end)
        start, *others = (f"{x:.1f} {y:.1f}" for x, y in points)
        return f"M{start}C{' '.join(others)}"

    def at(self, part: float) -> Point:
        """Return the point at a part of the way, 0 to 1."""
        rest = 1 - part
        weights = (rest**3, 3 * rest * rest * part, 3 * rest * part * part, part**3)
        points = (self.start, self.first, self.second, self.end)
        x, y = (sum(weight * point[axis] for weight, point in zip(weights, points, strict=True)) for axis in (0, 1))
        return x, y


@dataclass(frozen=True, slots=True)
class Grid:
    """How large boxes are and how far apart; the points are their middles."""

    width: float
    height: float
    column: float
    row: float
    arrow: float = 5

    def down(self, source: Point, target: Point) -> Curve:
        """Lead from below the source to above the target, around the boxes of layers between."""
        (x1, y1), (x2, y2) = source, target
        top, bottom = y1 + self.height / 2, y2 - self.height / 2 - self.arrow
        bow = 0.0 if y2 - y1 <= self.row else 0.75 * self.column if x2 > x1 else -0.75 * self.column
        middle = (top + bottom) / 2
        return Curve((x1, top), (x1 + bow, middle), (x2 + bow, middle), (x2, bottom))

    def up(self, source: Point, target: Point, right: float, *, leaves_above: bool, enters_above: bool) -> Curve:
        """Lead around the right side, as far as `right`; over the boxes that stand right of source or target."""
        (x1, y1), (x2, y2), side, corner = source, target, self.width / 2, self.width / 2 - 14
        over = 0.62 * self.row
        start, first = ((x1 + side, y1), (right, y1))
        if leaves_above:
            start, first = (x1 + corner, y1 - self.height / 2), (right, y1 - over)
        second, end = (right, y2), (x2 + side + self.arrow, y2)
        if enters_above:
            second, end = (right, max(y2 - over, 0)), (x2 + corner, y2 - self.height / 2 - self.arrow)
        return Curve(start, first, second, end)
