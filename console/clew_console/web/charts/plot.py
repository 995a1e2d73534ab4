"""Lines, stacked bars and dots over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

import orjson

from clew_console.search.steps import Steps
from clew_console.web.charts.scale import Scale, Tick, linear, logarithmic, time_ticks
from clew_console.web.text import NOTHING

WIDTH = 1000
HEIGHT = 100
"""Of the coordinates of paths; the picture is stretched to its place."""

MAX_GAP_NS = 90 * 10**9
"""A line goes on over a pause as long as the usual interval of exporting metrics."""

Values = Sequence[float | None]
Label = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """Values with a name and the number or name of their colour."""

    name: str
    values: Values
    colour: int | str


@dataclass(frozen=True, slots=True)
class Line:
    """A drawn series."""

    colour: int | str
    path: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A drawn part of a stack; all in percent."""

    colour: int | str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Dot:
    """A point that leads somewhere."""

    x: float
    y: float
    href: str
    title: str
    colour: int | str = ""


@dataclass(slots=True)
class Plot:
    """A chart ready to be drawn. `reading` is JSON for the cross-hair: times in ms, texts of each series."""

    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    reading: str = "{}"
    title: str = ""


def line_plot(when: Steps, series: Sequence[Series], label: Label, zone: tzinfo) -> tuple[Plot, Scale]:
    """Draw series as lines; a gap where a value is missing."""
    scale = linear((value for one in series for value in one.values), label)
    gap = max(MAX_GAP_NS // when.step_ns, 1)
    lines = [Line(one.colour, _path(one.values, scale.place, gap)) for one in series]
    return Plot(time_ticks(when, zone), scale.ticks, lines=lines, reading=_reading(when, series, label)), scale


def bar_plot(when: Steps, series: Sequence[Series], label: Label, zone: tzinfo) -> Plot:
    """Draw series stacked, the first at the bottom."""
    tops = [sum(one.values[index] or 0 for one in series) for index in range(when.count)]
    scale = linear(tops, label)
    bars = list[Bar]()
    width = 100 / when.count
    for index in range(when.count):
        below = 0.0
        for one in series:
            value = one.values[index] or 0
            if value:
                top, bottom = scale.place(below + value), scale.place(below)
                x, gap = round(index * width + 0.1 * width, 3), round(0.8 * width, 3)
                bars.append(Bar(one.colour, x, top, gap, round(max(bottom - top, 0.6), 2)))
                below += value
    return Plot(time_ticks(when, zone), scale.ticks, bars=bars, reading=_reading(when, series, label))


def scatter_plot(when: Steps, points: Sequence[tuple[int, float, str, str, str]], label: Label, zone: tzinfo) -> Plot:
    """Draw points of time, value, address, title and colour over a logarithmic axis."""
    scale = logarithmic([value for _, value, *_ in points], label)
    span_ns = when.end_ns - when.start_ns
    dots = [
        Dot(round(100 * (time_ns - when.start_ns) / span_ns, 2), scale.place(value), href, title, colour)
        for time_ns, value, href, title, colour in points
    ]
    return Plot(time_ticks(when, zone), scale.ticks, dots=dots, reading=_reading(when, (), label, scale))


def spark_path(values: Values) -> str:
    """Return the path of a small line without axes, in 1000 by 100."""
    top = max((one or 0 for one in values), default=0) or 1
    return _path(values, lambda value: round(100 - 94 * value / top, 1)) if any(values) else ""


def spark_area(values: Values) -> str:
    """Return the closed path of the area below a small line."""
    if not any(values):
        return ""
    top, step = max((one or 0 for one in values), default=0) or 1, WIDTH / max(len(values), 1)
    points = [
        (round((index + 0.5) * step, 1), round(HEIGHT - 94 * (one or 0) / top, 1)) for index, one in enumerate(values)
    ]
    line = "".join(f"L{x} {y}" for x, y in points)
    return f"M{points[0][0]} {HEIGHT}{line}L{points[-1][0]} {HEIGHT}Z"


def _path(values: Values, place: Callable[[float], float], gap: int = 1) -> str:
    """Connect values that are at most `gap` places apart; one that is alone is a dash."""
    step, parts = WIDTH / max(len(values), 1), list[str]()
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    for number, (index, value) in enumerate(known):
        x, y = round((index + 0.5) * step, 1), round(place(value) * HEIGHT / 100, 2)
        follows = number > 0 and index - known[number - 1][0] <= gap
        leads = number + 1 < len(known) and known[number + 1][0] - index <= gap
        parts.append(f"{'L' if follows else 'M'}{x} {y}" + ("" if follows or leads else f"h{round(step / 2, 1)}"))
    return "".join(parts)


def _reading(when: Steps, series: Sequence[Series], label: Label, scale: Scale | None = None) -> str:
    content = {
        **({"low": scale.low, "high": scale.high} if scale else {}),
        "from": when.start_ns // 10**6,
        "step": when.step_ns // 10**6,
        "count": when.count,
        "series": [
            {
                "name": one.name,
                "colour": one.colour,
                "texts": [NOTHING if value is None else label(value) for value in one.values],
            }
            for one in series
        ],
    }
    return orjson.dumps(content).decode()
