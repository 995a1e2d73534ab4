"""What is said of the console's speed is what was measured."""

import json

from benchmarks.console import report

MEASURED = json.loads((report.RESULTS / "console.json").read_text())


def test_the_page_shows_what_was_measured():
    """The tables in docs/console.md are those of the results that lie beside the benchmark, number by number."""
    tables = report.markdown(MEASURED)
    page = report.DOCS.read_text()
    assert (report.RESULTS / "console.md").read_text() == tables
    assert report.placed(page, tables) == page
    assert report.placed(page, "other\n") != page


def test_a_missed_target_is_named():
    """A figure beyond its bound is named with both, whether the bound is the least or the most."""
    rounds = [{"server": report.CLEW, "signal": signal, "per_second": 19_000.4} for signal in ("spans", "logs")]
    rounds[1]["per_second"] = 20_000.0
    slow = {"ingest": rounds, "large": {"trace_p95_ms": 20.4, "search_p95_ms": 300.0}}
    assert report.missed(slow) == [
        "spans taken and written a second, with a search a second: 19,000, should be at least 20,000",
        "a trace by its id, p95, ms: 20.4, should be at most 20.0",
    ]
