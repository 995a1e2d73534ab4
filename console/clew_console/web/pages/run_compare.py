"""Two runs side by side: what each service did, and what is on one side only."""

from dataclasses import dataclass

from clew_console.search.overview import Overview, Red, overview
from clew_console.search.run_summary import run_summary
from clew_console.search.time_range import TimeRange
from clew_console.search.traces import find_traces
from clew_console.search.traits import Difference, compare_stores, is_consequence, is_of_a_run
from clew_console.store.directory import Directory
from clew_console.store.runs import Run, Runs
from clew_console.store.segment import SegmentError
from clew_console.web.page import Page, View
from clew_console.web.pages.changed import sections
from clew_console.web.run_summaries import Summaries, run_name

TRACES = 150
"""Read of each run to tell what changed."""
OPERATIONS = 12
MIN_SHARE = 0.01
"""A difference of the error share below this is not told."""


@dataclass(frozen=True, slots=True)
class Side:
    """One service or operation of one run.

    Attributes:
        rate: Requests a second, over the whole run.
    """

    rate: float
    red: Red


@dataclass(frozen=True, slots=True)
class Pair:
    """The same service or operation in both runs; None where a run has none."""

    service: str
    name: str
    left: Side | None
    right: Side | None

    @property
    def p95_change(self) -> float | None:
        """How much longer (above 0) or shorter the right takes, as a share of the left."""
        if not self.left or not self.right or not self.left.red.p95_ns or not self.right.red.p95_ns:
            return None
        return self.right.red.p95_ns / self.left.red.p95_ns - 1

    @property
    def error_change(self) -> float:
        """By how much the error share of the right is higher."""
        if not self.left or not self.right:
            return 0.0
        found = self.right.red.error_share - self.left.red.error_share
        return found if abs(found) >= MIN_SHARE else 0.0

    @property
    def weight(self) -> float:
        """How far the two sides are apart."""
        return 10 * abs(self.error_change) + min(abs(self.p95_change or 0.0), 5.0)


def page(summaries: Summaries, view: View) -> Page:
    """Run `a` beside run `b`."""
    runs = summaries.runs
    chosen = [runs.find_id(view.text(name)) for name in ("a", "b")]
    known = [(run.id, run_name(run)) for run in runs.all()]
    values = {"known": known, "a": chosen[0], "b": chosen[1], "names": [run_name(one) if one else "" for one in chosen]}
    if chosen[0] is None or chosen[1] is None:
        return Page("run_compare.html", {**values, "pairs": None})
    try:
        directories = [runs.directory_of(one) for one in chosen if one]
    except SegmentError as error:
        return Page("missing.html", {"message": str(error)}, 409)
    pairs, operations = _pairs(directories)
    return Page(
        "run_compare.html",
        {
            **values,
            "pairs": pairs,
            "operations": operations,
            "bases": _bases(runs, chosen),
            "sections": sections(_differences(directories)),
        },
    )


def _bases(runs: Runs, chosen: list[Run | None]) -> list[str]:
    return ["" if one is None or one.id == runs.current.id else f"/run/{one.id}" for one in chosen]


def _pairs(directories: list[Directory]) -> tuple[list[Pair], list[Pair]]:
    """Return the services, and the operations that differ most."""
    sides = [_sides(directory) for directory in directories]
    pairs = [Pair(*key, sides[0].get(key), sides[1].get(key)) for key in sorted(sides[0].keys() | sides[1].keys())]
    services = [pair for pair in pairs if not pair.name]
    operations = sorted((pair for pair in pairs if pair.name), key=lambda pair: (-pair.weight, pair.service, pair.name))
    return services, [pair for pair in operations if pair.weight or not pair.left or not pair.right][:OPERATIONS]


def _sides(directory: Directory) -> dict[tuple[str, str], Side]:
    """Return services (with an empty name) and operations."""
    found: Overview = overview(directory, TimeRange(), most_steps=200)
    summary = run_summary(directory)
    seconds = max((summary.last_ns - summary.first_ns) / 1e9, 1.0)
    sides = dict[tuple[str, str], Side]()
    for service in found.services:
        sides[service.service, ""] = Side(service.total.requests / seconds, service.total)
        for operation in service.operations:
            sides[service.service, operation.name] = Side(operation.total.requests / seconds, operation.total)
    return sides


def _differences(directories: list[Directory]) -> list[Difference]:
    traces = [
        [one.summary.trace_id for one in find_traces(directory, None, TimeRange(), TRACES)] for directory in directories
    ]
    if not all(traces):
        return []
    found = compare_stores((directories[0], traces[0]), (directories[1], traces[1]))
    return [one for one in found if not is_of_a_run(one.trait) and not is_consequence(one.trait)]
