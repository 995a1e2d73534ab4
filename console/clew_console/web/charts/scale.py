"""Axes: where values and times lie, and which of them are named."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo

from clew_console.search.steps import Steps
from clew_console.web.text import local

_TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Tick:
    """A named place on an axis, in percent from its start."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis from `low` to `high`: `place` gives percent from the top."""

    place: Callable[[float], float]
    ticks: list[Tick]
    low: float
    high: float


def linear(values: Iterable[float | None], label: Callable[[float], str]) -> Scale:
    """Return a scale from 0, or from a round value below a negative one, to a round value above the largest."""
    known = [one for one in values if one is not None and math.isfinite(one)]
    top, bottom = max([*known, 0.0]), min([*known, 0.0])
    step = _round_up((top - bottom) / 3) if top > bottom else 1.0
    first, last = math.floor(bottom / step + 1e-9), max(math.ceil(top / step - 1e-9), 1)

    def place(value: float) -> float:
        return round(100 - 100 * (value - first * step) / ((last - first) * step), 2)

    ticks = [Tick(place(index * step), label(round(index * step, 12))) for index in range(first, last + 1)]
    return Scale(place, ticks, first * step, last * step)


def logarithmic(values: Iterable[float], label: Callable[[float], str]) -> Scale:
    """Return a scale of whole decades around the values, which are positive."""
    known = [max(one, 1e-12) for one in values] or [1.0]
    first, last = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)) + 1e-9)
    last = max(last, first + 1)

    def place(value: float) -> float:
        return round(100 - 100 * (math.log10(max(value, 1e-12)) - first) / (last - first), 2)

    ticks = [Tick(place(10.0**power), label(10.0**power)) for power in range(first, last + 1)]
    return Scale(place, ticks, 10.0**first, 10.0**last)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 2.5 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * (1 - 1e-9))


def time_ticks(when: Steps, zone: tzinfo, most: int = 7) -> list[Tick]:
    """Name round times of the zone."""
    seconds = (when.end_ns - when.start_ns) / 1e9
    step = next((one for one in _TICK_SECONDS if seconds / one <= most), _TICK_SECONDS[-1])
    offset = local(when.start_ns, zone).utcoffset()
    shift_ns = int(offset.total_seconds() * 1e9) if offset else 0
    step_ns = step * 10**9
    first = -(-(when.start_ns + shift_ns) // step_ns) * step_ns - shift_ns
    style = "%H:%M:%S" if step < 60 else "%H:%M" if step < DAY_SECONDS and seconds <= DAY_SECONDS else "%d %b %H:%M"
    span_ns = when.end_ns - when.start_ns
    times = range(first, when.end_ns, step_ns)
    return [Tick(round(100 * (one - when.start_ns) / span_ns, 2), local(one, zone).strftime(style)) for one in times]
