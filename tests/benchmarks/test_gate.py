"""The gate on cost: whoever makes the path of a request much slower hears of it here."""

import pytest

from benchmarks.comparison import rows
from benchmarks.http_server import serving
from benchmarks.side_by_side import measure
from benchmarks.variants import HTTP

LEAST_SHARE = 0.6
"""Of bare's requests per CPU second: far below what `make bench` shows, since it shares its cores with other tests."""


@pytest.mark.timeout(400)  # 20 s, on a machine that has time for it
def test_request_costs_little():
    """A request with all signals exported takes at most 1/0.6 of the CPU of a bare one, and each record arrives once.

    CPU by the processes' own clocks, which stand still while neighbours have the core; the median of slices in turns.
    """
    bare, kit = (each for each in HTTP if each.name in {"bare", "kit"})
    _, row = rows(measure([bare, kit], serving, cycles=3))
    assert row.cpu_ratio.median >= LEAST_SHARE, row
