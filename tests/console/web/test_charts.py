"""Axes and paths of the charts."""

from datetime import UTC, timedelta, timezone

import orjson
import pytest
from clew_console.search.steps import Steps
from clew_console.web.charts.plot import Series, bar_plot, line_plot, scatter_plot
from clew_console.web.charts.scale import linear, logarithmic, time_ticks

SECOND = 10**9


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([], ["0", "1"]),
        ([0.0, None], ["0", "1"]),
        ([97.0], ["0", "50", "100"]),
        ([-3.0, 4.0], ["-5", "-2.5", "0", "2.5", "5"]),
    ],
)
def test_a_linear_axis_ends_at_round_values(values, labels):
    """It begins at 0 unless a value is negative, and names a few round values."""
    assert [tick.label for tick in linear(values, lambda value: f"{value:g}").ticks] == labels


def test_a_logarithmic_axis_has_whole_decades():
    """Its ends are powers of ten around the values; higher values stand higher."""
    scale = logarithmic([3e6, 4e7], lambda value: f"{value:g}")
    assert (scale.low, scale.high) == (1e6, 1e8)
    assert scale.place(1e8) == 0
    assert scale.place(1e6) == 100


def test_times_are_round_in_the_readers_zone():
    """Half an hour east of an hour, ticks are at full minutes of the clock on the wall."""
    zone = timezone(timedelta(hours=5, minutes=30))
    labels = [tick.label for tick in time_ticks(Steps(0, 600 * SECOND, 6), zone)]
    assert labels == ["05:30", "05:40", "05:50", "06:00", "06:10", "06:20"]


def test_a_line_pauses_where_nothing_was_measured_for_long():
    """Values one step apart are connected; a lone one is a dash."""
    plot, _ = line_plot(Steps(0, 60 * SECOND, 6), [Series("a", [1, 2, None, None, 3, None], 0)], str, UTC)
    assert plot.lines[0].path.count("M") == 2
    assert plot.lines[0].path.count("L") == 1
    assert "h" in plot.lines[0].path


def test_bars_stand_on_each_other():
    """The second series begins where the first ends."""
    plot = bar_plot(Steps(0, SECOND, 1), [Series("a", [2], "x"), Series("b", [1], "y")], str, UTC)
    below, above = plot.bars
    assert above.y + above.height == pytest.approx(below.y, abs=0.1)
    assert orjson.loads(plot.reading)["series"][0]["texts"] == ["2"]


def test_dots_lead_to_their_traces():
    """A dot stands at its time and value, with address and title."""
    plot = scatter_plot(Steps(0, SECOND, 10), [(5 * SECOND, 1e6, "/trace/1", "one", "bad")], str, UTC)
    assert (plot.dots[0].x, plot.dots[0].href) == (50, "/trace/1")
