"""What one order was measured to be, multiplied, is what docs/scale.md says."""

import json
import re

import yaml

from benchmarks.volume import sizing


def test_the_page_says_what_was_measured():
    """The table in docs/scale.md is made of the results; if not, `python -m benchmarks.volume.sizing` makes it."""
    assert sizing.PAGE.read_text() == sizing.page()


def test_a_rate_is_one_order_many_times():
    """Numbers of a row grow with the rate, and have two digits and a unit."""
    rows = {cells[0]: cells[1:] for cells in map(cells_of, sizing.table().splitlines()[2:])}
    spans = json.loads(sizing.RESULTS.read_text())["an order"]["spans"]["records"]
    for rate, cell in zip(sizing.RATES, rows["spans a second"], strict=True):
        assert abs(plain(cell) / (rate * spans) - 1) < 0.06, cell
    assert all(len(cells) == len(sizing.RATES) for cells in rows.values())


def cells_of(line):
    """The cells of a row."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def plain(cell):
    """The number that a cell says."""
    number, _, unit = cell.partition(" ")
    return float(number.replace(",", "")) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit]


def test_the_time_that_traces_are_held_is_the_one_that_is_configured():
    """The sizing of samplers counts with the `decision_wait` of collector/tail-sampling.yaml."""
    sampling = yaml.safe_load((sizing.ROOT / "collector/tail-sampling.yaml").read_text())["processors"]["tail_sampling"]
    assert re.fullmatch(r"(\d+)s", sampling["decision_wait"])[1] == str(sizing.DECISION_SECONDS)
